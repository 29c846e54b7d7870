"""What happens, and what people are asked, against a stand-in for the gateway: what is taken up again, and what is sent."""

import asyncio
import json
import pickle
from datetime import datetime, timezone

import pytest
from test_gateway import TOKEN, door, gateway

from aion_sdk import AsyncGateway, Event, Gateway, Missed, Refused
from aion_sdk._core.door import Door, Token
from aion_sdk._core.effects import Read, Response, Sleep
from aion_sdk._core.feed import Listening
from aion_sdk._core.sse import Decoder

__all__ = ["door", "gateway"]

APPROVER = "say-yes"
ASKED = {
    "approval": 4,
    "turn": 7,
    "agent": "default/clerk",
    "capability": "tool.call:mail.send",
    "rule": "agent",
    "askedAtMs": 1,
    "untilMs": 2,
    "shown": {"text": '{"arguments":{"to":"Ann"}}', "size": 26},
    "digest": "ab" * 32,
}
YES = {"word": "approved", "scope": "once", "by": "ann", "atMs": 3}
ANSWERED = {**ASKED, "shown": None, "answered": YES}


def listening(at):
    return {"cursor": f"1-{at}", "listening": {}}


def happened(at, state="started"):
    event = {"atMs": 1000 + at, "agent": "default/cat", "kind": "turn", "turn": 7, "state": state}
    return {"cursor": f"1-{at}", "event": event}


def asked_of(approval):
    event = {"kind": "turn", "turn": 7, "state": "asked", "approval": approval, "capability": "tool.call:mail.send"}
    return {"cursor": "1-3", "event": {"atMs": 1003, "agent": "default/cat", **event}}


def told(items):
    return [it.content["state"] if isinstance(it, Event) else it for it in items]


def lines(door):
    return [it[1] for it in door.asked]


def test_a_stream_that_breaks_goes_on_behind_its_cursor_and_each_event_comes_once(door, gateway):
    first = [listening(1), happened(2), {"cursor": "1-5", "missed": {"events": 3, "because": "late"}}]
    restarting = {"code": "restarting", "detail": "back soon", "retryAfterMs": 1}
    later = [{"cursor": "2-9", "missed": {"because": "restarted"}}, listening(9)]
    door.answers += [(200, first), (None, None), (503, restarting), (200, [happened(6, "ended")]), (200, later)]
    with gateway.events(kinds=["turn", "agent"], agents=["cat", "home/dog"]) as stream:
        assert stream.cursor == "1-1", "what happens from here on is told"
        items = [next(stream) for _ in range(4)]
    assert items[0] == Event("1-2", "turn", 1002, "default/cat", {"turn": 7, "state": "started"})
    assert told(items)[1:] == [Missed("1-5", 3, "late"), "ended", Missed("2-9", None, "restarted")]
    asked = "/v1/events?kinds=turn%2Cagent&agents=cat%2Chome%2Fdog"
    assert lines(door) == [asked, *[f"{asked}&after=1-5"] * 3, f"{asked}&after=1-6"]
    assert door.asked[0][2]["accept"] == "text/event-stream"


def test_where_it_stands_is_known_also_where_nothing_is_wanted(door):
    door.answers += [(200, [listening(1), {"cursor": "1-1", "away": {}}, listening(8), happened(9)]), (200, [])]
    with Gateway(door.url, TOKEN, namespace="team").events(after="1-0") as stream:
        assert (stream.cursor, stream.is_away) == ("1-0", False)
        assert next(stream).cursor == stream.cursor == "1-9"
        assert not stream.is_away
    assert lines(door) == ["/v1/events?namespace=team&after=1-0"]


def test_a_node_that_is_away_is_told_at_once_and_a_wrong_filter_too(door, gateway):
    door.answers += [(200, [{"away": {}}]), (400, {"code": "bad-request", "detail": "kinds"})]
    with gateway.events() as stream:
        assert (stream.is_away, stream.cursor) == (True, None)
    with pytest.raises(Refused, match="kinds"):
        gateway.events(kinds=["cats"])
    with pytest.raises(StopIteration):
        next(stream)


def test_events_and_approvals_are_there_for_await(door):
    door.answers += [(200, [listening(1), happened(2)]), (200, [happened(3, "ended")]), (200, {"items": [ASKED], "standing": []})]

    async def main():
        async with AsyncGateway(door.url, TOKEN, approver_token=APPROVER) as gateway:
            async with await gateway.events() as stream:
                assert told([await anext(stream), await anext(stream)]) == ["started", "ended"]
            assert [it.number for it in await gateway.approvals()] == [4]

    asyncio.run(main())


