"""The client of the gateway against a stand-in: what is sent, and what is followed again. The real one is in
tests/e2e/tests/gateway/sdk.rs."""

import asyncio
import http.server
import json
import logging
import threading

import pytest

from aion_sdk import AsyncGateway, Gateway, Refused

TOKEN = "open-sesame"
QUEUED = {"event": "queued", "turn": 7}
STARTED = {"event": "started", "incarnation": 1}
ENDED = {"event": "ended", "ok": True}
RECORD = {"turn": 7, "agent": "default/cat", "input": "A name?", "answer": "Felix.", "outcome": {"ok": True}}


def delta(text):
    return {"event": "delta", "text": text}


class Door:
    """Gives its answers one after another, and keeps what it was asked."""

    def __init__(self):
        self.answers, self.asked = [], []
        door = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                door.asked.append((self.command, self.path, dict(self.headers.items()), body))
                status, said = door.answers.pop(0)
                if status is None:
                    self.close_connection = True
                    return
                if isinstance(said, list):
                    said = b"".join(b"data: " + json.dumps(it).encode() + b"\n\n" for it in said)
                elif not isinstance(said, bytes):
                    said = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            do_GET = do_POST = do_DELETE = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads, self.server.block_on_close = True, False
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"


@pytest.fixture
def door():
    it = Door()
    yield it
    it.server.shutdown()
    it.server.server_close()


@pytest.fixture
def gateway(door):
    with Gateway(door.url, TOKEN) as it:
        yield it


def test_a_question_is_asked_under_a_key_and_its_record_is_the_answer(door, gateway):
    door.answers += [(None, None), (200, [QUEUED, STARTED, delta("Felix."), ENDED]), (200, RECORD)]
    answer = gateway.ask("A name?", "cat", deadline=2.5)
    assert (answer.text, answer.ok, answer.turn) == ("Felix.", True, 7)
    lost, asked, kept = door.asked
    assert lost[1] == asked[1] == "/v1/agents/cat/turns" and kept[1] == "/v1/turns/7"
    # Under the same key it is the same turn, whether the first try arrived or not.
    assert lost[2]["idempotency-key"] == asked[2]["idempotency-key"]
    assert asked[2]["authorization"] == f"Bearer {TOKEN}"
    assert json.loads(asked[3]) == {"input": "A name?", "deadlineMs": 2500}


def test_a_stream_that_breaks_is_followed_again_and_each_event_comes_once(door, gateway):
    routed = {"event": "routed", "routed": {"name": "cat"}}
    first, second = [QUEUED, STARTED, delta("Fe")], [QUEUED, STARTED, delta("Fe"), delta("lix."), ENDED]
    restarting = {"code": "restarting", "detail": "back soon", "retryAfterMs": 1}
    killed = {"code": "unreachable", "detail": "nothing answers at node.sock", "retryAfterMs": 1}
    interrupted = {"event": "interrupted", **restarting}
    door.answers += [(200, [routed, *first, interrupted]), (503, restarting), (502, killed), (200, second), (200, RECORD)]
    with gateway.stream("A name?") as stream:
        assert list(stream) == [routed, *second]
        assert (stream.turn, stream.text) == (7, "Felix.")
        assert stream.answer().routed == {"name": "cat"}
    assert [it[1] for it in door.asked] == ["/v1/ask", *["/v1/turns/7/events"] * 3, "/v1/turns/7"]


def test_a_run_that_begins_anew_tells_its_answer_from_the_start(door, gateway):
    door.answers.append((200, [QUEUED, STARTED, delta("Fe"), STARTED, delta("Felix."), ENDED]))
    stream = gateway.follow(7)
    assert len(list(stream)) == 6 and stream.text == "Felix."


def test_what_is_refused_says_what_to_do(door, gateway):
    problem = {"code": "undecided", "detail": "two could be meant", "candidates": [{"name": "cat"}]}
    door.answers.append((422, problem))
    with pytest.raises(Refused) as refused:
        gateway.ask("A name?")
    assert refused.value.code == "undecided" and refused.value.candidates[0]["name"] == "cat"
    why = {"code": "unanswered", "detail": "no idea"}
    failed = {**RECORD, "answer": None, "outcome": {"ok": False, "problem": why}}
    door.answers += [(200, [QUEUED, {"event": "ended", "ok": False}]), (200, failed)]
    answer = gateway.ask("A name?", "cat")
    with pytest.raises(Refused, match="no idea"):
        print(answer.text)


def test_files_go_in_and_out(door, gateway, tmp_path):
    (tmp_path / "a b.csv").write_bytes(b"1,2")
    door.answers += [(200, {"upload": "u1"}), (200, {"upload": "u2"})]
    door.answers += [(200, [QUEUED, ENDED]), (200, RECORD), (200, b"\x00")]
    gateway.ask("Read", "cat", files=[tmp_path / "a b.csv", ("c.csv", b"3")])
    assert door.asked[0][1] == "/v1/agents/cat/uploads?name=a+b.csv" and door.asked[0][3] == b"1,2"
    assert json.loads(door.asked[2][3])["uploads"] == ["u1", "u2"]
    assert gateway.file(7, "plots/a b.png") == b"\x00"
    assert door.asked[4][1] == "/v1/turns/7/files/plots/a%20b.png"
    with pytest.raises(ValueError, match="name it"):
        gateway.ask("Read", files=[("c.csv", b"3")])


def test_agents_are_listed_over_all_pages_and_turns_are_cancelled(door, gateway):
    cat = {"namespace": "default", "name": "cat", "ready": True, "try": ["A name?"], "tools": ["kit"]}
    dog = {"namespace": "default", "name": "dog", "ready": False, "message": "no model"}
    door.answers += [(200, {"items": [cat], "next": "default/cat"}), (200, {"items": [dog]}), (200, RECORD), (200, cat)]
    found = gateway.agents()
    assert [(it.name, it.ready, it.message, it.examples) for it in found] == [
        ("cat", True, None, ("A name?",)),
        ("dog", False, "no model", ()),
    ]
    assert (found[0].tools, found[1].labels) == (("kit",), {})
    gateway.cancel(7)
    assert (gateway.agent("cat").name, door.asked[2][:2]) == ("cat", ("DELETE", "/v1/turns/7"))


def test_the_same_is_there_for_await(door):
    door.answers += [(200, [QUEUED, delta("Fe")]), (200, [QUEUED, delta("Fe"), ENDED]), (200, RECORD)]

    async def main():
        async with AsyncGateway(door.url, TOKEN) as gateway:
            async with await gateway.stream("A name?", "cat") as stream:
                assert [it["event"] async for it in stream] == ["queued", "delta", "ended"]
                assert (await stream.answer()).text == "Felix."

    asyncio.run(main())


def test_where_it_is_and_its_token_come_from_the_environment(door, monkeypatch, tmp_path):
    monkeypatch.setenv("AION_GATEWAY_URL", door.url)
    monkeypatch.setenv("AION_GATEWAY_TOKEN_FILE", str(tmp_path / "token"))
    with pytest.raises(RuntimeError, match="aionctl local start"):
        Gateway()
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    door.answers.append((200, RECORD))
    with Gateway() as gateway:
        assert gateway.turn(7).text == "Felix."
    assert door.asked[0][2]["authorization"] == f"Bearer {TOKEN}"


def test_no_log_has_the_token(door, gateway, caplog):
    caplog.set_level(logging.DEBUG)
    door.answers.append((200, RECORD))
    gateway.turn(7)
    assert caplog.text and TOKEN not in caplog.text + repr(gateway) + repr(gateway._door)
