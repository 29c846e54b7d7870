"""A program that runs elsewhere (docs/external.md): what it says to the node, and what it is told."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from .boot import Boot
from .door import Door, Token
from .effects import Plan, Send
from .refused import Refused
from .session import answer_of, encoded

#: A run of a turn: its number, and which run of its instance it is.
Run = tuple[int, int]

JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Remote:
    """Where the syscalls of one run are taken: a part of the gateway."""

    url: str
    token: Token
    namespace: str | None = None


@dataclass
class Place:
    """The place of a program at its node. It is called the same however often it registers."""

    door: Door
    agent: str
    program: str = field(default_factory=lambda: uuid.uuid4().hex)
    name: str = field(default_factory=socket.gethostname)
    lease: float = 30.0

    def remote(self, url: str, boot: Boot) -> Remote:
        """Where a run's syscalls are taken."""
        run = f"{self._path}/turns/{boot.turn}/{boot.incarnation}"
        return Remote(f"{url}/v1/{run}", self.door.token, self.door.namespace)

    def register(self, holds: Iterable[Run]) -> Plan[list[Run]]:
        """Comes, or comes again; what it holds and is to leave."""
        said = {"name": self.name[:128], "program": self.program, "holds": _runs(holds)}
        told = yield from self._post(f"agents/{quote(self.agent, safe='')}/register", said)
        self.lease = told["leaseMs"] / 1000
        return _read(told)

    def next(self, holds: Iterable[Run]) -> Plan[tuple[Boot | None, list[Run]]]:
        """A turn, where one comes in time; and what it is to leave."""
        told = yield from self._post(f"{self._path}/turn", {"holds": _runs(holds)})
        boot = told.get("boot")
        return (Boot.of(boot) if boot else None), _read(told)

    def heartbeat(self, holds: Iterable[Run]) -> Plan[list[Run]]:
        """Is there still; what it is to leave."""
        return _read((yield from self._post(f"{self._path}/heartbeat", {"holds": _runs(holds)})))

    def end(self, run: Run, code: int) -> Plan[bool]:
        """Is done with a run; true once that is heard. One that is not its own any more has ended already."""
        try:
            yield from self._post(f"{self._path}/end", {"run": _runs([run])[0], "code": code})
        except Refused as refused:
            if refused.code != "not-found":
                raise
        return True

    def leave(self) -> Plan[None]:
        """Goes. Nobody is waited for: where that is not heard, its lease ends."""
        path = self.door.path(self._path, namespace=self.door.namespace)
        yield Send("DELETE", path, {"authorization": self.door.token.header()}, b"")

    @property
    def _path(self) -> str:
        return f"agents/{quote(self.agent, safe='')}/programs/{self.program}"

    def _post(self, path: str, said: Mapping[str, Any]) -> Plan[dict[str, Any]]:
        path = self.door.path(path, namespace=self.door.namespace)
        return answer_of((yield from self.door.call("POST", path, encoded(said), JSON)))


def _runs(runs: Iterable[Run]) -> list[dict[str, int]]:
    return [{"turn": turn, "incarnation": incarnation} for turn, incarnation in runs]


def _read(told: Mapping[str, Any]) -> list[Run]:
    return [(it["turn"], it["incarnation"]) for it in told.get("stop", ())]
