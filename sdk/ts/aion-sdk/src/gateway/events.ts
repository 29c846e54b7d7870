// `EventStream`: what happens on a node, through connections that break.
import { Lost, Refused } from '../core/refused.js';
import { objects } from '../core/sse.js';
import { PAUSE_MS } from '../core/tries.js';
import { type Door, PATIENCE_MS } from './door.js';

// The gateway says something every 15 s: so long without a word, and the connection is gone.
const SILENCE_MS = 45_000;
// The longest pause between two connections that end before they say anything.
const LONGEST_MS = 5_000;

export type EventKind = 'agent' | 'turn' | 'syscall' | 'queue' | 'log';

/** How far a turn is. */
export type TurnState =
  | { state: 'queued'; cause?: string; caller?: number }
  | { state: 'started'; incarnation: number }
  | { state: 'asked'; approval: number; capability: string }
  | { state: 'answered'; approval: number; word: 'approved' | 'denied' | 'expired' | 'withdrawn' }
  | { state: 'paused' }
  | { state: 'resumed' }
  | { state: 'ended'; ok: boolean; code?: string; tokens: number; syscalls: number; elapsedMs: number };

/** What an event says, by its kind. Pass over kinds and states that you do not know. */
export type Happened = {
  /** When, in milliseconds since 1970. */
  atMs: number;
  /** Whose, as `namespace/agent`; absent for what is of the whole node. */
  agent?: string;
} & (
  | { kind: 'agent'; replica: number; state: 'ready' | 'unready' | 'gone'; because?: string }
  | ({ kind: 'turn'; turn: number } & TurnState)
  | { kind: 'syscall'; call: number; turn: number; capability: string; ok: boolean; code?: string; elapsedMs?: number; tokens?: number }
  | {
      kind: 'queue';
      turnsWaiting: number;
      turnsRunning: number;
      turnsPaused: number;
      callsWaiting: number;
      callsRunning: number;
      approvalsPending: number;
    }
  | { kind: 'log'; incarnation: number; source: string; text: string }
);

/** Events that are not told, of whatever kind. */
export interface Missed {
  /** How many; absent where nobody knows. */
  events?: number;
  because: 'late' | 'unheard' | 'restarted' | 'unknown';
}

/** Something that happened, or that some of it is not told; the stream goes on behind `cursor`. */
export type EventItem = { cursor: string; event: Happened } | { cursor?: string; missed: Missed };

/** Which events; all of them where nothing is said. */
export interface EventsOptions {
  kinds?: EventKind[];
  /** As `name` or `namespace/name`. */
  agents?: string[];
  namespace?: string;
  /** Behind this cursor of an earlier stream; from now on where it is not said. */
  after?: string;
}

type Told = Partial<{ cursor: string; event: Happened; missed: Missed; away: object }>;

/**
 * What happens, each event once, and a `missed` where some are not told. Where the connection breaks it goes on behind the
 * last cursor, within a minute; beyond that `Refused` is thrown, and the next read tries again. Nothing is read before
 * it is asked for.
 */
export class EventStream implements AsyncIterableIterator<EventItem> {
  readonly #door: Door;
  readonly #options: EventsOptions;
  #cursor: string | undefined;
  #isAway = false;
  #events: AsyncGenerator<Record<string, unknown>, void, void> | undefined;
  // The first item, where it came before anybody asked for one.
  #first: EventItem | undefined;
  #hasBegun = false;
  // Grows from one connection to the next, until one says something.
  #pauseMs = PAUSE_MS;
  // Ends the connection, also while it is waited for.
  #ending = new AbortController();

  private constructor(door: Door, options: EventsOptions) {
    this.#door = door;
    this.#options = options;
    this.#cursor = options.after;
  }

