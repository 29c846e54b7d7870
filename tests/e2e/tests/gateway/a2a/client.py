"""The SDK of A2A for Python, as it comes: `python3 client.py BASE TOKEN WHAT`, where BASE is an agent's address."""

import asyncio
import json
import sys
import uuid

import httpx
from jwt import PyJWK

from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
from a2a.client.errors import A2AClientError, AgentCardResolutionError
from a2a.types import (
    CancelTaskRequest,
    GetTaskRequest,
    ListTasksRequest,
    Message,
    Part,
    Role,
    SendMessageRequest,
    SubscribeToTaskRequest,
    TaskPushNotificationConfig,
    TaskState,
)
from a2a.utils import errors
from a2a.utils.signing import InvalidSignaturesError, create_signature_verifier

BASE, TOKEN, WHAT = sys.argv[1:]
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
BINDINGS = ["JSONRPC", "HTTP+JSON"]


def key(kid, jku):
    keys = httpx.get(jku, headers=HEADERS).json()["keys"]
    return next(PyJWK(it) for it in keys if it["kid"] == kid)


def verifies(card):
    create_signature_verifier(key, ["EdDSA"])(card)


def client(http, card, binding, **more):
    config = ClientConfig(httpx_client=http, supported_protocol_bindings=[binding], **more)
    return ClientFactory(config).create(card)


def question(*parts, **more):
    parts = parts or [Part(text="A name for a cat?")]
    message = {"message_id": str(uuid.uuid4()), "role": Role.ROLE_USER, "parts": parts} | more
    return SendMessageRequest(message=Message(**message))


async def refused(kind, asked, *words):
    try:
        # A stream, or one answer.
        if hasattr(asked, "__aiter__"):
            async for _ in asked:
                pass
        else:
            await asked
    except kind as why:
        said = str(why)
        for word in words:
            assert word in said, said
        return why
    raise AssertionError(f"it was taken, and not refused as {kind}")


def text(artifacts):
    return "".join(part.text for it in artifacts if it.artifact_id == "answer" for part in it.parts)


async def only(stream):
    events = [it async for it in stream]
    assert len(events) == 1, events
    return events[0].task


async def card_of(http):
    card = await A2ACardResolver(http, BASE).get_agent_card(signature_verifier=verifies)
    assert card.name == "jarvis" and card.capabilities.streaming, card
    assert not card.capabilities.push_notifications, card
    assert [it.protocol_binding for it in card.supported_interfaces] == BINDINGS, card
    assert {it.url for it in card.supported_interfaces} == {BASE}, card
    assert card.skills[0].description == card.description and card.skills[0].tags, card
    # Whatever is changed in it is noticed.
    other = type(card)()
    other.CopyFrom(card)
    other.supported_interfaces[0].url = "http://127.0.0.1:1"
    try:
        verifies(other)
    except InvalidSignaturesError:
        return card
    raise AssertionError("another card has the same signature")


async def ask(http, card, binding):
    whole = client(http, card, binding, streaming=False)
    asked = question()
    task = await only(whole.send_message(asked))
    assert task.status.state == TaskState.TASK_STATE_COMPLETED, task
    assert text(task.artifacts) == "Felix is a good name.", task
    assert task.context_id and task.metadata["turn"] == int(task.id), task
    # The same message is the same task.
    assert await only(whole.send_message(asked)) == task
    assert await whole.get_task(GetTaskRequest(id=task.id, history_length=1)) == task
    # A context that the client names, also of an earlier task, is the task's.
    for context in ["my-context", task.context_id]:
        named = await only(whole.send_message(question(context_id=context)))
        assert named.context_id == context and named.id != task.id, named
        assert await whole.get_task(GetTaskRequest(id=named.id)) == named
    # Files are given with the question.
    given = question(Part(text="What is in it?"), Part(raw=b"Tea", filename="list.txt", media_type="text/plain"))
    assert (await only(whole.send_message(given))).status.state == TaskState.TASK_STATE_COMPLETED
    # Streamed, it is told once, the task first and its end last.
    events = [it async for it in client(http, card, binding).send_message(question())]
    assert events[0].HasField("task") and events[-1].HasField("status_update"), events
    assert events[-1].status_update.status.state == TaskState.TASK_STATE_COMPLETED, events
    told = [it.artifact_update for it in events if it.HasField("artifact_update")]
    assert text(it.artifact for it in told) == "Felix is a good name.", events
    assert [it.append for it in told] == [False] + [True] * (len(told) - 1), events
    # Whoever does not wait has the task at once.
    polled = await only(client(http, card, binding, streaming=False, polling=True).send_message(question()))
    assert polled.id, polled
    # What has ended is neither followed nor cancelled, and takes no more.
    end = client(http, card, binding).subscribe(SubscribeToTaskRequest(id=task.id))
    await refused(errors.UnsupportedOperationError, end, "has ended")
    await refused(errors.TaskNotCancelableError, whole.cancel_task(CancelTaskRequest(id=task.id)), "has ended")
    await refused(errors.UnsupportedOperationError, whole.send_message(question(task_id=task.id)), "no more")
    mixed = question(task_id=task.id, context_id="another")
    await refused(errors.InvalidParamsError, whole.send_message(mixed), "contextId")
    for id in ["4711", "x", "../1"]:
        why = await refused(errors.A2AError, whole.get_task(GetTaskRequest(id=id)))
        assert isinstance(why, (errors.TaskNotFoundError, errors.MethodNotFoundError)), why
    await refused(errors.TaskNotFoundError, whole.send_message(question(task_id="4711")), "4711")
    # They are listed, the newest first, page by page, of a context or a state.
    listed = await whole.list_tasks(ListTasksRequest(page_size=2))
    assert len(listed.tasks) == listed.page_size == 2 and listed.next_page_token, listed
    all_of_them = list(listed.tasks)
    while listed.next_page_token:
        listed = await whole.list_tasks(ListTasksRequest(page_size=2, page_token=listed.next_page_token))
        all_of_them += listed.tasks
    assert listed.total_size == len(all_of_them) == len({it.id for it in all_of_them}), all_of_them
    assert task.id in {it.id for it in all_of_them}, all_of_them
    times = [it.status.timestamp.ToNanoseconds() for it in all_of_them]
    assert times == sorted(times, reverse=True) and times[-1], times
    assert not any(it.artifacts for it in all_of_them), all_of_them
    mine = await whole.list_tasks(ListTasksRequest(context_id=named.context_id, include_artifacts=True))
    assert list(mine.tasks) and all(it.context_id == named.context_id for it in mine.tasks), mine
    assert all(text(it.artifacts) == "Felix is a good name." for it in mine.tasks), mine
    assert await whole.get_task(GetTaskRequest(id=mine.tasks[0].id)) == mine.tasks[0]
    failed = await whole.list_tasks(ListTasksRequest(status=TaskState.TASK_STATE_FAILED))
    assert not failed.tasks and failed.total_size == 0, failed
    push = TaskPushNotificationConfig(task_id=task.id, url="http://169.254.169.254/")
    asked = whole.create_task_push_notification_config(push)
    await refused(errors.PushNotificationNotSupportedError, asked)
    notified = question()
    notified.configuration.task_push_notification_config.url = "http://169.254.169.254/"
    await refused(errors.PushNotificationNotSupportedError, whole.send_message(notified))
    linked = question(Part(text="?"), Part(url="http://169.254.169.254/"))
    for stream in [False, True]:
        asked = client(http, card, binding, streaming=stream).send_message(linked)
        await refused(errors.ContentTypeNotSupportedError, asked, "message.parts[1].url")


