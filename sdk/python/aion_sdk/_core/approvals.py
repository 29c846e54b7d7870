"""What agents ask people, and what is said to it, by the gateway's REST (docs/approvals.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .door import Door
from .effects import Plan, Response
from .refused import Refused
from .session import answer_of, encoded


# Where a try was lost and another is refused so, the first may have been taken.
UNKNOWN = frozenset({"not-found", "unreachable"})


@dataclass(frozen=True)
class Said:
    """What became of an approval."""

    #: `approved`, `denied`, `expired` or `withdrawn`.
    word: str
    #: For how much, of a yes: `once`, `turn` or `until`.
    scope: str | None
    #: Until when, for `until`, in milliseconds since 1970.
    until_ms: int | None
    #: Who said it, as the node knows them.
    by: str | None
    at_ms: int


@dataclass(frozen=True)
class Approval:
    """A call that a person is asked about. A word is for what is shown here, and for nothing else."""

    number: int
    #: The turn that waits for it.
    turn: int
    #: `namespace/agent`.
    agent: str
    #: `family.verb` and its target, such as `tool.call:mail.send`.
    capability: str
    #: The rule that asks.
    rule: str
    asked_at_ms: int
    #: By when somebody has to answer.
    until_ms: int
    #: SHA-256 of the request.
    digest: str
    #: The request's text, while nobody has answered; its first 16 KiB. It is what is done, byte by byte: what shows it to
    #: people makes control characters visible.
    shown: str | None
    #: There is more of it than is shown, or something in it is not text.
    cut: bool
    #: None while it waits.
    answered: Said | None
    #: A tool's server asks this while a call runs: a yes is told to it, and makes no call.
    question: bool = False

    @property
    def waits(self) -> bool:
        """Nobody has answered."""
        return self.answered is None

    @property
    def arguments(self) -> Mapping[str, Any] | None:
        """The request, read; none where it is not shown whole, or is not a JSON object."""
        if self.shown is None or self.cut:
            return None
        try:
            read = json.loads(self.shown)
        except (ValueError, RecursionError):
            return None
        return read if isinstance(read, dict) else None


@dataclass(frozen=True)
class Word:
    """A yes that counts until a date, or until the agent's grants are others."""

    #: The approval that it was given for: `gateway.revoke` takes it back by that.
    approval: int
    agent: str
    capability: str
    until_ms: int
    by: str | None
    given_at_ms: int


def of(it: Mapping[str, Any]) -> Approval:
    shown, answered = it.get("shown"), it.get("answered")
    return Approval(
        number=it["approval"],
        turn=it["turn"],
        agent=it["agent"],
        capability=it["capability"],
        rule=it["rule"],
        asked_at_ms=it["askedAtMs"],
        until_ms=it["untilMs"],
        digest=it["digest"],
        shown=shown["text"] if shown else None,
        cut=bool(shown and shown.get("cut")),
        answered=_said(answered) if answered else None,
        question=it.get("question", False),
    )


def _said(it: Mapping[str, Any]) -> Said:
    return Said(it["word"], it.get("scope"), it.get("untilMs"), it.get("by"), it["atMs"])


def _word(it: Mapping[str, Any]) -> Word:
    return Word(it["approval"], it["agent"], it["capability"], it["untilMs"], it.get("by"), it["givenAtMs"])


def _asked(door: Door, kind: str, partial: bool) -> Plan[list[dict[str, Any]]]:
    """All pages: one that follows begins behind the last row of the one before, so none comes twice."""
    rows: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        response = yield from door.call("GET", door.path("approvals", after=after), headers=door.as_approver())
        page = answer_of(response)
        silent = page.get("silent") or []
        if silent and not partial:
            raise _partly(silent)
        rows += page[kind]
        following = page.get("next")
        if following is None:
            return rows
        if following == after:
            raise Refused("internal", "the gateway's list of approvals does not end: a page is followed by itself")
        after = following


def _partly(silent: list[Mapping[str, Any]]) -> Refused:
    said = "; ".join(f"{it['node']}: {it['detail']}" for it in silent[:8])
    more = f"; and {len(silent) - 8} more" if len(silent) > 8 else ""
    return Refused(
        "unreachable",
        f"nodes of the cluster did not list their approvals: {said}{more}",
        remedy="try again, or list those of the other nodes with partial=True",
        silent=tuple(str(it["node"]) for it in silent),
    )


def listed(door: Door, partial: bool) -> Plan[list[Approval]]:
    """Those that wait, oldest first, then the last that were answered."""
    return [of(it) for it in (yield from _asked(door, "items", partial))]


def words(door: Door, partial: bool) -> Plan[list[Word]]:
    """Words that count until a date."""
    return [_word(it) for it in (yield from _asked(door, "standing", partial))]


def one(door: Door, number: int) -> Plan[Approval]:
    response = yield from door.call("GET", door.path(f"approvals/{number}"), headers=door.as_approver())
    return of(answer_of(response))


def revoke(door: Door, approval: int) -> Plan[None]:
    path = door.path(f"approvals/{approval}")
    lost: list[bool] = []
    try:
        yield from door.call(
            "DELETE", path, headers=door.as_approver(), done=204, on_lost=lambda: lost.append(True)
        )
    except Refused as refused:
        # A try was lost on its way: it may have taken the word back, and none stands.
        if refused.code != "not-found" or not lost:
            raise


def answer(door: Door, asked: Approval, approve: bool, turn: bool, until: datetime | None) -> Plan[Approval]:
    """Says yes or no to what was shown."""
    if turn and until is not None:
        raise ValueError("a yes is for the turn, or until a date, not both")
    body: dict[str, Any] = {"turn": asked.turn, "digest": asked.digest, "verdict": "approve" if approve else "deny"}
    if turn:
        body["scope"] = "turn"
    elif until is not None:
        body |= {"scope": "until", "untilMs": round(until.timestamp() * 1000)}
    headers = {"content-type": "application/json", **door.as_approver()}
    lost: list[bool] = []
    try:
        response: Response = yield from door.call(
            "POST", door.path(f"approvals/{asked.number}"), encoded(body), headers, on_lost=lambda: lost.append(True)
        )
    except Refused as refused:
        if not lost:
            raise
        # A try was lost on its way: it may be what is recorded.
        if refused.code in UNKNOWN:
            raise _unknown(asked, refused) from None
        if refused.code != "already-answered":
            raise
        try:
            found = yield from one(door, asked.number)
        except Refused as why:
            raise _unknown(asked, why) from None
        # Numbers are a node's own, and it may have been made anew.
        if (found.turn, found.digest) != (asked.turn, asked.digest):
            what = f"approval {asked.number} is another by now"
            raise Refused("changed", what, remedy="read it again, and answer what is shown then") from None
        if not _is(found.answered, approve, body):
            raise
        return found
    return of(answer_of(response))


def _unknown(asked: Approval, why: Refused) -> Refused:
    what = f"nobody knows whether approval {asked.number} was answered: {why.detail}"
    return Refused("outcome-unknown", what, remedy="look at what became of its turn")


def _is(said: Said | None, approve: bool, body: Mapping[str, Any]) -> bool:
    if said is None or said.word != ("approved" if approve else "denied"):
        return False
    return not approve or (said.scope or "once", said.until_ms) == (body.get("scope", "once"), body.get("untilMs"))
