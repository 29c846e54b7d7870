"""Agents from the question to the exit status, in this process and in one of their own."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from aion_sdk import Agent, AsyncTurn, Refused, Turn, Unanswered
from aion_sdk.testing import Calls, FakeKernel, says

PACKAGE = Path(__file__).parents[1]


def answering(function):
    agent = Agent()
    agent.turn(function)
    return agent


def add(a: int, b: int = 2) -> int:
    """Adds two numbers."""
    return a + b


async def later(a: int, turn: AsyncTurn) -> str:
    """Adds later."""
    await turn.progress("adding")
    return str(a + 1)


def beside(a: int, turn: Turn) -> str:
    """Adds beside."""
    turn.progress("adding")
    return str(a + 1)


def test_a_function_answers():
    with FakeKernel() as kernel:
        asked = kernel.ask(answering(lambda turn: f"You said {turn.text}"), "Hi", files={"a.csv": b"1"})
        assert (asked.ok, asked.text) == (True, "You said Hi")
        agent = answering(lambda turn: turn.files.read_text("input", turn.given[0].path))
        assert kernel.ask(agent, "", files={"a": b"b"}).text == "b"
        named = answering(lambda turn: str(turn.message_id))
        assert [kernel.ask(named, "", message_id=it).text for it in ("m1", None)] == ["m1", "None"]


def parts(turn: Turn):
    yield "One "
    turn.notice("beware")
    yield "two"


async def parts_later(turn: AsyncTurn):
    yield "One "
    await turn.notice("beware")
    await asyncio.sleep(0)
    yield "two"


@pytest.mark.parametrize("function", [parts, parts_later])
def test_an_answer_may_come_in_parts(function):
    with FakeKernel() as kernel:
        asked = kernel.ask(answering(function), "Hi")
        assert (asked.deltas, asked.text, asked.notices) == (["One ", "two"], "One two", ["beware"])


def test_what_is_kept_is_there_in_the_next_turn():
    def count(turn: Turn) -> str:
        turn.checkpoint(str(int(turn.state or 0) + 1))
        return f"Turn {turn.state or 0}"

    with FakeKernel() as kernel:
        assert [kernel.ask(answering(count), "").text for _ in range(2)] == ["Turn 0", "Turn 1"]


def unanswered(turn):
    raise Unanswered("I only speak of cats")


def refused(turn):
    raise Refused("denied", "fs.read notes: no rule allows it", remedy="ask for it")


def refused_in_own_words(turn):
    raise Refused("shop-closed", "the shop is closed", remedy="come back at nine")


async def broken(turn):
    raise KeyError("secret place")


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (unanswered, "I only speak of cats"),
        (refused, "fs.read notes: no rule allows it; ask for it"),
        (refused_in_own_words, "the shop is closed; come back at nine"),
        (broken, "the agent's program failed: 'secret place'; its log says where"),
        (lambda turn: None, "the agent has no answer to this"),
        (lambda turn: 42, "the agent's program failed: int object"),
    ],
)
def test_an_agent_that_fails_says_why_in_a_sentence(function, sentence, capsys):
    if sentence.endswith("int object"):
        sentence = "the agent's program failed: 'int' object is not iterable; its log says where"
    with FakeKernel() as kernel:
        asked = kernel.ask(answering(function), "Hi")
    assert (asked.ok, asked.failed) == (False, sentence)
    assert ("Traceback" in capsys.readouterr().err) == ("program failed" in sentence)


@pytest.mark.parametrize("tool", [add, later, beside])
def test_a_model_uses_functions(tool):
    agent = Agent("You add.", [tool])
    with FakeKernel(replies=[Calls(tool.__name__, {"a": 1}), "It is done."]) as kernel:
        asked = kernel.ask(agent, "1 and one more?")
        assert (asked.ok, asked.text, "".join(asked.deltas)) == (True, "It is done.", "It is done.")
        assert kernel.requests[0]["messages"][0] == {"role": "system", "content": "You add."}
        offered = kernel.requests[0]["tools"][0]
        assert "turn" not in offered["parameters"]["properties"]
        told = kernel.requests[1]["messages"][-1]
        assert told == {"role": "tool", "toolCallId": f"call-{tool.__name__}", "content": "3" if tool is add else "2"}


def test_a_model_uses_the_tools_of_the_node():
    def read(day: str) -> list[str]:
        """Reads a day."""
        return [f"{day}: tea"]

    replies = [Calls("calendar.read", {"day": "today"}), "Tea."]
    with FakeKernel(replies=replies, tools={"calendar.read": read}) as kernel:
        assert kernel.ask(Agent(), "What is today?").text == "Tea."
        assert kernel.requests[1]["messages"][-1]["content"] == '["today: tea"]'
        kernel.replies.extend([Calls("calendar.write", {}), "It cannot."])
        kernel.ask(Agent(), "Write")
        assert kernel.requests[3]["messages"][-1]["content"].startswith("error: tool.call calendar.write")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("{", "error: the arguments are not JSON"),
        ('{"a": "one"}', 'error: arguments.a must fit {"type": "integer"}'),
        ('{"b": 1}', "error: arguments.a is missing"),
        ('{"a": 1, "c": 1}', "error: arguments.c is not known; there are: a, b"),
    ],
)
def test_a_model_hears_what_is_wrong_with_its_arguments(arguments, why):
    call = {"event": "toolCall", "id": "1", "name": "add", "arguments": arguments}
    end = {"event": "end", "finish": "tool-calls", "usage": {"inputTokens": 1, "outputTokens": 1}}
    with FakeKernel(replies=[says({"event": "start", "model": "m"}, call, end), "Sorry."]) as kernel:
        assert kernel.ask(Agent("", [add]), "Add").text == "Sorry."
        assert kernel.requests[1]["messages"][-1]["content"].startswith(why)


def test_a_function_that_fails_is_told_to_the_model(capsys):
    def fetch() -> str:
        """Fetches."""
        raise ValueError("the door is shut")

    with FakeKernel(replies=[Calls("fetch", {}), "It is shut."]) as kernel:
        assert kernel.ask(Agent("", [fetch]), "Fetch").text == "It is shut."
        assert kernel.requests[1]["messages"][-1]["content"] == "error: the door is shut"
    assert "Traceback" in capsys.readouterr().err


def test_a_model_that_never_answers_is_stopped():
    with FakeKernel(replies=[Calls("add", {"a": 1})] * 3) as kernel:
        asked = kernel.ask(Agent("", [add], max_rounds=3), "Add")
        assert asked.failed == "the model asked for tools 3 times and did not answer; ask for less at a time"
        assert "tools" not in kernel.requests[2]


def test_an_answer_that_was_cut_says_so_and_what_a_model_does_not_take_is_told():
    start = {"event": "start", "model": "m", "leftOut": ["tools", "messages"]}
    end = {"event": "end", "finish": "length", "usage": {"inputTokens": 1, "outputTokens": 1}}
    with FakeKernel(replies=[says(start, {"event": "delta", "text": "Half"}, end)]) as kernel:
        asked = kernel.ask(Agent("", [add]), "Hi")
        assert asked.text == "Half\n\n[cut: the answer reached its limit of tokens]"
        assert asked.notices == [
            "m does not take tools: it is asked without",
            "the oldest messages do not fit into the context of m: it is asked without",
        ]


def test_a_turn_that_runs_again_does_nothing_twice():
    def note(turn: Turn) -> str:
        turn.memory.remember(turn.text)
        turn.memory.remember(turn.text)
        return "Noted"

    agent = answering(note)
    with FakeKernel() as kernel:
        first = kernel.ask(agent, "bread")
        again = kernel.ask(agent, "bread", turn=first.turn)
        assert (again.text, len(kernel.memory.items)) == ("Noted", 2)
        kernel.ask(agent, "bread")
        assert len(kernel.memory.items) == 4


PROGRAM = """
import os
from aion_sdk import Agent
agent = Agent()
@agent.turn
def answer(turn):
    assert "AION_BOOT_FD" not in os.environ
    if turn.text == "stop":
        os.kill(os.getpid(), 15)
    return turn.text * 2
