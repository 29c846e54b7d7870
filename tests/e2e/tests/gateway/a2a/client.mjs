// The SDK of A2A for JavaScript, as it comes: `node client.mjs BASE TOKEN WHAT`, where BASE is an agent's address.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";

import { ListTasksRequest, SendMessageRequest, TaskState, verifyAgentCardSignature } from "a2a-js";
import { ClientFactory, DefaultAgentCardResolver, JsonRpcTransportFactory, RestTransportFactory } from "a2a-js/client";
import * as errors from "a2a-js/errors";

const [base, token, what] = process.argv.slice(2);
const SAYS = "Felix is a good name.";

const bearing = (token) => (url, init = {}) =>
  fetch(url, { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } });

const verifies = verifyAgentCardSignature(async (kid, jku) => {
  const { keys } = await (await bearing(token)(jku)).json();
  return keys.find((it) => it.kid === kid);
});

// An address is a folder to this SDK: its last word counts with a slash behind it alone.
const resolver = (token) => new DefaultAgentCardResolver({ fetchImpl: bearing(token) });

function factory(Transport, token) {
  const transports = [new Transport({ fetchImpl: bearing(token) })];
  return new ClientFactory({ transports, cardResolver: resolver(token) });
}

function question(more = {}, configuration = {}) {
  const parts = [{ text: "A name for a cat?" }];
  const message = { messageId: randomUUID(), role: "ROLE_USER", parts, ...more };
  return SendMessageRequest.fromJSON({ message, configuration });
}

async function all(stream) {
  const events = [];
  for await (const event of stream) events.push(event.payload);
  return events;
}

const text = (artifacts) =>
  artifacts
    .filter((it) => it.artifactId === "answer")
    .flatMap((it) => it.parts)
    .map((it) => it.content.value)
    .join("");
const told = (events) => text(events.filter((it) => it.$case === "artifactUpdate").map((it) => it.value.artifact));
const end = (events) => events.at(-1).value.status.state;

async function refused(kind, asked, words = "") {
  await assert.rejects(asked, (why) => {
    assert.ok(why instanceof errors[kind], `${why.stack}`);
    assert.ok(why.message.includes(words), why.message);
    return true;
  });
}

async function ask(Transport) {
  const client = await factory(Transport, token).createFromUrl(`${base}/`);
  const asked = question();
  const task = await client.sendMessage(asked);
  assert.equal(task.status.state, TaskState.TASK_STATE_COMPLETED);
  assert.equal(text(task.artifacts), SAYS);
  assert.deepEqual(await client.sendMessage(asked), task);
  assert.deepEqual(await client.getTask({ id: task.id }), task);
  const named = await client.sendMessage(question({ contextId: "my-context" }));
  assert.equal(named.contextId, "my-context");
  const events = await all(client.sendMessageStream(question()));
  assert.equal(events[0].$case, "task");
  assert.equal(told(events), SAYS);
  assert.equal(end(events), TaskState.TASK_STATE_COMPLETED);
  await refused("TaskNotCancelableError", client.cancelTask({ id: task.id }), "has ended");
  await refused("TaskNotFoundError", client.getTask({ id: "4711" }), "4711");
  const listed = await client.listTasks(
    ListTasksRequest.fromJSON({ contextId: "my-context", includeArtifacts: true, pageSize: 1 }),
  );
  assert.equal(listed.tasks.length, 1);
  assert.equal(listed.tasks[0].contextId, "my-context");
  assert.deepEqual(await client.getTask({ id: listed.tasks[0].id }), listed.tasks[0]);
  assert.ok((await client.listTasks(ListTasksRequest.fromJSON({}))).totalSize >= 3);
  await refused("UnsupportedOperationError", all(client.resubscribeTask({ id: task.id })), "has ended");
  const linked = question({ parts: [{ url: "http://169.254.169.254/" }] });
  await refused("ContentTypeNotSupportedError", client.sendMessage(linked), "message.parts[0].url");
  await refused("ContentTypeNotSupportedError", all(client.sendMessageStream(linked)), "message.parts[0].url");
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function say(word) {
  console.log(word);
  await lines.next();
}

// The model answers at `answer`, each time; `asked` waits until it is asked once more.
async function held(Transport) {
  const client = await factory(Transport, token).createFromUrl(`${base}/`);
  let task = await client.sendMessage(question({}, { returnImmediately: true }));
  while (task.status.state === TaskState.TASK_STATE_SUBMITTED) task = await client.getTask({ id: task.id });
  assert.equal(task.status.state, TaskState.TASK_STATE_WORKING);
  const followed = client.resubscribeTask({ id: task.id });
  assert.equal((await followed.next()).value.payload.value.id, task.id);
  await say("asked");
  const cancelled = await client.cancelTask({ id: task.id });
  assert.equal(cancelled.status.state, TaskState.TASK_STATE_CANCELED);
  await say("answer");
  assert.equal(end(await all(followed)), TaskState.TASK_STATE_CANCELED);
}

// The model says a word at a time. A stream that breaks off between two is taken up again: every word is told once.
async function broken(Transport) {
  const client = await factory(Transport, token).createFromUrl(`${base}/`);
  const begun = client.sendMessageStream(question());
  const task = (await begun.next()).value.payload.value;
  for await (const event of begun) if (event.payload.$case === "artifactUpdate") break;
  const again = client.resubscribeTask({ id: task.id });
  assert.equal((await again.next()).value.payload.value.id, task.id);
  const events = await all(again);
  assert.equal(told(events), Array(40).fill("Felix").join(" "));
  assert.equal(end(events), TaskState.TASK_STATE_COMPLETED);
}

// Who may not, and what is not there.
async function strange(Transport) {
  await assert.rejects(resolver("another").resolve(`${base}/`), /401/);
  await assert.rejects(resolver(token).resolve(`${base.replace("jarvis", "nobody")}/`), /404/);
  // As it is served: of a card that its resolver has read, 1.3.0 loses the security schemes before it checks.
  const served = await (await bearing(token)(`${base}/.well-known/agent-card.json`)).json();
  await verifies(served);
  await assert.rejects(verifies({ ...served, description: "Another one" }), /No valid signatures/);
  const card = await resolver(token).resolve(`${base}/`);
  const client = await factory(Transport, "another").createFromAgentCard(card);
  await assert.rejects(client.sendMessage(question()));
}

// It says each signature that does not hold.
console.debug = () => {};
for (const Transport of [JsonRpcTransportFactory, RestTransportFactory]) {
  await { ask, held, broken, strange }[what](Transport);
}
console.log("all of it");
process.exit(0);
