// How long something is tried again (docs/process-abi.md, "What is tried again"). What is tried may not enter, nor a clock.
import { Lost, Refused } from './refused.js';

/** Between two tries where no pause is named. */
export const PAUSE_MS = 200;

/** What a platform has of time. */
export interface Clock {
  /** Milliseconds since 1970, as a signature says them. */
  wall(): number;
  /** Milliseconds since some moment, which no setting of a clock changes. */
  measured(): number;
  sleep(ms: number): Promise<void>;
}

export const realClock: Clock = {
  wall: () => Date.now(),
  measured: () => performance.now(),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};

/** The tries of one thing. */
export class Tries {
  readonly #clock: Clock;
  readonly #until: number;

  constructor(clock: Clock, patienceMs: number) {
    this.#clock = clock;
    this.#until = clock.measured() + patienceMs;
  }

  /** How long to wait before the next try; none where the refusal stands, or lasts longer than the patience. */
  pause(refused: Refused, passes: boolean): number | undefined {
    // Never less than the node names, and a random part more: it names the same to others.
    const pause = (refused.retryAfterMs ?? PAUSE_MS) * (1 + Math.random() / 2);
    return passes && this.#clock.measured() + pause <= this.#until ? pause : undefined;
  }

  /**
   * Makes tries until one has an answer or is refused for good. `lost` says what a lost connection is to the caller, `isPassing`
   * which refusals pass by themselves.
   */
  static async until<T>(
    clock: Clock,
    patienceMs: number,
    once: () => Promise<T | Refused>,
    lost: (why: Lost) => Refused,
    isPassing: (refused: Refused) => boolean = (refused) => refused.passes,
  ): Promise<T> {
    const tries = new Tries(clock, patienceMs);
    for (;;) {
      let refused: Refused;
      let passes = true;
      try {
        const answer = await once();
        if (!(answer instanceof Refused)) return answer;
        refused = answer;
        passes = isPassing(answer);
      } catch (error) {
        if (!(error instanceof Lost)) throw error;
        refused = lost(error);
      }
      const pause = tries.pause(refused, passes);
      if (pause === undefined) throw refused;
      await clock.sleep(pause);
    }
  }
}
