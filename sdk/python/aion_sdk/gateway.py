"""Asking agents from other programs, by the gateway's REST: for programs that block."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ._core import door
from ._transport import Transport


class EventStream:
    """A turn's events as they come, each once, the last one `ended`: `{"event": "delta", "text": …}`.

    Where the stream breaks it is followed again. `routed` is not among a turn's own events: it comes first where nobody
    was named.
    """

    def __init__(self, transport: Transport, following: door.Following) -> None:
        self._transport, self._following = transport, following

    @property
    def text(self) -> str:
        """The answer so far."""
        return self._following.text

    @property
    def turn(self) -> int | None:
        """The turn's number, once it is taken."""
        return self._following.turn

    def answer(self) -> door.Answer:
        """Reads to the end, and gives the turn as it is kept."""
        return self._transport.run(self._following.record())

    def close(self) -> None:
        """Follows no longer. The turn goes on: `Gateway.cancel` ends it."""
        self._transport.run(self._following.close())

    def __iter__(self) -> EventStream:
        return self

    def __next__(self) -> dict[str, Any]:
        event = self._transport.run(self._following.next())
        if event is None:
            raise StopIteration
        return event

    def __enter__(self) -> EventStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Gateway:
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
        self._transport = Transport(self._url)

    def ask(
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
        following = self._transport.run(self._door.ask(text, agent, files, deadline, key))
        return self._transport.run(following.record())

    def stream(
        self,
        text: str,
        agent: str | None = None,
        *,
        files: Sequence[door.Upload] = (),
        deadline: float | None = None,
        key: str | None = None,
    ) -> EventStream:
        """As `ask`, event by event."""
        plan = self._door.ask(text, agent, files, deadline, key)
        return EventStream(self._transport, self._transport.run(plan))

    def follow(self, turn: int) -> EventStream:
        """A turn's events from its start, also after its end."""
        return EventStream(self._transport, self._transport.run(self._door.follow(turn)))

    def turn(self, turn: int) -> door.Answer:
        """A turn as it is kept."""
        return self._transport.run(self._door.turn(turn))

    def cancel(self, turn: int) -> door.Answer:
        """Cancels a turn that waits or runs."""
        return self._transport.run(self._door.turn(turn, "DELETE"))

    def file(self, turn: int, path: str) -> bytes:
        """A file that a turn wrote to `output`."""
        return self._transport.run(self._door.file(turn, path))

    def agents(self) -> list[door.AgentInfo]:
        """All agents, of the namespace or of every one."""
        return self._transport.run(self._door.agents())

    def agent(self, name: str) -> door.AgentInfo:
        """One agent."""
        return self._transport.run(self._door.agent(name))

    def close(self) -> None:
        """Closes its connections."""
        self._transport.close()

    def __enter__(self) -> Gateway:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Gateway({self._url!r})"
