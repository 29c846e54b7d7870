"""The state of one turn's calls (its key, its counter, its effects), and how a call is tried again."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from .effects import Close, Lost, Open, Plan, Read, Response, Send, Sleep
from .refused import Refused
from .signing import Key, canonical
from .sse import Decoder

# How long a call is tried again while the node is away, restarted or busy.
PATIENCE_S = 30.0
# Between two tries where the node names no pause.
PAUSE_S = 0.2
# They change nothing, and a lost one is simply made again: the column `class` of crates/abi/src/syscall/mod.rs.
OBSERVING = frozenset({"sys.null", "tool.list", "memory.recall", "fs.read", "fs.list", "agent.wait", "agent.notices"})


def path_of(syscall: str) -> str:
    """Where a syscall is posted to."""
    return "/v1/" + syscall.replace(".", "/")


def encoded(body: Mapping[str, Any]) -> bytes:
    """A body on the wire, the same for the same arguments: idempotency keys are made of it."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


class Session:
    """One turn's calls. Threads and tasks share it."""

    def __init__(self, key: Key, turn: int) -> None:
        self._key = key
        self.turn = turn
        self._counter = itertools.count(1)
        self._effects: Counter[bytes] = Counter()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Session(turn={self.turn})"

    def step(self, syscall: str, body: bytes) -> str | None:
        """Names an effect once for all its tries, and for all runs of its turn: by what it is, and the how-manieth of
        its kind. So the key is the same however calls of several threads interleave."""
        if syscall in OBSERVING:
            return None
        what = hashlib.sha256(path_of(syscall).encode() + hashlib.sha256(body).digest()).digest()
        with self._lock:
            self._effects[what] += 1
            times = self._effects[what]
        return f"t{self.turn}.{what[:16].hex()}.{times}"

    def signed(self, syscall: str, body: bytes, step: str | None, deadline_ms: int | None) -> dict[str, str]:
        """The headers of one try: each is signed anew."""
        path, stamp, counter = path_of(syscall), time.time_ns() // 1_000_000, next(self._counter)
        headers = {
            "content-type": "application/json",
            "aion-timestamp": str(stamp),
            "aion-counter": str(counter),
            "aion-signature": self._key.sign(canonical(path, stamp, counter, step, deadline_ms, body)),
        }
        if step is not None:
            headers["idempotency-key"] = step
        if deadline_ms is not None:
            headers["aion-deadline-ms"] = str(deadline_ms)
        return headers

    def call(self, syscall: str, body: Mapping[str, Any], deadline_ms: int | None = None) -> Plan[dict[str, Any]]:
        """Makes a call until it is answered, or refused for good."""
        response = yield from self._tried(Send, syscall, body, deadline_ms)
        return answer_of(response)

    def open(self, syscall: str, body: Mapping[str, Any]) -> Plan[Response]:
        """Makes a call whose answer is a stream, until it begins."""
        return (yield from self._tried(Open, syscall, body, None))

    def _tried(
        self, kind: type[Send] | type[Open], syscall: str, body: Mapping[str, Any], deadline_ms: int | None
    ) -> Plan[Response]:
        data = encoded(body)
        step = self.step(syscall, data)
        until = time.monotonic() + PATIENCE_S
        while True:
            refused: Refused
            try:
                headers = self.signed(syscall, data, step, deadline_ms)
                response: Response = yield kind("POST", path_of(syscall), headers, data)
            except Lost as lost:
                refused = Refused(
                    "unreachable",
                    f"the node does not answer: {lost}",
                    remedy="look whether the node agent runs: aionctl local status",
                )
                passes = True
            else:
                if response.status == 200:
                    return response
                refused = Refused.read(response.status, response.body)
                passes = refused.passes
            # Never less than the node names, and a random part more: it names the same to others.
            pause = (PAUSE_S if refused.retry_after is None else refused.retry_after) * random.uniform(1, 1.5)
            if not passes or time.monotonic() + pause > until:
                raise refused
            yield Sleep(pause)

    def notices(self) -> Notices:
        """What the node tells without being asked."""
        return Notices(self)


def answer_of(response: Response) -> dict[str, Any]:
    """The body of an answer that was not refused."""
    try:
        answer = json.loads(response.body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise Refused("internal", "the answer is not a JSON object")
    return answer


class Events:
    """The events of an answer that streams, one by one."""

    def __init__(self, response: Response) -> None:
        self.response = response
        self._decoder = Decoder()
        self._ready: list[bytes] = []
        self.closed = False

    def next(self) -> Plan[dict[str, Any] | None]:
        """The next event; none where the stream ends. `Lost` where it broke."""
        while not self._ready:
            if self.closed:
                return None
            try:
                more: bytes = yield Read(self.response)
            except Lost:
                yield from self.close()
                raise
            if not more:
                yield from self.close()
                return None
            self._ready.extend(self._decoder.feed(more))
        event = json.loads(self._ready.pop(0))
        if not isinstance(event, dict):
            raise Refused("internal", "an event is not a JSON object")
        return event

    def close(self) -> Plan[None]:
        """Gives the rest up."""
        if not self.closed:
            self.closed = True
            yield Close(self.response)


class Notices:
    """The stream of notices; opened anew where the daemon was restarted in between."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._events: Events | None = None

    def next(self) -> Plan[dict[str, Any]]:
        """The next notice, whenever it comes."""
        while True:
            try:
                if self._events is None:
                    headers = self._session.signed("agent.notices", b"{}", None, None)
                    response: Response = yield Open("POST", path_of("agent.notices"), headers, b"{}")
                    if response.status != 200:
                        refused = Refused.read(response.status, response.body)
                        if not refused.passes:
                            raise refused
                        yield Sleep(PAUSE_S if refused.retry_after is None else refused.retry_after)
                        continue
                    self._events = Events(response)
                event = yield from self._events.next()
            except Lost:
                event = None
            if event is not None:
                return event
            self._events = None
            yield Sleep(PAUSE_S)

    def close(self) -> Plan[None]:
        """Listens no longer."""
        if self._events is not None:
            yield from self._events.close()


def pages(count: int, most: int) -> Iterator[tuple[int, int]]:
    """The parts of `count` items, at most `most` each; one empty part of none."""
    for start in range(0, max(count, 1), most):
        yield start, min(start + most, count)
