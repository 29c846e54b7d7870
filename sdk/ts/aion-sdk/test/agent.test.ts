// Agents, by decorators and without, in this process and as programs of their own.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';

import { Agent, agent, Refused, Tool, tool, type Turn, Unanswered } from 'aion-sdk';
import { FakeKernel } from 'aion-sdk/testing';

@Agent({ instructions: 'You know the weather.' })
class Weather {
  readonly #degrees = 21;

  @Tool({ description: 'The weather of a city', parameters: { type: 'object', properties: { city: { type: 'string' } } } })
  weather({ city }: { city: string }): object {
    return { city, degrees: this.#degrees };
  }
}

test('a model uses the methods of a class, and the tools of the node', async () => {
  const replies = [
    { name: 'weather', arguments: { city: 'Ulm' } },
    { name: 'probe.echo', arguments: { text: 'warm' } },
    'It is 21 degrees in Ulm.',
  ];
  await using kernel = await FakeKernel.start({ replies, tools: { 'probe.echo': ({ text }) => text } });
  const asked = await kernel.ask(Weather, 'How warm is Ulm?');
  assert.equal(asked.text, 'It is 21 degrees in Ulm.');
  assert.equal(asked.deltas.join(''), asked.text);
  const [first, , last] = kernel.requests;
  assert.deepEqual(first.tools.map((it: any) => it.name), ['weather', 'probe.echo']);
  assert.deepEqual(last.messages.slice(-3).map((it: any) => it.content), ['{"city":"Ulm","degrees":21}', '', 'warm']);
});

test('a program is told what its caller calls the question', async () => {
  await using kernel = await FakeKernel.start();
  const named = agent({ turn: async (turn: Turn) => String(turn.messageId) });
  assert.equal((await kernel.ask(named, '', { messageId: 'm1' })).text, 'm1');
  assert.equal((await kernel.ask(named, '')).text, 'undefined');
});

test('a model that asks for tools without end is stopped, and told what goes wrong', async () => {
  const replies = Array(3).fill({ name: 'broken', arguments: {} });
  await using kernel = await FakeKernel.start({ replies });
  const broken = tool({ name: 'broken', description: 'Fails' , parameters: {} }, () => {
    throw new Error('no luck');
  });
  const asked = await kernel.ask(agent({ tools: [broken], maxRounds: 3 }), 'Go on');
  assert.match(asked.failed ?? '', /asked for tools 3 times/);
  assert.equal(kernel.requests[1].messages.at(-1).content, 'error: no luck');
  assert.equal(kernel.requests[2].tools, undefined, 'its last round is for the answer');
});

test('what is withdrawn is not in the answer, and what a model does not take is told', async () => {
  const thought = { event: 'delta', text: 'thinking '.repeat(20) };
  const usage = { inputTokens: 1, outputTokens: 1 };
  const events = [{ event: 'start', model: 'a/b', leftOut: ['tools'] }, thought, { event: 'withdrawn' }];
  const rest = [{ event: 'delta', text: 'Two.' }, { event: 'end', finish: 'length', usage }];
  await using kernel = await FakeKernel.start({ replies: [[...events, ...rest]] });
  const asked = await kernel.ask(agent({}), 'How many?');
  assert.equal(asked.text, 'Two.\n\n[cut: the answer reached its limit of tokens]');
  assert.deepEqual(asked.notices, ['a/b does not take tools: it is asked without']);
});

test('however a turn fails, its caller reads a sentence', async (t) => {
  t.mock.method(console, 'error', () => {});
  await using kernel = await FakeKernel.start();
  const cases: [string, () => Promise<string>, string][] = [
    ['unanswered', async () => { throw new Unanswered('there is no such order'); }, 'there is no such order'],
    ['refused', async () => { throw new Refused({ code: 'denied', detail: 'no rule', remedy: 'ask' }); }, 'no rule; ask'],
    ['its own code', async () => { throw new Refused({ code: 'shop-closed', detail: 'closed' }); }, 'closed'],
    ['a fault', async () => { throw new Error('x is undefined'); }, "the agent's program failed: x is undefined; its log says where"],
    ['nothing', async () => '', 'the agent has no answer to this'],
  ];
  for (const [name, turn, sentence] of cases) {
    const asked = await kernel.ask(agent({ turn }), 'a');
    assert.deepEqual([asked.ok, asked.failed], [false, sentence], name);
  }
});

test('parts of an answer go out as they come', async () => {
  class Counter {
    async *turn(turn: Turn): AsyncGenerator<string> {
      await turn.progress('counting');
      yield 'one ';
      yield 'two';
    }
  }
  await using kernel = await FakeKernel.start();
  const { text, deltas, progress } = await kernel.ask(Counter, 'Count');
  assert.deepEqual([text, deltas, progress], ['one two', ['one ', 'two'], ['counting']]);
});

test('a turn that runs again does nothing twice', async () => {
  const keeps = agent({
    async turn(turn) {
      await turn.memory.remember(turn.text);
      await turn.files.write('output', 'log', `${turn.text}\n`, 'append');
      return 'Kept.';
    },
  });
  await using kernel = await FakeKernel.start();
  const { turn } = await kernel.ask(keeps, 'Once');
  const again = await kernel.ask(keeps, 'Once', { turn });
  assert.deepEqual([again.text, kernel.memory.items.size, again.files['log']?.toString()], ['Kept.', 1, 'Once\n']);
});

/** The program of the README's first example, of ten lines at most. */
function example(): string {
  const readme = fs.readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const source = /```js\n([^]*?)```/.exec(readme)?.[1] ?? '';
  assert.ok(source.trimEnd().split('\n').length <= 10, source);
  return source;
}

test("the README's first example remembers, as a program of its own", async () => {
  const file = new URL('readme.js', import.meta.url).pathname;
  fs.writeFileSync(file, example());
  await using kernel = await FakeKernel.start();
  const first = await kernel.run([process.execPath, file], 'The key is under the mat');
  assert.deepEqual([first.ok, first.text, first.log], [true, 'Noted.', '']);
  const second = await kernel.run([process.execPath, file], 'Where is the key?');
  assert.match(second.text ?? '', /under the mat/);
});

test('what is thrown beside a turn fails it with a sentence, and a status that says so', async () => {
  const file = new URL('beside.js', import.meta.url).pathname;
  const source = `import { agent, AgentRuntime } from 'aion-sdk';
    setInterval(() => {}, 1000);
    await AgentRuntime.run(agent({ turn: () => new Promise(() => setTimeout(() => { throw new Error('later'); })) }));`;
  fs.writeFileSync(file, source);
  await using kernel = await FakeKernel.start();
  const asked = await kernel.run([process.execPath, file], 'a');
  assert.equal(asked.failed, "the agent's program failed: later; its log says where");
  assert.match(asked.log, /Error: later/);
});
