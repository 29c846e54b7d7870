// The place of a program at its node: what a program elsewhere says, and what it is told (docs/external.md).
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';

import { Boot } from './boot.js';
import { Refused } from './core/refused.js';
import type { Door } from './gateway/door.js';
import type { Remote } from './transport.js';

// A node answers a question for a turn within 15 s: a longer silence is of a connection that is gone, as after a sleep.
const SILENCE_MS = 25_000;

/** A run of a turn, as it is named on the wire. */
export interface Run {
  turn: number;
  incarnation: number;
}

/** It is called the same however often it registers. */
export class Place {
  readonly agent: string;
  readonly #door: Door;
  readonly #program = randomBytes(16).toString('hex');
  #leaseMs = 30_000;

  constructor(door: Door, agent: string) {
    this.#door = door;
    this.agent = agent;
  }

  /** How long it may not be heard of without losing what it holds. */
  get leaseMs(): number {
    return this.#leaseMs;
  }

  /** Where the syscalls of a run are taken. */
  remote({ turn, incarnation }: Run): Remote {
    const { url, token, namespace } = this.#door;
    const remote = { url: `${url}/v1/${this.#path}/turns/${turn}/${incarnation}`, token };
    return namespace === undefined ? remote : { ...remote, namespace };
  }

  /** Comes, or comes again; what it holds and is to leave. */
  async register(holds: Run[], signal: AbortSignal): Promise<Run[]> {
    const said = { name: hostname().slice(0, 128), program: this.#program, holds };
    const told = await this.#post(`agents/${encodeURIComponent(this.agent)}/register`, said, signal);
    this.#leaseMs = told['leaseMs'] as number;
    return stopOf(told);
  }

  /** A turn, where one comes in time; and what it is to leave. */
  async next(holds: Run[], signal: AbortSignal): Promise<{ boot: Boot | undefined; stop: Run[] }> {
    const told = await this.#post(`${this.#path}/turn`, { holds }, signal);
    const boot = told['boot'] as Record<string, unknown> | undefined;
    return { boot: boot ? new Boot(boot) : undefined, stop: stopOf(told) };
  }

  /** Is there still; what it is to leave. */
  async heartbeat(holds: Run[], signal: AbortSignal): Promise<Run[]> {
    return stopOf(await this.#post(`${this.#path}/heartbeat`, { holds }, signal));
  }

  /** Is done with a run; true once that is heard. One that is not its own any more has ended already. */
  async end(run: Run, code: number, signal: AbortSignal): Promise<true> {
    try {
      await this.#post(`${this.#path}/end`, { run, code }, signal);
    } catch (error) {
      if (!(error instanceof Refused) || error.code !== 'not-found') throw error;
    }
    return true;
  }

  /** Goes. Where that is not heard, its lease ends. */
  leave(withinMs: number): Promise<void> {
    return this.#door.once('DELETE', this.#door.path(this.#path, { namespace: this.#door.namespace }), withinMs);
  }

  get #path(): string {
    return `agents/${encodeURIComponent(this.agent)}/programs/${this.#program}`;
  }

  #post(path: string, json: object, signal: AbortSignal): Promise<Record<string, unknown>> {
    const named = this.#door.path(path, { namespace: this.#door.namespace });
    return this.#door.json('POST', named, { json, signal, silenceMs: SILENCE_MS });
  }
}

function stopOf(told: Record<string, unknown>): Run[] {
  return (told['stop'] as Run[] | undefined) ?? [];
}
