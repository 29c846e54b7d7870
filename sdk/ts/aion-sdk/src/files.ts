// Files of the agent's mounts: whole files in parts, whole folders in pages.
import { Refused } from './core/refused.js';
import type { Caller } from './memory.js';

// Of one read or write.
const MAX_CHUNK = 512 * 1024;
// Of one page.
const MAX_ENTRIES = 1000;
// How often a file that changes while it is read is read from its start.
const READINGS = 3;

export type WriteMode = 'replace' | 'append' | 'create-new';

export interface Entry {
  path: string;
  kind: 'file' | 'folder';
  size: number;
  modifiedMs: number;
  /** Another one whenever the file's content may be another one. */
  version?: string;
}

/** A folder, or a page of it, sorted by path. */
export interface Listing {
  entries: Entry[];
  /** What cannot be had: how many, and the first of them. */
  leftOut: { count: number; first: { path: string; why: string }[] };
}

interface Part {
  data: string;
  size: number;
  version: string;
}

export class Files {
  readonly #call: Caller;

  constructor(call: Caller) {
    this.#call = call;
  }

  /** A whole file as it was at one time; one that changes meanwhile is read from its start, a few times. */
  async read(mount: string, path: string): Promise<Uint8Array> {
    for (let left = READINGS - 1; ; left -= 1) {
      try {
        return await this.#readOnce(mount, path);
      } catch (error) {
        if (!(error instanceof Refused) || error.code !== 'changed' || left === 0) throw error;
      }
    }
  }

  /** A whole file that is UTF-8. */
  async text(mount: string, path: string): Promise<string> {
    return new TextDecoder('utf-8', { fatal: true }).decode(await this.read(mount, path));
  }

  async #readOnce(mount: string, path: string): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let offset = 0;
    let version: string | undefined;
    for (;;) {
      const part = (await this.#call('fs.read', { mount, path, offset, length: MAX_CHUNK, version })) as Part;
      const data = Buffer.from(part.data, 'base64');
      parts.push(data);
      offset += data.length;
      if (data.length === 0 || offset >= part.size) return Buffer.concat(parts);
      version = part.version;
    }
  }

  /** Writes a file, and gives its size. What is longer than 512 KiB is appended in parts: readers may see it grow. */
  async write(mount: string, path: string, data: string | Uint8Array, mode: WriteMode = 'replace'): Promise<number> {
    const bytes = Buffer.from(typeof data === 'string' ? new TextEncoder().encode(data) : data);
    let size = 0;
    for (let at = 0; at === 0 || at < bytes.length; at += MAX_CHUNK) {
      const part = bytes.subarray(at, at + MAX_CHUNK).toString('base64');
      const body = { mount, path, data: part, mode: at === 0 ? mode : 'append' };
      ({ size } = (await this.#call('fs.write', body)) as { size: number });
    }
    return size;
  }

  /** All of a folder; with `recursive` the files of its whole tree. */
  async list(mount: string, path = '', options: { recursive?: boolean } = {}): Promise<Listing> {
    const all: Listing = { entries: [], leftOut: { count: 0, first: [] } };
    for await (const { entries, leftOut } of this.pages(mount, path, options)) {
      all.entries.push(...entries);
      all.leftOut.count += leftOut.count;
      all.leftOut.first.push(...leftOut.first);
    }
    return all;
  }

  /** A folder page by page. */
  async *pages(
    mount: string,
    path = '',
    options: { recursive?: boolean; limit?: number } = {},
  ): AsyncGenerator<Listing, void, void> {
    const { recursive = false, limit = MAX_ENTRIES } = options;
    let after: string | undefined;
    for (;;) {
      const page = (await this.#call('fs.list', { mount, path, recursive, limit, after })) as Listing & { more: boolean };
      const { entries, leftOut = { count: 0, first: [] } } = page;
      yield { entries, leftOut };
      after = entries.at(-1)?.path;
      if (!page.more || after === undefined) return;
    }
  }
}
