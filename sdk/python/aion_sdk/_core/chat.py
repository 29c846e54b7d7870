"""`model.chat` in the shape of OpenAI's chat completions. What that shape has no place for stands beside it:
`left_out`, `withdrawn`, `estimated`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Union

from .effects import Lost, Plan
from .refused import Refused
from .session import Events, Session
from .tools import ToolSpec


@dataclass(frozen=True)
class Function:
    name: str
    #: A JSON text as the model wrote it, which may be malformed.
    arguments: str


@dataclass(frozen=True)
class ToolCall:
    id: str
    function: Function
    type: Literal["function"] = "function"


@dataclass(frozen=True)
class ChatMessage:
    """A message of a model's; it can be sent back among `messages` as it is."""

    content: str | None
    tool_calls: tuple[ToolCall, ...] | None = None
    role: Literal["assistant"] = "assistant"


@dataclass(frozen=True)
class CompletionUsage:
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    #: The endpoint gave no figures: these are the node's estimate.
    estimated: bool = False


@dataclass(frozen=True)
class Choice:
    message: ChatMessage
    #: `stop`, `tool_calls`, `length`, or `other`: then the server did not say that the answer is whole.
    finish_reason: str
    index: int = 0


@dataclass(frozen=True)
class ChatCompletion:
    model: str
    choices: tuple[Choice, ...]
    usage: CompletionUsage
    #: What of the request the model does not take: `tools`, `maxTokens`, `temperatureMilli`.
    left_out: tuple[str, ...] = ()
    object: Literal["chat.completion"] = "chat.completion"


@dataclass(frozen=True)
class DeltaToolCall:
    """A whole tool call: nodes do not send them in parts."""

    index: int
    id: str
    function: Function
    type: Literal["function"] = "function"


@dataclass(frozen=True)
class ChoiceDelta:
    content: str | None = None
    tool_calls: tuple[DeltaToolCall, ...] | None = None
    role: Literal["assistant"] = "assistant"


@dataclass(frozen=True)
class ChunkChoice:
    delta: ChoiceDelta
    finish_reason: str | None = None
    index: int = 0


@dataclass(frozen=True)
class ChatCompletionChunk:
    """A part of an answer."""

    model: str
    choices: tuple[ChunkChoice, ...]
    usage: CompletionUsage | None = None
    #: With the first chunk: what of the request the model does not take.
    left_out: tuple[str, ...] = ()
    #: The text so far was what the model thinks, and not its answer, which begins now.
    withdrawn: bool = False
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"


Message = Union[Mapping[str, Any], ChatMessage]
Tool = Union[Mapping[str, Any], ToolSpec]

_FINISH = {"tool-calls": "tool_calls"}
_ROLES = {"developer": "system"}


def request(
    messages: Iterable[Message],
    tools: Iterable[Tool] | None,
    max_tokens: int | None,
    temperature: float | None,
) -> dict[str, Any]:
    """The body of `model.chat`. What it has no place for is refused by name, and not left out."""
    body: dict[str, Any] = {"messages": [_message(it, at) for at, it in enumerate(messages)]}
    if tools and (specs := [_tool(it, at) for at, it in enumerate(tools)]):
        body["tools"] = specs
    if max_tokens is not None:
        body["maxTokens"] = max_tokens
    if temperature is not None:
        body["temperatureMilli"] = round(temperature * 1000)
    return body


def _only(value: Mapping[str, Any], known: set[str], place: str) -> None:
    unknown = sorted(name for name, it in value.items() if name not in known and it is not None)
    if unknown:
        raise ValueError(f"{place}.{unknown[0]} is not taken: a node's model takes {', '.join(sorted(known))}")


def _message(message: Message, at: int) -> dict[str, Any]:
    place = f"messages[{at}]"
    if isinstance(message, ChatMessage):
        made = message.tool_calls or ()
        message = {
            "role": message.role,
            "content": message.content,
            "tool_calls": [
                {"id": it.id, "function": {"name": it.function.name, "arguments": it.function.arguments}}
                for it in made
            ],
        }
    _only(message, {"role", "content", "tool_calls", "tool_call_id"}, place)
    role = str(message["role"])
    found: dict[str, Any] = {"role": _ROLES.get(role, role), "content": _text(message.get("content"), place)}
    if calls := message.get("tool_calls"):
        found["toolCalls"] = [
            {"id": it["id"], "name": it["function"]["name"], "arguments": it["function"]["arguments"]} for it in calls
        ]
    if (answers := message.get("tool_call_id")) is not None:
        found["toolCallId"] = answers
    return found


