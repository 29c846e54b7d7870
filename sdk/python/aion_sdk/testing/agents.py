"""The agents that the one under test asks: functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .._core.refused import Refused, Unanswered

#: Answers what it is asked; what it raises is how its turn ended.
Other = Callable[[str], str]


class Agents:
    """Their turns end at once, so what is begun can be waited for already."""

    def __init__(self, agents: Mapping[str, Other]) -> None:
        self._agents = agents
        # By the turn that began them: nobody else hears how they ended.
        self._ended: dict[tuple[int, int], dict[str, Any]] = {}

    def begin(self, body: Mapping[str, Any], by: int, turn: int) -> dict[str, Any]:
        """Begins a turn, and gives how it ended."""
        other = self._agents.get(body["agent"])
        if other is None:
            remedy = "ask for it under spec.tools or spec.permissions"
            raise Refused("denied", f"agent.ask {body['agent']}: no rule allows it", remedy=remedy)
        ended: dict[str, Any] = {"turn": turn, "ok": True, "incomplete": False}
        try:
            ended["answer"] = other(body["input"])
        except Unanswered as why:
            ended |= {"ok": False, "problem": Refused("unanswered", str(why)).problem()}
        except Refused as refused:
            ended |= {"ok": False, "problem": refused.problem()}
        except Exception as error:
            ended |= {"ok": False, "problem": Refused("program-failed", str(error)).problem()}
        self._ended[by, turn] = ended
        return ended

    def ended(self, body: Mapping[str, Any], by: int) -> dict[str, Any]:
        """How one that `by` began ended."""
        ended = self._ended.get((by, body["turn"]))
        if ended is None:
            remedy = "name a turn that agent.spawn gave to this turn"
            raise Refused("not-found", f"turn {body['turn']} was not begun by this turn", remedy=remedy)
        return ended
