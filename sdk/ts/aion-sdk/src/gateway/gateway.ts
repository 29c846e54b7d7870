// `Gateway`: asking agents from other programs.
import { type AgentInfo, Answer } from './answer.js';
import { Door, type GatewayOptions } from './door.js';
import { type Approval, type ApproveOptions, answer, approval, approvals, type ListOptions, revoke, type Word } from './approvals.js';
import { EventStream, type EventsOptions } from './events.js';
import { TurnStream } from './stream.js';

/** A file to be given: a browser's `File`, or a name and a content. */
export type Upload = File | { name: string; data: string | Uint8Array | Blob };

export interface AskOptions {
  /** Whom; where it is not said the agent that the question is for. */
  agent?: string;
  files?: Upload[];
  deadlineMs?: number;
  /** Asked again under a key of one's own, a question is the same turn. */
  key?: string;
}

/** A client of a gateway: agents, and turns of them. */
export class Gateway {
  readonly #door: Door;
  readonly url: string;

  constructor(options: GatewayOptions) {
    this.#door = new Door(options);
    this.url = this.#door.url;
  }

  /** Asks, and waits for the end of the turn. `Refused` of code `undecided` names `candidates`. */
  async ask(text: string, options: AskOptions = {}): Promise<Answer> {
    return (await this.stream(text, options)).answer();
  }

  /** As `ask`, event by event. Under its key the question is one turn, however often it is sent. */
  async stream(text: string, options: AskOptions = {}): Promise<TurnStream> {
    const { agent, files = [], deadlineMs, key = newKey() } = options;
    if (files.length > 0 && agent === undefined) throw new TypeError('files are given to an agent: name it');
    const uploads: string[] = [];
    for (const file of files) uploads.push(await this.#upload(agent ?? '', file));
    const json = { input: text, deadlineMs, ...(uploads.length > 0 && { uploads }) };
    const place = agent === undefined ? 'ask' : `agents/${encodeURIComponent(agent)}/turns`;
    const path = this.#door.path(place, { namespace: this.#door.namespace });
    const headers = { accept: 'text/event-stream', 'idempotency-key': key };
    return TurnStream.open(this.#door, () => this.#door.open('POST', path, { json, headers }));
  }

  /** A turn's events from its start, also after its end. */
  follow(turn: number): Promise<TurnStream> {
    return TurnStream.open(this.#door, turn);
  }

  /** A turn as it is kept. */
  async turn(turn: number): Promise<Answer> {
    return new Answer(await this.#door.json('GET', this.#door.path(`turns/${turn}`)));
  }

  /** Cancels a turn that waits or runs. */
  async cancel(turn: number): Promise<Answer> {
    return new Answer(await this.#door.json('DELETE', this.#door.path(`turns/${turn}`)));
  }

  /** A file that a turn wrote to `output`. */
  file(turn: number, path: string): Promise<Uint8Array> {
    const named = path.split('/').map(encodeURIComponent).join('/');
    return this.#door.bytes(this.#door.path(`turns/${turn}/files/${named}`));
  }

  /** All agents, of the namespace or of every one. */
  async agents(): Promise<AgentInfo[]> {
    const found: AgentInfo[] = [];
    for (let after: string | undefined; ; ) {
      const path = this.#door.path('agents', { namespace: this.#door.namespace, after, limit: 500 });
      const page = (await this.#door.json('GET', path)) as { items: AgentInfo[]; next?: string };
      found.push(...page.items);
      if (page.next === undefined) return found;
      after = page.next;
    }
  }

  /** One agent. */
  async agent(name: string): Promise<AgentInfo> {
    const path = this.#door.path(`agents/${encodeURIComponent(name)}`, { namespace: this.#door.namespace });
    return (await this.#door.json('GET', path)) as AgentInfo;
  }

  /** What happens on the node. */
  events(options: EventsOptions = {}): Promise<EventStream> {
    return EventStream.open(this.#door, options);
  }

  /**
   * What agents ask people: those that wait, oldest first, then the last that were answered. It takes a key that may `approve`,
   * or an `approverToken`; so do all that follow.
   */
  async approvals(options: ListOptions = {}): Promise<Approval[]> {
    return (await approvals(this.#door, options)).items;
  }

  /** One of them. */
  approval(number: number): Promise<Approval> {
    return approval(this.#door, number);
  }

  /** Says yes to what is shown. `Refused` of code `already-answered` where somebody was first, `changed` where it is another by now. */
  approve(asked: Approval, options: ApproveOptions = {}): Promise<Approval> {
    return answer(this.#door, asked, 'approve', options);
  }

  /** Says no. */
  deny(asked: Approval): Promise<Approval> {
    return answer(this.#door, asked, 'deny');
  }

  /** What was said until a date, and counts. */
  async words(options: ListOptions = {}): Promise<Word[]> {
    return (await approvals(this.#door, options)).standing;
  }

  /** Takes a word back that counts until a date. */
  revoke(approval: number): Promise<void> {
    return revoke(this.#door, approval);
  }

  async #upload(agent: string, file: Upload): Promise<string> {
    const query = { namespace: this.#door.namespace, name: file.name };
    const path = this.#door.path(`agents/${encodeURIComponent(agent)}/uploads`, query);
    const headers = { 'content-type': 'application/octet-stream' };
    const { upload } = await this.#door.json('POST', path, { headers, body: 'data' in file ? file.data : file });
    return upload as string;
  }
}

/** Of random digits; `randomUUID` is not there for a page that was not encrypted on its way. */
function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (it) => it.toString(16).padStart(2, '0')).join('');
}
