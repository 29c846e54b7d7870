// The state of one turn's calls: its key, its counter, how often each effect was asked for. Sending may not enter.
import { type Key, sha256 } from './signing.js';

/** A request to be sent as it is. */
export interface Request {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: Uint8Array;
}

// They change nothing, and a lost one is simply made again: the column `class` of crates/abi/src/syscall/mod.rs.
const OBSERVING: ReadonlySet<string> = new Set([
  'sys.null', 'tool.list', 'memory.recall', 'fs.read', 'fs.list', 'agent.wait', 'agent.notices',
]);

/** Where a syscall is posted to. */
export function pathOf(syscall: string): string {
  return `/v1/${syscall.replaceAll('.', '/')}`;
}

/** One call: the same for all its tries. */
export interface Call {
  readonly syscall: string;
  readonly body: Uint8Array;
  /** Names an effect; none for what changes nothing. */
  readonly step: string | undefined;
  readonly deadlineMs: number | undefined;
}

export class Session {
  readonly turn: number;
  readonly #key: Key;
  readonly #effects = new Map<string, number>();
  #counter = 0;

  constructor(key: Key, turn: number) {
    this.#key = key;
    this.turn = turn;
  }

  /**
   * Begins a call. An effect is named once for all its tries and for all runs of its turn, by what it is and the how-manieth
   * of its kind: the key is the same however calls that wait for each other or not come after one another.
   */
  begin(syscall: string, body: object, deadlineMs?: number): Call {
    const bytes = new TextEncoder().encode(JSON.stringify(body));
    if (OBSERVING.has(syscall)) return { syscall, body: bytes, step: undefined, deadlineMs };
    const what = sha256(pathOf(syscall), sha256(bytes)).toString('hex').slice(0, 32);
    const times = (this.#effects.get(what) ?? 0) + 1;
    this.#effects.set(what, times);
    return { syscall, body: bytes, step: `t${this.turn}.${what}.${times}`, deadlineMs };
  }

  /** A try of a call, signed anew. */
  request(call: Call, timestampMs: number): Request {
    const path = pathOf(call.syscall);
    const counter = ++this.#counter;
    const { body, step, deadlineMs } = call;
    const headers: Record<string, string> = {
      'content-type': 'application/json',
      'content-length': String(body.length),
      'aion-timestamp': String(timestampMs),
      'aion-counter': String(counter),
      'aion-signature': this.#key.sign({ path, timestampMs, counter, idempotencyKey: step, deadlineMs, body }),
    };
    if (step !== undefined) headers['idempotency-key'] = step;
    if (deadlineMs !== undefined) headers['aion-deadline-ms'] = String(deadlineMs);
    return { method: 'POST', path, headers, body };
  }
}
