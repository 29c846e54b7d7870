// The agent's memory: `memory.remember`, `memory.recall`, `memory.forget`.

/** Makes a syscall. */
export type Caller = (syscall: string, body: object) => Promise<unknown>;

export interface Item {
  /** An item whose id exists is replaced; without an id one is made. */
  id?: string;
  text: string;
  collection?: string;
  attributes?: Record<string, string>;
}

export interface Hit {
  id: string;
  text: string;
  collection: string;
  attributes?: Record<string, string>;
  /** Compares within one answer. */
  score: number;
  storedAtMs: number;
}

export interface Recalled {
  /** Best first. */
  hits: Hit[];
  method: 'lexical' | 'hybrid' | 'listing';
  /** Why it is not `hybrid`, where that was wanted. */
  degraded?: string | null;
}

export interface RecallOptions {
  /** How many hits at most, 1 to 100; 5 where it is not said. */
  k?: number;
  collection?: string;
  attributes?: Record<string, string>;
  ids?: string[];
  offset?: number;
}

export class Memory {
  readonly #call: Caller;

  constructor(call: Caller) {
    this.#call = call;
  }

  /** Keeps texts or items, all or none, and gives their ids. */
  async remember(...items: (string | Item)[]): Promise<string[]> {
    const asked = { items: items.map((it) => (typeof it === 'string' ? { text: it } : it)) };
    return ((await this.#call('memory.remember', asked)) as { ids: string[] }).ids;
  }

  /** What is found by the words of a query; with an empty one all there is, newest first. */
  async recall(query: string, options: RecallOptions = {}): Promise<Recalled> {
    return (await this.#call('memory.recall', { query, k: 5, ...options })) as Recalled;
  }

  /** Erases items by their ids, and says how many there were. */
  async forget(...ids: string[]): Promise<number> {
    return ((await this.#call('memory.forget', { by: 'ids', ids })) as { forgotten: number }).forgotten;
  }

  /** Erases a collection, or what of it has these attributes. */
  async forgetCollection(collection: string, attributes: Record<string, string> = {}): Promise<number> {
    const asked = { by: 'collection', collection, attributes };
    return ((await this.#call('memory.forget', asked)) as { forgotten: number }).forgotten;
  }
}
