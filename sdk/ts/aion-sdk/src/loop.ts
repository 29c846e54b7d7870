// The model loop of an agent: ask, call what is asked for, ask again, a bounded number of times.
import type { ChatCompletion, ChatMessage, ChatRequest, ToolSpec } from './core/chat.js';
import { Refused, Unanswered } from './core/refused.js';
import type { FunctionTool } from './tool.js';
import type { Turn } from './turn.js';

export interface LoopOptions {
  /** What the model is told to be and do. */
  instructions?: string;
  /** How often the model is asked in a turn at most; 8 where it is not said. */
  maxRounds?: number;
  /** Of one answer. */
  maxTokens?: number;
  temperature?: number;
}

// Text goes out in parts of so many characters: each is a call, and calls are counted.
const DELTA = 64;
// Of what a model is told of a call, in characters.
const MOST_TOLD = 64 * 1024;
// They end the turn's work: another try of the model's does not help.
const ENDING = ['not-running', 'cancelled', 'deadline-exceeded'];

const CUT: Partial<Record<string, string>> = {
  length: '[cut: the answer reached its limit of tokens]',
  other: '[perhaps cut: the model server did not say that the answer is whole]',
};

/** The whole answer; its parts go out as they come. */
export async function answerByModel(turn: Turn, options: LoopOptions, functions: FunctionTool[]): Promise<string> {
  const { instructions, maxRounds = 8 } = options;
  const messages: ChatMessage[] = [];
  if (instructions) messages.push({ role: 'system', content: instructions });
  messages.push({ role: 'user', content: questionOf(turn) });
  const own = new Map(functions.map((it) => [it.name, it]));
  const specs = functions.map(({ name, description, parameters }) => ({ name, description, parameters }));
  const offered = [...specs, ...(await granted(turn)).filter((it) => !own.has(it.name))];
  for (let left = maxRounds - 1; left >= 0; left -= 1) {
    // In its last round the model can only answer: there would be no round to hear a result in.
    const completion = await ask(turn, options, messages, left > 0 ? offered : []);
    const { message, finish_reason } = completion.choices[0];
    if (!message.tool_calls) {
      const cut = CUT[finish_reason];
      return [message.content ?? '', ...(cut ? [cut] : [])].join('\n\n');
    }
    if (left === 0) break;
    messages.push(message);
    for (const call of message.tool_calls) {
      const told = bounded(await called(turn, own, call.function));
      messages.push({ role: 'tool', content: told, tool_call_id: call.id });
    }
  }
  throw new Unanswered(`the model asked for tools ${maxRounds} times and did not answer; ask for less at a time`);
}

/** The node's tools; an agent without any may not even ask. */
async function granted(turn: Turn): Promise<ToolSpec[]> {
  try {
    const { tools, unavailable } = await turn.tools.list();
    for (const { tool, reason } of unavailable) await turn.notice(`the tool ${tool} cannot be used: ${reason}`);
    return tools;
  } catch (error) {
    if (error instanceof Refused && error.code === 'denied') return [];
    throw error;
  }
}

async function ask(turn: Turn, options: LoopOptions, messages: ChatMessage[], tools: ToolSpec[]): Promise<ChatCompletion> {
  const request: ChatRequest & { stream: true } = { messages, tools, stream: true };
  if (options.maxTokens !== undefined) request.max_tokens = options.maxTokens;
  if (options.temperature !== undefined) request.temperature = options.temperature;
  const stream = await turn.model.chat.completions.create(request);
  let told = 0;
  for await (const { model, leftOut, withdrawn, choices } of stream) {
    for (const part of leftOut) {
      const what =
        part === 'messages' ? `the oldest messages do not fit into the context of ${model}` : `${model} does not take ${part}`;
      await turn.notice(`${what}: it is asked without`);
    }
    if (withdrawn) told = 0;
    const { text } = stream;
    const isLast = choices[0].finish_reason !== null;
    if (text.length - told >= DELTA || (isLast && told < text.length)) {
      await turn.delta(text.slice(told));
      told = text.length;
    }
  }
  return stream.completion();
}

/** What the model is told of a call; what went wrong is told too, for it to do better. */
async function called(
  turn: Turn,
  own: Map<string, FunctionTool>,
  { name, arguments: written }: { name: string; arguments: string },
): Promise<string> {
  const given = objectIn(written);
  if (!given) return 'error: the arguments are not a JSON object';
  try {
    const found = own.get(name);
    if (found) {
      const result = await found.run(given, turn);
      return typeof result === 'string' ? result : (JSON.stringify(result) ?? '');
    }
    const { text, structured, isError, links } = await turn.tools.call(name, given);
    const more = links.map(({ uri, name: called }) => `[links to ${called || uri}: ${uri}]`);
    const said = [text || (structured === undefined ? '' : JSON.stringify(structured)), ...more].filter(Boolean).join('\n\n');
    return isError ? `error: ${said}` : said;
  } catch (error) {
    if (error instanceof Unanswered) throw error;
    if (error instanceof Refused) {
      if (ENDING.includes(error.code)) throw error;
      return `error: ${error.sentence()}`;
    }
    console.error(error);
    return `error: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function objectIn(text: string): Record<string, unknown> | undefined {
  try {
    const found: unknown = JSON.parse(text || '{}');
    return typeof found === 'object' && found !== null && !Array.isArray(found) ? { ...found } : undefined;
  } catch {
    return undefined;
  }
}

function bounded(text: string): string {
  if (text.length <= MOST_TOLD) return text;
  return `${text.slice(0, MOST_TOLD)}\n[cut: ${text.length - MOST_TOLD} more characters are left out]`;
}

/** The question, with the names of the files that came with it. */
function questionOf({ text, given }: Turn): string {
  if (given.length === 0) return text;
  const named = given.map(({ mount, path }) => `- ${path} (mount ${mount})`).join('\n');
  return `${text}\n\nFiles that came with it:\n${named}`;
}
