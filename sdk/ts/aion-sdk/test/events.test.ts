// What happens, and what people are asked, against a stand-in for the gateway: what is taken up again, and what is sent. The
// real one is in tests/e2e/tests/gateway/sdk_ts.rs.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { inspect } from 'node:util';

import { localGateway } from 'aion-sdk';
import { type EventItem, Gateway, Refused } from 'aion-sdk/gateway';
import { ANSWERED, ASKED, Door, listening, quick, TOKEN } from './door.js';

const APPROVER = 'say-yes';

const happened = (at: number, state = 'started') => ({
  cursor: `1-${at}`,
  event: { atMs: 1000 + at, agent: 'default/cat', kind: 'turn', turn: 7, state },
});

async function opened(t: TestContext, more = {}) {
  const door = await Door.open(t);
  const { clock, slept } = quick();
  return { door, slept, gateway: new Gateway({ url: door.url, token: TOKEN, clock, ...more }) };
}

async function taken(stream: AsyncIterable<EventItem>, count: number): Promise<EventItem[]> {
  const items: EventItem[] = [];
  for await (const item of stream) if (items.push(item) === count) break;
  return items;
}

const refusedAs = (code: string) => (error: unknown) => error instanceof Refused && error.code === code;

test('a stream that breaks goes on behind its cursor, and each event comes once', async (t) => {
  const { door, gateway } = await opened(t);
  const missed = { cursor: '1-5', missed: { events: 3, because: 'late' } };
  const restarted = { cursor: '2-9', missed: { because: 'restarted' } };
  const restarting = { code: 'restarting', detail: 'back soon', retryAfterMs: 1 };
  door.answers.push([200, [listening(1), happened(2), missed, null]], undefined, [503, restarting]);
  door.answers.push([200, [happened(6, 'ended')]], [200, [restarted, listening(9)]]);
  const stream = await gateway.events({ kinds: ['turn', 'agent'], agents: ['cat', 'home/dog'] });
  assert.equal(stream.cursor, '1-1', 'what happens from here on is told');
  assert.deepEqual(await taken(stream, 4), [happened(2), missed, happened(6, 'ended'), restarted]);
  const asked = 'GET /v1/events?kinds=turn%2Cagent&agents=cat%2Chome%2Fdog';
  assert.deepEqual(door.asked.map((it) => it.line), [asked, ...Array(3).fill(`${asked}&after=1-5`), `${asked}&after=1-6`]);
  assert.equal(door.asked[0]?.headers.accept, 'text/event-stream');
});

test('a loop that is left closes its connection, and another one goes on behind it', async (t) => {
  const { door, gateway } = await opened(t, { namespace: 'team' });
  door.answers.push([200, [listening(1), happened(2), happened(3)]], [200, [happened(3), listening(8), happened(9)]]);
  const stream = await gateway.events({ after: '1-0' });
  assert.deepEqual(await taken(stream, 1), [happened(2)]);
  assert.deepEqual(await taken(stream, 2), [happened(3), happened(9)]);
  assert.equal(stream.cursor, '1-9');
  assert.deepEqual(door.asked.map((it) => it.line), [0, 2].map((it) => `GET /v1/events?namespace=team&after=1-${it}`));
});

test('a node that is away is told at once, and a wrong filter too', async (t) => {
  const { door, gateway } = await opened(t);
  door.answers.push([200, [{ away: {} }]], [400, { code: 'bad-request', detail: 'kinds' }]);
  const stream = await gateway.events();
  assert.deepEqual([stream.isAway, stream.cursor], [true, undefined]);
  await stream.close();
  await assert.rejects(gateway.events({ kinds: [] }), refusedAs('bad-request'));
});

