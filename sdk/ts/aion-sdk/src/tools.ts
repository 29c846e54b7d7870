// The tools that the node grants: `tool.list`, `tool.call`.
import type { ToolSpec } from './core/chat.js';
import type { Caller } from './memory.js';

export interface Granted {
  tools: ToolSpec[];
  /** Tools that do not answer and operations that cannot be offered, with the reason. */
  unavailable: { tool: string; reason: string }[];
}

export interface Called {
  text: string;
  structured?: unknown;
  /** The tool ran and says that it failed. */
  isError: boolean;
  /** Resources that it links to: `call` with `link` reads one. */
  links: { uri: string; name: string; mimeType?: string; size?: number }[];
}

export class Tools {
  readonly #call: Caller;

  constructor(call: Caller) {
    this.#call = call;
  }

  async list(): Promise<Granted> {
    const { tools, unavailable = [] } = (await this.#call('tool.list', {})) as Partial<Granted> & { tools: ToolSpec[] };
    return { tools, unavailable };
  }

  /** Calls an operation, `tool.operation`; or reads a resource that an earlier answer of it linked to. */
  async call(name: string, given: Record<string, unknown> = {}, options: { link?: string } = {}): Promise<Called> {
    const answer = (await this.#call('tool.call', { name, arguments: given, ...options })) as Partial<Called> & { text: string };
    return { isError: false, links: [], ...answer };
  }
}
