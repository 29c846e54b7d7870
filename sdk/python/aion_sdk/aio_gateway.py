"""Asking agents from other programs, by the gateway's REST: `gateway`, by make_aio.py."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ._core import approvals as asked, door, feed
from ._transport import AsyncTransport


class AsyncTurnStream:
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

    def __aiter__(self) -> AsyncTurnStream:
        return self

    async def __anext__(self) -> dict[str, Any]:
        event = await self._transport.run(self._following.next())
        if event is None:
            raise StopAsyncIteration
        return event

    async def __aenter__(self) -> AsyncTurnStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class AsyncEventStream:
    """What happens on the node, as it happens: an `Event` each, once, and a `Missed` where some are not told.

    Where the connection breaks it goes on behind the last cursor, within a minute; beyond that `Refused` is raised, and who
    goes on reading tries again. It is read by one thread or task.
    """

    def __init__(self, transport: AsyncTransport, listening: feed.Listening) -> None:
        self._transport, self._listening = transport, listening

    @property
    def cursor(self) -> str | None:
        """Everything up to here was given. `AsyncGateway.events(after=…)` goes on behind it, also in another process."""
        return self._listening.cursor

    @property
    def is_away(self) -> bool:
        """The gateway is there, and the node does not answer it."""
        return self._listening.is_away

    async def close(self) -> None:
        """Listens no longer."""
        await self._transport.run(self._listening.close())
        await self._transport.close()

    async def _listen(self) -> None:
        await self._transport.run(self._listening.begin())

    def __aiter__(self) -> AsyncEventStream:
        return self

    async def __anext__(self) -> feed.Item:
        item = await self._transport.run(self._listening.next())
        if item is None:
            raise StopAsyncIteration
        return item

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
        approver_token: str | None = None,
        approver_token_file: str | os.PathLike[str] | None = None,
    ) -> None:
        self._url = door.url_of(base_url)
        approver = door.approver_of(approver_token, approver_token_file)
        self._door = door.Door(door.token_of(token, token_file), namespace, approver)
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
    ) -> AsyncTurnStream:
        """As `ask`, event by event."""
        plan = self._door.ask(text, agent, files, deadline, key)
        return AsyncTurnStream(self._transport, await self._transport.run(plan))

    async def follow(self, turn: int) -> AsyncTurnStream:
        """A turn's events from its start, also after its end."""
        return AsyncTurnStream(self._transport, await self._transport.run(self._door.follow(turn)))

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

    async def events(
        self,
        *,
        kinds: Sequence[str] = (),
        agents: Sequence[str] = (),
        namespace: str | None = None,
        after: str | None = None,
    ) -> AsyncEventStream:
        """What happens on the node from now on, or behind the cursor `after`: of these kinds (`agent`, `turn`, `syscall`,
        `queue`, `log`), agents and namespace, or of all of them."""
        within = namespace or self._door.namespace
        listening = feed.Listening(self._door, kinds, agents, within, after)
        stream = AsyncEventStream(AsyncTransport(self._url, silence=feed.SILENCE_S), listening)
        try:
            await stream._listen()
        except BaseException:
            await stream.close()
            raise
        return stream

    async def approvals(self, *, partial: bool = False) -> list[asked.Approval]:
        """What agents ask people: those that wait, oldest first, then the last that were answered. It takes a key that may
        `approve`, or the token of the node's `config/approver.token` as `approver_token`; so do all that follow.
        `Refused` of code `unreachable`, with the nodes' names as `silent`, if nodes of a cluster did not list theirs, but with
        `partial`, which lists those of the others."""
        return await self._transport.run(asked.listed(self._door, partial))

    async def approval(self, number: int) -> asked.Approval:
        """One of them."""
        return await self._transport.run(asked.one(self._door, number))

    async def approve(
        self, approval: asked.Approval, *, turn: bool = False, until: datetime | None = None
    ) -> asked.Approval:
        """Says yes to what is shown: to this call, to the same syscall and target until its turn ends, or until a date in every
        turn of the agent. `Refused` of code `already-answered` where somebody was first, `changed` where it is another by now."""
        return await self._transport.run(asked.answer(self._door, approval, True, turn, until))

    async def deny(self, approval: asked.Approval) -> asked.Approval:
        """Says no."""
        return await self._transport.run(asked.answer(self._door, approval, False, False, None))

    async def words(self, *, partial: bool = False) -> list[asked.Word]:
        """What was said until a date, and counts."""
        return await self._transport.run(asked.words(self._door, partial))

    async def revoke(self, approval: int) -> None:
        """Takes a word back that counts until a date."""
        return await self._transport.run(asked.revoke(self._door, approval))

    async def close(self) -> None:
        """Closes its connections."""
        await self._transport.close()

    async def __aenter__(self) -> AsyncGateway:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncGateway({self._url!r})"
