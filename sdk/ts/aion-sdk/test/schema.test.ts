// Arguments of tools against their schemas.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { agent, Agent, Tool, tool } from 'aion-sdk';
import { FakeKernel } from 'aion-sdk/testing';
import { compiled } from '../dist/core/schema.js';

test('arguments are held to their schema', () => {
  const object = (properties: object, more: object = {}) => ({ type: 'object', properties, ...more });
  const cases: [schema: object, given: unknown, why: string | undefined][] = [
    [object({ a: { type: 'string' } }), { a: 'b', c: 1 }, undefined],
    [object({ a: { type: 'string' } }), { a: 1 }, 'arguments.a must be of type string'],
    [object({ a: { type: 'string' } }), [], 'arguments must be of type object'],
    [object({ a: { type: ['string', 'null'] } }), { a: null }, undefined],
    [object({ a: { type: 'integer' } }), { a: 1.5 }, 'arguments.a must be of type integer'],
    [object({}, { required: ['a'] }), {}, 'arguments.a is missing'],
    [object({}, { required: ['toString'] }), {}, 'arguments.toString is missing'],
    [object({ a: {} }, { additionalProperties: false }), { b: 1 }, 'arguments.b is not known; there are: a'],
    [object({}, { additionalProperties: { type: 'number' } }), { b: 'c' }, 'arguments.b must be of type number'],
    [object({ a: { type: 'array', items: { enum: ['x', 'y'] } } }), { a: ['x', 'z'] }, 'arguments.a[1] must be one of ["x","y"]'],
    [object({ a: { const: { b: [1] } } }), { a: { b: [1] } }, undefined],
    [object({ a: { const: { b: [1] } } }), { a: { b: [2] } }, 'arguments.a must be {"b":[1]}'],
    [object({ a: { minimum: 1, maximum: 3 } }), { a: 4 }, 'arguments.a must be at most 3'],
    [object({ a: { exclusiveMinimum: 1 } }), { a: 1 }, 'arguments.a must be more than 1'],
    [object({ a: { minLength: 2 } }), { a: '𝄞' }, 'arguments.a must be of at least 2 characters'],
    [object({ a: { maxItems: 1 } }), { a: [1, 2] }, 'arguments.a must be of at most 1 items'],
    [object({ a: { pattern: '^x' } }), { a: 'y' }, 'arguments.a must match ^x'],
    [object({ a: { anyOf: [{ type: 'string' }, { type: 'null' }] } }), { a: 1 }, 'arguments.a must fit one of [{"type":"string"},{"type":"null"}]'],
    [object({ a: { description: 'A day', format: 'date', default: 'x' } }), { a: 1 }, undefined],
  ];
  for (const [schema, given, why] of cases) assert.equal(compiled(schema)(given, 'arguments'), why, JSON.stringify(schema));
});

test('a schema that cannot be held to is refused where its tool is made', () => {
  const make = (parameters: object) => () => tool({ name: 'read', description: 'Reads', parameters: { ...parameters } }, () => '');
  assert.throws(make({ properties: { a: { $ref: '#/$defs/a' } } }), /the tool read: parameters\.properties\.a: the keyword \$ref cannot be checked/);
  assert.throws(make({ type: 'date' }), /there is no type "date"/);
  assert.throws(make({ properties: { a: { pattern: '(' } } }), /is not a pattern/);
  assert.throws(make({ items: 3 }), /a schema is an object or true/);
});

test('a model hears what is wrong with its arguments, and the function is not called', async () => {
  const called: object[] = [];
  const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false };

  @Agent()
  class Weather {
    @Tool({ description: 'The weather of a city', parameters })
    weather(given: { city: string }): string {
      called.push(given);
      return 'Warm.';
    }
  }
  const asks = (given: Record<string, unknown>) => ({ name: 'weather', arguments: given });
  const replies = [asks({ city: 3 }), asks({}), asks({ city: 'Ulm', day: 1 }), asks({ city: 'Ulm' }), 'It is warm.'];
  await using kernel = await FakeKernel.start({ replies });
  assert.equal((await kernel.ask(Weather, 'How warm is Ulm?')).text, 'It is warm.');
  assert.deepEqual(kernel.requests.slice(1).map((it) => it.messages.at(-1).content), [
    'error: arguments.city must be of type string',
    'error: arguments.city is missing',
    'error: arguments.day is not known; there are: city',
    'Warm.',
  ]);
  assert.deepEqual(called, [{ city: 'Ulm' }]);
});

test('arguments that are not JSON are told, too', async () => {
  const call = { event: 'toolCall', id: '1', name: 'read', arguments: '{' };
  const end = { event: 'end', finish: 'tool-calls', usage: { inputTokens: 1, outputTokens: 1 } };
  await using kernel = await FakeKernel.start({ replies: [[{ event: 'start', model: 'a/b' }, call, end], 'Sorry.'] });
  await kernel.ask(agent({ tools: [tool({ name: 'read', description: 'Reads' }, () => '')] }), 'Read');
  assert.equal(kernel.requests[1].messages.at(-1).content, 'error: the arguments are not a JSON object');
});
