"""The clients against the fake kernel: what is tried again, and what is read and written."""

import asyncio
import logging

import pytest

from aion_sdk import AsyncSyscallClient, AsyncTurn, Boot, Item, Refused, SyscallClient, Turn
from aion_sdk._core import files as whole_files
from aion_sdk._core import session as calls
from aion_sdk.testing import FakeKernel, says


@pytest.fixture
def kernel():
    with FakeKernel() as it:
        yield it


@pytest.fixture
def turn(kernel):
    boot = Boot.of(kernel.begin("Hi"))
    with SyscallClient(boot, kernel.socket) as client:
        yield Turn(boot, client)


@pytest.mark.parametrize("code", ["overloaded", "restarting", "stale"])
def test_what_passes_by_itself_is_tried_again(kernel, turn, code):
    kernel.refuse("memory.remember", code, times=2)
    turn.memory.remember("bread")
    assert [it.text for it in turn.memory.recall()] == ["bread"]


@pytest.mark.parametrize("code", ["denied", "quota-exceeded", "outcome-unknown", "internal"])
def test_another_refusal_stands(kernel, turn, code):
    kernel.refuse("memory.remember", code)
    with pytest.raises(Refused) as refused:
        turn.memory.remember("bread")
    assert refused.value.code == code
    assert not turn.memory.recall()


def test_an_answer_that_is_lost_is_asked_for_again_and_nothing_is_done_twice(kernel, turn):
    kernel.hang_up("memory.remember")
    turn.memory.remember("bread")
    assert len(turn.memory.recall()) == 1
    # The same again is another effect.
    turn.memory.remember("bread")
    assert len(turn.memory.recall()) == 2


def test_a_refusal_for_longer_than_it_waits_is_given_at_once(kernel, turn):
    kernel.refuse("sys.null", "overloaded", retry_after_ms=3_600_000)
    with pytest.raises(Refused) as refused:
        turn.syscalls.call("sys.null")
    assert refused.value.retry_after == 3600


def test_a_node_that_stays_away_is_given_up(monkeypatch, tmp_path):
    monkeypatch.setattr(calls, "PATIENCE_S", 0.0)
    boot = Boot.of({"agent": "default/a", "turn": 7, "key": "07" * 32, "input": {}})
    with SyscallClient(boot, str(tmp_path / "none.sock")) as client, pytest.raises(Refused) as refused:
        client.call("sys.null")
    assert refused.value.code == "unreachable"


def test_memory_is_searched_listed_and_forgotten(turn):
    ids = turn.memory.remember_all(["The key is under the mat", Item("Bread", id="b", collection="food")])
    found = turn.memory.recall("mat")
    assert [it.text for it in found] == ["The key is under the mat"]
    assert found.method == "lexical" and found[0].id == ids[0]
    assert turn.memory.recall().method == "listing"
    assert turn.memory.forget(ids[0]) == 1
    assert turn.memory.forget_collection("food") == 1


def test_files_are_read_and_written_whole(turn, monkeypatch):
    monkeypatch.setattr(whole_files, "MAX_CHUNK", 3)
    monkeypatch.setattr(whole_files, "MAX_ENTRIES", 1)
    assert turn.files.write("output", "a/long.txt", "0123456789") == 10
    assert turn.files.read_text("output", "a/long.txt") == "0123456789"
    assert turn.files.write("output", "a/empty.txt", b"") == 0
    assert turn.files.read("output", "a/empty.txt") == b""
    listed = turn.files.list("output", "a")
    assert [(it.path, it.size) for it in listed] == [("a/empty.txt", 0), ("a/long.txt", 10)]
    with pytest.raises(Refused) as refused:
        turn.files.write("output", "a/long.txt", b"x", mode="create-new")
    assert refused.value.code == "already-exists"


def test_a_file_that_changes_while_it_is_read_is_read_from_its_start(kernel, turn, monkeypatch):
    monkeypatch.setattr(whole_files, "MAX_CHUNK", 4)
    turn.files.write("output", "a.txt", b"old words")
    read, path = kernel._files.read, kernel._mounts["output"].folder / "a.txt"

    def changing(body):
        part = read(body)
        if body["offset"] == 0:
            path.write_bytes(b"new words")
        return part

    monkeypatch.setattr(kernel._files, "read", changing)
    assert turn.files.read("output", "a.txt") == b"new words"


START = {"event": "start", "model": "m", "leftOut": ["tools"]}
END = {"event": "end", "finish": "stop", "usage": {"inputTokens": 2, "outputTokens": 1}}


def delta(text):
    return {"event": "delta", "text": text}