  /** Listens. What happens from now on is told, also what happens before it is asked for. */
  static async open(door: Door, options: EventsOptions): Promise<EventStream> {
    const stream = new EventStream(door, options);
    const until = door.clock.measured() + PATIENCE_MS;
    await stream.#connect();
    while (stream.#cursor === undefined && !stream.#isAway && !stream.#first) {
      if (!stream.#events && door.clock.measured() > until) {
        const detail = "the gateway's stream of events ends before it says anything";
        throw new Refused({ code: 'unreachable', status: 502, detail, remedy: 'look at the gateway, and at what stands before it' });
      }
      stream.#first = await stream.#step();
    }
    stream.#hasBegun = true;
    return stream;
  }

  /** Everything up to here was given: `gateway.events({ after })` goes on behind it, also in another process. */
  get cursor(): string | undefined {
    return this.#cursor;
  }

  /** The gateway is there, and the node does not answer it. */
  get isAway(): boolean {
    return this.#isAway;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<EventItem, undefined>> {
    if (this.#ending.signal.aborted) this.#ending = new AbortController();
    const { signal } = this.#ending;
    let item = this.#first;
    this.#first = undefined;
    while (!item) {
      try {
        item = await this.#step();
      } catch (error) {
        if (!signal.aborted) throw error;
      }
      if (signal.aborted) return { done: true, value: undefined };
    }
    return { done: false, value: item };
  }

  /** Ends a loop, and the connection; another loop goes on behind the last item. */
  async return(): Promise<IteratorResult<EventItem, undefined>> {
    await this.close();
    return { done: true, value: undefined };
  }

  /** Closes the connection. A loop that waits for the next item ends. */
  async close(): Promise<void> {
    const events = this.#events;
    this.#events = undefined;
    this.#ending.abort();
    await events?.return().catch(() => {});
  }

  async #connect(): Promise<void> {
    const { kinds, agents, namespace = this.#door.namespace } = this.#options;
    const named = (all: string[] | undefined) => all?.join(',') || undefined;
    const query = { kinds: named(kinds), agents: named(agents), namespace, after: this.#cursor };
    const { signal } = this.#ending;
    // Of this connection alone: another one takes its place.
    const silent = new AbortController();
    const headers = { accept: 'text/event-stream' };
    const asking = { headers, signal: AbortSignal.any([signal, silent.signal]), headMs: SILENCE_MS };
    const bytes = await this.#door.open('GET', this.#door.path('events', query), asking);
    this.#events = objects(heard(bytes, () => silent.abort()));
  }

  /** The next item of the connection; none where it says something else, or broke. */
  async #step(): Promise<EventItem | undefined> {
    if (!this.#events) {
      await this.#door.clock.sleep(this.#pauseMs * (1 + Math.random() / 2));
      this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_MS);
      this.#ending.signal.throwIfAborted();
      await this.#connect();
      // Nobody knows from where on it was to go on.
      if (this.#hasBegun && this.#cursor === undefined) return { missed: { because: 'unheard' } };
    }
    try {
      const read = await this.#events?.next();
      if (read && !read.done) return this.#take(read.value as Told);
    } catch (error) {
      if (!(error instanceof Lost)) throw error;
    }
    this.#events = undefined;
    return undefined;
  }

  #take(told: Told): EventItem | undefined {
    this.#pauseMs = PAUSE_MS;
    this.#cursor = told.cursor ?? this.#cursor;
    // What it says besides is where it stands.
    this.#isAway = told.away !== undefined;
    return told.event || told.missed ? (told as EventItem) : undefined;
  }
}

/** The same bytes; it is told where none come for too long while they are waited for. */
async function* heard(bytes: AsyncIterable<Uint8Array>, isSilent: () => void): AsyncGenerator<Uint8Array, void, void> {
  let timer = setTimeout(isSilent, SILENCE_MS);
  try {
    for await (const part of bytes) {
      clearTimeout(timer);
      yield part;
      timer = setTimeout(isSilent, SILENCE_MS);
    }
  } finally {
    clearTimeout(timer);
  }
}
