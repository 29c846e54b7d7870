// A program elsewhere against a stand-in for gateway and node: when it registers, what it holds, when it leaves. The real ones
// are in tests/e2e/tests/gateway/sdk_ts.rs.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';

import { agent, AgentRuntime, Refused } from 'aion-sdk';
import { FakeKernel } from 'aion-sdk/testing';

const TOKEN = 'open-sesame';

interface Said {
  line: string;
  body: any;
  authorization: string | undefined;
}

/** A node that gives its boot documents to who asks for turns, and passes syscalls on to a fake kernel. */
class Node {
  readonly boots: object[] = [];
  readonly said: Said[] = [];
  /** Refusals to come, by the last part of a path. */
  readonly refusals: { what: string; code: string; status: number }[] = [];
  readonly stop: object[] = [];
  url = '';
  #waiting = new Set<http.ServerResponse>();
  #heard = (): void => {};

  static async start(t: TestContext, kernel: FakeKernel): Promise<Node> {
    const node = new Node();
    const server = http.createServer((request, response) => void node.#serve(kernel, request, response));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    node.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    t.after(() => {
      server.close();
      server.closeAllConnections();
    });
    return node;
  }

  /** Waits until the program has said something that fits. */
  async hears(fits: (said: Said) => boolean): Promise<Said> {
    for (;;) {
      const found = this.said.find(fits);
      if (found) return found;
      await new Promise<void>((resolve) => (this.#heard = resolve));
    }
  }

  give(boot: object): void {
    this.boots.push(boot);
    for (const response of this.#waiting) this.#turn(response);
  }

  async #serve(kernel: FakeKernel, request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const { pathname, search } = new URL(request.url ?? '', this.url);
    const syscall = /^\/v1\/agents\/helper\/programs\/[0-9a-f]{32}\/turns\/\d+\/\d+(\/v1\/.*)$/.exec(pathname)?.[1];
    if (syscall) {
      assert.equal(search, '?namespace=team');
      const { method, headers } = request;
      const passed = http.request({ socketPath: kernel.socketPath, path: syscall, method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 0, answer.headers);
        answer.pipe(response);
      });
      return void request.pipe(passed);
    }
    let text = '';
    for await (const part of request) text += part;
    const { authorization } = request.headers;
    this.said.push({ line: `${request.method} ${pathname}`, body: text && JSON.parse(text), authorization });
    this.#heard();
    const at = this.refusals.findIndex(({ what }) => pathname.endsWith(`/${what}`));
    const [refusal] = at < 0 ? [] : this.refusals.splice(at, 1);
    if (refusal) {
      response.writeHead(refusal.status, { 'content-type': 'application/problem+json' });
      return void response.end(JSON.stringify({ ...refusal, detail: 'the test refuses it', retryAfterMs: 1 }));
    }
    if (pathname.endsWith('/turn')) {
      this.#waiting.add(response);
      request.on('close', () => this.#waiting.delete(response));
      if (this.boots.length > 0) this.#turn(response);
      return;
    }
    response.end(JSON.stringify({ program: 'p', leaseMs: 60, stop: this.stop.splice(0) }));
  }

  #turn(response: http.ServerResponse): void {
    this.#waiting.delete(response);
    response.end(JSON.stringify({ boot: this.boots.shift() }));
  }
}

const keeper = agent({
  async turn(turn) {
    const { hits } = await turn.memory.recall(turn.text, { k: 3 });
    await turn.memory.remember(turn.text);
    return ['Noted.', ...hits.map((it) => `You said: ${it.text}`)].join('\n');
  },
});

async function begun(t: TestContext, program = keeper) {
  t.mock.method(console, 'error', () => {});
  const kernel = await FakeKernel.start();
  t.after(() => kernel.stop());
  const node = await Node.start(t, kernel);
  const serving = AgentRuntime.serve(program, 'helper', { url: node.url, token: TOKEN, namespace: 'team' });
  const end = async () => {
    process.emit('SIGTERM', 'SIGTERM');
    return serving;
  };
  return { kernel, node, serving, end };
}

const isOf = (what: string) => (it: Said) => it.line.endsWith(`/${what}`);

test('turns are taken, answered by signed syscalls and ended, and it leaves when it is told to', async (t) => {
  const { kernel, node, end } = await begun(t);
  const boot = JSON.parse(kernel.begin('The key is under the mat'));
  node.give(boot);
  const ended = await node.hears(isOf('end'));
  assert.deepEqual(ended.body, { run: { turn: boot.turn, incarnation: boot.incarnation }, code: 0 });
  assert.deepEqual([...kernel.memory.items.values()].map((it) => it.text), ['The key is under the mat']);
  await node.hears((it) => isOf('heartbeat')(it) && it.body.holds.length === 0);
  assert.equal(await end(), 'SIGTERM');
  const [first, last] = [node.said[0], node.said.at(-1)];
  assert.equal(first?.line, 'POST /v1/agents/helper/register');
  assert.equal(last?.line, `DELETE /v1/agents/helper/programs/${first?.body.program}`);
  assert.ok(node.said.every((it) => it.authorization === `Bearer ${TOKEN}`));
});

test('what it holds is named until its end is heard, and it comes again with that under its name', async (t) => {
  let go = (): void => {};
  const wait = new Promise<void>((resolve) => (go = resolve));
  const { kernel, node, end } = await begun(t, agent({ turn: () => wait.then(() => 'Done.') }));
  const boot = JSON.parse(kernel.begin('Wait'));
  const run = { turn: boot.turn, incarnation: boot.incarnation };
  node.give(boot);
  await node.hears((it) => isOf('heartbeat')(it) && it.body.holds.length === 1);
  node.refusals.push({ what: 'heartbeat', code: 'not-found', status: 404 });
  const again = await node.hears((it) => isOf('register')(it) && it.body.holds.length === 1);
  assert.deepEqual(again.body.holds, [run]);
  assert.equal(again.body.program, node.said[0]?.body.program);
  node.refusals.push({ what: 'end', code: 'restarting', status: 503 });
  go();
  await node.hears((it) => isOf('end')(it) && node.said.filter(isOf('end')).length === 2);
  await end();
});

test('a turn that is taken back is left, and ended no more', async (t) => {
  let go = (): void => {};
  const wait = new Promise<void>((resolve) => (go = resolve));
  const { kernel, node, end } = await begun(t, agent({ turn: () => wait.then(() => 'Done.') }));
  const boot = JSON.parse(kernel.begin('Wait'));
  node.give(boot);
  await node.hears((it) => isOf('heartbeat')(it) && it.body.holds.length === 1);
  node.stop.push({ turn: boot.turn, incarnation: boot.incarnation });
  const count = node.said.length;
  await node.hears((it) => isOf('heartbeat')(it) && it.body.holds.length === 0 && node.said.indexOf(it) >= count);
  go();
  await end();
  assert.ok(!node.said.some(isOf('end')));
});

test('a node that does not take the program says so, and what does not pass ends it', async (t) => {
  const { node, serving } = await begun(t);
  node.refusals.push({ what: 'turn', code: 'denied', status: 403 });
  node.give({});
  await assert.rejects(serving, (error) => error instanceof Refused && error.code === 'denied');
  await assert.rejects(AgentRuntime.serve(keeper, 'helper', { url: node.url, token: TOKEN, atOnce: 0 }), /no turn would be taken/);
  node.refusals.push({ what: 'register', code: 'bad-request', status: 400 });
  const refused = AgentRuntime.serve(keeper, 'helper', { url: node.url, token: TOKEN });
  await assert.rejects(refused, (error) => error instanceof Refused && error.code === 'bad-request');
});
