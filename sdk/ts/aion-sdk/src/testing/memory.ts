// Items of one pool, found by words, or beginnings of words, that they have in common with a query.
import { randomUUID } from 'node:crypto';

import type { Hit, Item } from '../memory.js';
import { bad } from './shapes.js';

interface Stored {
  id: string;
  text: string;
  collection: string;
  attributes: Record<string, string>;
  storedAtMs: number;
  order: number;
}

interface Narrowing {
  collection?: string;
  attributes?: Record<string, string>;
  ids?: string[];
}

export class MemoryPool {
  /** By id. */
  readonly items = new Map<string, Stored>();
  #stored = 0;

  remember({ items }: { items: Item[] }): object {
    const named = items.flatMap((it) => (it.id === undefined ? [] : [it.id]));
    if (new Set(named).size < named.length) throw bad('items: another item of the batch has the id too');
    const ids = items.map(({ id = randomUUID(), text, collection = '', attributes = {} }) => {
      this.#stored += 1;
      this.items.set(id, { id, text, collection, attributes, storedAtMs: Date.now(), order: this.#stored });
      return id;
    });
    return { ids };
  }

  recall(asked: { query: string; k: number; offset?: number } & Narrowing): object {
    const { query, k, offset = 0 } = asked;
    const isListing = query.trim() === '';
    const words = wordsOf(query);
    const scored = [...this.items.values()]
      .filter((it) => fits(it, asked))
      .map((item) => ({ item, score: isListing ? 0 : scoreOf(words, wordsOf(item.text)) }))
      .filter(({ score }) => isListing || score > 0)
      .sort((a, b) => b.score - a.score || b.item.order - a.item.order);
    const hits = scored.slice(offset, offset + k).map(({ item: { order: _, ...hit }, score }): Hit => ({ ...hit, score }));
    return { hits, method: isListing ? 'listing' : 'lexical' };
  }

  forget(asked: { by: string; ids?: string[] } & Narrowing): object {
    const gone = [...this.items.values()].filter((it) => fits(it, asked));
    for (const { id } of gone) this.items.delete(id);
    return { forgotten: gone.length };
  }
}

function fits(item: Stored, { collection, attributes = {}, ids = [] }: Narrowing): boolean {
  if (collection !== undefined && item.collection !== collection) return false;
  if (ids.length > 0 && !ids.includes(item.id)) return false;
  return Object.entries(attributes).every(([name, value]) => item.attributes[name] === value);
}

function wordsOf(text: string): string[] {
  return [...new Set(text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [])];
}

function scoreOf(query: string[], text: string[]): number {
  return query.filter((word) => text.some((it) => it.startsWith(word) || word.startsWith(it))).length;
}
