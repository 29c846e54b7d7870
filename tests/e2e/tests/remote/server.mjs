// An agent by the SDK of A2A for JavaScript over JSON-RPC, as it comes: `node server.mjs`. It prints its port, then what it does,
// a line each, and lets go of what it holds when it reads a line.

import { createServer } from "node:http";
import { createInterface } from "node:readline";

import { AgentCard, Task, TaskArtifactUpdateEvent, TaskStatusUpdateEvent } from "a2a-js";
import {
  AgentEvent, DefaultRequestHandler, InMemoryTaskStore, JsonRpcTransportHandler, ServerCallContext,
} from "a2a-js/server";

const say = (...what) => console.log(...what);
let go;
const gone = new Promise((resolve) => (go = resolve));
createInterface({ input: process.stdin }).on("line", go);

const executor = {
  async execute({ taskId, contextId, userMessage, task }, bus) {
    const asked = userMessage.parts.map((it) => it.content?.value ?? "").join("");
    const status = (state, text) => {
      const parts = [{ text }];
      const message = { messageId: crypto.randomUUID(), role: "ROLE_AGENT", parts, taskId, contextId };
      bus.publish(AgentEvent.statusUpdate(TaskStatusUpdateEvent.fromJSON({ taskId, contextId, status: { state, message } })));
    };
    const artifact = (parts, append = false) => {
      const artifact = { artifactId: "answer", parts };
      bus.publish(AgentEvent.artifactUpdate(TaskArtifactUpdateEvent.fromJSON({ taskId, contextId, artifact, append })));
    };
    say("asked", taskId, userMessage.messageId);
    const begun = { id: taskId, contextId, status: { state: "TASK_STATE_SUBMITTED" } };
    bus.publish(AgentEvent.task(task ?? Task.fromJSON(begun)));
    if (task) {
      artifact([{ text: `By train on ${asked}` }]);
      status("TASK_STATE_COMPLETED", "done");
    } else if (asked.includes("which")) {
      status("TASK_STATE_INPUT_REQUIRED", "Which day?");
    } else if (asked.includes("fail")) {
      status("TASK_STATE_FAILED", "There are no trains.");
    } else {
      status("TASK_STATE_WORKING", "looking at trains");
      artifact([{ text: "By " }]);
      if (asked.includes("hold")) {
        say("holds");
        await gone;
      }
      artifact([{ text: "train." }, { data: { price: 12 } }], true);
      status("TASK_STATE_COMPLETED", "done");
    }
    bus.finished();
  },
  async cancelTask(taskId, bus) {
    say("cancelled", taskId);
    const status = { state: "TASK_STATE_CANCELED" };
    bus.publish(AgentEvent.statusUpdate(TaskStatusUpdateEvent.fromJSON({ taskId, contextId: "", status })));
    bus.finished();
  },
};

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  const written = {
    name: "Traveller", description: "Knows the way.", version: "1.0.0",
    supportedInterfaces: [{ url: `${url}/a2a`, protocolBinding: "JSONRPC", protocolVersion: "1.0" }],
    capabilities: { streaming: true }, defaultInputModes: ["text/plain"], defaultOutputModes: ["text/plain"],
    skills: [{ id: "trains", name: "Trains", description: "Finds trains.", tags: ["travel"] }],
  };
  const card = AgentCard.fromJSON(written);
  const handler = new JsonRpcTransportHandler(new DefaultRequestHandler(card, new InMemoryTaskStore(), executor));
  server.on("request", async (request, response) => {
    if (request.url === "/.well-known/agent-card.json") {
      return response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(AgentCard.toJSON(card)));
    }
    let body = "";
    for await (const chunk of request) body += chunk;
    const context = new ServerCallContext({ requestedVersion: request.headers["a2a-version"] });
    const answer = await handler.handle(body, context);
    if (!(Symbol.asyncIterator in answer)) {
      return response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
    }
    response.writeHead(200, { "content-type": "text/event-stream" });
    for await (const event of answer) response.write(`data: ${JSON.stringify(event)}\n\n`);
    response.end();
  });
  say("port", server.address().port);
});
