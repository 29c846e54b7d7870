// The agent's models, in the shape of OpenAI's client: `model.chat.completions.create`, `model.embeddings.create`.
import { type ChatCompletion, type ChatCompletionChunk, type ChatRequest, GrowingAnswer, chatBody } from './core/chat.js';
import { embedBodies, type EmbeddingRequest, type Embeddings, embeddings } from './core/embed.js';
import { Lost, Refused } from './core/refused.js';
import { objects } from './core/sse.js';
import type { Opened } from './transport.js';

/** An answer in chunks, to be read once. One that breaks off, or that the node ends with an error, throws `Refused`. */
export class ChatStream implements AsyncIterable<ChatCompletionChunk> {
  readonly #opened: Opened;
  readonly #answer = new GrowingAnswer();

  constructor(opened: Opened) {
    this.#opened = opened;
  }

  /** The text so far, without what was withdrawn. */
  get text(): string {
    return this.#answer.text;
  }

  /** The whole answer, once its chunks were read to the end. */
  completion(): ChatCompletion {
    return this.#answer.completion();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ChatCompletionChunk, void, void> {
    try {
      for await (const event of objects(this.#opened.bytes)) {
        const chunk = this.#answer.take(event);
        if (chunk) yield chunk;
        if (this.#answer.hasEnded) return;
      }
    } catch (error) {
      throw error instanceof Lost ? brokenOff(error.message) : error;
    } finally {
      this.#opened.close();
    }
    throw brokenOff('the node closed the connection');
  }
}

function brokenOff(why: string): Refused {
  return new Refused({
    code: 'outcome-unknown',
    detail: `the model's answer broke off: ${why}`,
    remedy: 'ask again: the tokens of the broken answer are charged',
  });
}

type Call = (syscall: string, body: object) => Promise<Record<string, unknown>>;

/** `model.chat.completions` and `model.embeddings`, as in OpenAI's client. */
export class Model {
  readonly chat: { readonly completions: Completions };
  readonly embeddings: EmbeddingModel;

  constructor(open: (body: object) => Promise<Opened>, call: Call) {
    this.chat = { completions: new Completions(open) };
    this.embeddings = new EmbeddingModel(call);
  }
}

export class EmbeddingModel {
  readonly #call: Call;

  constructor(call: Call) {
    this.#call = call;
  }

  /** Vectors of texts, by the model that `spec.model.embedding` of the Agent names; 256 texts are a syscall. */
  async create(request: EmbeddingRequest): Promise<Embeddings> {
    const answers = [];
    for (const body of embedBodies(request)) answers.push(await this.#call('model.embed', body));
    return embeddings(answers);
  }
}

export class Completions {
  readonly #open: (body: object) => Promise<Opened>;

  constructor(open: (body: object) => Promise<Opened>) {
    this.#open = open;
  }

  /** Asks the agent's model. There is no `model` to name: it is the agent's own, then its fallbacks. */
  create(request: ChatRequest & { stream: true }): Promise<ChatStream>;
  create(request: ChatRequest & { stream?: false }): Promise<ChatCompletion>;
  async create(request: ChatRequest): Promise<ChatStream | ChatCompletion> {
    const stream = new ChatStream(await this.#open(chatBody(request)));
    if (request.stream) return stream;
    for await (const _ of stream);
    return stream.completion();
  }
}
