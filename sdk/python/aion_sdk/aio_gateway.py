"""Asking agents from other programs, by the gateway's REST: `gateway`, by make_aio.py."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ._core import door
from ._transport import AsyncTransport


class AsyncEventStream:
    """A turn's events as they come, each once, the last one `ended`: `{"event": "delta", "text": …}`.

    Where the stream breaks it is followed again. `routed` is not among a turn's own events: it comes first where nobody
    was named.
    """

    def __init__(self, transport: AsyncTransport, following: door.Following) -> None:
        self._transport, self._following = transport, following

    @property
    def text(self) -> str:
        """The answer so far."""
        return self._following.text

    @property
    def turn(self) -> int | None:
        """The turn's number, once it is taken."""
        return self._following.turn

    async def answer(self) -> door.Answer:
        """Reads to the end, and gives the turn as it is kept."""
        return await self._transport.run(self._following.record())

    async def close(self) -> None:
        """Follows no longer. The turn goes on: `AsyncGateway.cancel` ends it."""
        await self._transport.run(self._following.close())

    def __aiter__(self) -> AsyncEventStream:
        return self

    async def __anext__(self) -> dict[str, Any]:
        event = await self._transport.run(self._following.next())
        if event is None:
            raise StopAsyncIteration
        return event

    async def __aenter__(self) -> AsyncEventStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class AsyncGateway:
    """The gateway of this user's node, or of `AION_GATEWAY_URL` and `AION_GATEWAY_TOKEN_FILE`, or of the arguments."""

    def __init__(
        self,
        base_url: str | None = None,
        token: str | None = None,
        *,
        token_file: str | os.PathLike[str] | None = None,
        namespace: str | None = None,
    ) -> None:
        self._url = door.url_of(base_url)
        self._door = door.Door(door.token_of(token, token_file), namespace)
        self._transport = AsyncTransport(self._url)

    async def ask(
        self,
        text: str,
        agent: str | None = None,
        *,
        files: Sequence[door.Upload] = (),
        deadline: float | None = None,
        key: str | None = None,
    ) -> door.Answer:
        """Asks an agent, or where none is named the one that the question is for, and waits for the end of its turn.

        Asked again under a `key` of one's own it is the same turn. `Refused` of code `undecided` names `candidates`.
        """
        following = await self._transport.run(self._door.ask(text, agent, files, deadline, key))
        return await self._transport.run(following.record())

    async def stream(
        self,
        text: str,
        agent: str | None = None,
        *,
        files: Sequence[door.Upload] = (),
        deadline: float | None = None,
        key: str | None = None,
    ) -> AsyncEventStream:
        """As `ask`, event by event."""
        plan = self._door.ask(text, agent, files, deadline, key)
        return AsyncEventStream(self._transport, await self._transport.run(plan))

    async def follow(self, turn: int) -> AsyncEventStream:
        """A turn's events from its start, also after its end."""
        return AsyncEventStream(self._transport, await self._transport.run(self._door.follow(turn)))

    async def turn(self, turn: int) -> door.Answer:
        """A turn as it is kept."""
        return await self._transport.run(self._door.turn(turn))

    async def cancel(self, turn: int) -> door.Answer:
        """Cancels a turn that waits or runs."""
        return await self._transport.run(self._door.turn(turn, "DELETE"))

    async def file(self, turn: int, path: str) -> bytes:
        """A file that a turn wrote to `output`."""
        return await self._transport.run(self._door.file(turn, path))

    async def agents(self) -> list[door.AgentInfo]:
        """All agents, of the namespace or of every one."""
        return await self._transport.run(self._door.agents())

    async def agent(self, name: str) -> door.AgentInfo:
        """One agent."""
        return await self._transport.run(self._door.agent(name))

    async def close(self) -> None:
        """Closes its connections."""
        await self._transport.close()

    async def __aenter__(self) -> AsyncGateway:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncGateway({self._url!r})"
