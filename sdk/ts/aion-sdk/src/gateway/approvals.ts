// What agents ask people, and what is said to it (docs/approvals.md).
import { Refused } from '../core/refused.js';
import type { Door } from './door.js';

/** What became of an approval. */
export interface Said {
  word: 'approved' | 'denied' | 'expired' | 'withdrawn';
  /** For how much, of a yes. */
  scope?: 'once' | 'turn' | 'until';
  /** Until when, for `until`, in milliseconds since 1970. */
  untilMs?: number;
  /** Who said it, as the node knows them. */
  by?: string;
  atMs: number;
}

/** A yes that counts until a date, or until the agent's grants are others: `gateway.revoke(word.approval)` takes it back. */
export interface Word {
  approval: number;
  agent: string;
  capability: string;
  untilMs: number;
  by?: string;
  givenAtMs: number;
}

/** For how much a yes is; for this call where nothing is said. */
export interface ApproveOptions {
  /** For the same syscall and target, until the turn ends. */
  turn?: boolean;
  /** The same in every turn of the agent, until then. */
  until?: Date;
}

/** A call that a person is asked about. A word is for what is shown here, and for nothing else. */
export class Approval {
  readonly number: number;
  /** The turn that waits for it. */
  readonly turn: number;
  /** `namespace/agent`. */
  readonly agent: string;
  /** `family.verb` and its target, such as `tool.call:mail.send`. */
  readonly capability: string;
  /** A tool's server asks this while a call runs: a yes is told to it, and makes no call. */
  readonly question: boolean;
  /** The rule that asks. */
  readonly rule: string;
  readonly askedAtMs: number;
  /** By when somebody has to answer. */
  readonly untilMs: number;
  /** SHA-256 of the request. */
  readonly digest: string;
  /**
   * The request's text, while nobody has answered: its first 16 KiB. It is what is done, byte by byte: what shows it to people makes
   * control characters visible.
   */
  readonly shown: string | undefined;
  /** There is more of it than is shown, or something in it is not text. */
  readonly cut: boolean;
  /** None while it waits. */
  readonly answered: Said | undefined;

  constructor(record: Record<string, any>) {
    this.number = record['approval'];
    this.turn = record['turn'];
    this.agent = record['agent'];
    this.capability = record['capability'];
    this.question = record['question'] ?? false;
    this.rule = record['rule'];
    this.askedAtMs = record['askedAtMs'];
    this.untilMs = record['untilMs'];
    this.digest = record['digest'];
    this.shown = record['shown']?.text;
    this.cut = record['shown']?.cut ?? false;
    this.answered = record['answered'];
  }

  /** Nobody has answered. */
  get waits(): boolean {
    return this.answered === undefined;
  }

  /** The request, read; none where it is not shown whole, is not a JSON object, or has a number that JavaScript rounds. */
  get arguments(): Record<string, unknown> | undefined {
    return this.shown === undefined || this.cut ? undefined : exactly(this.shown);
  }
}

/** The object in a text, where it says the same here as it does at the node. */
function exactly(text: string): Record<string, unknown> | undefined {
  let isRounded = false;
  const seen = (_: string, value: unknown): unknown => {
    isRounded ||= typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER;
    return value;
  };
  let found: unknown;
  try {
    found = JSON.parse(text, seen);
  } catch {
    return undefined;
  }
  const isObject = typeof found === 'object' && found !== null && !Array.isArray(found);
  return isObject && !isRounded ? (found as Record<string, unknown>) : undefined;
}

/** Which of a list. */
export interface ListOptions {
  /** Where nodes of a cluster did not list theirs, those of the others: else that is a `Refused`, with their names as `silent`. */
  partial?: boolean;
}

/** A page of the gateway's. */
interface Page {
  items: Record<string, unknown>[];
  standing: Word[];
  next?: string;
  silent?: Silent[];
}

interface Silent {
  node: string;
  detail: string;
}

