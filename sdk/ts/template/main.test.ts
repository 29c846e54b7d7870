// Runs the agent without a node, as a program of its own: npm test.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { FakeKernel } from 'aion-sdk/testing';

const program = [process.execPath, fileURLToPath(new URL('main.js', import.meta.url))];

test('it remembers', async () => {
  await using kernel = await FakeKernel.start();
  assert.equal((await kernel.run(program, 'The key is under the mat')).text, 'Noted.');
  assert.match((await kernel.run(program, 'Where is the key?')).text ?? '', /under the mat/);
});
