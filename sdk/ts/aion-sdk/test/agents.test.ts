// Agents that ask agents.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { agent, type Turn, Unanswered } from 'aion-sdk';
import { FakeKernel } from 'aion-sdk/testing';

function librarian(text: string): string {
  if (!text) throw new Unanswered('I was asked nothing');
  return `${text}: under the mat`;
}

test('an agent asks another, and what that could not answer it may make its own', async () => {
  await using kernel = await FakeKernel.start({ agents: { librarian } });
  const asking = agent({
    turn: async (turn: Turn) => (await turn.agents.ask('librarian', turn.text, { delegate: ['memory.recall'], deadlineMs: 60_000 })).text,
  });
  assert.equal((await kernel.ask(asking, 'The key')).text, 'The key: under the mat');
  assert.match((await kernel.ask(asking, '')).failed ?? '', /^I was asked nothing/);
});

test('what is begun is waited for, and found again by a turn that runs again', async () => {
  let asked = 0;
  const other = () => {
    asked += 1;
    return 'Yes.';
  };
  await using kernel = await FakeKernel.start({ agents: { other } });
  const asking = agent({
    async turn(turn: Turn) {
      const begun = await turn.agents.spawn('other', 'Is it?', { deadlineMs: 60_000 });
      await turn.agents.cancel(await turn.agents.spawn('other', 'Never mind'));
      return `${begun} ${(await turn.agents.wait(begun)).answer}`;
    },
  });
  kernel.hangUp('agent.spawn'); // done, and not told
  const first = await kernel.ask(asking, '');
  assert.match(first.text ?? '', /Yes\.$/);
  assert.equal((await kernel.ask(asking, '', { turn: first.turn })).text, first.text);
  assert.equal(asked, 2);
});

test('who may not be asked, and what another turn began, is refused', async () => {
  await using kernel = await FakeKernel.start({ agents: { librarian } });
  const strange = agent({ turn: async (turn: Turn) => (await turn.agents.ask('stranger', 'Hi')).text });
  assert.match((await kernel.ask(strange, '')).failed ?? '', /^agent\.ask stranger: no rule allows it/);
  const begins = agent({ turn: async (turn: Turn) => String(await turn.agents.spawn('librarian', 'The key')) });
  const begun = (await kernel.ask(begins, '')).text ?? '';
  const waits = agent({ turn: async (turn: Turn) => (await turn.agents.wait(Number(turn.text))).text });
  assert.match((await kernel.ask(waits, begun)).failed ?? '', /was not begun by this turn/);
});
