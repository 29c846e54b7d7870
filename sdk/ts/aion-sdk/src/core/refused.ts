// Refusals: problems of RFC 9457 with a stable code (docs/syscalls.md, "Refusals"). What sends requests may not enter.

/** A refusal as it is on the wire. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  code: string;
  detail: string;
  remedy: string;
  call?: number;
  retryAfterMs?: number;
}

/** An agent that could be meant, where a question named nobody. */
export interface Candidate {
  namespace: string;
  name: string;
  [field: string]: unknown;
}

// They pass by themselves and say that nothing was done: the table of docs/process-abi.md.
const PASSING: ReadonlySet<string> = new Set(['overloaded', 'restarting', 'stale']);

/** The codes of a node: docs/syscalls.md. */
export const CODES: ReadonlySet<string> = new Set([
  'bad-signature', 'replayed', 'stale', 'unknown-syscall', 'bad-request', 'too-large', 'denied', 'guarded', 'approval-required',
  'approval-denied', 'approval-expired', 'already-answered', 'agent-cycle', 'too-many-turns',
  'quota-exceeded', 'overloaded', 'restarting', 'idempotency-mismatch', 'deadline-exceeded', 'cancelled',
  'outcome-unknown', 'not-found', 'already-exists', 'changed', 'not-running', 'offline', 'unreachable',
  'upstream-failed', 'storage-full', 'program-failed', 'out-of-bounds', 'unanswered', 'undecided', 'internal',
]);

/** The node or the gateway refused. Match on `code`: texts may change, codes do not. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly code: string;
  readonly detail: string;
  /** What to do. */
  readonly remedy: string | undefined;
  /** In how many milliseconds another try makes sense, where the refusal says so. */
  readonly retryAfterMs: number | undefined;
  readonly status: number;
  /** The kernel's number of the call, where it got that far. */
  readonly call: number | undefined;
  /** Of `undecided` at the gateway: the agents that could be meant. */
  readonly candidates: readonly Candidate[];
  /** Of a list of approvals in a cluster: the nodes that did not list theirs. */
  readonly silent: readonly string[];

  constructor(problem: Partial<Problem> & { code: string; candidates?: readonly Candidate[]; silent?: readonly string[] }) {
    super(problem.detail ?? problem.code);
    this.code = problem.code;
    this.detail = this.message;
    this.remedy = problem.remedy;
    this.retryAfterMs = problem.retryAfterMs;
    this.status = problem.status ?? 500;
    this.call = problem.call;
    this.candidates = problem.candidates ?? [];
    this.silent = problem.silent ?? [];
  }

  /** Whether it passes by itself, with nothing done. */
  get passes(): boolean {
    return PASSING.has(this.code);
  }

  /** What happened and what to do, for people. */
  sentence(): string {
    return this.remedy ? `${this.detail}; ${this.remedy}` : this.detail;
  }

  /** As it is on the wire. */
  problem(): Problem {
    const { code, detail, status, call, retryAfterMs } = this;
    const problem: Problem = {
      type: `urn:aion:problem:${code}`,
      title: code.replaceAll('-', ' '),
      status,
      code,
      detail,
      remedy: this.remedy ?? 'look at what the detail says',
    };
    if (call !== undefined) problem.call = call;
    if (retryAfterMs !== undefined) problem.retryAfterMs = retryAfterMs;
    return problem;
  }

  /** The refusal in an answer; one that has no problem in it is `internal`. */
  static read(status: number, body: string): Refused {
    let found: unknown;
    try {
      found = JSON.parse(body);
    } catch {
      found = undefined;
    }
    if (isProblem(found)) return new Refused({ status, ...found });
    // What stands between, say a proxy, has no problems of its own.
    return new Refused({ code: 'internal', status, detail: `HTTP ${status} without a reason` });
  }
}

function isProblem(found: unknown): found is Partial<Problem> & { code: string } {
  return typeof found === 'object' && found !== null && 'code' in found && typeof found.code === 'string';
}

/** There was no connection, or no whole answer. */
export class Lost extends Error {
  override readonly name = 'Lost';

  /** The reason in what a platform threw. */
  static of(error: unknown): Lost {
    if (error instanceof Lost) return error;
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return new Lost(cause instanceof Error ? cause.message || cause.name : String(cause));
  }
}

/** An agent throws this where it cannot answer: its caller reads the sentence, and no stack is logged. */
export class Unanswered extends Error {
  override readonly name = 'Unanswered';
}
