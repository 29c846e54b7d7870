// Signatures, frames, keys of steps, and what does not show.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { inspect } from 'node:util';

import { Boot, KernelClient, Refused, Turn } from 'aion-sdk';
import { CODES } from '../dist/core/refused.js';
import { chatBody, GrowingAnswer } from '../dist/core/chat.js';
import { Session } from '../dist/core/session.js';
import { canonical, Key } from '../dist/core/signing.js';
import { Decoder } from '../dist/core/sse.js';
import { Token } from '../dist/gateway/token.js';

interface Vector {
  name: string;
  key: string;
  request: { path: string; timestampMs: number; counter: bigint; idempotencyKey: string | null; deadlineMs: bigint | null; body: string };
  canonical: string;
  signature: string;
}

/** The largest numbers are larger than JavaScript's are exact to: they are read as texts. */
function vectors(): Vector[] {
  const text = fs.readFileSync(new URL('../../../vectors/signing.json', import.meta.url), 'utf8');
  const exact = text.replace(/("(?:counter|deadlineMs)": )(\d+)/g, '$1"$2"');
  return JSON.parse(exact, (name, value) =>
    (name === 'counter' || name === 'deadlineMs') && typeof value === 'string' ? BigInt(value) : value,
  ).vectors;
}

test('requests are signed as the vectors say', () => {
  const all = vectors();
  assert.ok(all.length >= 6);
  for (const { name, key, request, canonical: text, signature } of all) {
    const { idempotencyKey, deadlineMs, body, ...rest } = request;
    const signed = {
      ...rest,
      idempotencyKey: idempotencyKey ?? undefined,
      deadlineMs: deadlineMs ?? undefined,
      body: new TextEncoder().encode(body),
    };
    assert.equal(canonical(signed), text, name);
    assert.equal(new Key(key).sign(signed), signature, name);
    assert.ok(new Key(key).verifies(signed, signature), name);
    assert.ok(!new Key(key).verifies(signed, signature.replace(/.$/, 'x')), name);
  }
});

test('events are whole however the bytes arrive', () => {
  const body = new TextEncoder().encode(': hello\n\ndata: öne\r\n\r\nevent: x\ndata: two\ndata:lines\n\ndata: half');
  for (let size = 1; size < body.length; size += 1) {
    const decoder = new Decoder();
    const events: string[] = [];
    for (let at = 0; at < body.length; at += size) events.push(...decoder.feed(body.subarray(at, at + size)));
    assert.deepEqual(events, ['öne', 'two\nlines'], `pieces of ${size}`);
  }
});

test('an effect is named by its turn, by what it is and the how-manieth it is', () => {
  const session = new Session(new Key('07'.repeat(32)), 812);
  const step = (syscall: string, body: object) => session.begin(syscall, body).step;
  const forget = { by: 'ids', ids: ['a'] };
  const first = step('memory.forget', forget);
  assert.match(first ?? '', /^t812\.[0-9a-f]{32}\.1$/);
  assert.equal(step('memory.forget', { by: 'ids', ids: ['b'] })?.slice(-2), '.1');
  assert.equal(step('memory.forget', forget), first?.replace(/1$/, '2'));
  assert.equal(step('memory.recall', { query: 'a', k: 1 }), undefined, 'it changes nothing');
  const again = new Session(new Key('08'.repeat(32)), 812);
  assert.equal(again.begin('memory.forget', forget).step, first, 'it is the same where the turn runs again');
});

test('a try is signed anew under the same key', () => {
  const session = new Session(new Key('07'.repeat(32)), 1);
  const call = session.begin('agent.checkpoint', { state: 'a' });
  const [first, second] = [session.request(call, 1), session.request(call, 2)];
  assert.equal(first.headers['idempotency-key'], second.headers['idempotency-key']);
  assert.deepEqual([first.headers['aion-counter'], second.headers['aion-counter']], ['1', '2']);
  assert.notEqual(first.headers['aion-signature'], second.headers['aion-signature']);
});

