"""Asking agents from other programs, by the gateway's REST: for programs that block."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ._core import approvals as asked, door, feed
from ._transport import Transport


class TurnStream:
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

    def __iter__(self) -> TurnStream:
        return self

    def __next__(self) -> dict[str, Any]:
        event = self._transport.run(self._following.next())
        if event is None:
            raise StopIteration
        return event

    def __enter__(self) -> TurnStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class EventStream:
    """What happens on the node, as it happens: an `Event` each, once, and a `Missed` where some are not told.

    Where the connection breaks it goes on behind the last cursor, within a minute; beyond that `Refused` is raised, and who
    goes on reading tries again. It is read by one thread or task.
    """

    def __init__(self, transport: Transport, listening: feed.Listening) -> None:
        self._transport, self._listening = transport, listening

    @property
    def cursor(self) -> str | None:
        """Everything up to here was given. `Gateway.events(after=…)` goes on behind it, also in another process."""
        return self._listening.cursor

    @property
    def is_away(self) -> bool:
        """The gateway is there, and the node does not answer it."""
        return self._listening.is_away

    def close(self) -> None:
        """Listens no longer."""
        self._transport.run(self._listening.close())
        self._transport.close()

    def _listen(self) -> None:
        self._transport.run(self._listening.begin())

    def __iter__(self) -> EventStream:
        return self

    def __next__(self) -> feed.Item:
        item = self._transport.run(self._listening.next())
        if item is None:
            raise StopIteration
        return item

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
        approver_token: str | None = None,
        approver_token_file: str | os.PathLike[str] | None = None,
    ) -> None:
        self._url = door.url_of(base_url)
        approver = door.approver_of(approver_token, approver_token_file)
        self._door = door.Door(door.token_of(token, token_file), namespace, approver)
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
    ) -> TurnStream:
        """As `ask`, event by event."""
        plan = self._door.ask(text, agent, files, deadline, key)
        return TurnStream(self._transport, self._transport.run(plan))

    def follow(self, turn: int) -> TurnStream:
        """A turn's events from its start, also after its end."""
        return TurnStream(self._transport, self._transport.run(self._door.follow(turn)))

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

    def events(
        self,
        *,
        kinds: Sequence[str] = (),
        agents: Sequence[str] = (),
        namespace: str | None = None,
        after: str | None = None,
    ) -> EventStream:
        """What happens on the node from now on, or behind the cursor `after`: of these kinds (`agent`, `turn`, `syscall`,
        `queue`, `log`), agents and namespace, or of all of them."""
        within = namespace or self._door.namespace
        listening = feed.Listening(self._door, kinds, agents, within, after)
        stream = EventStream(Transport(self._url, silence=feed.SILENCE_S), listening)
        try:
            stream._listen()
        except BaseException:
            stream.close()
            raise
        return stream

    def approvals(self, *, partial: bool = False) -> list[asked.Approval]:
        """What agents ask people: those that wait, oldest first, then the last that were answered. It takes a key that may
        `approve`, or the token of the node's `config/approver.token` as `approver_token`; so do all that follow.
        `Refused` of code `unreachable`, with the nodes' names as `silent`, if nodes of a cluster did not list theirs, but with
        `partial`, which lists those of the others."""
        return self._transport.run(asked.listed(self._door, partial))

    def approval(self, number: int) -> asked.Approval:
        """One of them."""
        return self._transport.run(asked.one(self._door, number))

    def approve(
        self, approval: asked.Approval, *, turn: bool = False, until: datetime | None = None
    ) -> asked.Approval:
        """Says yes to what is shown: to this call, to the same syscall and target until its turn ends, or until a date in every
        turn of the agent. `Refused` of code `already-answered` where somebody was first, `changed` where it is another by now."""
        return self._transport.run(asked.answer(self._door, approval, True, turn, until))

    def deny(self, approval: asked.Approval) -> asked.Approval:
        """Says no."""
        return self._transport.run(asked.answer(self._door, approval, False, False, None))

    def words(self, *, partial: bool = False) -> list[asked.Word]:
        """What was said until a date, and counts."""
        return self._transport.run(asked.words(self._door, partial))

    def revoke(self, approval: int) -> None:
        """Takes a word back that counts until a date."""
        return self._transport.run(asked.revoke(self._door, approval))

    def close(self) -> None:
        """Closes its connections."""
        self._transport.close()

    def __enter__(self) -> Gateway:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Gateway({self._url!r})"
