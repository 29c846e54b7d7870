// Being an agent's program from elsewhere: turns are taken as they come, several at once.
import { setTimeout as sleep } from 'node:timers/promises';

import type { Boot } from './boot.js';
import { Lost, Refused } from './core/refused.js';
import type { Place, Run } from './place.js';
import type { Remote } from './transport.js';

// How long turns have to end when the program is told to, all together.
const GRACE_MS = 10_000;
// Before something that was not heard is said again.
const PAUSE_MS = 500;
// For the word that it goes.
const LEAVING_MS = 2_000;
// Refusals that pass once the node is as it was.
const PASSING = ['unreachable', 'restarting', 'not-running', 'overloaded'];

/** Takes turns for an agent until it is told to stop. */
export class Elsewhere {
  readonly #answer: (boot: Boot, remote: Remote) => Promise<number>;
  readonly #place: Place;
  readonly #atOnce: number;
  readonly #held = new Map<string, Run>();
  readonly #working = new Set<Promise<void>>();
  // It takes no further turn; and it waits for none any more.
  readonly #stopped = new AbortController();
  readonly #over = new AbortController();
  // Ends the wait for room.
  #wake = (): void => {};
  #failed: Error | undefined;
  #said = '';

  constructor(answer: (boot: Boot, remote: Remote) => Promise<number>, place: Place, atOnce: number) {
    this.#answer = answer;
    this.#place = place;
    this.#atOnce = atOnce;
  }

  /** Registers, and takes turns until `stop`. Throws `Refused` where the node does not take this program. */
  async serve(): Promise<void> {
    try {
      await this.#place.register([], this.#stopped.signal);
    } catch (error) {
      if (this.#stopped.signal.aborted) return;
      throw error;
    }
    this.#tell('registered, and waits for turns (Ctrl-C ends it)');
    const beating = this.#beat();
    while (!this.#stopped.signal.aborted) {
      if (this.#working.size < this.#atOnce) await this.#take();
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    await this.#end();
    await beating;
    if (this.#failed) throw this.#failed;
  }

  /** Takes no further turn. */
  stop(): void {
    this.#stopped.abort();
    this.#wake();
  }

  async #take(): Promise<void> {
    let told: { boot: Boot | undefined; stop: Run[] } | undefined;
    try {
      told = await this.#heard((signal) => this.#place.next(this.#holds(), signal), this.#stopped.signal);
    } catch (error) {
      return this.#fail(error);
    }
    this.#leave(told?.stop ?? []);
    const boot = told?.boot;
    if (!boot || this.#held.has(named(boot))) return;
    const work = this.#turn(boot).finally(() => {
      this.#working.delete(work);
      this.#wake();
    });
    this.#working.add(work);
  }

  /** Turns that work are heard of until they end, or the grace is over. */
  async #end(): Promise<void> {
    const grace = new AbortController();
    await Promise.race([Promise.all(this.#working), slept(GRACE_MS, grace.signal)]);
    grace.abort();
    this.#over.abort();
    await this.#place.leave(LEAVING_MS).catch((error: unknown) => {
      if (!(error instanceof Lost)) throw error;
    });
  }

  #holds(): Run[] {
    return [...this.#held.values()];
  }

  async #turn(boot: Boot): Promise<void> {
    const run = { turn: boot.turn, incarnation: boot.incarnation };
    this.#held.set(named(run), run);
    let code = 1;
    try {
      code = await this.#answer(boot, this.#place.remote(run));
    } catch (error) {
      // Set aside for a person's word, cancelled, or given to another: nobody hears its failure.
      if (error instanceof Refused) this.#tell(`turn ${boot.turn} was taken back: ${error.sentence()}`);
      // Its own failures are told to the caller before; this is one of telling.
      else console.error(error);
    }
    try {
      // It is held until its end is heard: who holds nothing loses nothing, and who lost it is told to leave it.
      while (this.#held.has(named(run)) && !this.#over.signal.aborted) {
        if (await this.#heard((signal) => this.#place.end(run, code, signal), this.#over.signal)) break;
      }
    } catch (error) {
      this.#fail(error);
    }
    this.#leave([run]);
  }

  async #beat(): Promise<void> {
    while (await slept(this.#place.leaseMs / 3, this.#over.signal)) {
      try {
        const stop = await this.#heard((signal) => this.#place.heartbeat(this.#holds(), signal), this.#over.signal);
        this.#leave(stop ?? []);
      } catch (error) {
        return this.#fail(error);
      }
    }
  }

  /** What does not pass ends all of it: `serve` throws it. */
  #fail(error: unknown): void {
    this.#failed ??= error instanceof Error ? error : new Error(String(error));
    this.stop();
  }

  /** A function cannot be ended from outside: its calls are refused from now on. */
  #leave(runs: Run[]): void {
    for (const run of runs) this.#held.delete(named(run));
  }

  /** Says something to the node; nothing where it did not hear it, or did not know this program. */
  async #heard<T>(say: (signal: AbortSignal) => Promise<T>, until: AbortSignal): Promise<T | undefined> {
    try {
      const told = await say(until);
      this.#said = '';
      return told;
    } catch (error) {
      if (until.aborted) return undefined;
      if (!(error instanceof Refused)) throw error;
      if (error.code === 'not-found') await this.#again(until);
      else if (PASSING.includes(error.code)) await this.#away(error, until);
      else throw error;
      return undefined;
    }
  }

  async #again(until: AbortSignal): Promise<void> {
    try {
      this.#leave(await this.#place.register(this.#holds(), until));
    } catch (error) {
      if (until.aborted) return;
      if (!(error instanceof Refused) || !PASSING.includes(error.code)) throw error;
      await this.#away(error, until);
    }
  }

  async #away(refused: Refused, until: AbortSignal): Promise<void> {
    const why = refused.sentence();
    if (why !== this.#said) this.#tell(`${why}; it is tried again`);
    this.#said = why;
    await slept(PAUSE_MS, until);
  }

  #tell(text: string): void {
    console.error(`${this.#place.agent}: ${text}`);
  }
}

function named({ turn, incarnation }: Run): string {
  return `${turn}.${incarnation}`;
}

/** Whether the time passed before it was given up. */
function slept(ms: number, signal: AbortSignal): Promise<boolean> {
  return sleep(ms, undefined, { signal }).then(
    () => true,
    () => false,
  );
}