/** All that is asked and said. A page begins behind the last row of the one before, so none comes twice. */
export async function approvals(door: Door, { partial = false }: ListOptions = {}): Promise<{ items: Approval[]; standing: Word[] }> {
  const items: Approval[] = [];
  const standing: Word[] = [];
  let after: string | undefined;
  for (;;) {
    const page = (await door.json('GET', door.path('approvals', { after }), { headers: door.asApprover() })) as unknown as Page;
    if (page.silent?.length && !partial) throw partly(page.silent);
    items.push(...page.items.map((it) => new Approval(it)));
    standing.push(...page.standing);
    if (page.next === undefined) return { items, standing };
    if (page.next === after) {
      throw new Refused({ code: 'internal', detail: "the gateway's list of approvals does not end: a page is followed by itself" });
    }
    after = page.next;
  }
}

function partly(silent: Silent[]): Refused {
  const said = silent.slice(0, 8).map((it) => `${it.node}: ${it.detail}`).join('; ');
  const more = silent.length > 8 ? `; and ${silent.length - 8} more` : '';
  return new Refused({
    code: 'unreachable',
    status: 502,
    detail: `nodes of the cluster did not list their approvals: ${said}${more}`,
    remedy: 'try again, or list those of the other nodes with partial: true',
    silent: silent.map((it) => it.node),
  });
}

/** One of what is asked. */
export async function approval(door: Door, number: number): Promise<Approval> {
  return new Approval(await door.json('GET', door.path(`approvals/${number}`), { headers: door.asApprover() }));
}

/** Takes a word back. */
export async function revoke(door: Door, approval: number): Promise<void> {
  let wasLost = false;
  const onLost = (): void => void (wasLost = true);
  try {
    await door.done('DELETE', door.path(`approvals/${approval}`), { headers: door.asApprover(), onLost });
  } catch (error) {
    // A try was lost on its way: it may have taken the word back, and none stands.
    if (!wasLost || !(error instanceof Refused) || error.code !== 'not-found') throw error;
  }
}

/** Says yes or no to what was shown. */
export async function answer(door: Door, asked: Approval, verdict: 'approve' | 'deny', { turn, until }: ApproveOptions = {}): Promise<Approval> {
  if (turn && until) throw new TypeError('a yes is for the turn, or until a date, not both');
  const scope = turn ? { scope: 'turn' as const } : until ? { scope: 'until' as const, untilMs: until.getTime() } : {};
  const json = { turn: asked.turn, digest: asked.digest, verdict, ...scope };
  let wasLost = false;
  const onLost = (): void => void (wasLost = true);
  try {
    const path = door.path(`approvals/${asked.number}`);
    return new Approval(await door.json('POST', path, { json, headers: door.asApprover(), onLost }));
  } catch (error) {
    if (!wasLost || !(error instanceof Refused)) throw error;
    // A try was lost on its way: it may be what is recorded.
    if (UNKNOWN.has(error.code)) throw unknown(asked, error);
    if (error.code !== 'already-answered') throw error;
    const found = await approval(door, asked.number).catch((why: unknown) => {
      throw why instanceof Refused ? unknown(asked, why) : why;
    });
    // Numbers are a node's own, and it may have been made anew.
    if (found.turn !== asked.turn || found.digest !== asked.digest) {
      const detail = `approval ${asked.number} is another by now`;
      throw new Refused({ code: 'changed', status: 412, detail, remedy: 'read it again, and answer what is shown then' });
    }
    if (!isSame(found.answered, verdict, scope)) throw error;
    return found;
  }
}

// Where a try was lost and another is refused so, the first may have been taken.
const UNKNOWN: ReadonlySet<string> = new Set(['not-found', 'unreachable']);

function unknown(asked: Approval, why: Refused): Refused {
  const detail = `nobody knows whether approval ${asked.number} was answered: ${why.detail}`;
  return new Refused({ code: 'outcome-unknown', detail, remedy: 'look at what became of its turn' });
}

function isSame(said: Said | undefined, verdict: 'approve' | 'deny', { scope = 'once', untilMs }: Partial<Said>): boolean {
  if (verdict === 'deny') return said?.word === 'denied';
  return said?.word === 'approved' && (said.scope ?? 'once') === scope && said.untilMs === untilMs;
}
