"""Effects: what a plan asks its driver to do, and what it is given for it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, Union

T = TypeVar("T")


class Lost(Exception):
    """There was no connection, or no whole answer."""


@dataclass(frozen=True)
class Send:
    """Sends one request and reads the whole answer: a `Response`, or `Lost` is thrown in."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = b""


@dataclass(frozen=True)
class Open:
    """Sends one request; the body of an answer with status 200 stays to be read by `Read`, others are read whole."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = b""


@dataclass(frozen=True)
class Read:
    """The next bytes of what was opened, none at its end; or `Lost` is thrown in."""

    response: Response


@dataclass(frozen=True)
class Close:
    """Gives up what was opened."""

    response: Response


@dataclass(frozen=True)
class Sleep:
    """A pause, in seconds."""

    seconds: float


@dataclass(frozen=True)
class Invoke:
    """Calls a function of the program's; what it raises is thrown in."""

    function: Callable[..., Any]
    arguments: Mapping[str, Any]


@dataclass
class Response:
    """An answer. `stream` belongs to the transport."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    stream: Any = field(default=None, repr=False)


Effect = Union[Send, Open, Read, Close, Sleep, Invoke]
Plan = Generator[Effect, Any, T]
