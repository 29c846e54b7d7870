// HTTP over a Unix socket or to a gateway, by Node's own client. What a request means may not enter.
import http from 'node:http';
import https from 'node:https';

import { Lost } from './core/refused.js';
import type { Request } from './core/session.js';
import { Token } from './gateway/token.js';

export interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: string;
}

/** The bytes of an answer that streams; given up by ending the loop over them. */
export interface Opened {
  bytes: AsyncIterable<Uint8Array>;
  close(): void;
}

/** A part of a gateway that takes the syscalls of one run. */
export interface Remote {
  /** Without a slash at its end: the path of a syscall follows. */
  url: string;
  token: Token;
  namespace?: string;
}

export class Transport {
  readonly #target: (path: string) => http.RequestOptions;
  readonly #headers: http.OutgoingHttpHeaders;
  readonly #agent: http.Agent;
  readonly #request: typeof http.request;

  constructor(way: string | Remote) {
    const isEncrypted = typeof way !== 'string' && way.url.startsWith('https:');
    this.#agent = new (isEncrypted ? https.Agent : http.Agent)({ keepAlive: true, maxFreeSockets: 4 });
    this.#request = isEncrypted ? https.request : http.request;
    if (typeof way === 'string') {
      this.#target = (path) => ({ socketPath: way, path });
      this.#headers = {};
      return;
    }
    const { hostname, port, pathname } = new URL(way.url);
    const query = way.namespace === undefined ? '' : `?namespace=${encodeURIComponent(way.namespace)}`;
    // An address of IPv6 stands in brackets in a URL alone.
    const host = hostname.replace(/^\[(.*)\]$/, '$1');
    this.#target = (path) => ({ host, port, path: `${pathname}${path}${query}` });
    this.#headers = { authorization: Token.header(way.token) };
  }

  /** Sends a request and reads the whole answer. */
  async send(request: Request): Promise<Answer> {
    return whole(await this.#begin(request));
  }

  /** Sends a request whose answer streams where it has status 200; any other is read whole. */
  async open(request: Request): Promise<Answer | Opened> {
    const response = await this.#begin(request);
    if (response.statusCode !== 200) return whole(response);
    return { bytes: lostOf(response), close: () => response.destroy() };
  }

  /** Closes what is idle. */
  close(): void {
    this.#agent.destroy();
  }

  #begin({ method, path, headers, body }: Request): Promise<http.IncomingMessage> {
    return new Promise((resolve, reject) => {
      const options = { ...this.#target(path), agent: this.#agent, method, headers: { ...headers, ...this.#headers } };
      const request = this.#request(options, resolve);
      request.on('error', (error) => reject(Lost.of(error)));
      request.end(body);
    });
  }
}

async function whole(response: http.IncomingMessage): Promise<Answer> {
  const parts: Uint8Array[] = [];
  for await (const part of lostOf(response)) parts.push(part);
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts).toString('utf8') };
}

async function* lostOf(response: http.IncomingMessage): AsyncGenerator<Uint8Array, void, void> {
  try {
    for await (const part of response) yield part as Uint8Array;
  } catch (error) {
    throw Lost.of(error);
  }
}
