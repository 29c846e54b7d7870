// The gateway's REST by `fetch`: requests that are tried again while the gateway or its node is away. Browsers load this
// folder: nothing of Node may enter.
import { objectIn } from '../core/json.js';
import { Lost, Refused } from '../core/refused.js';
import { type Clock, realClock, Tries } from '../core/tries.js';
import { Token } from './token.js';

// A node agent that is replaced is away for so long.
export const PATIENCE_MS = 60_000;

/** Which gateway, and who asks. */
export interface GatewayOptions {
  /** With or without the `/v1` that OpenAI's clients are told. */
  url: string;
  token: string;
  /** In which namespace agents are meant; the gateway's own where it is not said. */
  namespace?: string;
  /** What the node's `config/approver.token` holds: whoever has it answers approvals. A key that may `approve` needs none. */
  approverToken?: string;
  /** For tests of what is tried again. */
  clock?: Clock;
}

/** A request. It changes nothing, is the same however often it is made, or has an idempotency key. */
export interface Asking {
  json?: object;
  body?: string | Uint8Array | Blob;
  headers?: Record<string, string>;
  /** Gives it up. */
  signal?: AbortSignal;
  /** The longest time for an answer; longer means that the connection is gone. */
  silenceMs?: number;
  /** The longest time until an answer begins, of one that streams; longer means the same. */
  headMs?: number;
  /** Hears of tries that may have arrived. */
  onLost?: () => void;
}

type Query = Record<string, string | number | undefined>;

export class Door {
  readonly url: string;
  readonly namespace: string | undefined;
  readonly token: Token;
  readonly clock: Clock;
  readonly #approver: Token | undefined;

  constructor({ url, token, namespace, approverToken, clock = realClock }: GatewayOptions) {
    this.url = url.replace(/\/+$/, '').replace(/\/v1$/, '');
    this.token = new Token(token);
    this.namespace = namespace;
    this.#approver = approverToken === undefined ? undefined : new Token(approverToken);
    this.clock = clock;
  }

  /** For requests about approvals, and no others. */
  asApprover(): Record<string, string> {
    return this.#approver ? { 'aion-approver': Token.bare(this.#approver) } : {};
  }

  /** A path with what is asked of it. */
  path(path: string, query: Query = {}): string {
    const said = Object.entries(query).filter(([, value]) => value !== undefined);
    const search = new URLSearchParams(said.map(([name, value]) => [name, String(value)])).toString();
    return `/v1/${path}${search && `?${search}`}`;
  }

  async json(method: string, path: string, asking: Asking = {}): Promise<Record<string, unknown>> {
    return objectIn(await this.#tried(method, path, asking, (response) => response.text()));
  }

  bytes(path: string): Promise<Uint8Array> {
    return this.#tried('GET', path, {}, async (response) => new Uint8Array(await response.arrayBuffer()));
  }

  /** A request that is answered with nothing. */
  done(method: string, path: string, asking: Asking = {}): Promise<void> {
    return this.#tried(method, path, asking, async () => {});
  }

  /** An answer that streams; given up by ending the loop over it. */
  open(method: string, path: string, asking: Asking = {}): Promise<AsyncGenerator<Uint8Array, void, void>> {
    return this.#tried(method, path, asking, async ({ body }) => partsOf(body));
  }

  /** A request that is made once: nobody waits for it. */
  async once(method: string, path: string, silenceMs: number): Promise<void> {
    const { body } = await this.#send(method, path, { silenceMs });
    await body?.cancel();
  }

  #tried<T>(method: string, path: string, asking: Asking, read: (response: Response) => Promise<T>): Promise<T> {
    const once = async (): Promise<T | Refused> => {
      const response = await this.#send(method, path, asking);
      try {
        return response.ok ? await read(response) : Refused.read(response.status, await response.text());
      } catch (error) {
        asking.signal?.throwIfAborted();
        throw Lost.of(error);
      }
    };
    const heard = async (): Promise<T | Refused> => {
      try {
        return await once();
      } catch (error) {
        if (error instanceof Lost) asking.onLost?.();
        throw error;
      }
    };
    // The gateway is there and its node is not: so it is while that is started anew.
    const isPassing = (refused: Refused): boolean => refused.passes || refused.code === 'unreachable';
    return Tries.until(this.clock, PATIENCE_MS, heard, unreachable, isPassing);
  }

  async #send(method: string, path: string, { json, body, headers, signal, silenceMs, headMs }: Asking): Promise<Response> {
    signal?.throwIfAborted();
    const head = new AbortController();
    const timer = headMs === undefined ? undefined : setTimeout(() => head.abort(new Error('it does not begin to answer')), headMs);
    const silence = silenceMs === undefined ? undefined : AbortSignal.timeout(silenceMs);
    const signals = [signal, timer === undefined ? undefined : head.signal, silence].filter((it) => it !== undefined);
    const init: RequestInit = {
      method,
      headers: { ...(json && { 'content-type': 'application/json' }), ...headers, authorization: Token.header(this.token) },
      // The token goes to this gateway alone, and a browser adds nothing of its own.
      redirect: 'manual',
      credentials: 'omit',
      cache: 'no-store',
    };
    const sent = json ? JSON.stringify(json) : body;
    if (sent !== undefined) init.body = sent as BodyInit;
    if (signals.length > 0) init.signal = AbortSignal.any(signals);
    try {
      return await fetch(`${this.url}${path}`, init);
    } catch (error) {
      signal?.throwIfAborted();
      throw Lost.of(error);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** By its reader: not every browser iterates over a stream. Nothing is read ahead. */
async function* partsOf(body: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array, void, void> {
  if (!body) return;
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error: unknown) => {
        throw Lost.of(error);
      });
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function unreachable(why: Lost): Refused {
  return new Refused({
    code: 'unreachable',
    status: 502,
    detail: `the gateway does not answer: ${why.message}`,
    remedy: 'look whether it runs, and where: aionctl local status',
  });
}
