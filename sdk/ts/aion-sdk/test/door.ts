// A stand-in for the gateway: it gives its answers one after another, and keeps what it was asked.
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';

import type { Clock } from 'aion-sdk/gateway';

export const TOKEN = 'open-sesame';
export const QUEUED = { event: 'queued', turn: 7 };
export const STARTED = { event: 'started', incarnation: 1 };
export const ENDED = { event: 'ended', ok: true };
export const RECORD = { turn: 7, agent: 'default/cat', input: 'A name?', answer: 'Felix.', outcome: { ok: true } };

/** An approval that waits. */
export const ASKED = {
  approval: 4,
  turn: 7,
  agent: 'default/clerk',
  capability: 'tool.call:mail.send',
  rule: 'agent',
  askedAtMs: 1,
  untilMs: 2,
  shown: { text: '{"arguments":{"to":"Ann"}}', size: 26 },
  digest: 'ab'.repeat(32),
};
export const ANSWERED = { ...ASKED, shown: undefined, answered: { word: 'approved', scope: 'once', by: 'ann', atMs: 3 } };

/** Frames of the feed. */
export const listening = (at: number) => ({ cursor: `1-${at}`, listening: {} });
export const askedOf = (approval: number) => ({
  cursor: '1-3',
  event: { atMs: 1003, agent: 'default/cat', kind: 'turn', turn: 7, state: 'asked', approval, capability: 'tool.call:mail.send' },
});

export const delta = (text: string) => ({ event: 'delta', text });

export interface Asked {
  line: string;
  headers: http.IncomingHttpHeaders;
  body: string;
}

/** An object, a list of events, bytes, or none where the connection is lost. A list that ends with `null` breaks off. */
export type Said = [status: number, said: object | Uint8Array] | undefined;

export class Door {
  readonly answers: Said[] = [];
  readonly asked: Asked[] = [];
  url = '';

  static async open(t: TestContext): Promise<Door> {
    const door = new Door();
    const server = http.createServer((request, response) => void door.#answer(request, response));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    door.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
    t.after(() => {
      server.close();
      server.closeAllConnections();
    });
    return door;
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    let body = '';
    for await (const part of request) body += part;
    this.asked.push({ line: `${request.method} ${request.url}`, headers: request.headers, body });
    const answer = this.answers.shift();
    if (!answer) return void response.destroy();
    const [status, said] = answer;
    response.statusCode = status;
    if (said instanceof Uint8Array) return void response.end(said);
    if (!Array.isArray(said)) return void response.end(JSON.stringify(said));
    for (const event of said) {
      // What was said arrives, and the body has no end.
      if (event === null) return void response.socket?.end();
      await new Promise((resolve) => response.write(`data: ${JSON.stringify(event)}\n\n`, resolve));
    }
    response.end();
  }
}

/** A clock that goes on where one sleeps. */
export function quick(): { clock: Clock; slept: number[] } {
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
  return { clock, slept };
}
