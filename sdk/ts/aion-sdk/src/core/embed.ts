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

/** Texts of one syscall. */
const MOST = 256;

/** The bodies of `model.embed`. */
export function embedBodies({ input, dimensions }: EmbeddingRequest): object[] {
  const texts = typeof input === 'string' ? [input] : input;
  const more = dimensions === undefined ? {} : { dimensions };
  const parts = Math.max(1, Math.ceil(texts.length / MOST));
  return Array.from({ length: parts }, (_, at) => ({ texts: texts.slice(at * MOST, (at + 1) * MOST), ...more }));
}

/** The answers to them as one. */
export function embeddings(answers: Record<string, any>[]): Embeddings {
  const usages = answers.map((it) => it['usage'] ?? {});
  const tokens = usages.reduce((sum, { inputTokens = 0 }) => sum + inputTokens, 0);
  const vectors: string[] = answers.flatMap((it) => it['vectors']);
  return {
    object: 'list',
    model: answers.at(-1)?.['model'],
    data: vectors.map((vector, index) => ({ object: 'embedding', index, embedding: numbers(vector) })),
    usage: { prompt_tokens: tokens, total_tokens: tokens, estimated: usages.some((it) => it.estimated) },
  };
}

/** Little-endian singles in base64, whatever the machine's own order is. */
function numbers(vector: string): number[] {
  const bytes = Uint8Array.from(atob(vector), (it) => it.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Array.from({ length: bytes.length / 4 }, (_, at) => view.getFloat32(at * 4, true));
}
