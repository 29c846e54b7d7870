// OpenAI's client for JavaScript, as it comes: `node client.mjs BASE TOKEN`. It asks an agent, `jarvis`, and models that an agent
// lends, `editor:…`.
import assert from 'node:assert/strict';

import OpenAI from 'openai-js';

const [baseURL, apiKey] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const SAYS = 'Felix is a good name.';
const ask = [{ role: 'user', content: 'A name for a cat?' }];
const level = {
  type: 'function',
  function: { name: 'level', parameters: { type: 'object', properties: { of: { type: 'string' } } }, strict: true },
};

async function all(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

async function refused(kind, code, asked, ...words) {
  try {
    // A stream is refused where it begins.
    await asked();
  } catch (why) {
    assert.ok(why instanceof kind, `${why.constructor.name}: ${why.message}`);
    assert.equal(why.code, code, why.message);
    for (const word of words) assert.ok(`${why.message} ${why.param}`.includes(word), why.message);
    return;
  }
  assert.fail(`taken, and not refused as ${code}`);
}

async function models() {
  const ids = (await all(client.models.list())).map((it) => it.id);
  for (const id of ['auto', 'jarvis', 'editor:auto', 'editor:near']) assert.ok(ids.includes(id), ids);
  assert.equal((await client.models.retrieve('default/jarvis')).id, 'jarvis');
  assert.equal((await client.models.retrieve('editor:near')).owned_by, 'default/editor');
  await refused(OpenAI.NotFoundError, 'not-found', () => client.models.retrieve('nobody'));
}

async function chat(model) {
  const whole = await client.chat.completions.create({ model, messages: ask });
  assert.equal(whole.choices[0].message.content, SAYS);
  assert.equal(whole.choices[0].finish_reason, 'stop');
  const { prompt_tokens, completion_tokens, total_tokens } = whole.usage;
  assert.ok(total_tokens > 0 && total_tokens === prompt_tokens + completion_tokens, whole.usage);
}

async function stream(model) {
  const asked = { model, messages: ask, stream: true, stream_options: { include_usage: true } };
  const chunks = await all(await client.chat.completions.create(asked));
  assert.equal(chunks.map((it) => it.choices[0]?.delta.content ?? '').join(''), SAYS);
  assert.equal(chunks.findLast((it) => it.choices.length).choices[0].finish_reason, 'stop');
  assert.ok(chunks.at(-1).choices.length === 0 && chunks.at(-1).usage.total_tokens > 0, chunks.at(-1));
  // The client's own reader of streams.
  const read = client.chat.completions.stream({ model, messages: ask });
  assert.equal(await read.finalContent(), SAYS);
  // One that goes away is no fault of the next.
  const left = await client.chat.completions.create({ model, messages: ask, stream: true });
  left.controller.abort();
}

async function tools() {
  const asked = { model: 'editor:auto', tools: [level] };
  const messages = [{ role: 'user', content: 'Use a tool: how high is the weir?' }];
  const called = await client.chat.completions.create({ ...asked, messages, tool_choice: 'required' });
  const { message, finish_reason } = called.choices[0];
  assert.equal(finish_reason, 'tool_calls');
  assert.deepEqual(JSON.parse(message.tool_calls[0].function.arguments), { of: 'weir' });
  const streamed = client.chat.completions.stream({ ...asked, messages });
  const [call] = (await streamed.finalMessage()).tool_calls;
  assert.deepEqual([call.type, call.function.name], ['function', 'level']);
  messages.push(message, { role: 'tool', tool_call_id: message.tool_calls[0].id, content: 'two feet' });
  const told = await client.chat.completions.create({ ...asked, messages });
  assert.equal(told.choices[0].message.content, 'It is two feet high.');
  // The client's own loop.
  const looped = client.chat.completions.runTools({
    model: 'editor:auto',
    messages: messages.slice(0, 1),
    tools: [{ type: 'function', function: { ...level.function, function: () => 'two feet', parse: JSON.parse } }],
  });
  assert.equal(await looped.finalContent(), 'It is two feet high.');
  // An agent has its own.
  const create = () => client.chat.completions.create({ model: 'jarvis', messages: ask, tools: [level] });
  await refused(OpenAI.BadRequestError, 'bad-request', create, 'tools');
}

async function responses() {
  const whole = await client.responses.create({ model: 'jarvis', input: ask[0].content, metadata: { of: 'test' } });
  assert.deepEqual([whole.status, whole.error, whole.output_text], ['completed', null, SAYS]);
  assert.deepEqual([whole.metadata, whole.store], [{ of: 'test' }, false]);
  assert.ok(whole.usage.total_tokens > 0, whole.usage);
  const events = await all(await client.responses.create({ model: 'jarvis', input: ask[0].content, stream: true }));
  assert.deepEqual(events.map((it) => it.sequence_number), [...events.keys()]);
  const deltas = events.filter((it) => it.type === 'response.output_text.delta');
  assert.equal(deltas.map((it) => it.delta).join(''), SAYS);
  assert.equal(events.at(-1).type, 'response.completed');
  const input = [...ask, ...whole.output, { role: 'user', content: 'Why?' }];
  const read = client.responses.stream({ model: 'jarvis', input });
  assert.equal((await read.finalResponse()).output_text, SAYS);
  const lent = () => client.responses.create({ model: 'editor:auto', input: '?' });
  await refused(OpenAI.BadRequestError, 'bad-request', lent, '/v1/chat/completions');
  const searching = () => client.responses.create({ model: 'jarvis', input: '?', tools: [{ type: 'web_search' }] });
  await refused(OpenAI.BadRequestError, 'bad-request', searching, 'tools');
}

async function embeddings() {
  const input = ['a dog barks', 'a cat sleeps', 'a dog barks'];
  // In base64, as the client asks for by itself, and as numbers.
  const made = await client.embeddings.create({ model: 'editor:auto', input });
  assert.deepEqual(made.data.map((it) => it.index), [0, 1, 2]);
  assert.ok(made.data.every((it) => it.embedding.length === 64), made.data[0]);
  assert.deepEqual(made.data[0].embedding, made.data[2].embedding);
  assert.notDeepEqual(made.data[0].embedding, made.data[1].embedding);
  assert.equal(made.usage.prompt_tokens, 9);
  const one = await client.embeddings.create({ model: 'editor:near/e', input: input[0], encoding_format: 'float' });
  one.data[0].embedding.forEach((it, at) => assert.ok(Math.abs(it - made.data[0].embedding[at]) < 1e-6));
  const create = (more) => () => client.embeddings.create({ model: 'editor:auto', input: 'a', ...more });
  await refused(OpenAI.BadRequestError, 'bad-request', create({ input: [[1, 2]] }), 'tokenizer');
  await refused(OpenAI.BadRequestError, 'bad-request', create({ input: ['a', ''] }), 'input[1]');
  await refused(OpenAI.BadRequestError, 'bad-request', create({ model: 'jarvis' }), 'makes no vectors');
}

async function errors() {
  for (const model of ['jarvis', 'editor:auto']) {
    const create = (more) => () => client.chat.completions.create({ model, messages: ask, ...more });
    await refused(OpenAI.BadRequestError, 'bad-request', create({ n: 2 }), 'n ');
    await refused(OpenAI.BadRequestError, 'bad-request', create({ messages: [{ role: 1, content: '' }] }), 'messages[0].role');
    await refused(OpenAI.NotFoundError, 'not-found', create({ model: 'nobody', stream: true }));
    const other = new OpenAI({ baseURL, apiKey: 'another', maxRetries: 0 });
    const stranger = () => other.chat.completions.create({ model, messages: ask });
    await refused(OpenAI.AuthenticationError, 'bad-signature', stranger);
  }
  const seeded = () => client.chat.completions.create({ model: 'editor:auto', messages: ask, seed: 7 });
  await refused(OpenAI.BadRequestError, 'bad-request', seeded, 'seed');
}

await models();
for (const model of ['jarvis', 'editor:auto']) {
  await chat(model);
  await stream(model);
}
await tools();
await responses();
await embeddings();
await errors();
console.log('all of it');
