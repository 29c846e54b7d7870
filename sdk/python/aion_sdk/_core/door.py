"""The gateway's REST (docs/gateway.md): shapes, and what is asked again until a turn has ended."""

from __future__ import annotations

import json
import os
import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Union
from urllib.parse import quote, urlencode

from .effects import Lost, Open, Plan, Response, Send, Sleep
from .refused import Refused
from .session import PAUSE_S, Events, answer_of, encoded

DEFAULT_URL = "http://127.0.0.1:8421"
# How long a gateway or node that is away is waited for: a node agent that is replaced takes so long.
PATIENCE_S = 60.0

#: A file to be given: a path, or a name and its bytes.
Upload = Union[str, "os.PathLike[str]", tuple[str, bytes]]


class Token:
    """What opens the gateway. `repr` does not show it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not text or not text.isascii() or not text.isprintable():
            raise ValueError("the token is empty, or not of visible characters")
        self._text = text

    def header(self) -> str:
        return f"Bearer {self._text}"

    def bare(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Token(hidden)"

    def __reduce__(self) -> str:
        raise TypeError("a token is not pickled")


def url_of(given: str | None) -> str:
    """Where the gateway is, with or without the `/v1` that OpenAI's clients are told."""
    url = given or os.environ.get("AION_GATEWAY_URL") or DEFAULT_URL
    return url.rstrip("/").removesuffix("/v1")


def token_of(given: str | None, file: str | os.PathLike[str] | None) -> Token:
    """The token: given, else of a file, of AION_GATEWAY_TOKEN_FILE, or of this user's node."""
    if given is not None:
        return Token(given)
    path = Path(file or os.environ.get("AION_GATEWAY_TOKEN_FILE") or Path.home() / ".aion" / "gateway" / "token")
    try:
        return Token(path.read_text().strip())
    except OSError as error:
        raise RuntimeError(
            f"the gateway's token cannot be read: {error}; start the node (aionctl local start), or say where it is "
            "(AION_GATEWAY_TOKEN_FILE)"
        ) from None


def approver_of(given: str | None, file: str | os.PathLike[str] | None) -> Token | None:
    """The token of the node by which people answer approvals, where one is said: given, else of a file, or of
    AION_APPROVER_TOKEN_FILE. It is found nowhere else."""
    if given is not None:
        return Token(given)
    path = file or os.environ.get("AION_APPROVER_TOKEN_FILE")
    if not path:
        return None
    try:
        return Token(Path(path).read_text().strip())
    except OSError as error:
        raise RuntimeError(f"the approver's token cannot be read: {error}") from None


@dataclass(frozen=True)
class AgentInfo:
    """An agent that may be asked."""

    namespace: str
    name: str
    ready: bool
    description: str | None = None
    #: Why it is not ready.
    message: str | None = None
    #: What it may be asked, to begin with.
    examples: tuple[str, ...] = ()
    #: Labels that people gave it.
    labels: Mapping[str, str] = field(default_factory=dict)
    #: Tools that it uses.
    tools: tuple[str, ...] = ()
    #: When it was made (RFC 3339).
    created_at: str | None = None


@dataclass(frozen=True)
class Answer:
    """A turn as it is kept. `answer` and `outcome` are there once it has ended."""

    turn: int
    agent: str
    input: str
    answer: str | None
    outcome: Mapping[str, Any] | None
    trace: str | None = None
    #: Where nobody was named: who was chosen, by which words, and how surely.
    routed: Mapping[str, Any] | None = None
    #: Where another agent called it: `turn` and `agent` of that.
    caller: Mapping[str, Any] | None = None
    #: The trigger of the agent that asked, where one did.
    trigger: str | None = None
    #: Its program was started, and it has not ended.
    running: bool = False
    #: When it was asked, in milliseconds since 1970, where that is known.
    asked_at_ms: int | None = None
    #: The context that it was asked in, as a task of A2A has one.
    context: str | None = None
    #: Of a workflow: the steps that have begun, each with `step`, `state`, `beganAtMs` and, where there is one, `endedAtMs` and `turn`.
    steps: tuple[Mapping[str, Any], ...] = ()
    #: Steps beyond those that are listed.
    steps_beyond: int = 0

    @property
    def ok(self) -> bool:
        """Whether the program ended well."""
        return bool(self.outcome and self.outcome["ok"])

    @property
    def text(self) -> str:
        """The answer. Raises `Refused` where the turn did not come to one."""
        if self.outcome is None:
            raise Refused("not-running", f"turn {self.turn} has not ended")
        if not self.ok or self.answer is None:
            raise Refused.of(self.outcome.get("problem") or {"detail": f"turn {self.turn} has no answer"})
        return self.answer

    @property
    def notices(self) -> tuple[str, ...]:
        """What is to be known beside the answer."""
        return tuple((self.outcome or {}).get("notices", ()))

    @property
    def incomplete(self) -> bool:
        """A part of what was given is not in the answer; a notice says which."""
        return bool((self.outcome or {}).get("incomplete"))

    @property
    def files(self) -> tuple[str, ...]:
        """Paths of the files that it wrote: `gateway.file(answer.turn, path)`."""
        return tuple(it["path"] for it in (self.outcome or {}).get("files", ()))


