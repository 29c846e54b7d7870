"""Functions as tools: what a model is shown, and what a function is given."""

import enum
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Optional

import pytest

from aion_sdk._core.schema import BadArguments, FunctionTool, fit, of


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Place:
    city: Annotated[str, "Where"]
    zip: Optional[int] = None


def paint(
    place: Place,
    colours: list[Colour],
    coat: Literal["thin", "thick"] = "thin",
    litres: float = 1.0,
    notes: dict[str, str] | None = None,
) -> str:
    """Paints a place."""
    return ""


def test_a_model_is_shown_what_the_hints_say():
    spec = FunctionTool(paint).spec
    assert (spec.name, spec.description) == ("paint", "Paints a place.")
    assert spec.parameters == {
        "type": "object",
        "properties": {
            "place": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": "Where"},
                    "zip": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
                },
                "required": ["city"],
                "additionalProperties": False,
            },
            "colours": {"type": "array", "items": {"enum": ["red", "blue"]}},
            "coat": {"enum": ["thin", "thick"]},
            "litres": {"type": "number"},
            "notes": {"anyOf": [{"type": "object", "additionalProperties": {"type": "string"}}, {"type": "null"}]},
        },
        "additionalProperties": False,
        "required": ["place", "colours"],
    }


def test_a_function_is_given_what_its_hints_say():
    given = FunctionTool(paint).arguments('{"place": {"city": "Ulm"}, "colours": ["red"], "litres": 2}')
    assert given == {"place": Place("Ulm"), "colours": [Colour.RED], "litres": 2.0}
    assert isinstance(given["litres"], float)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (True, int),
        (1, bool),
        ("1", int),
        (1.5, int),
        (None, str),
        ("green", Colour),
        ("medium", Literal["thin"]),
        (True, Literal[1]),
        ([1, "a"], list[int]),
        ({"a": 1}, dict[str, str]),
        ({"zip": 1}, Place),
        ("Ulm", Place),
        ([], Optional[str]),
    ],
)
def test_what_does_not_fit_is_refused(value, hint):
    with pytest.raises(BadArguments, match="here"):
        fit(value, hint, "here")


def test_any_and_bare_containers_are_taken():
    assert fit([1, "a"], list, "") == [1, "a"] and fit({"a": None}, dict, "") == {"a": None}
    assert of(Any, "") == {} and fit(None, Any, "") is None


def test_a_function_without_hints_is_refused_when_it_is_given():
    def bare(a):
        return a

    def strange(a: set[int]):
        return a

    def many(*a: int):
        return a

    for function, why in ((bare, "no type hint"), (strange, "no schema"), (many, "by name")):
        with pytest.raises(TypeError, match=why):
            FunctionTool(function)
