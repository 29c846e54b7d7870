// Files of the agent's mounts: whole files in parts, whole folders in pages.
import { Refused } from './core/refused.js';
import type { Caller } from './memory.js';

// Of one read or write.
const MAX_CHUNK = 512 * 1024;
// Of one page.
const MAX_ENTRIES = 1000;
// How often a file that changes, or may have changed, while it is read is read from its start.
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
  /** It changed so lately that its next change might leave it this version. */
  fresh?: boolean;
}

export class Files {
  readonly #call: Caller;

  constructor(call: Caller) {
    this.#call = call;
  }

  /**
   * A whole file as it was at one time. One that changes meanwhile is read from its start, a few times. Of one that has several
   * parts and has just changed the version proves nothing: two readings that are the same do.
   */
  async read(mount: string, path: string): Promise<Uint8Array> {
    let before: Buffer | undefined;
    for (let left = READINGS - 1; ; left -= 1) {
      try {
        const { data, isProven } = await this.#readOnce(mount, path);
        if (isProven || before?.equals(data)) return data;
        if (left === 0) throw changing(path);
        before = data;
      } catch (error) {
        if (!(error instanceof Refused) || error.code !== 'changed' || left === 0) throw error;
        before = undefined;
      }
    }
  }

  /** A whole file that is UTF-8. */
  async text(mount: string, path: string): Promise<string> {
    return new TextDecoder('utf-8', { fatal: true }).decode(await this.read(mount, path));
  }

  async #readOnce(mount: string, path: string): Promise<{ data: Buffer; isProven: boolean }> {
    const parts: Buffer[] = [];
    let offset = 0;
    let version: string | undefined;
    let isFresh = false;
    for (;;) {
      const part = (await this.#call('fs.read', { mount, path, offset, length: MAX_CHUNK, version })) as Part;
      const data = Buffer.from(part.data, 'base64');
      parts.push(data);
      offset += data.length;
      isFresh ||= part.fresh ?? false;
      if (data.length === 0 || offset >= part.size) {
        return { data: Buffer.concat(parts), isProven: !isFresh || parts.length === 1 };
      }
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

function changing(path: string): Refused {
  return new Refused({
    code: 'changed',
    status: 412,
    detail: `${path} changes again and again while it is read`,
    remedy: 'read it once nobody writes to it',
  });
}
