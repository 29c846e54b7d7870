"""Agents that ask agents."""

import json

import pytest

from aion_sdk import Agent, AsyncTurn, Turn, Unanswered
from aion_sdk._core import agents
from aion_sdk._core.session import Session
from aion_sdk._core.signing import Key
from aion_sdk.testing import FakeKernel


def librarian(text: str) -> str:
    if not text:
        raise Unanswered("I was asked nothing")
    return f"{text}: under the mat"


def chief(function) -> Agent:
    agent = Agent()
    agent.turn(function)
    return agent


def ask(turn: Turn) -> str:
    return turn.agents.ask("librarian", turn.text, delegate=["memory.recall"], deadline=60).text


async def ask_later(turn: AsyncTurn) -> str:
    return (await turn.agents.ask("librarian", turn.text)).text


def spawn(turn: Turn) -> str:
    begun = turn.agents.spawn("librarian", turn.text, deadline=60)
    turn.agents.cancel(turn.agents.spawn("librarian", "Never mind"))
    return turn.agents.wait(begun).text


@pytest.mark.parametrize("function", [ask, ask_later, spawn])
def test_an_agent_asks_another(function):
    with FakeKernel(agents={"librarian": librarian}) as kernel:
        assert kernel.ask(chief(function), "The key").text == "The key: under the mat"
        # That it could not answer is an answer, which its caller makes its own where it only wants the text.
        assert kernel.ask(chief(function), "").failed == "I was asked nothing"


def test_how_a_turn_ended_is_an_answer():
    def answer(turn: Turn) -> str:
        ended = turn.agents.ask("librarian", "")
        assert ended.problem is not None
        return f"{ended.ok} {ended.answer} {ended.problem['code']} {ended.turn > turn.number}"

    with FakeKernel(agents={"librarian": librarian}) as kernel:
        assert kernel.ask(chief(answer), "").text == "False None unanswered True"


def test_a_turn_that_runs_again_finds_the_turns_that_it_began():
    asked = []

    def other(text: str) -> str:
        asked.append(text)
        return "Yes."

    def answer(turn: Turn) -> str:
        begun = turn.agents.spawn("other", "Is it?")
        assert turn.agents.ask("other", "Is it?").turn != begun
        return f"{begun} {turn.agents.wait(begun).answer}"

    with FakeKernel(agents={"other": other}) as kernel:
        kernel.hang_up("agent.ask")  # done, and not told
        first = kernel.ask(chief(answer), "")
        assert kernel.ask(chief(answer), "", turn=first.turn).text == first.text
        assert len(asked) == 2


def test_who_may_not_be_asked_and_what_another_turn_began_is_refused():
    def strange(turn: Turn) -> str:
        return turn.agents.ask("stranger", "Hi").text

    def wait(turn: Turn) -> str:
        return turn.agents.wait(int(turn.text)).text

    def begin(turn: Turn) -> str:
        return str(turn.agents.spawn("librarian", "The key"))

    with FakeKernel(agents={"librarian": librarian}) as kernel:
        assert kernel.ask(chief(strange), "").failed.startswith("agent.ask stranger: no rule allows it")
        begun = kernel.ask(chief(begin), "").text
        assert "was not begun by this turn" in kernel.ask(chief(wait), begun).failed


def test_a_deadline_is_the_calls_and_the_turns():
    sent = next(agents.ask(Session(Key("00" * 32), 1), "librarian", "Hi", None, 2.0))
    assert (json.loads(sent.body)["deadlineMs"], sent.headers["aion-deadline-ms"]) == (2000, "2000")
