"""The model loop of `Agent`: ask, call what is asked for, ask again, a bounded number of times."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from . import chat, tools, turn
from .effects import Invoke, Plan
from .refused import Refused, Unanswered
from .schema import BadArguments, FunctionTool
from .session import Session

# Text goes out in parts of so many characters: each is a call, and calls are counted.
DELTA = 64

_CUT = {
    "length": "[cut: the answer reached its limit of tokens]",
    "other": "[perhaps cut: the model server did not say that the answer is whole]",
}


class Loop:
    """One turn of an agent that is instructions and functions."""

    def __init__(
        self,
        session: Session,
        given: turn.Given,
        instructions: str,
        functions: Mapping[str, FunctionTool],
        context: Callable[[type], Any],
        max_rounds: int,
        max_tokens: int | None,
        temperature: float | None,
    ) -> None:
        self.session, self.given, self.instructions, self.functions = session, given, instructions, functions
        self.context, self.max_rounds = context, max_rounds
        self.max_tokens, self.temperature = max_tokens, temperature

    def answer(self) -> Plan[str]:
        """The whole answer; its parts went out as they came."""
        messages: list[chat.Message] = []
        if self.instructions:
            messages.append({"role": "system", "content": self.instructions})
        messages.append({"role": "user", "content": asked(self.given)})
        offered = [it.spec for it in self.functions.values()] + (yield from self._granted())
        for left in reversed(range(self.max_rounds)):
            # In its last round the model can only answer: there would be no round to hear a result in.
            body = chat.request(messages, offered if left else None, self.max_tokens, self.temperature)
            completion = yield from self._ask(body)
            choice = completion.choices[0]
            if not choice.message.tool_calls:
                cut = _CUT.get(choice.finish_reason)
                text = choice.message.content or ""
                return f"{text}\n\n{cut}" if cut else text
            if not left:
                break
            messages.append(choice.message)
            for call in choice.message.tool_calls:
                result = yield from self._call(call.function)
                messages.append({"role": "tool", "content": result, "tool_call_id": call.id})
        said = f"the model asked for tools {self.max_rounds} times and did not answer; ask for less at a time"
        raise Unanswered(said)

    def _granted(self) -> Plan[list[tools.ToolSpec]]:
        """The node's tools; an agent without any may not even ask. Functions of the program's go before them."""
        try:
            found = yield from tools.list_all(self.session)
        except Refused as refused:
            if refused.code != "denied":
                raise
            return []
        for missing in found.unavailable:
            text = f"the tool {missing.tool} cannot be used: {missing.reason}"
            yield from turn.message(self.session, "notice", text)
        return [it for it in found if it.name not in self.functions]

    def _ask(self, body: Mapping[str, Any]) -> Plan[chat.ChatCompletion]:
        stream = yield from chat.stream(self.session, body)
        told = 0
        while (chunk := (yield from stream.next())) is not None:
            for part in chunk.left_out:
                text = f"{chunk.model} does not take {part}: it is asked without"
                if part == "messages":
                    text = f"the oldest messages do not fit into the context of {chunk.model}: it is asked without"
                yield from turn.message(self.session, "notice", text)
            if chunk.withdrawn:
                told = 0
            text = stream.answer.text
            if len(text) - told >= DELTA or (stream.answer.finish is not None and told < len(text)):
                yield from turn.message(self.session, "delta", text[told:])
                told = len(text)
        return stream.answer.completion()

    def _call(self, function: chat.Function) -> Plan[str]:
        """What the model is told of a call; what went wrong is told, too, for it to do better."""
        own = self.functions.get(function.name)
        try:
            if own is not None:
                arguments = own.arguments(function.arguments)
                if own.context is not None and own.context_type is not None:
                    arguments[own.context] = self.context(own.context_type)
                result = yield Invoke(own.function, arguments)
                return tools.bounded(result if isinstance(result, str) else chat.spoken(result))
            answer = yield from tools.call(self.session, function.name, _object(function.arguments), None)
            return answer.told()
        except BadArguments as bad:
            return f"error: {bad}"
        except Refused as refused:
            # These end the turn's work; another try of the model's does not help.
            if refused.code in ("not-running", "cancelled", "deadline-exceeded"):
                raise
            return f"error: {refused.sentence()}"
        except Unanswered:
            raise
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            return f"error: {error}"


def _object(text: str) -> dict[str, Any]:
    found = chat.parsed(text)
    if not isinstance(found, dict):
        raise BadArguments("the arguments are not a JSON object")
    return found


def asked(given: turn.Given) -> str:
    """The question, with the names of the files that came with it."""
    if not given.given:
        return given.text
    named = "\n".join(f"- {it.path} (mount {it.mount})" for it in given.given)
    return f"{given.text}\n\nFiles that came with it:\n{named}"
