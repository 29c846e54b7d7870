// The folders of a fake node, as `fs.read`, `fs.write` and `fs.list` see them.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

import type { Entry, WriteMode } from '../files.js';
import { bad, refuse } from './shapes.js';

const MAX_CHUNK = 512 * 1024;

/** A named folder. */
export interface Mount {
  folder: string;
  writable?: boolean;
}

interface Place {
  mount: string;
  path?: string;
}

export class Mounts {
  readonly #mounts: ReadonlyMap<string, Mount>;

  constructor(mounts: ReadonlyMap<string, Mount>) {
    this.#mounts = mounts;
  }

  read(asked: Place & { path: string; offset?: number; length: number; version?: string }): object {
    const file = this.#at(asked);
    const found = fs.statSync(file, { throwIfNoEntry: false });
    if (!found) throw missing(asked.path);
    if (!found.isFile()) throw bad(`${asked.path} is a folder`);
    const data = fs.readFileSync(file);
    const version = versionOf(found, data);
    if (asked.version !== undefined && asked.version !== version) {
      throw refuse('changed', 412, `${asked.path} changed`, 'read the file again from its start');
    }
    const { offset = 0, length } = asked;
    const part = data.subarray(offset, offset + length).toString('base64');
    return { data: part, size: data.length, modifiedMs: Math.floor(found.mtimeMs), version };
  }

  write(asked: Place & { path: string; data: string; mode: WriteMode }): object {
    const file = this.#at(asked);
    if (!this.#mount(asked).writable) {
      throw refuse('denied', 403, `${asked.mount} is read-only`, 'ask for readWrite under spec.permissions.files');
    }
    const data = Buffer.from(asked.data, 'base64');
    if (data.toString('base64') !== asked.data) throw bad('data: it is not base64');
    if (data.length > MAX_CHUNK) throw bad(`data: it has more than ${MAX_CHUNK} bytes`);
    const found = fs.statSync(file, { throwIfNoEntry: false });
    if (found && !found.isFile()) throw bad(`${asked.path} is a folder`);
    if (found && asked.mode === 'create-new') {
      throw refuse('already-exists', 409, `${asked.path} is there already`, 'choose another name');
    }
    try {
      fs.mkdirSync(path.dirname(file), { recursive: true });
    } catch {
      throw bad(`${asked.path}: a part of it is not a folder`);
    }
    fs.writeFileSync(file, data, { flag: asked.mode === 'append' ? 'a' : 'w' });
    return { size: fs.statSync(file).size };
  }

  list(asked: Place & { recursive?: boolean; after?: string; limit: number; unless?: string }): object {
    const folder = this.#at(asked, true);
    const found = fs.statSync(folder, { throwIfNoEntry: false });
    if (!found) throw missing(asked.path ?? '');
    if (!found.isDirectory()) throw bad(`${asked.path} is not a folder`);
    const { recursive = false, after = '', limit } = asked;
    const top = fs.realpathSync(this.#mount(asked).folder);
    const entries = fs
      .readdirSync(folder, { recursive, withFileTypes: true })
      .filter((it) => it.isFile() || (it.isDirectory() && !recursive))
      .map((it) => entryOf(top, path.join(it.parentPath, it.name)))
      .sort((a, b) => (a.path < b.path ? -1 : 1));
    if (asked.unless !== undefined && asked.unless === digestOf(entries)) return { entries: [], more: false, unchanged: true };
    const rest = entries.filter((it) => it.path > after);
    return { entries: rest.slice(0, limit), more: rest.length > limit };
  }

  #mount({ mount }: Place): Mount {
    const found = this.#mounts.get(mount);
    if (!found) throw refuse('denied', 403, `no rule allows ${mount}`, 'ask for it under spec.permissions');
    return found;
  }

  #at(asked: Place, mayBeTop = false): string {
    const top = fs.realpathSync(this.#mount(asked).folder);
    const { path: named = '' } = asked;
    const isNamed = named !== '' || mayBeTop;
    if (!isNamed || path.isAbsolute(named) || named.split('/').includes('..') || named.includes('\0')) {
      throw bad(`path: ${JSON.stringify(named)} is not a relative path without ..`);
    }
    const found = path.join(top, named);
    if (fs.existsSync(found) && !`${fs.realpathSync(found)}/`.startsWith(`${top}/`)) {
      throw bad(`path: ${JSON.stringify(named)} leads out of the mount`);
    }
    return found;
  }
}

function entryOf(top: string, file: string): Entry {
  const found = fs.statSync(file);
  const entry = { path: path.relative(top, file), modifiedMs: Math.floor(found.mtimeMs) };
  if (!found.isFile()) return { ...entry, kind: 'folder', size: 0 };
  return { ...entry, kind: 'file', size: found.size, version: versionOf(found, fs.readFileSync(file)) };
}

function versionOf(found: fs.Stats, data: Buffer): string {
  return createHash('sha256').update(String(found.ino)).update(data).digest('hex').slice(0, 32);
}

/** What `unless` says of a listing: docs/syscalls.md, "fs.list". Nothing is left out of one here. */
function digestOf(entries: Entry[]): string {
  const listed = createHash('sha256');
  for (const { path: named, kind, version = '' } of entries) listed.update(`${named}\0${kind}\0${version}\0`);
  return [listed, createHash('sha256')].map((it) => it.digest('hex').slice(0, 32)).join('');
}

function missing(named: string): Error {
  return refuse('not-found', 404, `${named} is not there`, 'list the folder to see what is there');
}