agent.run()
"""


def test_a_program_of_its_own_answers_and_ends_on_sigterm():
    command = [sys.executable, "-c", PROGRAM]
    env = {"PYTHONPATH": f"{PACKAGE}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    with FakeKernel() as kernel:
        assert kernel.run(command, "ab", env=env).text == "abab"
        assert kernel.run(command, "stop", env=env).failed == "the program exited with code 143"


def test_a_function_that_answers_leaves_no_tool_without_effect():
    with pytest.raises(ValueError, match="no effect"):
        Agent("You add.").turn(unanswered)
    with pytest.raises(ValueError, match="no effect"):
        answering(unanswered).tool(add)


def test_a_program_that_no_node_started_says_so(monkeypatch):
    monkeypatch.delenv("AION_BOOT_FD", raising=False)
    with pytest.raises(RuntimeError, match="is started by a node"):
        Agent().run()


def test_turns_that_await_share_an_event_loop_that_none_can_end():
    agent, loops = Agent(), []

    @agent.turn
    async def answer(turn: AsyncTurn) -> str:
        loops.append(asyncio.get_running_loop())
        if turn.text == "end":
            sys.exit(3)
        return "Here."

    with FakeKernel() as kernel:
        assert kernel.ask(agent, "one").text == "Here."
        with pytest.raises(RuntimeError, match="end"):
            kernel.ask(agent, "end")
        assert kernel.ask(agent, "two").text == "Here."
    assert len(set(loops)) == 1