def test_a_list_is_read_to_its_end_page_by_page(door):
    word = {"approval": 5, "agent": "default/clerk", "capability": "tool.call:mail.send", "untilMs": 9, "givenAtMs": 3}
    pages = [
        (200, {"items": [ASKED], "standing": [], "next": "0-1-4"}),
        (200, {"items": [ANSWERED | {"approval": 3}], "standing": [word]}),
    ]
    door.answers += pages * 2
    with Gateway(door.url, TOKEN, approver_token=APPROVER) as gateway:
        assert [it.number for it in gateway.approvals()] == [4, 3]
        assert [it.approval for it in gateway.words()] == [5]
        assert lines(door) == ["/v1/approvals", "/v1/approvals?after=0-1-4"] * 2
        door.answers += [pages[0], pages[0]]
        with pytest.raises(Refused, match="followed by itself"):
            gateway.approvals()


def test_a_list_in_which_nodes_are_missing_is_refused_unless_a_part_will_do(door):
    silent = [{"node": "node-b", "code": "unreachable", "detail": "it told nothing in 5 s"}]
    page = (200, {"items": [ASKED], "standing": [], "silent": silent})
    door.answers += [page] * 3
    with Gateway(door.url, TOKEN) as gateway:
        for listed in (gateway.approvals, gateway.words):
            with pytest.raises(Refused, match="node-b: it told nothing") as refused:
                listed()
            assert (refused.value.code, refused.value.silent) == ("unreachable", ("node-b",))
            assert pickle.loads(pickle.dumps(refused.value)).silent == ("node-b",)
        assert [it.number for it in gateway.approvals(partial=True)] == [4]


def test_a_word_is_for_what_was_shown(door):
    door.answers += [(200, {"items": [ASKED, ANSWERED], "standing": []}), *[(200, ANSWERED)] * 3]
    with Gateway(door.url, TOKEN, approver_token=APPROVER) as gateway:
        first, last = gateway.approvals()
        assert (first.waits, first.arguments) == (True, {"arguments": {"to": "Ann"}})
        assert (last.waits, last.arguments, last.answered.by) == (False, None, "ann")
        assert gateway.approve(first).answered.word == "approved"
        gateway.approve(first, turn=True)
        gateway.approve(first, until=datetime(2027, 1, 1, tzinfo=timezone.utc))
        with pytest.raises(ValueError, match="not both"):
            gateway.approve(first, turn=True, until=datetime.now())
    said = {"turn": 7, "digest": "ab" * 32, "verdict": "approve"}
    until = {"scope": "until", "untilMs": 1798761600000}
    assert [json.loads(it[3]) for it in door.asked[1:]] == [said, said | {"scope": "turn"}, said | until]
    assert all(it[2]["aion-approver"] == APPROVER for it in door.asked)
    assert [it[:2] for it in door.asked[1:2]] == [("POST", "/v1/approvals/4")]


def test_words_are_listed_and_taken_back(door):
    word = {"approval": 4, "agent": "default/clerk", "capability": "tool.call:mail.send", "untilMs": 9, "givenAtMs": 3}
    door.answers += [(200, {"items": [], "standing": [word]}), (204, b"")]
    with Gateway(door.url, TOKEN, approver_token=APPROVER) as gateway:
        (found,) = gateway.words()
        gateway.revoke(found.approval)
    assert door.asked[1][:2] == ("DELETE", "/v1/approvals/4")


def test_an_answer_whose_try_was_lost_is_the_one_that_is_recorded(door, gateway):
    taken = {"code": "already-answered", "detail": "somebody was first"}
    door.answers += [(200, ASKED), (None, None), (409, taken), (200, ANSWERED)]
    asked = gateway.approval(4)
    assert gateway.approve(asked).answered.word == "approved"
    # Somebody else said so, or something else was said.
    door.answers += [(409, taken), (None, None), (409, taken), (200, ANSWERED)]
    for answer in (gateway.approve, gateway.deny):
        with pytest.raises(Refused) as refused:
            answer(asked)
        assert refused.value.code == "already-answered"
    assert not door.answers


def test_a_word_that_is_taken_back_by_a_lost_try_is_taken_back(door, gateway):
    none = {"code": "not-found", "detail": "there is no standing approval"}
    door.answers += [(None, None), (404, none)]
    gateway.revoke(4)
    door.answers += [(404, none)]
    with pytest.raises(Refused, match="there is no standing approval"):
        gateway.revoke(4)