def answer(record: Mapping[str, Any]) -> Answer:
    return Answer(
        turn=record["turn"],
        agent=record["agent"],
        input=record["input"],
        answer=record.get("answer"),
        outcome=record.get("outcome"),
        trace=record.get("trace"),
        caller=record.get("caller"),
        trigger=record.get("trigger"),
        running=record.get("running", False),
        asked_at_ms=record.get("askedAtMs"),
        context=record.get("context"),
        steps=tuple(record.get("steps", ())),
        steps_beyond=record.get("stepsBeyond", 0),
    )


@dataclass
class Door:
    """A gateway, and in which namespace agents are meant."""

    token: Token
    namespace: str | None = None
    approver: Token | None = None

    def as_approver(self) -> dict[str, str]:
        """For requests about approvals, and no others."""
        return {} if self.approver is None else {"aion-approver": self.approver.bare()}

    def path(self, path: str, **query: Any) -> str:
        said = {name: value for name, value in query.items() if value is not None}
        return f"/v1/{path}?{urlencode(said)}" if said else f"/v1/{path}"

    def call(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        kind: type = Send,
        *,
        done: int = 200,
        on_lost: Callable[[], None] = lambda: None,
    ) -> Plan[Response]:
        """A request that may be made again: it changes nothing, is the same however often, or has a key. `on_lost` hears of
        tries that may have arrived."""
        until = time.monotonic() + PATIENCE_S
        while True:
            refused: Refused
            try:
                head = {"authorization": self.token.header(), **(headers or {})}
                response: Response = yield kind(method, path, head, body)
            except Lost as lost:
                refused, passes = unreachable(lost), True
                on_lost()
            else:
                if response.status == done:
                    return response
                refused = Refused.read(response.status, response.body)
                # The gateway is there and its node is not: so it is while that is started anew.
                passes = refused.passes or refused.code == "unreachable"
            pause = (PAUSE_S if refused.retry_after is None else refused.retry_after) * random.uniform(1, 1.5)
            if not passes or time.monotonic() + pause > until:
                raise refused
            yield Sleep(pause)

    def agents(self) -> Plan[list[AgentInfo]]:
        found: list[AgentInfo] = []
        after = None
        while True:
            path = self.path("agents", namespace=self.namespace, after=after, limit=500)
            page = answer_of((yield from self.call("GET", path)))
            found.extend(_agent(it) for it in page["items"])
            after = page.get("next")
            if after is None:
                return found

    def agent(self, name: str) -> Plan[AgentInfo]:
        path = self.path(f"agents/{quote(name, safe='')}", namespace=self.namespace)
        return _agent(answer_of((yield from self.call("GET", path))))

    def turn(self, turn: int, method: str = "GET") -> Plan[Answer]:
        return answer(answer_of((yield from self.call(method, self.path(f"turns/{turn}")))))

    def file(self, turn: int, path: str) -> Plan[bytes]:
        return (yield from self.call("GET", self.path(f"turns/{turn}/files/{quote(path)}"))).body

    def ask(
        self, text: str, agent: str | None, files: Sequence[Upload], deadline: float | None, key: str | None
    ) -> Plan[Following]:
        """Begins a turn, and follows it. Under its key the question is one turn, however often it is sent."""
        if files and agent is None:
            raise ValueError("files are given to an agent: name it")
        uploads = []
        for one in files:
            name, data = one if isinstance(one, tuple) else (Path(one).name, Path(one).read_bytes())
            where = self.path(f"agents/{quote(agent or '', safe='')}/uploads", namespace=self.namespace, name=name)
            headers = {"content-type": "application/octet-stream"}
            uploads.append(answer_of((yield from self.call("POST", where, data, headers)))["upload"])
        body: dict[str, Any] = {"input": text}
        if uploads:
            body["uploads"] = uploads
        if deadline is not None:
            body["deadlineMs"] = round(deadline * 1000)
        place = "ask" if agent is None else f"agents/{quote(agent, safe='')}/turns"
        path = self.path(place, namespace=self.namespace)
        headers = {
            "accept": "text/event-stream",
            "content-type": "application/json",
            "idempotency-key": key or str(uuid.uuid4()),
        }
        following = Following(self, lambda: self.call("POST", path, encoded(body), headers, Open))
        yield from following.open()
        return following

    def follow(self, turn: int) -> Plan[Following]:
        following = Following(self, lambda: self._events(turn), turn)
        yield from following.open()
        return following

    def _events(self, turn: int) -> Plan[Response]:
        return (yield from self.call("GET", self.path(f"turns/{turn}/events"), kind=Open))


