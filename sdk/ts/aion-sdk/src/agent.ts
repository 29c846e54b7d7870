// Agents, and a program's turn from the boot document to the exit status.
import { Boot } from './boot.js';
import type { ClientOptions } from './client.js';
import { CODES, Refused, Unanswered } from './core/refused.js';
import { Elsewhere } from './elsewhere.js';
import { Door } from './gateway/door.js';
import { type LocalOptions, localOptions } from './local.js';
import { answerByModel, type LoopOptions } from './loop.js';
import { Place } from './place.js';
import { type FunctionTool, toolsOf } from './tool.js';
import { Turn } from './turn.js';

/** What an answer is: a text, or its parts as they come. */
export type Answering = string | Promise<string> | AsyncIterable<string>;

/** An agent: a model with instructions and tools, or a function that answers itself. */
export interface AgentDefinition extends LoopOptions {
  /** Functions that the model may call. */
  tools?: FunctionTool[];
  /** Answers in place of the model loop. */
  turn?(turn: Turn): Answering;
}

/** An agent, by its definition or as a class: with `@Agent`, or with a method `turn`. */
export type Agent = AgentDefinition | (new () => object);

const ofClass = new WeakMap<object, LoopOptions>();

/** Makes a class an agent. Its `@Tool` methods are its model's tools; where it has a method `turn`, that answers instead. */
export function Agent(options: LoopOptions = {}) {
  return function <C extends new () => object>(agent: C, _context: ClassDecoratorContext<C>): void {
    ofClass.set(agent, options);
  };
}

/** An agent without a class, and where there are no decorators. */
export function agent(definition: AgentDefinition): AgentDefinition {
  return definition;
}

/** Where the gateway is, and how many turns are taken at once: 8 where it is not said. */
export interface ServeOptions extends LocalOptions {
  atOnce?: number;
}

/** Runs agents. */
export class AgentRuntime {
  private constructor() {}

  /**
   * Answers the turn that this process was started for, and ends it. Where `AION_AGENT` names an agent of runtime `external`
   * (of the namespace `AION_NAMESPACE`, where that is set), and no node started this process, it serves that one.
   */
  static async run(agent: Agent): Promise<never> {
    const name = process.env['AION_AGENT'];
    if (name && process.env['AION_BOOT_FD'] === undefined) return served(agent, name);
    const boot = Boot.inherited();
    // Process 1 has no handler by itself: a turn that is cancelled would wait for SIGKILL.
    process.once('SIGTERM', () => process.exit(143));
    // What is thrown beside the turn fails it, too, and its caller reads a sentence.
    const beside = new Promise<never>((_, reject) => process.once('uncaughtException', reject));
    beside.catch(() => {});
    const status = await AgentRuntime.answer(agent, boot, {}, beside);
    // Pipes are written to in the background: what was logged goes out before the end.
    for (const stream of [process.stdout, process.stderr]) {
      await new Promise<void>((resolve) => stream.write('', () => resolve()));
    }
    process.exit(status);
  }

  /**
   * Takes the turns of an agent of runtime `external` until SIGTERM or Ctrl-C, and gives the signal's name (docs/external.md).
   * The gateway is found as by `localGateway`.
   */
  static async serve(agent: Agent, name: string, options: ServeOptions = {}): Promise<NodeJS.Signals> {
    const { atOnce = 8, ...where } = options;
    if (!Number.isInteger(atOnce) || atOnce < 1) throw new TypeError('atOnce is less than 1: no turn would be taken');
    const place = new Place(new Door(localOptions(where)), name);
    const elsewhere = new Elsewhere((boot, remote) => AgentRuntime.answer(agent, boot, { remote }), place, atOnce);
    let ended: NodeJS.Signals = 'SIGTERM';
    // A second one ends the process at once.
    const stop = (signal: NodeJS.Signals): void => {
      ended = signal;
      elsewhere.stop();
    };
    const signals: NodeJS.Signals[] = ['SIGTERM', 'SIGINT'];
    for (const signal of signals) process.once(signal, stop);
    try {
      await elsewhere.serve();
    } finally {
      for (const signal of signals) process.off(signal, stop);
    }
    return ended;
  }

  /** Answers a turn; 0 where it went well. */
  static async answer(agent: Agent, boot: Boot, options: ClientOptions = {}, beside?: Promise<never>): Promise<number> {
    const turn = new Turn(boot, options);
    try {
      const answering = answerOf(agent, turn);
      const text = await (beside ? Promise.race([answering, beside]) : answering);
      await turn.message('final', text);
      return 0;
    } catch (error) {
      await failed(turn, error);
      return 1;
    } finally {
      turn.close();
    }
  }
}

async function served(agent: Agent, name: string): Promise<never> {
  try {
    const namespace = process.env['AION_NAMESPACE'];
    const signal = await AgentRuntime.serve(agent, name, namespace ? { namespace } : {});
    process.exit(signal === 'SIGINT' ? 130 : 143);
  } catch (error) {
    console.error(error instanceof Refused ? `${name}: ${error.sentence()}` : error);
    process.exit(1);
  }
}

async function answerOf(agent: Agent, turn: Turn): Promise<string> {
  const { tools = [], ...definition } = typeof agent === 'function' ? definitionOf(agent) : agent;
  if (!definition.turn) return said(await answerByModel(turn, definition, unique(tools)));
  if (definition.instructions !== undefined || tools.length > 0) {
    throw new TypeError('the agent has instructions or tools and a method turn: nothing would ask its model');
  }
  const answering = definition.turn(turn);
  if (!isStream(answering)) return said(await answering);
  let whole = '';
  for await (const part of answering) {
    whole += part;
    await turn.delta(part);
  }
  return said(whole);
}

function definitionOf(agent: new () => object): AgentDefinition {
  const options = ofClass.get(agent);
  const instance: { turn?: (turn: Turn) => Answering } = new agent();
  const { turn } = instance;
  if (options === undefined && turn === undefined) {
    throw new TypeError(`${agent.name} is not an agent: give it @Agent, or a method turn`);
  }
  const definition: AgentDefinition = { ...options, tools: toolsOf(instance) };
  if (turn) definition.turn = (given) => turn.call(instance, given);
  return definition;
}

function unique(tools: FunctionTool[]): FunctionTool[] {
  const twice = tools.find((it, at) => tools.findIndex(({ name }) => name === it.name) < at);
  if (twice) throw new TypeError(`there are two tools called ${twice.name}`);
  return tools;
}

function isStream(answering: Answering): answering is AsyncIterable<string> {
  return typeof answering === 'object' && Symbol.asyncIterator in answering;
}

function said(text: unknown): string {
  if (typeof text !== 'string') throw new TypeError('the method turn gave something other than a text');
  if (text === '') throw new Unanswered('the agent has no answer to this');
  return text;
}

/** Says how it failed. A stack is for the log: the caller reads a sentence. */
async function failed(turn: Turn, error: unknown): Promise<void> {
  try {
    if (error instanceof Unanswered) {
      await turn.message('failed', error.message);
    } else if (error instanceof Refused) {
      // A code that the node does not have is the program's own word: the sentence says it.
      await turn.message('failed', error.sentence(), CODES.has(error.code) ? error : undefined);
    } else {
      console.error(error);
      const why = error instanceof Error ? error.message || error.name : String(error);
      await turn.message('failed', `the agent's program failed: ${why}; its log says where`);
    }
  } catch (untold) {
    // The exit status says that it failed.
    console.error(untold);
  }
}
