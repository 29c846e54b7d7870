// A client against the fake kernel: what is tried again, and what each part of it makes of answers.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { test, type TestContext } from 'node:test';

import { Boot, Refused, Turn, type Clock } from 'aion-sdk';
import { FakeKernel, type FakeOptions } from 'aion-sdk/testing';
import { Files } from '../dist/files.js';

/** A turn, and a clock that goes on where one sleeps. */
async function begun(t: TestContext, options: FakeOptions = {}) {
  const kernel = await FakeKernel.start(options);
  const slept: number[] = [];
  let passed = 0;
  const clock: Clock = {
    wall: () => Date.now(),
    measured: () => passed,
    sleep: async (ms) => {
      slept.push(ms);
      passed += ms;
    },
  };
  const boot = new Boot(kernel.begin('Hello', { files: { 'orders.csv': 'a,b\n1,2\n' } }));
  const turn = new Turn(boot, { socketPath: kernel.socketPath, clock });
  t.after(async () => {
    turn.close();
    await kernel.stop();
  });
  return { kernel, turn, slept, boot, clock };
}

const refusedAs = (code: string) => (error: unknown) => error instanceof Refused && error.code === code;

test('what passes by itself is tried again, no sooner than the node names', async (t) => {
  const { kernel, turn, slept } = await begun(t);
  for (const code of ['overloaded', 'restarting', 'stale']) kernel.refuse('memory.remember', code, { retryAfterMs: 300 });
  assert.equal((await turn.memory.remember('a')).length, 1);
  assert.equal(slept.length, 3);
  assert.ok(slept.every((it) => it >= 300 && it <= 450), String(slept));
  assert.equal(kernel.memory.items.size, 1);
});

test('another refusal stands', async (t) => {
  const { kernel, turn, slept } = await begun(t);
  kernel.refuse('memory.forget', 'quota-exceeded', { retryAfterMs: 5 });
  await assert.rejects(turn.memory.forget('a'), (error) => refusedAs('quota-exceeded')(error) && (error as Refused).retryAfterMs === 5);
  assert.deepEqual(slept, []);
});

test('a refusal that names a longer pause than the patience is given at once', async (t) => {
  const { kernel, turn, slept } = await begun(t);
  kernel.refuse('memory.forget', 'overloaded', { retryAfterMs: 3_600_000 });
  await assert.rejects(turn.memory.forget('a'), refusedAs('overloaded'));
  assert.deepEqual(slept, []);
});

test('an effect whose answer was lost is made once', async (t) => {
  const { kernel, turn } = await begun(t);
  await turn.memory.remember({ id: 'a', text: 'once' });
  kernel.hangUp('memory.forget', 2);
  assert.equal(await turn.memory.forget('a'), 1, 'the recorded outcome');
});

test('a node that is away for longer than the patience is unreachable', async (t) => {
  const { boot, clock, slept } = await begun(t);
  const turn = new Turn(boot, { socketPath: '/nonexistent/aion.sock', clock });
  await assert.rejects(turn.call('sys.null'), refusedAs('unreachable'));
  assert.ok(slept.reduce((sum, it) => sum + it, 0) > 29_000);
});

test('an answer that breaks off is not an answer', async (t) => {
  const { boot, clock } = await begun(t);
  let times = 0;
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      times += 1;
      if (times === 1) socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"a": 1}');
      else socket.end('HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n{"a": 2}');
    });
  });
  const socketPath = `${process.env['TMPDIR'] ?? '/tmp'}/aion-broken-${process.pid}.sock`;
  server.listen(socketPath);
  await once(server, 'listening');
  t.after(() => server.close());
  const turn = new Turn(boot, { socketPath, clock });
  assert.deepEqual(await turn.call('sys.null'), { a: 2 });
  turn.close();
});

test('memory is kept, found and erased', async (t) => {
  const { turn } = await begun(t);
  const [id = ''] = await turn.memory.remember('The key is under the mat', { text: 'Bread', collection: 'food' });
  assert.deepEqual((await turn.memory.recall('keys')).hits.map((it) => it.id), [id]);
  const { hits, method } = await turn.memory.recall('', { k: 1 });
  assert.deepEqual([hits[0]?.text, method], ['Bread', 'listing']);
  assert.equal(await turn.memory.forget(id, 'nobody'), 1);
  assert.equal(await turn.memory.forgetCollection('food'), 1);
});

test('files are read and written whole, however many parts they have', async (t) => {
  const { turn } = await begun(t);
  assert.equal(await turn.files.text('input', 'orders.csv'), 'a,b\n1,2\n');
  const large = Buffer.alloc(1_200_000, 'abc');
  assert.equal(await turn.files.write('output', 'deep/large.bin', large), large.length);
  assert.deepEqual(await turn.files.read('output', 'deep/large.bin'), large);
  assert.equal(await turn.files.write('output', 'empty', ''), 0);
  assert.deepEqual(await turn.files.read('output', 'empty'), Buffer.alloc(0));
  await assert.rejects(turn.files.write('output', 'empty', 'a', 'create-new'), refusedAs('already-exists'));
  const { entries } = await turn.files.list('output', '', { recursive: true });
  assert.deepEqual(entries.map((it) => it.path), ['deep/large.bin', 'empty']);
  const pages = [];
  for await (const page of turn.files.pages('output', '', { limit: 1 })) pages.push(page.entries.map((it) => it.path));
  assert.deepEqual(pages, [['deep'], ['empty']]);
});