test('no key is in what is logged, inspected or thrown', () => {
  const key = 'abcdef0123456789'.repeat(4);
  const document = JSON.stringify({ key, turn: 1, agent: 'default/a', input: {} });
  const boot = new Boot(document);
  const remote = { url: 'http://gateway/v1/agents/a', token: new Token('abcdef01-token') };
  for (const held of [boot, new Turn(boot), new KernelClient(boot, { remote }), Boot.key(boot), remote]) {
    const shown = [inspect(held, { depth: 99, showHidden: true }), JSON.stringify(held, hidden()), String(held)];
    assert.ok(!shown.join().includes('abcdef01'), shown.join());
  }
  for (const wrong of [`${document}}`, document.slice(0, -1), document.replace('abc', 'xyz')]) {
    assert.throws(
      () => new Boot(wrong),
      (error) => !inspect(error, { showHidden: true }).includes('0123456789'),
    );
  }
});

/** Passes over what JSON has no form for. */
function hidden(): (name: string, value: unknown) => unknown {
  const seen = new Set<unknown>();
  return (_, value) => (typeof value === 'object' && seen.has(value) ? undefined : (seen.add(value), value));
}

test('a request in the shape of OpenAI becomes one of the node, or is refused by name', () => {
  const call = { id: '1', type: 'function' as const, function: { name: 'f', arguments: '{}' } };
  const body = chatBody({
    messages: [
      { role: 'developer', content: [{ type: 'text', text: 'Be ' }, { type: 'text', text: 'brief.' }] },
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', content: 'done', tool_call_id: '1' },
    ],
    tools: [{ type: 'function', function: { name: 'f' } }],
    max_tokens: 5,
    temperature: 0.7,
  });
  assert.deepEqual(body, {
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'assistant', content: '', toolCalls: [{ id: '1', name: 'f', arguments: '{}' }] },
      { role: 'tool', content: 'done', toolCallId: '1' },
    ],
    tools: [{ name: 'f', description: '', parameters: { type: 'object', properties: {} } }],
    maxTokens: 5,
    temperatureMilli: 700,
  });
  const messages = [{ role: 'user' as const, content: 'a' }];
  const wrong: [object, RegExp][] = [
    [{ messages, top_p: 1 }, /top_p is not taken/],
    [{ messages, model: 'gpt' }, /model is not taken/],
    [{ messages: [{ role: 'user', content: 'a', name: 'b' }] }, /messages\[0\]: name is not taken/],
    [{ messages: [{ role: 'user', content: [{ type: 'image_url' }] }] }, /image_url/],
  ];
  for (const [request, why] of wrong) assert.throws(() => chatBody(request as never), why);
});

test('nothing that a model says is lost, and what it withdraws is not its answer', () => {
  const answer = new GrowingAnswer();
  const chunks = [
    { event: 'start', model: 'a/b', leftOut: ['tools'] },
    { event: 'delta', text: 'I think' },
    { event: 'withdrawn' },
    { event: 'delta', text: 'Two.' },
    { event: 'later' },
    { event: 'toolCall', id: '1', name: 'f', arguments: '{' },
    { event: 'end', finish: 'tool-calls', usage: { inputTokens: 1, outputTokens: 2, estimated: true } },
  ].flatMap((event) => answer.take(event) ?? []);
  assert.deepEqual(chunks[0]?.leftOut, ['tools']);
  assert.deepEqual(chunks.map((it) => it.withdrawn), [false, false, true, false, false, false]);
  const { choices, usage, leftOut } = answer.completion();
  assert.equal(choices[0].message.content, 'Two.');
  assert.equal(choices[0].finish_reason, 'tool_calls');
  assert.deepEqual(choices[0].message.tool_calls, [{ id: '1', type: 'function', function: { name: 'f', arguments: '{' } }]);
  assert.deepEqual(usage, { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3, estimated: true });
  assert.deepEqual(leftOut, ['tools']);
  assert.throws(() => new GrowingAnswer().take({ event: 'error', code: 'unreachable', detail: 'gone' }), Refused);
});

test('an answer that is not a problem is a refusal all the same', () => {
  for (const body of ['', '<html>', '[]', '{"code": 3}', 'null']) assert.equal(Refused.read(502, body).code, 'internal', body);
});

test('the codes are those of the document', () => {
  const document = fs.readFileSync(new URL('../../../../docs/syscalls.md', import.meta.url), 'utf8');
  assert.deepEqual([...CODES], [...document.matchAll(/^\| `([a-z-]+)` \| [45]/gm)].map(([, code]) => code));
});
