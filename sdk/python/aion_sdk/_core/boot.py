"""The boot document: all that a program is told (docs/process-abi.md)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .signing import Key

DESCRIPTOR_VARIABLE = "AION_BOOT_FD"
SOCKET = "/run/aion.sock"
# For tests of a program: where a stand-in for the node listens. A node leaves it unset.
SOCKET_VARIABLE = "AION_SOCKET"


@dataclass(frozen=True)
class InputFile:
    """A file that the caller gave: to be read with `turn.files.read(file.mount, file.path)`."""

    mount: str
    path: str


@dataclass(frozen=True)
class Boot:
    """What a turn begins with. Fields of later versions are passed over."""

    agent: str
    turn: int
    key: Key
    instance: str = ""
    incarnation: int = 0
    text: str = ""
    files: tuple[InputFile, ...] = ()
    message_id: str | None = None
    checkpoint: str | None = None
    turn_ms: int | None = None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Boot:
        """Reads it from JSON."""
        given = document.get("input") or {}
        return cls(
            agent=document["agent"],
            turn=document["turn"],
            key=Key(document["key"]),
            instance=document.get("instance", ""),
            incarnation=document.get("incarnation", 0),
            text=given.get("text", ""),
            files=tuple(InputFile(it["mount"], it["path"]) for it in given.get("files", ())),
            message_id=given.get("messageId"),
            checkpoint=document.get("checkpoint"),
            turn_ms=document.get("turnMs"),
        )


def inherited() -> tuple[Boot, str]:
    """The document of this process, and its socket. The descriptor is closed: a child would inherit the key."""
    number = os.environ.pop(DESCRIPTOR_VARIABLE, None)
    if number is None:
        raise RuntimeError(
            f"{DESCRIPTOR_VARIABLE} is not set: this program is started by a node, or by aion_sdk.testing.FakeKernel, "
            "or says as AION_AGENT which agent of runtime external it serves"
        )
    with os.fdopen(int(number), "rb") as document:
        return Boot.of(json.load(document)), os.environ.get(SOCKET_VARIABLE, SOCKET)
