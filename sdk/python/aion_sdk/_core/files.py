"""`fs.read`, `fs.write` and `fs.list`: whole files in parts, whole folders in pages."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from .effects import Plan
from .refused import Refused
from .session import Session, pages

# Of one read or write.
MAX_CHUNK = 512 * 1024
# Of one page.
MAX_ENTRIES = 1000
# How often a file that changes while it is read is read from its start.
READINGS = 3

Mode = Literal["replace", "append", "create-new"]


@dataclass(frozen=True)
class Entry:
    """A file or folder. `version` is another one whenever a file's content may be another one."""

    path: str
    kind: Literal["file", "folder"]
    size: int
    modified_ms: int
    version: str | None


@dataclass(frozen=True)
class Missed:
    """What a listing names and cannot give."""

    path: str
    why: str


@dataclass(frozen=True)
class Listing:
    """A folder, sorted by path."""

    entries: tuple[Entry, ...]
    #: The first that cannot be had, of `left_out_count`.
    left_out: tuple[Missed, ...]
    left_out_count: int

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


def read(session: Session, mount: str, path: str) -> Plan[bytes]:
    """A whole file, as it was at one time. One that changes under the reader is read from its start."""
    for left in reversed(range(READINGS)):
        try:
            return (yield from _read_once(session, mount, path))
        except Refused as refused:
            if refused.code != "changed" or not left:
                raise
    raise AssertionError("the last reading returns or raises")


def _read_once(session: Session, mount: str, path: str) -> Plan[bytes]:
    data = bytearray()
    version: dict[str, str] = {}
    while True:
        body = {"mount": mount, "path": path, "offset": len(data), "length": MAX_CHUNK, **version}
        part = yield from session.call("fs.read", body)
        more = base64.b64decode(part["data"])
        data += more
        if not more or len(data) >= part["size"]:
            return bytes(data)
        version = {"version": part["version"]}


def write(session: Session, mount: str, path: str, data: bytes | str, mode: Mode) -> Plan[int]:
    """A whole file. What is longer than a part is appended to the first one: readers may see it grow."""
    whole = data.encode() if isinstance(data, str) else data
    size = 0
    for start, end in pages(len(whole), MAX_CHUNK):
        part = base64.b64encode(whole[start:end]).decode()
        body = {"mount": mount, "path": path, "data": part, "mode": "append" if start else mode}
        answer = yield from session.call("fs.write", body)
        size = int(answer["size"])
    return size


def list_all(session: Session, mount: str, path: str, recursive: bool) -> Plan[Listing]:
    entries: list[Entry] = []
    missed: list[Missed] = []
    count = 0
    body: dict[str, Any] = {"mount": mount, "path": path, "recursive": recursive, "limit": MAX_ENTRIES}
    while True:
        page = yield from session.call("fs.list", body)
        for it in page["entries"]:
            entries.append(Entry(it["path"], it["kind"], it["size"], it["modifiedMs"], it.get("version")))
        left_out = page.get("leftOut") or {"count": 0, "first": []}
        count += left_out["count"]
        missed.extend(Missed(it["path"], it["why"]) for it in left_out["first"])
        if not page["more"]:
            return Listing(tuple(entries), tuple(missed), count)
        body["after"] = page["entries"][-1]["path"]
