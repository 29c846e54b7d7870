// Other agents of the namespace: `agent.ask`, `agent.spawn`, `agent.wait`, `agent.cancel`.
import { type Problem, Refused } from './core/refused.js';

/** Makes a syscall. */
type Caller = (syscall: string, body: object, options?: { deadlineMs?: number }) => Promise<unknown>;

export interface AskAgentOptions {
  /** What of its rights it has: capabilities, as a policy names them. Left out, all of them. */
  delegate?: string[];
  /** When it gives up; left out, `ask` does after 10 minutes. */
  deadlineMs?: number;
}

/** How a turn of another agent ended. That it did not end well is an answer, too. */
export class Ended {
  readonly turn: number;
  readonly ok: boolean;
  /** What it answered, if anything. */
  readonly answer: string | undefined;
  /** Why it is not ok. */
  readonly problem: Problem | undefined;
  /** A part of what it was given is not in the answer; a notice says which. */
  readonly incomplete: boolean;
  /** What it said beside the answer. */
  readonly notices: readonly string[];

  constructor(answer: Record<string, any>) {
    this.turn = answer['turn'];
    this.ok = answer['ok'];
    this.answer = answer['answer'];
    this.problem = answer['problem'];
    this.incomplete = answer['incomplete'] ?? false;
    this.notices = answer['notices'] ?? [];
  }

  /** The answer. Throws `Refused` where the turn did not come to one. */
  get text(): string {
    if (this.ok && this.answer !== undefined) return this.answer;
    throw new Refused(this.problem ?? { code: 'internal', detail: `turn ${this.turn} has no answer` });
  }
}

/** Whatever is begun ends with the turn. */
export class Agents {
  readonly #call: Caller;

  constructor(call: Caller) {
    this.#call = call;
  }

  /** Asks an agent, and gives how its turn ended. */
  async ask(agent: string, input: string, { delegate, deadlineMs }: AskAgentOptions = {}): Promise<Ended> {
    // The turn's own, too: the call's does not count where both are set aside for a person's word.
    const options = deadlineMs === undefined ? {} : { deadlineMs };
    return new Ended((await this.#call('agent.ask', { agent, input, delegate, ...options }, options)) as Record<string, any>);
  }

  /** Begins a turn, and gives its number, for `wait` and `cancel`. */
  async spawn(agent: string, input: string, options: AskAgentOptions = {}): Promise<number> {
    return ((await this.#call('agent.spawn', { agent, input, ...options })) as { turn: number }).turn;
  }

  /** How a turn ended, when it has. After a minute, or `deadlineMs`, it is `deadline-exceeded`: wait again. */
  async wait(turn: number, options: { deadlineMs?: number } = {}): Promise<Ended> {
    return new Ended((await this.#call('agent.wait', { turn }, options)) as Record<string, any>);
  }

  /** Stops a turn. One that has ended stays as it is. */
  async cancel(turn: number): Promise<void> {
    await this.#call('agent.cancel', { turn });
  }
}
