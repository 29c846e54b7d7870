// `model.chat` in the shape of OpenAI's chat completions. What that shape has no place for stands beside it: `leftOut`,
// `withdrawn`, `estimated`. Sending may not enter.
import { Refused } from './refused.js';

export interface ToolCall {
  id: string;
  type: 'function';
  /** The arguments are a JSON text as the model wrote it, which may be malformed. */
  function: { name: string; arguments: string };
}

/** What a node's model takes of a message. Content in parts is taken where each part is text. */
export interface ChatMessage {
  role: 'system' | 'developer' | 'user' | 'assistant' | 'tool';
  content?: string | { type: 'text'; text: string }[] | null;
  tool_calls?: ToolCall[] | null;
  tool_call_id?: string;
}

/** A tool as it is offered to a model, `parameters` being JSON Schema. */
export interface ToolSpec {
  name: string;
  description: string;
  parameters: Record<string, unknown>;
}

export type ChatTool = ToolSpec | { type: 'function'; function: Partial<ToolSpec> & { name: string } };

export interface ChatRequest {
  messages: ChatMessage[];
  tools?: ChatTool[];
  max_tokens?: number;
  temperature?: number;
  stream?: boolean;
}

/** `other`: the server did not say that the answer is whole. */
export type FinishReason = 'stop' | 'tool_calls' | 'length' | 'other';

export interface ChatUsage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  /** The endpoint gave no figures: these are the node's estimate. */
  estimated: boolean;
}

export interface ChatCompletion {
  object: 'chat.completion';
  /** `endpoint/model` that answered. */
  model: string;
  choices: [{ index: 0; message: { role: 'assistant'; content: string | null; tool_calls?: ToolCall[] }; finish_reason: FinishReason }];
  usage: ChatUsage;
  /** What of the request the model does not take: `tools`, `maxTokens`, `temperatureMilli`. */
  leftOut: string[];
}

export interface ChatCompletionChunk {
  object: 'chat.completion.chunk';
  model: string;
  choices: [{ index: 0; delta: { content?: string; tool_calls?: (ToolCall & { index: number })[] }; finish_reason: FinishReason | null }];
  /** With the last chunk. */
  usage?: ChatUsage;
  /** With the first chunk: what of the request the model does not take. */
  leftOut: string[];
  /** The text so far was what the model thinks, and not its answer, which begins now. */
  withdrawn: boolean;
}

/** The body of `model.chat`. What it has no place for is refused by name, and not left out. */
export function chatBody(request: ChatRequest): Record<string, unknown> {
  only(request, ['messages', 'tools', 'max_tokens', 'temperature', 'stream'], 'the request');
  const body: Record<string, unknown> = { messages: request.messages.map(messageOf) };
  if (request.tools?.length) body['tools'] = request.tools.map(toolOf);
  if (request.max_tokens !== undefined) body['maxTokens'] = request.max_tokens;
  if (request.temperature !== undefined) body['temperatureMilli'] = Math.round(request.temperature * 1000);
  return body;
}

function only(value: object, known: string[], place: string): void {
  for (const [name, it] of Object.entries(value)) {
    if (it === undefined || it === null || known.includes(name)) continue;
    throw new TypeError(`${place}: ${name} is not taken; a node's model takes ${known.join(', ')}`);
  }
}

function messageOf(message: ChatMessage, at: number): Record<string, unknown> {
  const place = `messages[${at}]`;
  only(message, ['role', 'content', 'tool_calls', 'tool_call_id'], place);
  const role = message.role === 'developer' ? 'system' : message.role;
  const found: Record<string, unknown> = { role, content: textOf(message.content, place) };
  if (message.tool_calls?.length) {
    found['toolCalls'] = message.tool_calls.map(({ id, function: { name, arguments: given } }) => ({ id, name, arguments: given }));
  }
  if (message.tool_call_id !== undefined) found['toolCallId'] = message.tool_call_id;
  return found;
}