def test_an_answer_has_the_shape_of_openais_and_nothing_is_lost(kernel, turn):
    call = {"event": "toolCall", "id": "1", "name": "add", "arguments": "{}"}
    thought = delta("I think"), {"event": "withdrawn"}
    kernel.replies.append(says(START, *thought, delta("Yes"), call, {"event": "new"}, END))
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Is "}, {"type": "text", "text": "it?"}]},
    ]
    answer = turn.model.chat.completions.create(messages=messages, max_tokens=9, temperature=0.7)
    choice = answer.choices[0]
    assert (choice.message.content, choice.finish_reason) == ("Yes", "stop")
    assert choice.message.tool_calls[0].function.name == "add"
    assert answer.left_out == ("tools",) and answer.usage.total_tokens == 3
    asked = kernel.requests[0]
    assert (asked["maxTokens"], asked["temperatureMilli"]) == (9, 700)
    assert asked["messages"][:2] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Is it?"}]
    kernel.replies.append("More.")
    turn.model.chat.completions.create(messages=[choice.message, {"role": "tool", "tool_call_id": "1", "content": "2"}])
    assert kernel.requests[1]["messages"][1] == {"role": "tool", "content": "2", "toolCallId": "1"}


def test_vectors_have_the_shape_of_openais(kernel, turn):
    made = turn.model.embeddings.create(input=["a dog barks", "a dog barks", "cats"], dimensions=8)
    assert [it.index for it in made.data] == [0, 1, 2] and made.model == "fake/scripted"
    assert made.data[0].embedding == made.data[1].embedding != made.data[2].embedding
    assert len(made.data[2].embedding) == 8 and sum(made.data[0].embedding) == 3.0
    assert made.usage.prompt_tokens == made.usage.total_tokens > 0
    assert len(turn.model.embeddings.create(input="one").data) == 1
    many = turn.model.embeddings.create(input=[str(n) for n in range(300)])
    assert [it.index for it in many.data] == list(range(300)) and len(kernel.requests) == 4
    with pytest.raises(Refused) as refused:
        turn.model.embeddings.create(input=["a", ""])
    assert refused.value.code == "bad-request" and len(kernel.requests) == 4


def test_an_answer_streams_and_says_what_is_withdrawn(kernel, turn):
    kernel.replies.append(says(START, delta("Hm"), {"event": "withdrawn"}, delta("Yes"), END))
    with turn.model.chat.completions.create(messages=[{"role": "user", "content": "?"}], stream=True) as stream:
        seen = [(it.choices[0].delta.content, it.withdrawn, it.choices[0].finish_reason) for it in stream]
    said = [(None, False, None), ("Hm", False, None), (None, True, None), ("Yes", False, None), (None, False, "stop")]
    assert seen == said
    assert stream.text == "Yes" and stream.completion().choices[0].message.content == "Yes"


@pytest.mark.parametrize(
    ("events", "code"),
    [
        ((START, delta("Hm")), "outcome-unknown"),
        ((START, {"event": "error", "code": "unreachable", "detail": "gone"}), "unreachable"),
    ],
)
def test_an_answer_that_breaks_off_is_refused(kernel, turn, events, code):
    kernel.replies.append(says(*events))
    with pytest.raises(Refused) as refused:
        turn.model.chat.completions.create(messages=[{"role": "user", "content": "?"}])
    assert refused.value.code == code


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]},
        {"role": "user", "content": "Hi", "name": "me"},
    ],
)
def test_what_a_model_is_not_given_is_refused_and_not_left_out(turn, message):
    with pytest.raises(ValueError, match=r"messages\[0\]"):
        turn.model.chat.completions.create(messages=[message])


def test_notices_go_on_where_the_stream_breaks(kernel, turn):
    kernel.notices = [{"notice": "pressure", "resource": "memory"}]
    kernel.refuse("agent.notices", "restarting")
    heard = turn.notices()
    assert [next(heard)["notice"] for _ in range(2)] == ["pressure", "pressure"]
    heard.close()


def test_the_same_is_there_for_await(kernel):
    boot = Boot.of(kernel.begin("Hi"))
    kernel.hang_up("memory.remember")
    kernel.replies.append("Yes it is")

    async def main():
        async with AsyncSyscallClient(boot, kernel.socket) as client:
            turn = AsyncTurn(boot, client)
            await asyncio.gather(*(turn.memory.remember(f"note {it}") for it in range(5)))
            assert len(await turn.memory.recall("note", k=9)) == 5
            stream = await turn.model.chat.completions.create(messages=[{"role": "user", "content": "?"}], stream=True)
            async with stream:
                said = [it.choices[0].delta.content async for it in stream]
            assert "".join(it for it in said if it) == stream.text == "Yes it is"
            await turn.files.write("output", "a.md", "x" * 9)
            assert await turn.files.read_text("output", "a.md") == "x" * 9

    asyncio.run(main())


def test_no_log_has_the_key(kernel, turn, caplog):
    caplog.set_level(logging.DEBUG)
    kernel.hang_up("sys.null")
    turn.syscalls.call("sys.null")
    assert caplog.text and kernel._run.secret not in caplog.text
    assert kernel._run.secret not in repr(turn) + repr(turn.syscalls)
