// The client of the gateway against a stand-in: what is sent, and what is followed again. The real one is in
// tests/e2e/tests/gateway/sdk_ts.rs.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { inspect } from 'node:util';

import { localGateway } from 'aion-sdk';
import { Gateway, Refused, type TurnEvent } from 'aion-sdk/gateway';
import { delta, Door, ENDED, QUEUED, quick, RECORD, STARTED, TOKEN } from './door.js';

async function opened(t: TestContext) {
  const door = await Door.open(t);
  const { clock, slept } = quick();
  return { door, slept, gateway: new Gateway({ url: door.url, token: TOKEN, clock }) };
}

const refusedAs = (code: string) => (error: unknown) => error instanceof Refused && error.code === code;

test('a question is asked under a key, and its record is the answer', async (t) => {
  const { door, gateway, slept } = await opened(t);
  door.answers.push(undefined, [200, [QUEUED, STARTED, delta('Felix.'), ENDED]], [200, RECORD]);
  const answer = await gateway.ask('A name?', { agent: 'cat', deadlineMs: 2500 });
  assert.deepEqual([answer.text, answer.ok, answer.turn], ['Felix.', true, 7]);
  const [lost, asked, kept] = door.asked;
  assert.deepEqual([lost?.line, asked?.line, kept?.line], [...Array(2).fill('POST /v1/agents/cat/turns'), 'GET /v1/turns/7']);
  assert.match(asked?.headers['idempotency-key'] as string, /^[0-9a-f]{32}$/);
  assert.equal(lost?.headers['idempotency-key'], asked?.headers['idempotency-key'], 'it is the same turn, whether it arrived or not');
  assert.equal(asked?.headers.authorization, `Bearer ${TOKEN}`);
  assert.deepEqual(JSON.parse(asked?.body ?? ''), { input: 'A name?', deadlineMs: 2500 });
  assert.equal(slept.length, 1);
});

test('a stream that breaks is followed again, and each event comes once', async (t) => {
  const { door, gateway } = await opened(t);
  const routed = { event: 'routed', routed: { name: 'cat' } };
  const all = [QUEUED, STARTED, delta('Fe'), delta('lix.'), ENDED];
  const restarting = { code: 'restarting', detail: 'back soon', retryAfterMs: 1 };
  const interrupted = { event: 'interrupted', ...restarting };
  const killed = { code: 'unreachable', detail: 'nothing answers at node.sock', retryAfterMs: 1 };
  door.answers.push([200, [routed, ...all.slice(0, 3), null]], [503, restarting], [502, killed], [200, [...all.slice(0, 2), interrupted]], [200, all], [200, RECORD]);
  const stream = await gateway.stream('A name?');
  const events: TurnEvent[] = [];
  for await (const event of stream) events.push(event);
  assert.deepEqual(events, [routed, ...all]);
  assert.deepEqual([stream.turn, stream.text], [7, 'Felix.']);
  assert.equal((await stream.answer()).routed?.name, 'cat');
  const lines = door.asked.map((it) => it.line);
  assert.deepEqual(lines, ['POST /v1/ask', ...Array(4).fill('GET /v1/turns/7/events'), 'GET /v1/turns/7']);
});

test('a question whose stream broke before its turn was told is asked again under its key', async (t) => {
  const { door, gateway } = await opened(t);
  door.answers.push([200, []], [200, [QUEUED, ENDED]], [200, RECORD]);
  assert.equal((await gateway.ask('A name?', { agent: 'cat', key: 'cat-1' })).turn, 7);
  assert.deepEqual(door.asked.slice(0, 2).map((it) => it.headers['idempotency-key']), ['cat-1', 'cat-1']);
});

test('a loop that is left gives its connection up, and another one goes on after it', async (t) => {
  const { door, gateway } = await opened(t);
  const all = [QUEUED, STARTED, delta('Fe'), delta('lix.'), ENDED];
  door.answers.push([200, all], [200, all]);
  const stream = await gateway.follow(7);
  for await (const event of stream) if (event.event === 'delta') break;
  const rest = [];
  for await (const event of stream) rest.push(event);
  assert.deepEqual(rest, all.slice(3));
  assert.equal(stream.text, 'Felix.');
  assert.deepEqual(await stream.next(), { done: true, value: undefined });
});

