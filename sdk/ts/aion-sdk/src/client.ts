// `KernelClient`: the syscalls of one turn.
import { Agents } from './agents.js';
import { Boot } from './boot.js';
import { objectIn } from './core/json.js';
import { Lost, Refused } from './core/refused.js';
import { type Call, Session } from './core/session.js';
import { objects } from './core/sse.js';
import { type Clock, PAUSE_MS, realClock, Tries } from './core/tries.js';
import { Files } from './files.js';
import { Memory } from './memory.js';
import { Model } from './model.js';
import { Tools } from './tools.js';
import { type Opened, type Remote, Transport } from './transport.js';

const SOCKET = '/run/aion.sock';
// How long a call is tried again while the node is away, restarted or busy.
const PATIENCE_MS = 30_000;

export interface ClientOptions {
  /** Where the node is; `AION_SOCKET`, else `/run/aion.sock`. */
  socketPath?: string;
  /** In place of a socket: where the syscalls of a program elsewhere are taken. */
  remote?: Remote;
  /** For tests of what is tried again. */
  clock?: Clock;
}

/** What the node tells without being asked. Pass over those that you do not know. */
export type Notice =
  | { notice: 'pressure'; resource: 'memory'; heldBytes: number; highBytes: number; mostBytes: number }
  | { notice: string; [field: string]: unknown };

export type MessageKind = 'progress' | 'notice' | 'leftOut' | 'delta' | 'final' | 'failed';

/**
 * Makes syscalls: each signed, tried again while the node is away or busy, and under an idempotency key that names the step
 * of the turn, so that nothing is done twice.
 */
export class KernelClient {
  readonly #session: Session;
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly memory: Memory;
  readonly tools: Tools;
  readonly files: Files;
  readonly agents: Agents;
  readonly model: Model;

  constructor(boot: Boot, options: ClientOptions = {}) {
    this.#session = new Session(Boot.key(boot), boot.turn);
    this.#transport = new Transport(options.remote ?? options.socketPath ?? process.env['AION_SOCKET'] ?? SOCKET);
    this.#clock = options.clock ?? realClock;
    const call = (syscall: string, body: object, options?: { deadlineMs?: number }) => this.call(syscall, body, options);
    this.memory = new Memory(call);
    this.tools = new Tools(call);
    this.files = new Files(call);
    this.agents = new Agents(call);
    this.model = new Model((body) => this.#open(this.#session.begin('model.chat', body)), call);
  }

  /** Makes a syscall, such as `memory.recall`, until it is answered or refused for good. */
  async call(syscall: string, body: object = {}, options: { deadlineMs?: number } = {}): Promise<Record<string, unknown>> {
    const call = this.#session.begin(syscall, body, options.deadlineMs);
    const answer = await this.#tried(async () => {
      const { status, body } = await this.#transport.send(this.#session.request(call, this.#clock.wall()));
      return status === 200 ? { body } : Refused.read(status, body);
    });
    return objectIn(answer.body);
  }

  /** Says what the agent does now; gone with the next. */
  async progress(text: string): Promise<void> {
    await this.message('progress', text);
  }

  /** Says what the caller must know beside the answer. */
  async notice(text: string): Promise<void> {
    await this.message('notice', text);
  }

  /** Says that a part of what the caller gave is not in the answer. */
  async leftOut(text: string): Promise<void> {
    await this.message('leftOut', text);
  }

  /** Says the next part of the answer. */
  async delta(text: string): Promise<void> {
    await this.message('delta', text);
  }

  /** `agent.message`. What ends the turn, `final` and `failed`, `AgentRuntime` says. */
  async message(kind: MessageKind, text: string, refused?: Refused): Promise<void> {
    await this.call('agent.message', { kind, text, problem: refused?.problem() });
  }

  /** Keeps up to 256 KiB of the program's own state; the next turn finds it as `state`. */
  async checkpoint(state: string): Promise<void> {
    await this.call('agent.checkpoint', { state });
  }

  /** What the node tells, until the loop over it is left; opened anew where the daemon was restarted in between. */
  async *notices(): AsyncGenerator<Notice, void, void> {
    for (;;) {
      const opened = await this.#open(this.#session.begin('agent.notices', {}));
      try {
        for await (const notice of objects(opened.bytes)) yield notice as Notice;
      } catch (error) {
        if (!(error instanceof Lost)) throw error;
      } finally {
        opened.close();
      }
      await this.#clock.sleep(PAUSE_MS);
    }
  }

  /** Closes connections that are idle. */
  close(): void {
    this.#transport.close();
  }

  #open(call: Call): Promise<Opened> {
    return this.#tried(async () => {
      const answer = await this.#transport.open(this.#session.request(call, this.#clock.wall()));
      return 'bytes' in answer ? answer : Refused.read(answer.status, answer.body);
    });
  }

  #tried<T>(once: () => Promise<T | Refused>): Promise<T> {
    return Tries.until(this.#clock, PATIENCE_MS, once, unreachable);
  }
}

function unreachable(why: Lost): Refused {
  return new Refused({
    code: 'unreachable',
    status: 502,
    detail: `the node does not answer: ${why.message}`,
    remedy: 'look whether the node agent runs: aionctl local status',
  });
}
