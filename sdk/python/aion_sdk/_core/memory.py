"""`memory.remember`, `memory.recall` and `memory.forget`: shapes and plans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

from .effects import Plan
from .session import Session


@dataclass(frozen=True)
class Item:
    """One thing to remember. An item whose `id` exists is replaced; without an `id` one is made."""

    text: str
    id: str | None = None
    collection: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Hit:
    """What was found. `score` compares within one answer only, and is 0 in a listing."""

    id: str
    text: str
    collection: str
    attributes: Mapping[str, str]
    score: float
    stored_at_ms: int


@dataclass(frozen=True)
class Recalled(Sequence[Hit]):
    """Hits, best first; of a listing, newest first."""

    hits: tuple[Hit, ...]
    #: `lexical`, `hybrid` or `listing`.
    method: str
    #: Why the search was not hybrid, where that was wanted.
    degraded: str | None

    def __len__(self) -> int:
        return len(self.hits)

    @overload
    def __getitem__(self, at: int) -> Hit: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Hit]: ...
    def __getitem__(self, at: int | slice) -> Hit | Sequence[Hit]:
        return self.hits[at]

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)


def _item(item: Item | str) -> dict[str, Any]:
    if isinstance(item, str):
        item = Item(item)
    body: dict[str, Any] = {"text": item.text}
    if item.id is not None:
        body["id"] = item.id
    if item.collection:
        body["collection"] = item.collection
    if item.attributes:
        body["attributes"] = dict(item.attributes)
    return body


def remember_all(session: Session, items: Iterable[Item | str]) -> Plan[list[str]]:
    answer = yield from session.call("memory.remember", {"items": [_item(it) for it in items]})
    return list(answer["ids"])


def remember(session: Session, item: Item) -> Plan[str]:
    ids = yield from remember_all(session, [item])
    return ids[0]


def recall(
    session: Session,
    query: str,
    k: int,
    collection: str | None,
    attributes: Mapping[str, str] | None,
    ids: Iterable[str],
    offset: int,
) -> Plan[Recalled]:
    body: dict[str, Any] = {"query": query, "k": k}
    if collection is not None:
        body["collection"] = collection
    if attributes:
        body["attributes"] = dict(attributes)
    if named := list(ids):
        body["ids"] = named
    if offset:
        body["offset"] = offset
    answer = yield from session.call("memory.recall", body)
    hits = (
        Hit(it["id"], it["text"], it["collection"], it.get("attributes", {}), it["score"], it["storedAtMs"])
        for it in answer["hits"]
    )
    return Recalled(tuple(hits), answer["method"], answer.get("degraded"))


def forget(session: Session, ids: Iterable[str]) -> Plan[int]:
    answer = yield from session.call("memory.forget", {"by": "ids", "ids": list(ids)})
    return int(answer["forgotten"])


def forget_collection(session: Session, collection: str, attributes: Mapping[str, str] | None) -> Plan[int]:
    body: dict[str, Any] = {"by": "collection", "collection": collection}
    if attributes:
        body["attributes"] = dict(attributes)
    answer = yield from session.call("memory.forget", body)
    return int(answer["forgotten"])
