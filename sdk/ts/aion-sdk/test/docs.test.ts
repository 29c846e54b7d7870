// What docs/sdk-typescript.md shows, compiles and runs: each block is a file, by the name in its first line.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { FakeKernel } from 'aion-sdk/testing';
import { ANSWERED, ASKED, askedOf, delta, Door, ENDED, listening, QUEUED, RECORD, TOKEN } from './door.js';

// Within the package, so that its name leads to itself.
const folder = fileURLToPath(new URL('docs/', import.meta.url));
const compiler = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url));

function blocks(): Map<string, string> {
  const text = fs.readFileSync(new URL('../../../../docs/sdk-typescript.md', import.meta.url), 'utf8');
  const found = [...text.matchAll(/```ts\n\/\/ (\S+)\n([^]*?)```/g)];
  assert.equal(found.length, text.split('```ts\n').length - 1, 'a block names its file');
  return new Map(found.map(([, name = '', source = '']) => [name, source]));
}

test('each example of the document compiles, and runs', async (t) => {
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder);
  const all = blocks();
  for (const [name, source] of all) fs.writeFileSync(folder + name, source);
  const project = { extends: '../../tsconfig.json', compilerOptions: { rootDir: '.', outDir: '.', declaration: false, noEmitOnError: true }, files: [...all.keys()], include: [] };
  fs.writeFileSync(`${folder}tsconfig.json`, JSON.stringify(project));
  const compiled = spawnSync(process.execPath, [compiler, '-p', folder], { encoding: 'utf8' });
  assert.equal(compiled.status, 0, compiled.stdout);

  await t.test('its agent remembers', async () => {
    await using kernel = await FakeKernel.start();
    const program = [process.execPath, `${folder}notes.js`];
    assert.equal((await kernel.run(program, 'The key is under the mat')).text, 'Noted.');
    assert.match((await kernel.run(program, 'Where is the key?')).text ?? '', /under the mat/);
  });

  await t.test('its model is brief', async () => {
    await using kernel = await FakeKernel.start({ replies: ['Yes.'] });
    const { brief } = await import(`${folder}brief.js`);
    const asked = await kernel.ask(brief, 'Is it?');
    assert.deepEqual([asked.text, asked.progress], ['Yes.', ['Yes.']]);
  });

  const tests = [...all.keys()].filter((it) => it.endsWith('.test.ts'));
  assert.equal(tests.length, 2);
  for (const name of tests) {
    await t.test(name, () => {
      const file = folder + name.replace(/ts$/, 'js');
      // A test that runs within another one is told so, and then tells it nothing by itself.
      const env = { ...process.env, NODE_TEST_CONTEXT: undefined };
      const ran = spawnSync(process.execPath, ['--test', file], { encoding: 'utf8', env });
      assert.equal(ran.status, 0, ran.stdout);
      assert.match(ran.stdout, /pass [12]\n/);
    });
  }

  await t.test('it asks agents', async (t) => {
    const door = await Door.open(t);
    const streamed = [QUEUED, delta('Under the mat.'), ENDED];
    door.answers.push([200, streamed], [200, RECORD], [200, streamed]);
    fs.writeFileSync(`${folder}token`, TOKEN);
    const env = { ...process.env, AION_GATEWAY_URL: door.url, AION_GATEWAY_TOKEN_FILE: `${folder}token` };
    const asking = spawn(process.execPath, [`${folder}ask.js`], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    asking.stdout.setEncoding('utf8').on('data', (part: string) => (said += part));
    await once(asking, 'close');
    assert.equal(said, 'Felix. []\nUnder the mat.');
    assert.deepEqual(door.answers, []);
  });

  await t.test('it answers what is asked', async (t) => {
    const door = await Door.open(t);
    const missed = { cursor: '1-2', missed: { events: 2, because: 'late' } };
    door.answers.push([200, [listening(1), missed, askedOf(4), null]], [200, ASKED], [200, ANSWERED]);
    fs.writeFileSync(`${folder}token`, TOKEN);
    const env = { ...process.env, AION_GATEWAY_URL: door.url, AION_GATEWAY_TOKEN_FILE: `${folder}token` };
    const asking = spawn(process.execPath, [`${folder}answering.js`], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    asking.stdout.setEncoding('utf8').on('data', (part: string) => (said += part));
    await once(asking, 'close');
    assert.equal(said, "not told: 2 late\ntool.call:mail.send { arguments: { to: 'Ann' } }\n");
    assert.equal(JSON.parse(door.asked[2]?.body ?? '').verdict, 'deny');
  });

  await t.test('a page shows an answer as it grows', async (t) => {
    const door = await Door.open(t);
    door.answers.push([200, [QUEUED, delta('Under '), delta('the mat.'), ENDED]]);
    const { fetch } = globalThis;
    // In a page a path alone leads to where it is from.
    t.mock.method(globalThis, 'fetch', (path: string, init: RequestInit) => fetch(new URL(path, door.url), init));
    const shown: string[] = [];
    const { ask } = await import(`${folder}page.js`);
    await ask(TOKEN, 'Where is the key?', (text: string) => shown.push(text));
    assert.deepEqual(shown, ['', 'Under ', 'Under the mat.', 'Under the mat.']);
  });
});
