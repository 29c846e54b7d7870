"""`agent.ask`, `agent.spawn`, `agent.wait` and `agent.cancel`: shapes and plans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .effects import Plan
from .refused import Refused
from .session import Session


@dataclass(frozen=True)
class Ended:
    """How a turn of another agent ended. That it did not end well is an answer, too."""

    turn: int
    #: It ended well.
    ok: bool
    #: What it answered, if anything.
    answer: str | None
    #: Why it is not ok.
    problem: Mapping[str, Any] | None
    #: A part of what it was given is not in the answer; a notice says which.
    incomplete: bool
    #: What it said beside the answer.
    notices: tuple[str, ...]

    @property
    def text(self) -> str:
        """The answer. Raises `Refused` where the turn did not come to one."""
        if not self.ok or self.answer is None:
            raise Refused.of(self.problem or {"detail": f"turn {self.turn} has no answer"})
        return self.answer


def ask(session: Session, agent: str, text: str, delegate: Iterable[str] | None, deadline: float | None) -> Plan[Ended]:
    # The turn's own, too: the call's does not count where both are set aside for a person's word.
    answer = yield from session.call("agent.ask", _asked(agent, text, delegate, deadline), _ms(deadline))
    return _ended(answer)


def spawn(session: Session, agent: str, text: str, delegate: Iterable[str] | None, deadline: float | None) -> Plan[int]:
    answer = yield from session.call("agent.spawn", _asked(agent, text, delegate, deadline))
    return int(answer["turn"])


def wait(session: Session, turn: int, deadline: float | None) -> Plan[Ended]:
    return _ended((yield from session.call("agent.wait", {"turn": turn}, _ms(deadline))))


def cancel(session: Session, turn: int) -> Plan[None]:
    yield from session.call("agent.cancel", {"turn": turn})


def _asked(agent: str, text: str, delegate: Iterable[str] | None, deadline: float | None) -> dict[str, Any]:
    body: dict[str, Any] = {"agent": agent, "input": text}
    if delegate is not None:
        body["delegate"] = list(delegate)
    if deadline is not None:
        body["deadlineMs"] = _ms(deadline)
    return body


def _ms(deadline: float | None) -> int | None:
    return None if deadline is None else round(deadline * 1000)


def _ended(answer: Mapping[str, Any]) -> Ended:
    return Ended(
        answer["turn"],
        answer["ok"],
        answer.get("answer"),
        answer.get("problem"),
        answer.get("incomplete", False),
        tuple(answer.get("notices", ())),
    )