def test_a_word_is_not_believed_of_another_approval(door, gateway):
    taken = {"code": "already-answered", "detail": "somebody was first"}
    none = {"code": "not-found", "detail": "there is no approval 4"}
    door.answers += [(200, ASKED)]
    asked = gateway.approval(4)
    other = {**ANSWERED, "turn": 99, "digest": "ff" * 32}
    for answers, code in [
        ([(None, None), (409, taken), (200, other)], "changed"),
        ([(None, None), (409, taken), (404, none)], "outcome-unknown"),
        ([(None, None), (404, none)], "outcome-unknown"),
        ([(404, none)], "not-found"),
    ]:
        door.answers += answers
        with pytest.raises(Refused) as refused:
            gateway.approve(asked)
        assert refused.value.code == code and not door.answers


@pytest.mark.parametrize("text", ["[1]", "no JSON", "[" * 16_000])
def test_what_is_not_an_object_is_shown_and_has_no_arguments(door, gateway, text):
    door.answers += [(200, {**ASKED, "shown": {"text": text, "size": len(text)}})]
    asked = gateway.approval(4)
    assert (asked.shown, asked.arguments) == (text, None)


def stepped(plan, answers):
    """A plan driven by hand: each connection has one of these answers; how long it slept, and what it came to."""
    slept, effect = [], next(plan)
    try:
        while True:
            if isinstance(effect, Sleep):
                slept.append(effect.seconds)
            found = answers.pop(0) if isinstance(effect, Read) else Response(200, {})
            effect = plan.send(found)
    except StopIteration as end:
        return slept, end.value


def test_a_gateway_that_ends_each_stream_is_asked_ever_less_often(monkeypatch):
    listening_to = Listening(Door(Token(TOKEN)), cursor="1-1")
    frame = b"data: " + json.dumps(happened(2)).encode() + b"\n\n"
    stepped(listening_to.begin(), [])
    slept, item = stepped(listening_to.next(), [b""] * 9 + [frame])
    assert item.cursor == "1-2"
    assert all(5 <= it <= 7.5 for it in slept[5:]) and slept[0] <= 0.3, slept
    slept, _ = stepped(listening_to.next(), [b"", frame])
    assert slept[0] <= 0.3, "it said something"
    # Where nothing is ever said, there is no stream.
    now = iter(range(0, 1_000, 10))
    monkeypatch.setattr("aion_sdk._core.feed.time.monotonic", lambda: next(now))
    with pytest.raises(Refused, match="before it says anything"):
        stepped(Listening(Door(Token(TOKEN))).begin(), [b""] * 99)


def test_a_stream_without_a_cursor_that_breaks_has_missed_something(door, gateway):
    door.answers += [(200, [{"away": {}}]), (200, [listening(4), happened(5)])]
    with gateway.events() as stream:
        assert told([next(stream), next(stream)]) == [Missed(None, None, "unheard"), "started"]
    assert lines(door) == ["/v1/events"] * 2


def test_an_event_that_has_no_end_is_not_held(monkeypatch):
    monkeypatch.setattr("aion_sdk._core.sse.MAX_EVENT", 20)
    decoder = Decoder()
    assert list(decoder.feed(b"data: 1\r\n\r\nda")) == [b"1"]
    assert list(decoder.feed(b"ta: ")) + list(decoder.feed(b"2\n\n")) == [b"2"]
    with pytest.raises(Refused, match="more than 20"):
        for _ in range(9):
            list(decoder.feed(b"data:"))


def test_the_approvers_token_goes_to_approvals_alone_and_is_in_no_text(door, monkeypatch, tmp_path):
    (tmp_path / "approver").write_text(f"{APPROVER}\n")
    monkeypatch.setenv("AION_APPROVER_TOKEN_FILE", str(tmp_path / "approver"))
    door.answers += [(200, {"items": []}), (200, {"items": [], "standing": []})]
    with Gateway(door.url, TOKEN) as gateway:
        gateway.agents()
        gateway.approvals()
        assert APPROVER not in repr(gateway) + repr(gateway._door)
    agents, approvals = (it[2] for it in door.asked)
    assert "aion-approver" not in agents and approvals["aion-approver"] == APPROVER
    monkeypatch.setenv("AION_APPROVER_TOKEN_FILE", str(tmp_path / "none"))
    with pytest.raises(RuntimeError, match="approver"):
        Gateway(door.url, TOKEN)
    monkeypatch.setenv("AION_APPROVER_TOKEN_FILE", "")
    Gateway(door.url, TOKEN).close()
