"""An agent by the SDK of A2A for Python, as it comes: `server.py BINDING PUBLIC [TOKEN]`.

It prints its port, then what it does, a line each, and lets go of what it holds when it reads a line. PUBLIC is the address
that its card names, where that is not its own; `-` for its own.
"""

import asyncio
import sys
import threading

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse

from a2a.server.agent_execution import AgentExecutor
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes.agent_card_routes import create_agent_card_routes
from a2a.server.routes.jsonrpc_routes import create_jsonrpc_routes
from a2a.server.routes.rest_routes import create_rest_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types.a2a_pb2 import AgentCapabilities, AgentCard, AgentInterface, AgentSkill, Part, Task, TaskState, TaskStatus
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Value

BINDING, PUBLIC, *REST = sys.argv[1:]
TOKEN = REST[0] if REST else None


def say(*what):
    print(*what, flush=True)


class Traveller(AgentExecutor):
    def __init__(self):
        self.go = asyncio.Event()

    async def execute(self, context, queue):
        asked = context.get_user_input()
        if context.current_task is None:
            task = Task(id=context.task_id, context_id=context.context_id)
            task.status.CopyFrom(TaskStatus(state=TaskState.TASK_STATE_SUBMITTED))
            await queue.enqueue_event(task)
        say("asked", context.task_id, context.message.message_id)
        updater = TaskUpdater(queue, context.task_id, context.context_id)
        told = lambda text: updater.new_agent_message([Part(text=text)])
        if context.current_task is not None:
            await updater.add_artifact([Part(text=f"By train on {asked}")])
            return await updater.complete()
        if "which" in asked:
            return await updater.requires_input(told("Which day?"))
        if "fail" in asked:
            return await updater.failed(told("There are no trains."))
        await updater.start_work(told("looking at trains"))
        await updater.add_artifact([Part(text="By ")], artifact_id="answer")
        if "hold" in asked:
            say("holds")
            await self.go.wait()
        data = ParseDict({"price": 12}, Value())
        await updater.add_artifact([Part(text="train."), Part(data=data)], artifact_id="answer", append=True)
        await updater.complete()

    async def cancel(self, context, queue):
        say("cancelled", context.task_id)
        await TaskUpdater(queue, context.task_id, context.context_id).cancel()


class Guarded:
    """Only who has the token."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        headers = dict(scope.get("headers", []))
        if scope["type"] == "http" and TOKEN and headers.get(b"authorization") != f"Bearer {TOKEN}".encode():
            return await JSONResponse({"error": "no token"}, status_code=401)(scope, receive, send)
        await self.app(scope, receive, send)


async def main():
    config = uvicorn.Config(None, host="127.0.0.1", port=0, log_level="critical")
    socket = config.bind_socket()
    port = socket.getsockname()[1]
    public = f"http://127.0.0.1:{port}" if PUBLIC == "-" else PUBLIC
    card = AgentCard(
        name="Traveller", description="Knows the way.", version="1.0.0",
        supported_interfaces=[AgentInterface(url=f"{public}/a2a", protocol_binding=BINDING, protocol_version="1.0")],
        capabilities=AgentCapabilities(streaming=True),
        default_input_modes=["text/plain"], default_output_modes=["text/plain"],
        skills=[AgentSkill(id="trains", name="Trains", description="Finds trains.", tags=["travel"])],
    )
    traveller = Traveller()
    handler = DefaultRequestHandler(traveller, InMemoryTaskStore(), card)
    routes = create_agent_card_routes(card)
    if BINDING == "JSONRPC":
        routes += create_jsonrpc_routes(handler, "/a2a")
    else:
        routes += create_rest_routes(handler, path_prefix="/a2a")
    config.app = Guarded(Starlette(routes=routes))
    loop = asyncio.get_running_loop()

    def reads():
        for _ in sys.stdin:
            loop.call_soon_threadsafe(traveller.go.set)

    threading.Thread(target=reads, daemon=True).start()
    say("port", port)
    await uvicorn.Server(config).serve(sockets=[socket])


asyncio.run(main())