@dataclass
class Following:
    """A turn's events, each once, to its end: a stream that ends before `ended` is followed again."""

    door: Door
    begin: Callable[[], Plan[Response]]
    turn: int | None = None
    routed: Mapping[str, Any] | None = None
    outcome: Mapping[str, Any] | None = None
    #: The answer so far. A run that begins anew tells it from its start.
    text: str = ""
    events: Events | None = field(default=None, repr=False)
    # Of the turn's events, how many were given, and how many of this stream are to be passed over.
    seen: int = 0
    skip: int = 0

    def open(self) -> Plan[None]:
        response = yield from (self.begin() if self.turn is None else self.door._events(self.turn))
        self.events, self.skip = Events(response), self.seen

    def next(self) -> Plan[dict[str, Any] | None]:
        """The next event; none after `ended`."""
        while self.outcome is None:
            if self.events is None:
                yield Sleep(PAUSE_S * random.uniform(1, 1.5))
                yield from self.open()
            assert self.events is not None
            try:
                event = yield from self.events.next()
            except Lost:
                event = None
            # The node went away: what comes next is told by another connection.
            if event is None or event["event"] == "interrupted":
                self.events = None
            elif event["event"] == "routed":
                # Told by /v1/ask alone, and not among the turn's own.
                if self.routed is None:
                    self.routed = event["routed"]
                    return event
            elif self.skip:
                self.skip -= 1
            else:
                yield from self._take(event)
                return event
        return None

    def _take(self, event: dict[str, Any]) -> Plan[None]:
        self.seen += 1
        kind = event["event"]
        if kind == "queued":
            self.turn = event["turn"]
        elif kind == "started":
            self.text = ""
        elif kind == "delta":
            self.text += event["text"]
        elif kind == "final":
            self.text = event["text"]
        elif kind == "ended":
            self.outcome = event
            yield from self.close()

    def close(self) -> Plan[None]:
        """Follows no longer; the turn goes on."""
        if self.events is not None:
            yield from self.events.close()

    def record(self) -> Plan[Answer]:
        """Reads to the end, and gives what is kept of the turn."""
        while (yield from self.next()) is not None:
            pass
        assert self.turn is not None
        return replace((yield from self.door.turn(self.turn)), routed=self.routed)


def _agent(it: Mapping[str, Any]) -> AgentInfo:
    return AgentInfo(
        namespace=it["namespace"],
        name=it["name"],
        ready=it["ready"],
        description=it.get("description"),
        message=it.get("message"),
        examples=tuple(it.get("try", ())),
        labels=it.get("labels", {}),
        tools=tuple(it.get("tools", ())),
        created_at=it.get("createdAt"),
    )


def unreachable(lost: Lost) -> Refused:
    """Nobody answers there."""
    return Refused(
        "unreachable",
        f"the gateway does not answer: {lost}",
        remedy="look whether it runs, and where: aionctl local status",
    )
