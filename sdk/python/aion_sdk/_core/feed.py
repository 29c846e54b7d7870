"""What happens on a node, as its gateway tells it (`/v1/events`): each event once, through connections that break."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Union

from .door import PATIENCE_S, Door
from .effects import Lost, Open, Plan, Sleep
from .refused import Refused
from .session import PAUSE_S, Events

# The gateway says something every 15 s: so long without a word, and the connection is gone.
SILENCE_S = 45.0
# The longest pause between two connections that end before they say anything.
LONGEST_S = 5.0


@dataclass(frozen=True)
class Event:
    """Something that happened."""

    #: The stream goes on behind it: `after=`.
    cursor: str
    #: `agent`, `turn`, `syscall`, `queue` or `log`.
    kind: str
    #: When, in milliseconds since 1970.
    at_ms: int
    #: Whose, as `namespace/agent`; none for what is of the whole node.
    agent: str | None
    #: What else it says, by its kind: `turn`, `state`, … (docs/gateway.md).
    content: Mapping[str, Any]


@dataclass(frozen=True)
class Missed:
    """Events that are not told, of whatever kind."""

    cursor: str | None
    #: How many; none where nobody knows.
    events: int | None
    #: `late`, `unheard`, `restarted` or `unknown`.
    because: str


Item = Union[Event, Missed]


@dataclass
class Listening:
    """A stream of one filter, taken up again behind the last cursor where it breaks."""

    door: Door
    kinds: Sequence[str] = ()
    agents: Sequence[str] = ()
    namespace: str | None = None
    #: Everything up to here was given.
    cursor: str | None = None
    #: The node does not answer its gateway.
    is_away: bool = False
    closed: bool = False
    _events: Events | None = field(default=None, repr=False)
    _first: Item | None = field(default=None, repr=False)
    _begun: bool = field(default=False, repr=False)
    # Grows from one connection to the next, until one says something.
    _pause_s: float = field(default=PAUSE_S, repr=False)

    def begin(self) -> Plan[None]:
        """Listens. What happens from now on is told, also what happens before it is asked for."""
        until = time.monotonic() + PATIENCE_S
        yield from self._open()
        while self._first is None and self.cursor is None and not self.is_away:
            if self._events is None and time.monotonic() > until:
                raise Refused(
                    "unreachable",
                    "the gateway's stream of events ends before it says anything",
                    remedy="look at the gateway, and at what stands before it",
                )
            self._first = yield from self._step()
        self._begun = True

    def next(self) -> Plan[Item | None]:
        """The next item, whenever it comes; none once it is closed."""
        item, self._first = self._first, None
        while item is None and not self.closed:
            item = yield from self._step()
        return item

    def close(self) -> Plan[None]:
        """Listens no longer."""
        self.closed = True
        if self._events is not None:
            yield from self._events.close()

    def _open(self) -> Plan[None]:
        query = {"kinds": ",".join(self.kinds) or None, "agents": ",".join(self.agents) or None}
        path = self.door.path("events", **query, namespace=self.namespace, after=self.cursor)
        response = yield from self.door.call("GET", path, headers={"accept": "text/event-stream"}, kind=Open)
        self._events = Events(response)

    def _step(self) -> Plan[Item | None]:
        if self._events is None:
            yield Sleep(self._pause_s * random.uniform(1, 1.5))
            self._pause_s = min(2 * self._pause_s, LONGEST_S)
            yield from self._open()
            if self._begun and self.cursor is None:
                # Nobody knows from where on it was to go on.
                return Missed(None, None, "unheard")
        assert self._events is not None
        try:
            told = yield from self._events.next()
        except Lost:
            told = None
        if told is None:
            self._events = None
            return None
        self._pause_s = PAUSE_S
        return self._take(told)

    def _take(self, told: Mapping[str, Any]) -> Item | None:
        self.cursor = told.get("cursor") or self.cursor
        # What it says besides is where it stands.
        self.is_away = "away" in told
        missed, event = told.get("missed"), told.get("event")
        if missed is not None:
            return Missed(told.get("cursor"), missed.get("events"), missed["because"])
        if event is None:
            return None
        content = dict(event)
        kind, at_ms, agent = content.pop("kind"), content.pop("atMs"), content.pop("agent", None)
        return Event(told["cursor"], kind, at_ms, agent, content)
