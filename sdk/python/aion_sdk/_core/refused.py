"""Refusals: problems of RFC 9457 with a stable code (docs/syscalls.md, "Refusals")."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

# Every code and the HTTP status that it has: the table of docs/syscalls.md.
STATUS = {
    "bad-signature": 401,
    "replayed": 401,
    "stale": 401,
    "unknown-syscall": 404,
    "bad-request": 400,
    "too-large": 413,
    "denied": 403,
    "guarded": 403,
    "approval-required": 403,
    "approval-denied": 403,
    "approval-expired": 403,
    "already-answered": 409,
    "agent-cycle": 409,
    "too-many-turns": 409,
    "quota-exceeded": 429,
    "overloaded": 503,
    "restarting": 503,
    "idempotency-mismatch": 422,
    "deadline-exceeded": 504,
    "cancelled": 499,
    "outcome-unknown": 500,
    "not-found": 404,
    "already-exists": 409,
    "changed": 412,
    "not-running": 409,
    "offline": 403,
    "unreachable": 502,
    "upstream-failed": 502,
    "storage-full": 507,
    "program-failed": 500,
    "out-of-bounds": 507,
    "unanswered": 422,
    "undecided": 422,
    "internal": 500,
}
# They pass by themselves and say that nothing was done: the table of docs/process-abi.md.
PASSING = frozenset({"overloaded", "restarting", "stale"})


class Refused(Exception):
    """The node or the gateway refused. Match on `code`: texts may change, codes do not."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        remedy: str | None = None,
        retry_after: float | None = None,
        status: int | None = None,
        call: int | None = None,
        candidates: tuple[Mapping[str, Any], ...] = (),
        silent: tuple[str, ...] = (),
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        #: What to do.
        self.remedy = remedy
        #: In how many seconds another try makes sense, where the refusal says so.
        self.retry_after = retry_after
        #: HTTP's.
        self.status = status or STATUS.get(code, 500)
        #: The kernel's number of the call, where it got that far.
        self.call = call
        #: Of `undecided` at the gateway: the agents that could be meant.
        self.candidates = candidates
        #: Of a list of approvals in a cluster: the nodes that did not list theirs.
        self.silent = silent

    @property
    def passes(self) -> bool:
        """Whether it passes by itself: nothing was done, and the same call is worth another try."""
        return self.code in PASSING

    def sentence(self) -> str:
        """What happened and what to do, for people."""
        return f"{self.detail}; {self.remedy}" if self.remedy else self.detail

    def problem(self) -> dict[str, Any]:
        """Its form on the wire."""
        problem: dict[str, Any] = {
            "type": f"urn:aion:problem:{self.code}",
            "title": self.code.replace("-", " "),
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "remedy": self.remedy or "",
        }
        if self.call is not None:
            problem["call"] = self.call
        if self.retry_after is not None:
            problem["retryAfterMs"] = round(self.retry_after * 1000)
        return problem

    def __repr__(self) -> str:
        return f"Refused({self.code!r}, {self.detail!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.problem(), self.candidates, self.silent)

    @classmethod
    def of(cls, problem: Mapping[str, Any], status: int | None = None) -> Refused:
        """Reads a problem. What is missing in it is filled in, so that a refusal is never lost over its form."""
        after = problem.get("retryAfterMs")
        return cls(
            str(problem.get("code") or "internal"),
            str(problem.get("detail") or "refused without a reason"),
            remedy=problem.get("remedy") or None,
            retry_after=after / 1000 if isinstance(after, (int, float)) else None,
            status=problem.get("status") or status,
            call=problem.get("call"),
            candidates=tuple(problem.get("candidates") or ()),
        )

    @classmethod
    def read(cls, status: int, body: bytes) -> Refused:
        """Reads the answer of a request that was refused, whoever made it."""
        try:
            problem = json.loads(body)
        except ValueError:
            problem = None
        if isinstance(problem, dict) and "code" in problem:
            return cls.of(problem, status)
        said = body[:200].decode(errors="replace")
        return cls("internal", f"answered with HTTP {status}: {said}", status=status)


def _again(
    problem: Mapping[str, Any], candidates: tuple[Mapping[str, Any], ...], silent: tuple[str, ...] = ()
) -> Refused:
    refused = Refused.of(problem)
    refused.candidates = candidates
    refused.silent = silent
    return refused


class Unanswered(Exception):
    """An agent raises this where it cannot answer: the caller reads the sentence, and no traceback is logged."""