/** A gateway that listens and says no more. */
async function quiet(t: TestContext): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const server = http.createServer((request, response) => {
    asked.push(request.url ?? '');
    response.write(`data: ${JSON.stringify(listening(asked.length))}\n\n`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

test('who waits for what happens is let go where the stream is closed', async (t) => {
  const { url } = await quiet(t);
  const stream = await new Gateway({ url, token: TOKEN }).events();
  const next = stream.next();
  await stream.close();
  assert.deepEqual(await next, { done: true, value: undefined });
});

test('a connection on which nothing comes is given up', async (t) => {
  const { url, asked } = await quiet(t);
  const { clock } = quick();
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const stream = await new Gateway({ url, token: TOKEN, clock }).events();
  const next = stream.next();
  while (asked.length < 2) {
    t.mock.timers.tick(45_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual(asked, ['/v1/events', '/v1/events?after=1-1']);
  await stream.close();
  await next;
});

test('a word is for what was shown', async (t) => {
  const { door, gateway } = await opened(t, { approverToken: APPROVER });
  door.answers.push([200, { items: [ASKED, ANSWERED], standing: [] }], ...Array(4).fill([200, ANSWERED]));
  const [first, last] = await gateway.approvals();
  assert.ok(first && last);
  assert.deepEqual([first.waits, first.arguments], [true, { arguments: { to: 'Ann' } }]);
  assert.deepEqual([last.waits, last.arguments, last.answered?.by], [false, undefined, 'ann']);
  assert.equal((await gateway.approve(first)).answered?.word, 'approved');
  await gateway.approve(first, { turn: true });
  await gateway.approve(first, { until: new Date(99) });
  await gateway.deny(first);
  await assert.rejects(gateway.approve(first, { turn: true, until: new Date(99) }), /not both/);
  const said = { turn: 7, digest: ASKED.digest, verdict: 'approve' };
  const all = [said, { ...said, scope: 'turn' }, { ...said, scope: 'until', untilMs: 99 }, { ...said, verdict: 'deny' }];
  assert.deepEqual(door.asked.slice(1).map((it) => JSON.parse(it.body)), all);
  assert.deepEqual(door.asked.map((it) => it.headers['aion-approver']), Array(5).fill(APPROVER));
  assert.equal(door.asked[1]?.line, 'POST /v1/approvals/4');
});

test('a list is read to its end page by page', async (t) => {
  const { door, gateway } = await opened(t, { approverToken: APPROVER });
  const word = { approval: 5, agent: 'default/clerk', capability: 'tool.call:mail.send', untilMs: 9, givenAtMs: 3 };
  const first: [number, object] = [200, { items: [ASKED], standing: [], next: '0-1-4' }];
  const last: [number, object] = [200, { items: [{ ...ANSWERED, approval: 3 }], standing: [word] }];
  door.answers.push(first, last, first, last, first, first);
  assert.deepEqual((await gateway.approvals()).map((it) => it.number), [4, 3]);
  assert.deepEqual(await gateway.words(), [word]);
  const pages = ['GET /v1/approvals', 'GET /v1/approvals?after=0-1-4'];
  assert.deepEqual(door.asked.map((it) => it.line), [...pages, ...pages]);
  await assert.rejects(gateway.approvals(), /followed by itself/);
});

test('a list in which nodes are missing is refused unless a part will do', async (t) => {
  const { door, gateway } = await opened(t, { approverToken: APPROVER });
  const silent = [{ node: 'node-b', code: 'unreachable', detail: 'it told nothing in 5 s' }];
  door.answers.push(...Array(3).fill([200, { items: [ASKED], standing: [], silent }]));
  for (const listed of [() => gateway.approvals(), () => gateway.words()]) {
    await assert.rejects(listed(), (it: Refused) => {
      assert.match(it.detail, /node-b: it told nothing/);
      assert.deepEqual([it.code, it.silent], ['unreachable', ['node-b']]);
      return true;
    });
  }
  assert.deepEqual((await gateway.approvals({ partial: true })).map((it) => it.number), [4]);
});

test('words are listed, and taken back', async (t) => {
  const { door, gateway } = await opened(t, { approverToken: APPROVER });
  const word = { approval: 4, agent: 'default/clerk', capability: 'tool.call:mail.send', untilMs: 9, givenAtMs: 3 };
  door.answers.push([200, { items: [], standing: [word] }], [204, new Uint8Array()]);
  const words = await gateway.words();
  assert.deepEqual(words, [word]);
  await gateway.revoke(4);
  assert.equal(door.asked[1]?.line, 'DELETE /v1/approvals/4');
});

test('an answer whose try was lost is the one that is recorded', async (t) => {
  const { door, gateway } = await opened(t);
  const taken: [number, object] = [409, { code: 'already-answered', detail: 'somebody was first' }];
  door.answers.push([200, ASKED], undefined, taken, [200, ANSWERED]);
  const asked = await gateway.approval(4);
  assert.equal((await gateway.approve(asked)).answered?.word, 'approved');
  // Somebody else said so, or something else was said.
  door.answers.push(taken, undefined, taken, [200, ANSWERED]);
  await assert.rejects(gateway.approve(asked), refusedAs('already-answered'));
  await assert.rejects(gateway.deny(asked), refusedAs('already-answered'));
  assert.deepEqual(door.answers, []);
});

test('a word that is taken back by a lost try is taken back', async (t) => {
  const { door, gateway } = await opened(t);
  const none: [number, object] = [404, { code: 'not-found', detail: 'there is no standing approval' }];
  door.answers.push(undefined, none);
  await gateway.revoke(4);
  door.answers.push(none);
  await assert.rejects(gateway.revoke(4), refusedAs('not-found'));
});

test('a word is not believed of another approval', async (t) => {
  const { door, gateway } = await opened(t);
  const taken: [number, object] = [409, { code: 'already-answered', detail: 'somebody was first' }];
  const none: [number, object] = [404, { code: 'not-found', detail: 'there is no approval 4' }];
  const other: [number, object] = [200, { ...ANSWERED, turn: 99, digest: 'ff'.repeat(32) }];
  door.answers.push([200, ASKED]);
  const asked = await gateway.approval(4);
  for (const [answers, code] of [
    [[undefined, taken, other], 'changed'],
    [[undefined, taken, none], 'outcome-unknown'],
    [[undefined, none], 'outcome-unknown'],
    [[none], 'not-found'],
  ] as const) {
    door.answers.push(...answers);
    await assert.rejects(gateway.approve(asked), refusedAs(code));
    assert.deepEqual(door.answers, []);
  }
});

test('arguments are what is done, or are not there', async (t) => {
  const { door, gateway } = await opened(t);
  for (const text of ['{"id": 9007199254740993}', '{"of": [{"id": -1e400}]}', '[1]', 'no JSON', 'null']) {
    door.answers.push([200, { ...ASKED, shown: { text, size: text.length } }]);
    const { shown, arguments: read } = await gateway.approval(4);
    assert.deepEqual([shown, read], [text, undefined]);
  }
  door.answers.push([200, { ...ASKED, shown: { text: '{"id": 9007199254740991, "at": 0.5}', size: 9 } }]);
  assert.deepEqual((await gateway.approval(4)).arguments, { id: 9007199254740991, at: 0.5 });
});

test('a gateway that ends each stream is asked ever less often', async (t) => {
  const { door, gateway, slept } = await opened(t);
  door.answers.push(...Array(9).fill([200, []]), [200, [happened(2)]], [200, [happened(3)]]);
  const stream = await gateway.events({ after: '1-1' });
  assert.deepEqual(await stream.next(), { done: false, value: happened(2) });
  assert.ok((slept[0] ?? 0) <= 300 && slept.slice(5).every((it) => it >= 5_000 && it <= 7_500), String(slept));
  const before = slept.length;
  await stream.next();
  assert.ok((slept[before] ?? 999) <= 300, 'it said something');
  await stream.close();
  // Where nothing is ever said, there is no stream.
  door.answers.push(...Array(99).fill([200, []]));
  await assert.rejects(gateway.events(), refusedAs('unreachable'));
});

test('a stream without a cursor that breaks has missed something', async (t) => {
  const { door, gateway } = await opened(t);
  door.answers.push([200, [{ away: {} }]], [200, [listening(4), happened(5)]]);
  const stream = await gateway.events();
  assert.deepEqual(await taken(stream, 2), [{ missed: { because: 'unheard' } }, happened(5)]);
  assert.deepEqual(door.asked.map((it) => it.line), ['GET /v1/events', 'GET /v1/events']);
});

test('a gateway that takes the request and never answers is given up', async (t) => {
  let asked = 0;
  const server = http.createServer((_, response) => {
    asked += 1;
    if (asked > 1) response.write(`data: ${JSON.stringify(listening(asked))}\n\n`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const { clock } = quick();
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const opening = new Gateway({ url, token: TOKEN, clock }).events();
  while (asked < 1) await new Promise((resolve) => setImmediate(resolve));
  t.mock.timers.tick(45_000);
  const stream = await opening;
  assert.equal(stream.cursor, '1-2');
  await stream.close();
});

test("the approver's token goes to approvals alone, and is in no text", async (t) => {
  const { door } = await opened(t);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'aion-'));
  t.after(() => {
    delete process.env['AION_APPROVER_TOKEN_FILE'];
    fs.rmSync(folder, { recursive: true });
  });
  process.env['AION_APPROVER_TOKEN_FILE'] = path.join(folder, 'approver');
  assert.throws(() => localGateway({ url: door.url, token: TOKEN }), /approver/);
  fs.writeFileSync(path.join(folder, 'approver'), `${APPROVER}\n`);
  const gateway = localGateway({ url: door.url, token: TOKEN });
  door.answers.push([200, { items: [] }], [200, { items: [], standing: [] }]);
  await gateway.agents();
  await gateway.approvals();
  assert.deepEqual(door.asked.map((it) => it.headers['aion-approver']), [undefined, APPROVER]);
  const shown = [inspect(gateway, { depth: 99, showHidden: true }), JSON.stringify(gateway), String(gateway)].join();
  assert.ok(!shown.includes(APPROVER), shown);
});
