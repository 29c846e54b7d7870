// `model.embed` in the shape of OpenAI's embeddings.

export interface EmbeddingRequest {
  input: string | readonly string[];
  /** Numbers of each vector, where the model makes shorter ones too. */
  dimensions?: number;
}

/** Vectors in the order of the texts, all of one length, as the model gave them. */
export interface Embeddings {
  object: 'list';
  model: string;
  data: { object: 'embedding'; index: number; embedding: number[] }[];
  /** `estimated`: the endpoint gave no figures, and these are the node's. */
  usage: { prompt_tokens: number; total_tokens: number; estimated: boolean };
}

/** The body of `model.embed`. */
export function embedBody({ input, dimensions }: EmbeddingRequest): object {
  return { texts: typeof input === 'string' ? [input] : input, ...(dimensions === undefined ? {} : { dimensions }) };
}

export function embeddings(answer: Record<string, any>): Embeddings {
  const { inputTokens = 0, estimated = false } = answer['usage'] ?? {};
  const vectors: string[] = answer['vectors'];
  return {
    object: 'list',
    model: answer['model'],
    data: vectors.map((vector, index) => ({ object: 'embedding', index, embedding: numbers(vector) })),
    usage: { prompt_tokens: inputTokens, total_tokens: inputTokens, estimated },
  };
}

/** Little-endian singles in base64, whatever the machine's own order is. */
function numbers(vector: string): number[] {
  const bytes = Uint8Array.from(atob(vector), (it) => it.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Array.from({ length: bytes.length / 4 }, (_, at) => view.getFloat32(at * 4, true));
}