def say(word):
    print(word, flush=True)
    sys.stdin.readline()


async def held(http, card, binding):
    """The model answers at `answer`, each time; `asked` waits until it is asked once more."""
    waiting = client(http, card, binding, streaming=False, polling=True)
    task = await only(waiting.send_message(question()))
    assert task.status.state in (TaskState.TASK_STATE_SUBMITTED, TaskState.TASK_STATE_WORKING), task
    while task.status.state == TaskState.TASK_STATE_SUBMITTED:
        task = await waiting.get_task(GetTaskRequest(id=task.id))
    assert task.status.state == TaskState.TASK_STATE_WORKING, task
    # Two follow it; it is cancelled, and both are told.
    streaming = client(http, card, binding)
    followed = [streaming.subscribe(SubscribeToTaskRequest(id=task.id)) for _ in range(2)]
    say("asked")
    for stream in followed:
        first = await anext(stream)
        assert first.task.id == task.id, first
    cancelled = await waiting.cancel_task(CancelTaskRequest(id=task.id))
    assert cancelled.status.state == TaskState.TASK_STATE_CANCELED, cancelled
    assert cancelled.status.message.metadata["code"] == "cancelled", cancelled
    say("answer")
    for stream in followed:
        last = [it async for it in stream][-1]
        assert last.status_update.status.state == TaskState.TASK_STATE_CANCELED, last


async def broken(http, card, binding):
    """The model says a word at a time. A stream that breaks off between two is taken up again: every word is told once."""
    streaming = client(http, card, binding)
    begun = streaming.send_message(question())
    task = (await anext(begun)).task
    async for it in begun:
        if it.HasField("artifact_update"):
            break
    await begun.aclose()
    again = streaming.subscribe(SubscribeToTaskRequest(id=task.id))
    assert (await anext(again)).task.id == task.id
    events = [it async for it in again]
    told = [it.artifact_update for it in events if it.HasField("artifact_update")]
    assert [it.append for it in told] == [False] + [True] * (len(told) - 1), told
    assert text(it.artifact for it in told) == " ".join(["Felix"] * 40), events
    assert told[-1].last_chunk, told
    assert events[-1].status_update.status.state == TaskState.TASK_STATE_COMPLETED, events


async def strange():
    """Who may not, and what is not there."""
    for base, token, status in [(BASE, "another", 401), (BASE.replace("jarvis", "nobody"), TOKEN, 404)]:
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as http:
            why = await refused(AgentCardResolutionError, A2ACardResolver(http, base).get_agent_card())
            assert why.status_code == status, why
    async with httpx.AsyncClient(headers=HEADERS) as http:
        card = await card_of(http)
    async with httpx.AsyncClient(headers={"Authorization": "Bearer another"}) as http:
        for binding in BINDINGS:
            asked = client(http, card, binding, streaming=False).send_message(question())
            await refused(A2AClientError, asked, "401")


async def main():
    if WHAT == "strange":
        return await strange()
    async with httpx.AsyncClient(headers=HEADERS, timeout=60) as http:
        card = await card_of(http)
        for binding in BINDINGS:
            await {"ask": ask, "held": held, "broken": broken}[WHAT](http, card, binding)


asyncio.run(main())
print("all of it")
