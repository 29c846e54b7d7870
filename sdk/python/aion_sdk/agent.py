"""`Agent`: a program's turn from the boot document to the exit status."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import sys
import threading
import traceback
from collections.abc import AsyncIterable, Callable, Iterable, Iterator
from typing import Any, TypeVar

from . import _shared_loop
from ._core import door
from ._core.boot import DESCRIPTOR_VARIABLE, Boot, inherited
from ._core.effects import Invoke, Plan
from ._core.elsewhere import Place
from ._core.loop import Loop
from ._core.refused import STATUS, Refused, Unanswered
from ._core.schema import FunctionTool
from ._core.session import Session
from ._core.turn import Given, message
from ._transport import Way
from .aio import AsyncSyscallClient, AsyncTurn
from .blocking import SyscallClient, Turn
from .elsewhere import Elsewhere

F = TypeVar("F", bound=Callable[..., Any])

#: The agent that a program serves that no node started.
AGENT_VARIABLE = "AION_AGENT"
NAMESPACE_VARIABLE = "AION_NAMESPACE"

_CRASHED = "the agent's program failed: {}; its log says where"
_END = object()


class Agent:
    """An agent. Either it is a model with instructions and functions as tools, or `@agent.turn` answers itself.

    ```python
    agent = Agent(instructions="You know the weather.", tools=[weather])
    agent.run()
    ```
    """

    def __init__(
        self,
        instructions: str = "",
        tools: Iterable[Callable[..., Any]] = (),
        *,
        max_rounds: int = 8,
        max_tokens: int | None = None,
        temperature: float | None = None,
    ) -> None:
        if max_rounds < 1:
            raise ValueError("max_rounds is less than 1: the model would never be asked")
        self.instructions, self.max_rounds = instructions, max_rounds
        self.max_tokens, self.temperature = max_tokens, temperature
        self._tools: dict[str, FunctionTool] = {}
        self._handler: Callable[..., Any] | None = None
        for one in tools:
            self.tool(one)

    def tool(self, function: F) -> F:
        """Has the model use a function, as a decorator."""
        tool = FunctionTool(function, (Turn, AsyncTurn))
        if tool.spec.name in self._tools:
            raise ValueError(f"there are two tools called {tool.spec.name}")
        self._tools[tool.spec.name] = tool
        self._must_be_one_way()
        return function

    def turn(self, function: F) -> F:
        """Has a function answer, as a decorator.

        It takes a `Turn`, or an `AsyncTurn` where it is async; it returns the answer, or yields the answer's parts.
        """
        if self._handler is not None:
            raise ValueError("the agent has a function that answers already")
        self._handler = function
        self._must_be_one_way()
        return function

    def _must_be_one_way(self) -> None:
        if self._handler is not None and (self._tools or self.instructions):
            raise ValueError("a function answers, so instructions and tools would have no effect: leave them out")

    def run(self) -> None:
        """Answers the turn that this process was started for, and exits.

        Where `AION_AGENT` names an agent of runtime `external` (of the namespace `AION_NAMESPACE`, where that is set), and
        no node started this process, it serves that one.
        """
        name = os.environ.get(AGENT_VARIABLE)
        if name and DESCRIPTOR_VARIABLE not in os.environ:
            return self.serve(name, namespace=os.environ.get(NAMESPACE_VARIABLE))
        boot, socket = inherited()
        if threading.current_thread() is threading.main_thread():
            # Process 1 has no handler by itself: a turn that is cancelled would not even close what it holds.
            signal.signal(signal.SIGTERM, _terminated)
        # One turn, in the thread that hears signals.
        sys.exit(asyncio.run(self._answer_async(boot, socket)) if self._is_async() else self.answer(boot, socket))

    def serve(
        self,
        agent: str,
        base_url: str | None = None,
        token: str | None = None,
        *,
        token_file: str | os.PathLike[str] | None = None,
        namespace: str | None = None,
        at_once: int = 8,
    ) -> None:
        """Takes the turns of an agent of runtime `external` until SIGTERM or Ctrl-C, `at_once` at a time (docs/external.md).

        Each has a thread of its own; those of an `async` function share one event loop.

        The gateway is found as by `Gateway`.
        """
        url = door.url_of(base_url)
        place = Place(door.Door(door.token_of(token, token_file), namespace), agent)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, _terminated)
        try:
            Elsewhere(self.answer, place, url, at_once).serve()
        except KeyboardInterrupt:
            sys.exit(130)

    def answer(self, boot: Boot, socket: Way) -> int:
        """Answers a turn; 0 where it went well."""
        if self._is_async():
            return _shared_loop.run(self._answer_async(boot, socket))
        session = Session(boot.key, boot.turn)
        with SyscallClient(boot, socket, session) as client:
            own = Turn(boot, client)
            contexts: dict[type, Any] = {Turn: own}
            looped = self._handler is None
            plan = self._loop(own, session, contexts.__getitem__) if looped else self._handled(session, own)
            return client.run(self._ended(session, plan))

    async def _answer_async(self, boot: Boot, socket: Way) -> int:
        session = Session(boot.key, boot.turn)
        async with AsyncSyscallClient(boot, socket, session) as client:
            own = AsyncTurn(boot, client)
            # A function that blocks runs in a thread of its own, and has a turn that blocks.
            with SyscallClient(boot, socket, session) as blocking:
                contexts: dict[type, Any] = {AsyncTurn: own, Turn: Turn(boot, blocking)}
                looped = self._handler is None
                plan = self._loop(own, session, contexts.__getitem__) if looped else self._handled_async(session, own)
                return await client.run(self._ended(session, plan))

    def _is_async(self) -> bool:
        if self._handler is not None:
            return inspect.iscoroutinefunction(self._handler) or inspect.isasyncgenfunction(self._handler)
        tools = self._tools.values()
        return any(inspect.iscoroutinefunction(it.function) or it.context_type is AsyncTurn for it in tools)

    def _loop(self, given: Given, session: Session, context: Callable[[type], Any]) -> Plan[str]:
        loop = Loop(
            session, given, self.instructions, self._tools, context, self.max_rounds, self.max_tokens, self.temperature
        )
        return loop.answer()

    def _handled(self, session: Session, own: Turn) -> Plan[str]:
        assert self._handler is not None
        said = yield Invoke(self._handler, {_first(self._handler): own})
        if said is None or isinstance(said, str):
            return said or ""
        parts: Iterator[str] = iter(said)
        whole = ""
        while (part := (yield Invoke(lambda: next(parts, _END), {}))) is not _END:
            yield from message(session, "delta", part)
            whole += part
        return whole

    def _handled_async(self, session: Session, own: AsyncTurn) -> Plan[str]:
        handler = self._handler
        assert handler is not None
        if not inspect.isasyncgenfunction(handler):
            said = yield Invoke(handler, {_first(handler): own})
            return said or ""
        parts: AsyncIterable[str] = handler(own)
        following = aiter(parts)

        async def following_part() -> Any:
            return await anext(following, _END)

        whole = ""
        while (part := (yield Invoke(following_part, {}))) is not _END:
            yield from message(session, "delta", part)
            whole += part
        return whole

    def _ended(self, session: Session, plan: Plan[str]) -> Plan[int]:
        """Says how it ended. A traceback is for the log: the caller reads a sentence."""
        try:
            text = yield from plan
            if not isinstance(text, str):
                raise TypeError(f"the function that answers returned {type(text).__name__}, and not a text")
            if not text:
                raise Unanswered("the agent has no answer to this")
        except Unanswered as why:
            yield from message(session, "failed", str(why))
            return 1
        except Refused as refused:
            # A code of the program's own is none of the node's: then the sentence alone is the reason.
            yield from message(session, "failed", refused.sentence(), refused if refused.code in STATUS else None)
            return 1
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            yield from message(session, "failed", _CRASHED.format(str(error) or type(error).__name__))
            return 1
        yield from message(session, "final", text)
        return 0


def _first(function: Callable[..., Any]) -> str:
    names = list(inspect.signature(function).parameters)
    if not names:
        raise TypeError(f"{function.__name__} takes nothing: a function that answers takes the turn")
    return names[0]


def _terminated(*_: Any) -> None:
    sys.exit(143)
