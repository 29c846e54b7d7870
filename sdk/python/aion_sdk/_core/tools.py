"""`tool.list` and `tool.call`: shapes and plans."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .effects import Plan
from .session import Session

# The most text of one result that a model is told, in bytes: more would only crowd out the conversation.
MAX_RESULT = 32 * 1024


@dataclass(frozen=True)
class ToolSpec:
    """A tool as it is offered to a model."""

    name: str
    description: str
    #: JSON Schema.
    parameters: Mapping[str, Any]

    def wire(self) -> dict[str, Any]:
        return {"name": self.name, "description": self.description, "parameters": self.parameters}


@dataclass(frozen=True)
class Unavailable:
    """A tool that does not answer, or an operation that cannot be offered."""

    tool: str
    reason: str


@dataclass(frozen=True)
class ToolList:
    """The operations that are granted, and what cannot be used of them now."""

    tools: tuple[ToolSpec, ...]
    unavailable: tuple[Unavailable, ...]

    def __iter__(self) -> Iterator[ToolSpec]:
        return iter(self.tools)


@dataclass(frozen=True)
class Link:
    """A resource that an answer links to: `tools.call(name, link=uri)` reads it."""

    uri: str
    name: str
    mime_type: str | None
    size: int | None


@dataclass(frozen=True)
class ToolAnswer:
    """What a tool answered. `is_error`: it ran, and says that it failed."""

    text: str
    structured: Any
    is_error: bool
    links: tuple[Link, ...]

    def told(self) -> str:
        """What a model is told of it."""
        text = self.text.strip()
        if self.structured is not None and not self._says(text):
            text = f"{text}\n\n{json.dumps(self.structured, ensure_ascii=False)}".strip()
        text = text or "[it answered without content]"
        return bounded(f"error: {text}" if self.is_error else text)

    def _says(self, text: str) -> bool:
        """Whether the structured part stands in the text: servers send it in both."""
        for part in (text, *text.split("\n\n")):
            try:
                if json.loads(part) == self.structured:
                    return True
            except ValueError:
                pass
        return False


def bounded(text: str) -> str:
    """At most `MAX_RESULT`, with what is missing said."""
    data = text.encode()
    if len(data) <= MAX_RESULT:
        return text
    kept = data[:MAX_RESULT].decode(errors="ignore")
    return f"{kept}\n[cut here: {len(data)} bytes in all, which is too long; ask for less]"


def list_all(session: Session) -> Plan[ToolList]:
    answer = yield from session.call("tool.list", {})
    return ToolList(
        tuple(ToolSpec(it["name"], it["description"], it["parameters"]) for it in answer["tools"]),
        tuple(Unavailable(it["tool"], it["reason"]) for it in answer.get("unavailable", ())),
    )


def call(session: Session, name: str, arguments: Mapping[str, Any], link: str | None) -> Plan[ToolAnswer]:
    body: dict[str, Any] = {"name": name, "arguments": dict(arguments)}
    if link is not None:
        body["link"] = link
    answer = yield from session.call("tool.call", body)
    links = (Link(it["uri"], it["name"], it.get("mimeType"), it.get("size")) for it in answer.get("links", ()))
    return ToolAnswer(answer["text"], answer.get("structured"), answer.get("isError", False), tuple(links))
