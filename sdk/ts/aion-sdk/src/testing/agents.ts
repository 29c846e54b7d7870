// The agents that the one under test asks: functions.
import { Refused, Unanswered } from '../core/refused.js';
import { refuse } from './shapes.js';

/** Answers what it is asked; what it throws is how its turn ended. */
export type OtherAgent = (text: string) => string | Promise<string>;

/** Their turns end at once, so what is begun can be waited for already. */
export class OtherAgents {
  readonly #agents: Record<string, OtherAgent>;
  // By the turn that began them, and their own: nobody else hears how they ended.
  readonly #ended = new Map<string, object>();

  constructor(agents: Record<string, OtherAgent>) {
    this.#agents = agents;
  }

  /** Begins a turn, and gives how it ended. */
  async begin({ agent, input }: { agent: string; input: string }, by: number, turn: number): Promise<object> {
    const other = Object.hasOwn(this.#agents, agent) ? this.#agents[agent] : undefined;
    if (!other) {
      throw refuse('denied', 403, `agent.ask ${agent}: no rule allows it`, 'ask for it under spec.tools or spec.permissions');
    }
    let ended: object;
    try {
      ended = { turn, ok: true, answer: await other(input), incomplete: false };
    } catch (error) {
      ended = { turn, ok: false, problem: refusedBy(error).problem(), incomplete: false };
    }
    this.#ended.set(`${by}.${turn}`, ended);
    return ended;
  }

  /** How one that `by` began ended. */
  ended({ turn }: { turn: number }, by: number): object {
    const ended = this.#ended.get(`${by}.${turn}`);
    if (ended) return ended;
    throw refuse('not-found', 404, `turn ${turn} was not begun by this turn`, 'name a turn that agent.spawn gave to this turn');
  }
}

function refusedBy(error: unknown): Refused {
  if (error instanceof Refused) return error;
  const detail = error instanceof Error ? error.message : String(error);
  const code = error instanceof Unanswered ? 'unanswered' : 'program-failed';
  return new Refused({ code, status: code === 'unanswered' ? 422 : 500, detail });
}
