"""The bodies of syscalls: which fields there are and what they hold. Unknown fields are refused, as by a node."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .._core.refused import STATUS, Refused

Check = Callable[[Any, str], None]


def bad(detail: str) -> Refused:
    remedy = "compare the request with the shape in docs/syscalls.md"
    return Refused("bad-request", detail, remedy=remedy)


def _kind(*kinds: type) -> Check:
    def check(value: Any, place: str) -> None:
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise bad(f"{place}: it is not of its type")

    return check


def _one_of(*words: str) -> Check:
    def check(value: Any, place: str) -> None:
        if value not in words:
            raise bad(f"{place}: it is none of {', '.join(words)}")

    return check


def _number(least: int, most: int = 2**64 - 1) -> Check:
    def check(value: Any, place: str) -> None:
        _kind(int)(value, place)
        if not least <= value <= most:
            raise bad(f"{place}: it is {value}, and must be {least} to {most}")

    return check


def _text(least: int, most: int) -> Check:
    def check(value: Any, place: str) -> None:
        _kind(str)(value, place)
        if not least <= len(value.encode()) <= most:
            raise bad(f"{place}: it has {len(value.encode())} bytes, and must have {least} to {most}")

    return check


def _list(of: Check, least: int = 0, most: int = 10_000) -> Check:
    def check(value: Any, place: str) -> None:
        _kind(list)(value, place)
        if not least <= len(value) <= most:
            raise bad(f"{place}: there are {len(value)}, and must be {least} to {most}")
        for at, one in enumerate(value):
            of(one, f"{place}[{at}]")

    return check


def _texts(value: Any, place: str) -> None:
    _kind(dict)(value, place)
    for name, one in value.items():
        _text(0, 1024 - len(name))(one, f"{place}.{name}")
    if len(value) > 16:
        raise bad(f"{place}: there are {len(value)}, and may be 16")


def _object(needed: Mapping[str, Check], optional: Mapping[str, Check]) -> Check:
    def check(value: Any, place: str) -> None:
        _kind(dict)(value, place)
        for name in value:
            if name not in needed and name not in optional:
                raise bad(f"{place}: the field {name} is not known")
        for name in needed:
            if name not in value:
                raise bad(f"{place}: the field {name} is missing")
        for name, one in value.items():
            (needed.get(name) or optional[name])(one, f"{place}.{name}" if place else name)

    return check


def _anything(value: Any, place: str) -> None:
    pass


def _tool_choice(value: Any, place: str) -> None:
    if isinstance(value, dict):
        return _object({"tool": _kind(str)}, {})(value, place)
    _one_of("auto", "none", "required")(value, place)


def _response_format(value: Any, place: str) -> None:
    _kind(dict)(value, place)
    kind = {"type": _one_of("jsonObject", "jsonSchema")}
    if value.get("type") != "jsonSchema":
        return _object(kind, {})(value, place)
    _object(kind | {"name": _kind(str), "schema": _anything}, {"description": _kind(str), "strict": _kind(bool)})(
        value, place
    )


def _forget(value: Any, place: str) -> None:
    _kind(dict)(value, place)
    by = _one_of("ids", "collection")
    if value.get("by") == "ids":
        return _object({"by": by, "ids": _list(_ID, 1, 256)}, {})(value, place)
    _object({"by": by, "collection": _COLLECTION}, {"attributes": _texts})(value, place)


def _problem(value: Any, place: str) -> None:
    words = {name: _kind(str) for name in ("type", "title", "detail", "remedy")}
    numbers = {"call": _number(0), "retryAfterMs": _number(0)}
    _object({**words, "status": _number(0, 2**16 - 1), "code": _one_of(*STATUS)}, numbers)(value, place)


_ID, _COLLECTION = _text(1, 1024), _text(0, 256)
_ITEM = _object({"text": _text(1, 64 * 1024)}, {"id": _ID, "collection": _COLLECTION, "attributes": _texts})
_USE = _object({"id": _kind(str), "name": _kind(str), "arguments": _kind(str)}, {})
_MESSAGE = _object(
    {"role": _one_of("system", "user", "assistant", "tool")},
    {"content": _kind(str), "toolCalls": _list(_USE), "toolCallId": _kind(str)},
)
_TOOL = _object({"name": _kind(str), "description": _kind(str), "parameters": _anything}, {"strict": _kind(bool)})
_MOUNT, _PATH = _text(1, 63), _kind(str)
_ASKED = _object(
    {"agent": _text(1, 63), "input": _kind(str)}, {"delegate": _list(_kind(str)), "deadlineMs": _number(0)}
)
_BEGUN = _object({"turn": _number(0)}, {})

SHAPES: dict[str, Check] = {
    "sys.null": _anything,
    "model.chat": _object(
        {"messages": _list(_MESSAGE, 1)},
        {
            "model": _kind(str),
            "whole": _kind(bool),
            "atOnce": _kind(bool),
            "tools": _list(_TOOL),
            "maxTokens": _number(0, 2**32 - 1),
            "temperatureMilli": _number(0, 2**32 - 1),
            "topPMilli": _number(0, 2**32 - 1),
            "stop": _list(_kind(str)),
            "toolChoice": _tool_choice,
            "responseFormat": _response_format,
        },
    ),
    "model.embed": _object(
        {"texts": _list(_text(1, 2**20), 1, 256)},
        {"model": _kind(str), "dimensions": _number(1, 8192)},
    ),
    "tool.list": _object({}, {}),
    "tool.call": _object({"name": _text(1, 192)}, {"arguments": _anything, "link": _kind(str)}),
    "memory.remember": _object({"items": _list(_ITEM, 1, 256)}, {}),
    "memory.recall": _object(
        {"query": _text(0, 8 * 1024), "k": _number(1, 100)},
        {"collection": _COLLECTION, "attributes": _texts, "ids": _list(_ID, 0, 100), "offset": _number(0)},
    ),
    "memory.forget": _forget,
    "fs.read": _object(
        {"mount": _MOUNT, "path": _PATH, "length": _number(1, 512 * 1024)},
        {"offset": _number(0), "version": _kind(str)},
    ),
    "fs.write": _object(
        {"mount": _MOUNT, "path": _PATH, "data": _kind(str), "mode": _one_of("replace", "append", "create-new")}, {}
    ),
    "fs.list": _object(
        {"mount": _MOUNT, "limit": _number(1, 1000)},
        {"path": _PATH, "recursive": _kind(bool), "after": _kind(str), "unless": _kind(str)},
    ),
    "agent.message": _object(
        {"text": _kind(str), "kind": _one_of("progress", "notice", "leftOut", "delta", "final", "failed")},
        # Steps are told of by the runner of `spec.steps` alone.
        {"problem": _problem, "steps": _list(_anything, 0, 0)},
    ),
    "agent.checkpoint": _object({"state": _text(0, 256 * 1024)}, {}),
    "agent.ask": _ASKED,
    "agent.spawn": _ASKED,
    "agent.wait": _BEGUN,
    "agent.cancel": _BEGUN,
}
