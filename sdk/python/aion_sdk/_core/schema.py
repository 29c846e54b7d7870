"""Functions as tools: JSON Schema from type hints, and arguments of a model's as the hints say."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import json
import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Union

from .tools import ToolSpec

_PLAIN: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}
_NOTHING = type(None)


class BadArguments(Exception):
    """What a model said does not fit the function; the text is for the model."""


class FunctionTool:
    """A function of the program's that a model may ask for.

    Its name, the text of its docstring and its type hints are what the model sees; `Annotated[str, "…"]` describes an
    argument. A parameter annotated with one of `contexts` is given by the SDK, and is not shown.
    """

    def __init__(self, function: Callable[..., Any], contexts: tuple[type, ...] = ()) -> None:
        self.function = function
        self.hints = typing.get_type_hints(function, include_extras=True)
        self.context: str | None = None
        self.context_type: type | None = None
        properties: dict[str, Any] = {}
        required: list[str] = []
        for name, parameter in inspect.signature(function).parameters.items():
            place = f"{function.__name__}({name})"
            hint = self.hints.get(name)
            if hint in contexts:
                self.context, self.context_type = name, hint
                continue
            if hint is None:
                raise TypeError(f"{place} has no type hint: a model must be told what to give")
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
                raise TypeError(f"{place} cannot be given by name")
            properties[name] = of(hint, place)
            if parameter.default is parameter.empty:
                required.append(name)
        schema: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
        if required:
            schema["required"] = required
        self.spec = ToolSpec(function.__name__, inspect.getdoc(function) or "", schema)

    def arguments(self, text: str) -> dict[str, Any]:
        """What a model wrote, as the function takes it."""
        try:
            given = json.loads(text or "{}")
        except ValueError as error:
            raise BadArguments(f"the arguments are not JSON: {error}") from None
        return _fields(given, self.spec.parameters, self.hints, "arguments")


def _fields(given: Any, schema: Mapping[str, Any], hints: Mapping[str, Any], place: str) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise BadArguments(f"{place}: an object is needed")
    for name in given:
        if name not in schema["properties"]:
            raise BadArguments(f"{place}.{name} is not known; there are: {', '.join(schema['properties'])}")
    for name in schema.get("required", ()):
        if name not in given:
            raise BadArguments(f"{place}.{name} is missing")
    return {name: fit(value, hints[name], f"{place}.{name}") for name, value in given.items()}


def _dataclass(hint: Any, place: str) -> dict[str, Any]:
    hints = typing.get_type_hints(hint, include_extras=True)
    fields = [it for it in dataclasses.fields(hint) if it.init]
    missing = dataclasses.MISSING
    return {
        "type": "object",
        "properties": {it.name: of(hints[it.name], f"{place}.{it.name}") for it in fields},
        "required": [it.name for it in fields if it.default is missing and it.default_factory is missing],
        "additionalProperties": False,
    }


def of(hint: Any, place: str) -> dict[str, Any]:
    """The JSON Schema of a type."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        described = [it for it in parts[1:] if isinstance(it, str)]
        schema = of(parts[0], place)
        return {**schema, "description": described[0]} if described else schema
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    if hint is Any:
        return {}
    if hint is _NOTHING:
        return {"type": "null"}
    if origin is Literal:
        return {"enum": list(parts)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [of(it, place) for it in parts]}
    if hint is list or origin is list:
        return {"type": "array", "items": of(parts[0], place) if parts else {}}
    if hint is dict or (origin is dict and parts[0] is str):
        return {"type": "object", "additionalProperties": of(parts[1], place) if parts else {}}
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return {"enum": [it.value for it in hint]}
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _dataclass(hint, place)
    raise TypeError(
        f"{place} is a {hint}, of which no schema is made: use str, int, float, bool, list, dict[str, …], Literal, "
        "Enum, a dataclass, or a union of these"
    )


def fit(value: Any, hint: Any, place: str) -> Any:
    """A JSON value as the type of the hint."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return fit(value, parts[0], place)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        for one in parts:
            try:
                return fit(value, one, place)
            except BadArguments:
                pass
        raise _unfit(place, hint)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint in _PLAIN or hint is _NOTHING:
        # In Python true is a number; in JSON it is not.
        if isinstance(value, hint) and isinstance(value, bool) == (hint is bool):
            return value
    elif origin is Literal:
        if any(value == it and type(value) is type(it) for it in parts):
            return value
    elif hint is list or origin is list:
        if isinstance(value, list):
            return [fit(it, parts[0] if parts else Any, f"{place}[{at}]") for at, it in enumerate(value)]
    elif hint is dict or origin is dict:
        if isinstance(value, dict):
            inner = parts[1] if parts else Any
            return {name: fit(it, inner, f"{place}.{name}") for name, it in value.items()}
    elif issubclass(hint, enum.Enum):
        for one in hint:
            if one.value == value:
                return one
    else:
        hints = typing.get_type_hints(hint, include_extras=True)
        return hint(**_fields(value, _dataclass(hint, place), hints, place))
    raise _unfit(place, hint)


def _unfit(place: str, hint: Any) -> BadArguments:
    return BadArguments(f"{place} must fit {json.dumps(of(hint, place), ensure_ascii=False)}")
