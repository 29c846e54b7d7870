// What agents ask people, and what is said to it (docs/approvals.md).
import { objectIn } from '../core/json.js';
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
  /** The rule that asks. */
  readonly rule: string;
  readonly askedAtMs: number;
  /** By when somebody has to answer. */
  readonly untilMs: number;
  /** SHA-256 of the request. */
  readonly digest: string;
  /** The request's text, while nobody has answered: its first 16 KiB. */
  readonly shown: string | undefined;
  /** There is more of it than is shown, or something in it is no text. */
  readonly cut: boolean;
  /** None while it waits. */
  readonly answered: Said | undefined;

  constructor(record: Record<string, any>) {
    this.number = record['approval'];
    this.turn = record['turn'];
    this.agent = record['agent'];
    this.capability = record['capability'];
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

  /** The request, read; none where it is not shown whole. */
  get arguments(): Record<string, unknown> | undefined {
    return this.shown === undefined || this.cut ? undefined : objectIn(this.shown);
  }
}

/** All that is asked and said. */
export async function approvals(door: Door): Promise<{ items: Approval[]; standing: Word[] }> {
  const { items, standing } = await door.json('GET', door.path('approvals'), { headers: door.asApprover() });
  return { items: (items as Record<string, unknown>[]).map((it) => new Approval(it)), standing: standing as Word[] };
}

/** One of what is asked. */
export async function approval(door: Door, number: number): Promise<Approval> {
  return new Approval(await door.json('GET', door.path(`approvals/${number}`), { headers: door.asApprover() }));
}

/** Takes a word back. */
export function revoke(door: Door, approval: number): Promise<void> {
  return door.done('DELETE', door.path(`approvals/${approval}`), { headers: door.asApprover() });
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
    if (!(error instanceof Refused) || error.code !== 'already-answered' || !wasLost) throw error;
    // A try was lost on its way: it may be what is recorded.
    const found = await approval(door, asked.number);
    if (!isSame(found.answered, verdict, scope)) throw error;
    return found;
  }
}

function isSame(said: Said | undefined, verdict: 'approve' | 'deny', { scope = 'once', untilMs }: Partial<Said>): boolean {
  if (verdict === 'deny') return said?.word === 'denied';
  return said?.word === 'approved' && (said.scope ?? 'once') === scope && said.untilMs === untilMs;
}