function textOf(content: ChatMessage['content'], place: string): string {
  if (content === undefined || content === null) return '';
  if (typeof content === 'string') return content;
  const other = content.find((part) => part.type !== 'text');
  if (other) throw new TypeError(`${place}.content has a part of type ${String(other.type)}; a node's model takes text`);
  return content.map((part) => part.text).join('');
}

function toolOf(tool: ChatTool, at: number): ToolSpec {
  const given: Partial<ToolSpec> & { name: string } = 'function' in tool ? tool.function : tool;
  only(given, ['name', 'description', 'parameters'], `tools[${at}]`);
  return {
    name: given.name,
    description: given.description ?? '',
    parameters: given.parameters ?? { type: 'object', properties: {} },
  };
}

/** An event of the stream, as far as this version knows them. */
type ChatEvent =
  | { event: 'start'; model: string; leftOut?: string[] }
  | { event: 'delta'; text: string }
  | { event: 'withdrawn' }
  | { event: 'toolCall'; id: string; name: string; arguments: string }
  | { event: 'end'; finish: string; usage: { inputTokens: number; outputTokens: number; estimated?: boolean } }
  | ({ event: 'error'; code: string } & Record<string, unknown>);

/** An answer as it grows: what was said so far, without what was withdrawn. */
export class GrowingAnswer {
  #model = '';
  #leftOut: string[] = [];
  readonly #calls: ToolCall[] = [];
  #finish: FinishReason | undefined;
  #usage: ChatUsage | undefined;
  /** The text so far. */
  text = '';

  get hasEnded(): boolean {
    return this.#finish !== undefined;
  }

  /** Takes one event in; what a reader of chunks sees of it. Kinds of later versions are passed over. */
  take(given: Record<string, unknown>): ChatCompletionChunk | undefined {
    const event = given as ChatEvent;
    switch (event.event) {
      case 'start':
        this.#model = event.model;
        this.#leftOut = event.leftOut ?? [];
        return this.#chunk({}, { leftOut: this.#leftOut });
      case 'delta':
        this.text += event.text;
        return this.#chunk({ content: event.text });
      case 'withdrawn':
        this.text = '';
        return this.#chunk({}, { withdrawn: true });
      case 'toolCall': {
        const call: ToolCall = { id: event.id, type: 'function', function: { name: event.name, arguments: event.arguments } };
        this.#calls.push(call);
        return this.#chunk({ tool_calls: [{ index: this.#calls.length - 1, ...call }] });
      }
      case 'end': {
        const { inputTokens, outputTokens, estimated = false } = event.usage;
        this.#finish = finishOf(event.finish);
        this.#usage = {
          prompt_tokens: inputTokens,
          completion_tokens: outputTokens,
          total_tokens: inputTokens + outputTokens,
          estimated,
        };
        return this.#chunk({}, { usage: this.#usage });
      }
      case 'error':
        throw new Refused(event);
      default:
        return undefined;
    }
  }

  /** The whole answer, once it has ended. */
  completion(): ChatCompletion {
    if (this.#finish === undefined || this.#usage === undefined) {
      throw new Error('the answer has not ended: read its chunks to the end');
    }
    const message: ChatCompletion['choices'][0]['message'] = { role: 'assistant', content: this.text || null };
    if (this.#calls.length > 0) message.tool_calls = this.#calls;
    return {
      object: 'chat.completion',
      model: this.#model,
      choices: [{ index: 0, message, finish_reason: this.#finish }],
      usage: this.#usage,
      leftOut: this.#leftOut,
    };
  }

  #chunk(
    delta: ChatCompletionChunk['choices'][0]['delta'],
    more: Partial<Pick<ChatCompletionChunk, 'usage' | 'leftOut' | 'withdrawn'>> = {},
  ): ChatCompletionChunk {
    return {
      object: 'chat.completion.chunk',
      model: this.#model,
      choices: [{ index: 0, delta, finish_reason: this.#finish ?? null }],
      leftOut: [],
      withdrawn: false,
      ...more,
    };
  }
}

function finishOf(finish: string): FinishReason {
  switch (finish) {
    case 'stop':
    case 'length':
      return finish;
    case 'tool-calls':
      return 'tool_calls';
    default:
      return 'other';
  }
}