def _text(content: Any, place: str) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    parts = []
    for at, part in enumerate(content):
        if part.get("type") != "text":
            raise ValueError(f"{place}.content[{at}] is of type {part.get('type')!r}: a node's model takes text")
        parts.append(str(part["text"]))
    return "".join(parts)


def _tool(tool: Tool, at: int) -> dict[str, Any]:
    if isinstance(tool, ToolSpec):
        return tool.wire()
    function = tool.get("function", tool)
    _only(function, {"name", "description", "parameters", "type"}, f"tools[{at}]")
    empty = {"type": "object", "properties": {}}
    return {
        "name": function["name"],
        "description": function.get("description") or "",
        "parameters": function.get("parameters") or empty,
    }


@dataclass
class Answer:
    """An answer as it grows: what was said so far, without what was withdrawn."""

    model: str = ""
    text: str = ""
    calls: list[ToolCall] = field(default_factory=list)
    left_out: tuple[str, ...] = ()
    finish: str | None = None
    usage: CompletionUsage | None = None

    def take(self, event: Mapping[str, Any]) -> ChatCompletionChunk | None:
        """Takes one event in; what of it a reader of chunks sees. Kinds of later versions are passed over."""
        kind = event.get("event")
        delta, finish, usage = ChoiceDelta(), None, None
        if kind == "start":
            self.model, self.left_out = event["model"], tuple(event.get("leftOut", ()))
        elif kind == "delta":
            self.text += event["text"]
            delta = ChoiceDelta(content=event["text"])
        elif kind == "withdrawn":
            self.text = ""
        elif kind == "toolCall":
            function = Function(event["name"], event["arguments"])
            delta = ChoiceDelta(tool_calls=(DeltaToolCall(len(self.calls), event["id"], function),))
            self.calls.append(ToolCall(event["id"], function))
        elif kind == "end":
            finish = _FINISH.get(event["finish"], event["finish"])
            given = event["usage"]
            into, out = given["inputTokens"], given["outputTokens"]
            usage = CompletionUsage(into, out, into + out, given.get("estimated", False))
            self.finish, self.usage = finish, usage
        elif kind == "error":
            raise Refused.of(event)
        else:
            return None
        left_out = self.left_out if kind == "start" else ()
        return ChatCompletionChunk(
            self.model, (ChunkChoice(delta, finish),), usage, left_out, withdrawn=kind == "withdrawn"
        )

    def completion(self) -> ChatCompletion:
        """The whole answer, once it has ended."""
        if self.finish is None or self.usage is None:
            raise RuntimeError("the answer has not ended: read the stream to its end")
        message = ChatMessage(self.text or None, tuple(self.calls) or None)
        return ChatCompletion(self.model, (Choice(message, self.finish),), self.usage, self.left_out)


class Stream:
    """An answer that comes in chunks."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self.answer = Answer()

    def next(self) -> Plan[ChatCompletionChunk | None]:
        """The next chunk; none after the one with `finish_reason`. An answer that breaks off is refused."""
        while self.answer.finish is None:
            try:
                event = yield from self._events.next()
                why = "the node closed the connection"
            except Lost as lost:
                event, why = None, str(lost)
            if event is None:
                raise Refused(
                    "outcome-unknown",
                    f"the model's answer broke off: {why}",
                    remedy="ask again: the tokens of the broken answer are charged",
                )
            try:
                chunk = self.answer.take(event)
            except Refused:
                yield from self._events.close()
                raise
            if self.answer.finish is not None:
                yield from self._events.close()
            if chunk is not None:
                return chunk
        return None

    def close(self) -> Plan[None]:
        yield from self._events.close()


def stream(session: Session, body: Mapping[str, Any]) -> Plan[Stream]:
    response = yield from session.open("model.chat", body)
    return Stream(Events(response))


def whole(session: Session, body: Mapping[str, Any]) -> Plan[ChatCompletion]:
    opened = yield from stream(session, body)
    while (yield from opened.next()) is not None:
        pass
    return opened.answer.completion()


def parsed(text: str) -> Any:
    """Arguments as the model wrote them; none where they are not JSON."""
    try:
        return json.loads(text or "{}")
    except ValueError:
        return None


def spoken(result: Any) -> str:
    """What a function gave, as a text for the model."""
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        result = dataclasses.asdict(result)
    return json.dumps(result, ensure_ascii=False, default=str)
