"""Signing, streams and what is made: without a socket."""

import json
import pickle
import re
from pathlib import Path

import pytest

import make_aio
from aion_sdk import Boot, Refused
from aion_sdk._core.refused import STATUS
from aion_sdk._core.session import Session, encoded
from aion_sdk._core.signing import Key, canonical
from aion_sdk._core.sse import Decoder

ROOT = Path(__file__).parents[1]
VECTORS = json.loads((ROOT.parent / "vectors" / "signing.json").read_text())["vectors"]


@pytest.mark.parametrize("vector", VECTORS, ids=[it["name"] for it in VECTORS])
def test_a_request_is_signed_as_the_vectors_say(vector):
    asked = vector["request"]
    text = canonical(
        asked["path"],
        asked["timestampMs"],
        asked["counter"],
        asked["idempotencyKey"],
        asked["deadlineMs"],
        asked["body"].encode(),
    )
    assert text == vector["canonical"]
    key = Key(vector["key"])
    assert key.sign(text) == vector["signature"]
    assert key.verifies(text, vector["signature"]) and not key.verifies(text + "x", vector["signature"])


def test_a_key_is_not_shown():
    secret = "5e" * 32
    boot = Boot.of({"agent": "default/a", "turn": 7, "key": secret, "input": {"text": "Hi"}})
    session = Session(boot.key, 7)
    for shown in (repr(boot), str(boot.key), f"{boot.key!r}", repr(session)):
        assert secret not in shown
    with pytest.raises(TypeError):
        pickle.dumps(boot.key)
    with pytest.raises(ValueError) as wrong:
        Key(secret[:-1])
    assert secret[:-1] not in str(wrong.value)


def test_an_effect_is_named_by_what_it_is_and_the_how_manieth():
    one, other = Session(Key("07" * 32), 7), Session(Key("08" * 32), 7)
    bread, milk = encoded({"text": "bread"}), encoded({"text": "milk"})
    keys = [one.step("agent.message", it) for it in (bread, milk, bread)]
    assert len(set(keys)) == 3
    assert all(it.startswith("t7.") and len(it) <= 64 for it in keys)
    # In another order, as threads have it, each is named the same.
    assert {other.step("agent.message", it) for it in (bread, bread, milk)} == set(keys)
    assert one.step("memory.recall", bread) is None


def test_events_are_read_however_they_are_cut():
    text = ": a comment\r\ndata: {\"a\": 1}\n\nevent: x\ndata:one\ndata: two\n\ndata: cut off".encode()
    for size in range(1, len(text)):
        decoder = Decoder()
        found = [it for at in range(0, len(text), size) for it in decoder.feed(text[at : at + size])]
        assert found == [b'{"a": 1}', b"one\ntwo"]


def test_every_code_has_its_status():
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d+) \|", (ROOT.parents[1] / "docs" / "syscalls.md").read_text(), re.M)
    assert {code: int(status) for code, status in rows} == STATUS


def test_a_refusal_is_read_whatever_its_form():
    refused = Refused.read(503, b'{"code": "overloaded", "detail": "busy", "remedy": "wait", "retryAfterMs": 1500}')
    assert (refused.code, refused.retry_after, refused.passes) == ("overloaded", 1.5, True)
    assert refused.sentence() == "busy; wait"
    again = pickle.loads(pickle.dumps(refused))
    assert (again.code, again.detail, again.retry_after) == ("overloaded", "busy", 1.5)
    assert Refused.read(502, b"<html>").code == "internal"
    assert Refused.read(500, b"[]").status == 500


def test_the_clients_that_await_are_those_that_block():
    package = ROOT / "aion_sdk"
    for blocking, awaiting in make_aio.MODULES.items():
        made = make_aio.made((package / blocking).read_text())
        assert (package / awaiting).read_text() == made, "run ./make_aio.py"
