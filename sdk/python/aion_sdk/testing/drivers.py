"""What is behind the syscalls of a fake kernel: a memory that knows words, and folders."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from .._core.refused import Refused
from .shapes import bad


class Memory:
    """Items of one pool. Found by words, or parts of words, that they have in common with the query."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {}
        self._stored = 0

    def remember(self, body: Mapping[str, Any]) -> dict[str, Any]:
        named = [it["id"] for it in body["items"] if "id" in it]
        if len(named) != len(set(named)):
            raise bad("items: another item of the batch has the id too")
        ids = []
        for item in body["items"]:
            identity = item.get("id") or str(uuid.uuid4())
            self._stored += 1
            self.items[identity] = {
                "id": identity,
                "text": item["text"],
                "collection": item.get("collection", ""),
                "attributes": item.get("attributes", {}),
                "storedAtMs": time.time_ns() // 1_000_000,
                "order": self._stored,
            }
            ids.append(identity)
        return {"ids": ids}

    def recall(self, body: Mapping[str, Any]) -> dict[str, Any]:
        found = [it for it in self.items.values() if self._fits(it, body)]
        words = _words(body["query"])
        listing = not body["query"].strip()
        scored = [(0.0 if listing else _score(words, _words(it["text"])), it) for it in found]
        scored = [(score, it) for score, it in scored if listing or score]
        scored.sort(key=lambda it: (-it[0], -it[1]["order"]))
        offset = body.get("offset", 0)
        hits = [
            {**{name: it[name] for name in it if name != "order"}, "score": score}
            for score, it in scored[offset : offset + body["k"]]
        ]
        return {"hits": hits, "method": "listing" if listing else "lexical"}

    def forget(self, body: Mapping[str, Any]) -> dict[str, Any]:
        if body["by"] == "ids":
            gone = [it for it in body["ids"] if it in self.items]
        else:
            gone = [it["id"] for it in self.items.values() if self._fits(it, body)]
        for one in set(gone):
            del self.items[one]
        return {"forgotten": len(set(gone))}

    @staticmethod
    def _fits(item: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
        if "collection" in body and item["collection"] != body["collection"]:
            return False
        if body.get("ids") and item["id"] not in body["ids"]:
            return False
        wanted = body.get("attributes", {})
        return all(item["attributes"].get(name) == value for name, value in wanted.items())


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))


def _score(query: set[str], text: set[str]) -> float:
    def is_in(word: str) -> bool:
        return any(it.startswith(word) or word.startswith(it) for it in text)

    return float(sum(1 for word in query if is_in(word)))


@dataclass(frozen=True)
class Mount:
    """A named folder."""

    folder: Path
    writable: bool = False


class Files:
    """The mounts that an agent is granted."""

    def __init__(self, mounts: dict[str, Mount]) -> None:
        self.mounts = mounts

    def read(self, body: Mapping[str, Any]) -> dict[str, Any]:
        path = self._at(body)
        if not path.exists():
            raise _missing(body)
        if not path.is_file():
            raise bad(f"{body['path']} is a folder")
        data = path.read_bytes()
        version = _version(path, data)
        if body.get("version", version) != version:
            raise Refused("changed", f"{body['path']} changed", remedy="read the file again from its start")
        offset = body.get("offset", 0)
        part = base64.b64encode(data[offset : offset + body["length"]]).decode()
        return {"data": part, "size": len(data), "modifiedMs": _modified(path), "version": version}

    def write(self, body: Mapping[str, Any]) -> dict[str, Any]:
        path = self._at(body, write=True)
        try:
            data = base64.b64decode(body["data"], validate=True)
        except binascii.Error:
            raise bad("data: it is not base64") from None
        if len(data) > 512 * 1024:
            raise bad("data: it has more than 524288 bytes")
        if path.is_dir():
            raise bad(f"{body['path']} is a folder")
        if body["mode"] == "create-new" and path.exists():
            remedy = "choose another name"
            raise Refused("already-exists", f"{body['path']} is there already", remedy=remedy)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise bad(f"{body['path']}: a part of it is not a folder") from None
        with path.open("ab" if body["mode"] == "append" else "wb") as file:
            file.write(data)
        return {"size": path.stat().st_size}

    def list(self, body: Mapping[str, Any]) -> dict[str, Any]:
        top = self._mount(body).folder
        folder = self._at(body, empty=True)
        if not folder.exists():
            raise _missing(body)
        if not folder.is_dir():
            raise bad(f"{body['path']} is not a folder")
        recursive = body.get("recursive", False)
        found = [it for it in (folder.rglob("*") if recursive else folder.iterdir()) if not recursive or it.is_file()]
        named = sorted((it.relative_to(top).as_posix(), it) for it in found)
        rest = [(name, it) for name, it in named if name > body.get("after", "")]
        entries = []
        for name, it in rest[: body["limit"]]:
            entry = {"path": name, "kind": "folder", "size": 0, "modifiedMs": _modified(it)}
            if it.is_file():
                data = it.read_bytes()
                entry |= {"kind": "file", "size": len(data), "version": _version(it, data)}
            entries.append(entry)
        return {"entries": entries, "more": len(rest) > body["limit"]}

    def _mount(self, body: Mapping[str, Any]) -> Mount:
        mount = self.mounts.get(body["mount"])
        if mount is None:
            remedy = "ask for it under spec.permissions"
            raise Refused("denied", f"no rule allows {body['mount']}", remedy=remedy)
        return mount

    def _at(self, body: Mapping[str, Any], write: bool = False, empty: bool = False) -> Path:
        mount = self._mount(body)
        if write and not mount.writable:
            remedy = "ask for readWrite under spec.permissions.files"
            raise Refused("denied", f"{body['mount']} is read-only", remedy=remedy)
        text = body.get("path", "")
        path = PurePosixPath(text)
        if path.is_absolute() or ".." in path.parts or "\0" in text or (not path.parts and not empty):
            raise bad(f"path: {text!r} is not a relative path without ..")
        found = mount.folder.joinpath(path)
        if not found.resolve().is_relative_to(mount.folder.resolve()):
            raise bad(f"path: {text!r} leads out of the mount")
        return found


def _missing(body: Mapping[str, Any]) -> Refused:
    remedy = "list the folder to see what is there"
    return Refused("not-found", f"{body['path']} is not there", remedy=remedy)


def _modified(path: Path) -> int:
    return path.stat().st_mtime_ns // 1_000_000


def _version(path: Path, data: bytes) -> str:
    return hashlib.sha256(str(path.stat().st_ino).encode() + data).hexdigest()[:32]