test('a file that changes under its reader is read from its start', async (t) => {
  const { kernel, turn } = await begun(t);
  const large = Buffer.alloc(600_000, 'a');
  await turn.files.write('output', 'large', large);
  kernel.refuse('fs.read', 'changed', { status: 412 });
  assert.deepEqual(await turn.files.read('output', 'large'), large);
  kernel.refuse('fs.read', 'changed', { status: 412, times: 3 });
  await assert.rejects(turn.files.read('output', 'large'), refusedAs('changed'));
});

test('a file of several parts that has just changed is read until two readings are the same', async () => {
  const CHUNK = 512 * 1024;
  /** Answers with one content a reading, all of one version; the last one stays. */
  const reading = async (contents: string[], size: number) => {
    let readings = 0;
    const call = async (_: string, asked: any) => {
      readings += asked.offset === 0 ? 1 : 0;
      const whole = Buffer.alloc(size, contents[Math.min(readings, contents.length) - 1]);
      const data = whole.subarray(asked.offset, asked.offset + asked.length).toString('base64');
      return { data, size, version: 'v', fresh: true };
    };
    const read = await new Files(call).read('input', 'large').then((it) => Buffer.from(it).toString('utf8', 0, 1), (error) => error.code);
    return [read, readings];
  };
  assert.deepEqual(await reading(['a', 'b'], CHUNK + 1), ['b', 3]);
  assert.deepEqual(await reading(['a'], CHUNK + 1), ['a', 2]);
  assert.deepEqual(await reading(['a', 'b', 'c'], CHUNK + 1), ['changed', 3]);
  assert.deepEqual(await reading(['a', 'b'], CHUNK), ['a', 1], 'one part is of one time');
});

test('a folder that is as it was is not listed again', async (t) => {
  const { turn } = await begun(t);
  const list = (unless?: string) => turn.call('fs.list', { mount: 'input', limit: 10, unless });
  const { entries } = (await list()) as { entries: { path: string; version: string }[] };
  assert.equal(entries.length, 1);
  const half = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 32);
  const digest = half(entries.map((it) => `${it.path}\0file\0${it.version}\0`).join('')) + half('');
  assert.deepEqual(await list(digest), { entries: [], more: false, unchanged: true });
  assert.deepEqual(await list('0'.repeat(64)), { entries, more: false });
});

test('tools are listed and called', async (t) => {
  const fail = () => {
    throw new Error('no luck');
  };
  const { turn } = await begun(t, { tools: { 'probe.echo': ({ text }) => text, 'probe.fail': fail } });
  const { tools, unavailable } = await turn.tools.list();
  assert.deepEqual([tools.map((it) => it.name), unavailable], [['probe.echo', 'probe.fail'], []]);
  assert.equal((await turn.tools.call('probe.echo', { text: 'a' })).text, 'a');
  const failed = await turn.tools.call('probe.fail');
  assert.deepEqual([failed.isError, failed.text, failed.links], [true, 'no luck', []]);
});

test('a model answers whole or in chunks, and an answer that breaks off is refused', async (t) => {
  const { turn } = await begun(t, { replies: ['One two', 'Three four', [{ event: 'start', model: 'a/b' }]] });
  const messages = [{ role: 'user' as const, content: 'Count' }];
  const whole = await turn.model.chat.completions.create({ messages });
  assert.equal(whole.choices[0].message.content, 'One two');
  const stream = await turn.model.chat.completions.create({ messages, stream: true });
  const parts = [];
  for await (const chunk of stream) parts.push(chunk.choices[0].delta.content ?? '');
  assert.equal(parts.join(''), 'Three four');
  assert.equal(stream.completion().choices[0].finish_reason, 'stop');
  await assert.rejects(turn.model.chat.completions.create({ messages }), refusedAs('outcome-unknown'));
});

test('vectors have the shape of those of OpenAI', async (t) => {
  const { turn } = await begun(t);
  const { data, usage, model } = await turn.model.embeddings.create({ input: ['a dog', 'a dog', 'cats'], dimensions: 8 });
  assert.deepEqual([data.map((it) => it.index), model], [[0, 1, 2], 'fake/scripted']);
  assert.deepEqual(data[0]?.embedding, data[1]?.embedding);
  assert.notDeepEqual(data[0]?.embedding, data[2]?.embedding);
  assert.deepEqual(data[2]?.embedding.reduce((sum, it) => sum + it, 0), 1);
  assert.ok(usage.prompt_tokens > 0 && usage.prompt_tokens === usage.total_tokens);
  const many = await turn.model.embeddings.create({ input: Array.from({ length: 300 }, (_, at) => `${at}`) });
  assert.deepEqual(many.data.map((it) => it.index), Array.from({ length: 300 }, (_, at) => at));
  await assert.rejects(turn.model.embeddings.create({ input: ['a', ''] }), refusedAs('bad-request'));
});

test('notices are heard, also after the stream broke', async (t) => {
  const { kernel, turn, slept } = await begun(t);
  const pressure = { notice: 'pressure', resource: 'memory', heldBytes: 3, highBytes: 2, mostBytes: 4 } as const;
  kernel.notices.push(pressure);
  const heard = [];
  for await (const notice of turn.notices()) {
    heard.push(notice);
    if (heard.length === 2) break;
  }
  assert.deepEqual(heard, [pressure, pressure]);
  assert.equal(slept.length, 1);
});
