// A turn as the gateway tells it: its events, its outcome, its record.
import { type Problem, Refused } from '../core/refused.js';

/** Where nobody was named: who was chosen, by which words, and how surely. */
export interface Routed {
  namespace: string;
  name: string;
  because: unknown[];
  confidence: number;
  [field: string]: unknown;
}

export interface Outcome {
  /** Whether the program ended well. */
  ok: boolean;
  problem?: Problem;
  /** What is to be known beside the answer. */
  notices?: string[];
  noticesBeyond?: number;
  /** A part of what was given is not in the answer; a notice says which. */
  incomplete?: boolean;
  files?: { path: string; size: number }[];
  tokens?: number;
  outputTokens?: number;
  /** Bytes over connections of its program's own. */
  sentBytes?: number;
  receivedBytes?: number;
  syscalls?: number;
  /** What its workers used. */
  resources?: Record<string, unknown>;
  elapsedMs?: number;
  [field: string]: unknown;
}

/** A step of a workflow. */
export interface Step {
  step: string;
  state: 'running' | 'done' | 'skipped' | 'failed' | 'cancelled';
  beganAtMs: number;
  endedAtMs?: number;
  /** The turn of the agent that did it. */
  turn?: number;
  [field: string]: unknown;
}

/** What is told of a turn. Pass over events that you do not know. */
export type TurnEvent =
  | { event: 'routed'; routed: Routed }
  | { event: 'queued'; turn: number }
  | { event: 'started'; incarnation: number }
  | { event: 'progress'; text: string }
  | { event: 'notice'; text: string; leftOut?: boolean }
  | { event: 'asked'; approval: number; capability: string; untilMs: number }
  | { event: 'answered'; approval: number; word: 'approved' | 'denied' | 'expired' | 'withdrawn'; by?: string }
  | { event: 'delta'; text: string }
  | { event: 'final'; text: string }
  | ({ event: 'ended' } & Outcome);

/** An agent that may be asked. */
export interface AgentInfo {
  namespace: string;
  name: string;
  ready: boolean;
  description?: string;
  /** Why it is not ready. */
  message?: string;
  /** Examples of questions. */
  try?: string[];
  /** Labels that people gave it. */
  labels?: Record<string, string>;
  /** Tools that it uses. */
  tools?: string[];
  /** When it was made (RFC 3339). */
  createdAt?: string;
  [field: string]: unknown;
}

/** A turn as it is kept. `answer` and `outcome` are there once it has ended. */
export class Answer {
  readonly turn: number;
  /** `namespace/agent`. */
  readonly agent: string;
  readonly input: string;
  readonly answer: string | undefined;
  readonly outcome: Outcome | undefined;
  readonly trace: string | undefined;
  readonly routed: Routed | undefined;
  /** Where another agent called it. */
  readonly caller: { turn: number; agent: string } | undefined;
  /** The trigger of the agent that asked, where one did. */
  readonly trigger: string | undefined;
  /** Its program was started, and it has not ended. */
  readonly running: boolean;
  /** When it was asked, in milliseconds since 1970, where that is known. */
  readonly askedAtMs: number | undefined;
  /** The context that it was asked in, as a task of A2A has one. */
  readonly context: string | undefined;
  /** Of a workflow: the steps that have begun. */
  readonly steps: readonly Step[];
  /** Steps beyond those that are listed. */
  readonly stepsBeyond: number;

  constructor(record: Record<string, any>, routed?: Routed) {
    this.turn = record['turn'];
    this.agent = record['agent'];
    this.input = record['input'];
    this.answer = record['answer'];
    this.outcome = record['outcome'];
    this.trace = record['trace'];
    this.routed = routed;
    this.caller = record['caller'];
    this.trigger = record['trigger'];
    this.running = record['running'] ?? false;
    this.askedAtMs = record['askedAtMs'];
    this.context = record['context'];
    this.steps = record['steps'] ?? [];
    this.stepsBeyond = record['stepsBeyond'] ?? 0;
  }

  /** Whether the program ended well. */
  get ok(): boolean {
    return this.outcome?.ok ?? false;
  }

  /** The answer. Throws `Refused` where the turn did not come to one. */
  get text(): string {
    if (!this.outcome) throw new Refused({ code: 'not-running', status: 409, detail: `turn ${this.turn} has not ended` });
    if (this.ok && this.answer !== undefined) return this.answer;
    throw new Refused(this.outcome.problem ?? { code: 'internal', detail: `turn ${this.turn} has no answer` });
  }

  get notices(): readonly string[] {
    return this.outcome?.notices ?? [];
  }

  /** A part of what was given is not in the answer; a notice says which. */
  get incomplete(): boolean {
    return this.outcome?.incomplete ?? false;
  }

  /** Paths of the files that the turn wrote: `gateway.file(answer.turn, path)`. */
  get files(): readonly string[] {
    return (this.outcome?.files ?? []).map((it) => it.path);
  }
}