test('a reader that waits is not run ahead of', async (t) => {
  let told = 0;
  const body = new ReadableStream({
    pull(stream) {
      told += 1;
      stream.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(told === 1 ? QUEUED : delta('more'))}\n\n`));
    },
  });
  t.mock.method(globalThis, 'fetch', async () => new Response(body));
  const stream = await new Gateway({ url: 'http://gateway', token: TOKEN }).follow(7);
  for (let at = 1; at <= 20; at += 1) await stream.next();
  assert.ok(told <= 22, `${told} events were read for 20`);
  await stream.close();
});

test('an event without an end is refused', async (t) => {
  const { door, gateway } = await opened(t);
  door.answers.push([200, Buffer.concat([Buffer.from('data: '), Buffer.alloc(40 * 1024 * 1024, 'a')])]);
  await assert.rejects((await gateway.follow(7)).next(), refusedAs('too-large'));
});

test('a run that begins anew tells its answer from the start', async (t) => {
  const { door, gateway } = await opened(t);
  door.answers.push([200, [QUEUED, STARTED, delta('Fe'), STARTED, delta('Felix.'), ENDED]]);
  const stream = await gateway.follow(7);
  let count = 0;
  for await (const _ of stream) count += 1;
  assert.deepEqual([count, stream.text], [6, 'Felix.']);
});

test('what is refused says what to do, and what passes by itself is waited for', async (t) => {
  const { door, gateway, slept } = await opened(t);
  door.answers.push([422, { code: 'undecided', detail: 'two could be meant', candidates: [{ name: 'cat' }] }]);
  await assert.rejects(gateway.ask('A name?'), (error) => refusedAs('undecided')(error) && (error as Refused).candidates[0]?.name === 'cat');
  const problem = { code: 'unanswered', detail: 'no idea' };
  door.answers.push([200, [QUEUED, { event: 'ended', ok: false }]], [200, { ...RECORD, answer: undefined, outcome: { ok: false, problem } }]);
  const answer = await gateway.ask('A name?', { agent: 'cat' });
  assert.throws(() => answer.text, refusedAs('unanswered'));
  assert.deepEqual(slept, []);
  door.answers.push(...Array(400).fill([503, { code: 'restarting', detail: 'back soon' }]));
  await assert.rejects(gateway.turn(7), refusedAs('restarting'));
  assert.ok(slept.reduce((sum, it) => sum + it, 0) > 59_000);
  const away = new Gateway({ url: 'http://127.0.0.1:1', token: TOKEN, clock: quick().clock });
  await assert.rejects(away.agents(), refusedAs('unreachable'));
});

test('an answer from elsewhere is not followed with the token', async (t) => {
  const { door, gateway } = await opened(t);
  const other = await Door.open(t);
  door.answers.push([307, {}]);
  await assert.rejects(gateway.turn(7), refusedAs('internal'));
  assert.deepEqual(other.asked, []);
});

test('files go in and out', async (t) => {
  const { door, gateway } = await opened(t);
  door.answers.push([200, { upload: 'u1' }], [200, { upload: 'u2' }], [200, [QUEUED, ENDED]], [200, RECORD], [200, Uint8Array.of(0)]);
  const files = [new File(['1,2'], 'a b.csv'), { name: 'c.csv', data: '3' }];
  await gateway.ask('Read', { agent: 'cat', files });
  assert.deepEqual([door.asked[0]?.line, door.asked[0]?.body], ['POST /v1/agents/cat/uploads?name=a+b.csv', '1,2']);
  assert.deepEqual(JSON.parse(door.asked[2]?.body ?? '').uploads, ['u1', 'u2']);
  assert.deepEqual(await gateway.file(7, 'plots/a b.png'), Uint8Array.of(0));
  assert.equal(door.asked[4]?.line, 'GET /v1/turns/7/files/plots/a%20b.png');
  await assert.rejects(gateway.ask('Read', { files }), /name it/);
});

test('agents are listed over all pages, and turns are cancelled', async (t) => {
  const { door, gateway } = await opened(t);
  const cat = { namespace: 'default', name: 'cat', ready: true, try: ['A name?'] };
  const dog = { namespace: 'default', name: 'dog', ready: false, message: 'no model' };
  door.answers.push([200, { items: [cat], next: 'default/cat' }], [200, { items: [dog] }], [200, RECORD], [200, cat]);
  assert.deepEqual(await gateway.agents(), [cat, dog]);
  assert.equal((await gateway.cancel(7)).turn, 7);
  assert.deepEqual(await gateway.agent('cat'), cat);
  assert.deepEqual(door.asked.map((it) => it.line), [
    'GET /v1/agents?limit=500',
    'GET /v1/agents?after=default%2Fcat&limit=500',
    'DELETE /v1/turns/7',
    'GET /v1/agents/cat',
  ]);
});

test('where the gateway is and its token come from the environment', async (t) => {
  const door = await Door.open(t);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'aion-'));
  t.after(() => {
    delete process.env['AION_GATEWAY_URL'];
    delete process.env['AION_GATEWAY_TOKEN_FILE'];
    fs.rmSync(folder, { recursive: true });
  });
  process.env['AION_GATEWAY_URL'] = door.url;
  process.env['AION_GATEWAY_TOKEN_FILE'] = path.join(folder, 'token');
  assert.throws(() => localGateway(), /aionctl local start/);
  fs.writeFileSync(path.join(folder, 'token'), `${TOKEN}\n`);
  door.answers.push([200, RECORD]);
  assert.equal((await localGateway({ namespace: 'team' }).turn(7)).text, 'Felix.');
  assert.equal(door.asked[0]?.headers.authorization, `Bearer ${TOKEN}`);
});

test('nothing that prints or is thrown has the token', async (t) => {
  const { door, gateway } = await opened(t);
  door.answers.push([200, [QUEUED, ENDED]]);
  const stream = await gateway.follow(7);
  for (const held of [gateway, stream]) {
    const shown = [inspect(held, { depth: 99, showHidden: true }), JSON.stringify(held), String(held)];
    assert.ok(!shown.join().includes(TOKEN), shown.join());
  }
  const wrong = (error: unknown) => !inspect(error, { showHidden: true }).includes('two words');
  assert.throws(() => new Gateway({ url: door.url, token: 'two words' }), wrong);
});
