// The fake kernel answers as the real one: the same cases are held against both.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';

import { Boot } from 'aion-sdk';
import { type Case, FakeKernel, Judge } from 'aion-sdk/testing';

const cases: Case[] = JSON.parse(fs.readFileSync(new URL('../../../conformance/cases.json', import.meta.url), 'utf8'));

const tools = {
  'probe.echo': ({ text }: { text: string }) => text,
  'probe.fail': () => {
    throw new Error('it was asked to fail');
  },
};

test('the fake kernel holds every case', async () => {
  await using kernel = await FakeKernel.start({ tools });
  const boot = new Boot(kernel.begin('hello', { files: { 'orders.csv': 'a,b\n1,2\n3,4' } }));
  const judge = new Judge(boot, kernel.socketPath);
  const { count, wrong } = await judge.held(cases, ['memory', 'files', 'tool', 'embedding']);
  await judge.say('final', 'held');
  assert.deepEqual(wrong, []);
  assert.equal(count, cases.length);
});

test('a kernel that answers otherwise is found', async () => {
  await using kernel = await FakeKernel.start();
  const boot = new Boot(kernel.begin('hello'));
  kernel.refuse('sys.null', 'denied', { status: 403 });
  const { wrong } = await new Judge(boot, kernel.socketPath).held(cases.slice(0, 1), []);
  assert.equal(wrong.length, 1);
});
