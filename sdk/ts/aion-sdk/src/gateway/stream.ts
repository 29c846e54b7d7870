// `TurnStream`: a turn's events to its end, through connections that break.
import { Lost } from '../core/refused.js';
import { objects } from '../core/sse.js';
import { PAUSE_MS } from '../core/tries.js';
import { Answer, type Routed, type TurnEvent } from './answer.js';
import type { Door } from './door.js';

type Bytes = AsyncGenerator<Uint8Array, void, void>;

/**
 * A turn's events as they come, each once, the last one `ended`. A stream that breaks is followed again from the event after
 * the last one that was given. Nothing is read before it is asked for, so a slow reader holds one event.
 */
export class TurnStream implements AsyncIterableIterator<TurnEvent> {
  readonly #door: Door;
  readonly #begin: () => Promise<Bytes>;
  #events: AsyncGenerator<Record<string, unknown>, void, void> | undefined;
  #turn: number | undefined;
  #routed: Routed | undefined;
  #text = '';
  #hasEnded = false;
  // Of the turn's own events: how many were given, and how many of this connection are to be passed over.
  #seen = 0;
  #skip = 0;

  private constructor(door: Door, begin: () => Promise<Bytes>, turn?: number) {
    this.#door = door;
    this.#begin = begin;
    this.#turn = turn;
  }

  /** Follows a turn that is there, or one that `begin` begins. */
  static async open(door: Door, begin: number | (() => Promise<Bytes>)): Promise<TurnStream> {
    const stream =
      typeof begin === 'number'
        ? new TurnStream(door, () => TurnStream.#follow(door, begin), begin)
        : new TurnStream(door, begin);
    await stream.#connect();
    return stream;
  }

  static #follow(door: Door, turn: number): Promise<Bytes> {
    return door.open('GET', door.path(`turns/${turn}/events`));
  }

  /** The turn's number, once it is taken. */
  get turn(): number | undefined {
    return this.#turn;
  }

  /** The answer so far. A run that begins anew tells it from its start. */
  get text(): string {
    return this.#text;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<TurnEvent, undefined>> {
    while (!this.#hasEnded) {
      const event = await this.#read();
      if (event === undefined) {
        await this.#door.clock.sleep(PAUSE_MS * (1 + Math.random() / 2));
      } else if (event.event === 'routed') {
        // Told by /v1/ask alone, and not among the turn's own.
        if (this.#routed) continue;
        this.#routed = event.routed;
        return { done: false, value: event };
      } else if (this.#skip > 0) {
        this.#skip -= 1;
      } else {
        this.#seen += 1;
        await this.#take(event);
        return { done: false, value: event };
      }
    }
    return { done: true, value: undefined };
  }

  /** Ends a loop. The turn goes on; another loop goes on after the last event. */
  async return(): Promise<IteratorResult<TurnEvent, undefined>> {
    await this.close();
    return { done: true, value: undefined };
  }

  /** Closes the connection. The turn goes on: `gateway.cancel` ends it. */
  async close(): Promise<void> {
    const events = this.#events;
    this.#events = undefined;
    await events?.return();
  }

  /** Reads to the end, and gives the turn as it is kept. */
  async answer(): Promise<Answer> {
    for await (const _ of this);
    return new Answer(await this.#door.json('GET', this.#door.path(`turns/${this.#turn}`)), this.#routed);
  }

  async #connect(): Promise<void> {
    const bytes = await (this.#turn === undefined ? this.#begin() : TurnStream.#follow(this.#door, this.#turn));
    this.#events = objects(bytes);
    this.#skip = this.#seen;
  }

  /** The next event of the connection; none where it broke. */
  async #read(): Promise<TurnEvent | undefined> {
    if (!this.#events) await this.#connect();
    try {
      const read = await this.#events?.next();
      if (read && !read.done) {
        const event = read.value as TurnEvent | { event: 'interrupted' };
        if (event.event !== 'interrupted') return event;
        // The node went away: what comes next is told by another connection.
        await this.close();
      }
    } catch (error) {
      if (!(error instanceof Lost)) throw error;
    }
    this.#events = undefined;
    return undefined;
  }

  async #take(event: TurnEvent): Promise<void> {
    switch (event.event) {
      case 'queued':
        this.#turn = event.turn;
        break;
      case 'started':
        this.#text = '';
        break;
      case 'delta':
        this.#text += event.text;
        break;
      case 'final':
        this.#text = event.text;
        break;
      case 'ended':
        this.#hasEnded = true;
        await this.close();
    }
  }
}
