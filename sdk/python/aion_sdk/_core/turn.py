"""`agent.message` and `agent.checkpoint`: what a turn says and keeps."""

from __future__ import annotations

from typing import Any, Literal

from .boot import Boot, InputFile
from .effects import Plan
from .refused import Refused
from .session import Session

Kind = Literal["progress", "notice", "leftOut", "delta", "final", "failed"]


def message(session: Session, kind: Kind, text: str, refused: Refused | None = None) -> Plan[None]:
    body: dict[str, Any] = {"kind": kind, "text": text}
    if refused is not None:
        body["problem"] = refused.problem()
    yield from session.call("agent.message", body)


def checkpoint(session: Session, state: str) -> Plan[None]:
    yield from session.call("agent.checkpoint", {"state": state})


class Given:
    """What a turn is about. The key is not among it."""

    def __init__(self, boot: Boot) -> None:
        self._boot = boot

    @property
    def agent(self) -> str:
        """`namespace/agent`."""
        return self._boot.agent

    @property
    def number(self) -> int:
        """The turn's number, as `aionctl why` shows it."""
        return self._boot.turn

    @property
    def text(self) -> str:
        """What was asked."""
        return self._boot.text

    @property
    def given(self) -> tuple[InputFile, ...]:
        """The files that the caller gave."""
        return self._boot.files

    @property
    def message_id(self) -> str | None:
        """What the caller calls this question, where it says so, as in A2A. It is the caller's own word."""
        return self._boot.message_id

    @property
    def state(self) -> str | None:
        """What the last `checkpoint` kept, in an earlier turn."""
        return self._boot.checkpoint

    @property
    def seconds(self) -> float | None:
        """How long the turn may take, from the start of the program."""
        return None if self._boot.turn_ms is None else self._boot.turn_ms / 1000

    def __repr__(self) -> str:
        return f"{type(self).__name__}(agent={self.agent!r}, number={self.number})"
