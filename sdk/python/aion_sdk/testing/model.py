"""What a scripted model answers."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Union

from .._core.embed import written


@dataclass(frozen=True)
class Calls:
    """The model asks for a tool."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Events:
    """Exactly these events of `model.chat`: `{"event": "start", …}` and so on."""

    events: tuple[Mapping[str, Any], ...]


Reply = Union[str, Calls, Events, Callable[[dict[str, Any]], Union[str, Calls, Events]]]


def says(*events: Mapping[str, Any]) -> Events:
    """`Events`, one by one."""
    return Events(events)


def vectors(request: Mapping[str, Any]) -> dict[str, Any]:
    """Vectors of texts, without a model: alike where the words are."""
    length = request.get("dimensions") or 16
    made = []
    for text in request["texts"]:
        vector = [0.0] * length
        for word in text.lower().split():
            vector[zlib.crc32(word.encode()) % length] += 1.0
        made.append(written(vector))
    tokens = sum(len(text) for text in request["texts"]) // 4
    return {"model": "fake/scripted", "vectors": made, "usage": {"inputTokens": tokens, "outputTokens": 0}}


def events(reply: Reply, request: dict[str, Any]) -> Iterable[Mapping[str, Any]]:
    """The stream of an answer."""
    if isinstance(reply, (str, Calls, Events)):
        said = reply
    else:
        said = reply(request)
    if isinstance(said, Events):
        return said.events
    start = {"event": "start", "model": "fake/scripted"}
    if isinstance(said, str):
        words = said.split(" ")
        parts = [word if at == 0 else f" {word}" for at, word in enumerate(words)]
        middle: list[Mapping[str, Any]] = [{"event": "delta", "text": part} for part in parts]
        finish = "stop"
    else:
        arguments = json.dumps(said.arguments)
        middle = [{"event": "toolCall", "id": f"call-{said.name}", "name": said.name, "arguments": arguments}]
        finish = "tool-calls"
    tokens = {"inputTokens": len(json.dumps(request)) // 4, "outputTokens": len(middle), "estimated": True}
    return [start, *middle, {"event": "end", "finish": finish, "usage": tokens}]
