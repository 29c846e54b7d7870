// What a browser loads: the entry `aion-sdk/gateway` and all that it imports. `npm test` checks its types without Node's, too.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';

/** All modules that one imports, itself first. */
function graph(entry: URL, found = new Set<string>()): Set<string> {
  if (found.has(entry.href)) return found;
  found.add(entry.href);
  for (const [, named = ''] of fs.readFileSync(entry, 'utf8').matchAll(/(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g)) {
    if (named.startsWith('.')) graph(new URL(named, entry), found);
    else found.add(named);
  }
  return found;
}

const dist = new URL('../dist/', import.meta.url);

test("the browser's entry imports its own modules alone, and none of Node's", () => {
  const all = [...graph(new URL('gateway/index.js', dist))];
  const others = all.filter((it) => !it.startsWith(dist.href));
  assert.deepEqual(others, []);
  assert.ok(all.length > 5, String(all));
  assert.ok([...graph(new URL('index.js', dist))].includes('node:http'), 'what is imported is found');
});
