// HTTP over a Unix socket, by Node's own client. What a request means may not enter.
import http from 'node:http';

import { Lost } from './core/refused.js';
import type { Request } from './core/session.js';

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

export class Transport {
  readonly #socketPath: string;
  readonly #agent = new http.Agent({ keepAlive: true, maxFreeSockets: 4 });

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
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
      const options = { socketPath: this.#socketPath, agent: this.#agent, method, path, headers };
      const request = http.request(options, resolve);
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
