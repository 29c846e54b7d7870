"""`FakeKernel`: the syscalls of one agent on a real Unix socket."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from .._core.boot import DESCRIPTOR_VARIABLE, SOCKET_VARIABLE, Boot
from .._core.refused import Refused
from .._core.schema import BadArguments, FunctionTool
from .._core.signing import Key, canonical
from ..agent import Agent
from .agents import Agents, Other
from .drivers import Files, Memory, Mount
from .model import Reply, events, vectors
from .server import Answered, Server
from .shapes import SHAPES, bad

MAX_BODY = 1024 * 1024
MAX_AGE_MS, MAX_AHEAD_MS = 30_000, 1_000
# How many outcomes are kept for calls that are made again.
KEPT = 256
_HANG_UP: Final = "hang up"


@dataclass
class Asked:
    """What became of a turn, as its caller sees it."""

    turn: int
    #: The program ended well, and said an answer.
    ok: bool = False
    text: str | None = None
    #: Why there is none.
    failed: str | None = None
    deltas: list[str] = field(default_factory=list)
    progress: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    #: What was written to the mount `output`.
    files: dict[str, bytes] = field(default_factory=dict)
    #: The syscalls that took effect or were answered, in order.
    calls: list[str] = field(default_factory=list)
    #: What a program of its own wrote to standard error.
    log: str = ""


class _Run:
    """One run of the instance: its key, and the counters that it used."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.secret = os.urandom(32).hex()
        self.key = Key(self.secret)
        self.used: set[int] = set()


class FakeKernel:
    """Answers an agent's syscalls: verifies each, keeps memory and files, and has a model say what it is told.

    ```python
    with FakeKernel(replies=["Hello."]) as kernel:
        assert kernel.ask(agent, "Hi").text == "Hello."
    ```
    """

    def __init__(
        self,
        *,
        replies: Iterable[Reply] = (),
        tools: Mapping[str, Callable[..., Any]] | None = None,
        mounts: Mapping[str, Mount] | None = None,
        agents: Mapping[str, Other] | None = None,
        agent: str = "default/test",
    ) -> None:
        self.agent = agent
        #: What the model says next; a function is given the request.
        self.replies: deque[Reply] = deque(replies)
        #: What the model was asked.
        self.requests: list[dict[str, Any]] = []
        self.memory = Memory()
        self.checkpoint: str | None = None
        #: What a program is told that listens.
        self.notices: list[dict[str, Any]] = []
        self._tools = {name: FunctionTool(function) for name, function in (tools or {}).items()}
        self._agents = Agents(agents or {})
        self._folder = tempfile.TemporaryDirectory(prefix="aion-")
        root = Path(self._folder.name)
        self._mounts = {"input": Mount(root / "input"), "output": Mount(root / "output", True), **(mounts or {})}
        for own in ("input", "output"):
            self._mounts[own].folder.mkdir(exist_ok=True)
        self._files = Files(self._mounts)
        self.socket = str(root / "aion.sock")
        self._lock = threading.RLock()
        self._run: _Run | None = None
        self._turns = 0
        self._recorded: dict[str, tuple[bytes, bytes, _Run]] = {}
        self._faults: dict[str, deque[Refused | Literal["hang up"]]] = {}
        self._server = Server(self.socket, self._answered)

    def __enter__(self) -> FakeKernel:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
        self._folder.cleanup()

    def ask(
        self,
        agent: Agent,
        text: str,
        *,
        files: Mapping[str, bytes] | None = None,
        turn: int | None = None,
        message_id: str | None = None,
    ) -> Asked:
        """Has an agent answer in this process. With `turn`, one that was begun runs again: its steps are not redone.
        `message_id` is what the caller calls the question."""
        run, boot = self._begin(text, files or {}, turn, message_id)
        status = agent.answer(Boot.of(boot), self.socket)
        return self._end(run, status)

    def run(
        self,
        command: Sequence[str],
        text: str,
        *,
        files: Mapping[str, bytes] | None = None,
        turn: int | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Asked:
        """Has a program answer, in any language: a process of its own, with the boot document on a descriptor."""
        run, boot = self._begin(text, files or {}, turn)
        read, write = os.pipe()
        try:
            with os.fdopen(write, "w") as document:
                json.dump(boot, document)
            around = {**os.environ, **(env or {}), DESCRIPTOR_VARIABLE: str(read), SOCKET_VARIABLE: self.socket}
            ended = subprocess.run(
                command, pass_fds=[read], env=around, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
            )
        finally:
            os.close(read)
        run.asked.log = ended.stderr.decode(errors="replace")
        return self._end(run, ended.returncode)

    def begin(self, text: str, *, files: Mapping[str, bytes] | None = None) -> dict[str, Any]:
        """Begins a turn, and gives its boot document: for tests that make calls themselves. The next turn ends it."""
        return self._begin(text, files or {}, None)[1]

    def refuse(self, syscall: str, code: str, *, times: int = 1, retry_after_ms: int = 1) -> None:
        """Refuses the next calls, before anything is done."""
        refused = Refused(code, "the test refuses it", retry_after=retry_after_ms / 1000)
        self._faults.setdefault(syscall, deque()).extend([refused] * times)

    def hang_up(self, syscall: str, *, times: int = 1) -> None:
        """Loses the next answers, after what was asked for is done."""
        self._faults.setdefault(syscall, deque()).extend([_HANG_UP] * times)

    def _begin(
        self, text: str, files: Mapping[str, bytes], turn: int | None, message_id: str | None = None
    ) -> tuple[_Run, dict[str, Any]]:
        for name, data in files.items():
            (self._mounts["input"].folder / name).write_bytes(data)
        with self._lock:
            self._turns = max(self._turns, turn or 0) if turn else self._turns + 1
            number = turn or self._turns
            run = self._run = _Run(Asked(number))
        given = [{"mount": "input", "path": name} for name in files]
        boot: dict[str, Any] = {
            "instance": "00000000-0000-0000-0000-000000000000",
            "incarnation": self._turns,
            "turn": number,
            "agent": self.agent,
            "key": run.secret,
            "input": {"text": text, "files": given},
            "turnMs": 300_000,
        }
        if message_id is not None:
            boot["input"]["messageId"] = message_id
        if self.checkpoint is not None:
            boot["checkpoint"] = self.checkpoint
        return run, boot

    def _end(self, run: _Run, status: int) -> Asked:
        with self._lock:
            self._run = None
        asked = run.asked
        if asked.failed is None:
            if status:
                asked.failed = f"the program exited with code {status}"
            elif asked.text is None:
                asked.failed = "the program ended without an answer"
        asked.ok = asked.failed is None
        top = self._mounts["output"].folder
        asked.files = {it.relative_to(top).as_posix(): it.read_bytes() for it in top.rglob("*") if it.is_file()}
        return asked

    def _answered(self, path: str, headers: Mapping[str, list[str]], body: bytes) -> Answered | None:
        """The status, media type and body of an answer; none to hang up."""
        with self._lock:
            try:
                return self._answer(path, headers, body)
            except Refused as refused:
                problem = json.dumps(refused.problem()).encode()
                return Answered(refused.status, "application/problem+json", problem)

    def _answer(self, path: str, headers: Mapping[str, list[str]], body: bytes) -> Answered | None:
        syscall = path.removeprefix("/v1/").replace("/", ".")
        if not path.startswith("/v1/") or (syscall not in SHAPES and syscall != "agent.notices"):
            raise Refused("unknown-syscall", f"{path} is not a syscall")
        key, run = self._verified(path, headers, body)
        if len(body) > MAX_BODY:
            raise Refused("too-large", f"a body has at most {MAX_BODY} bytes")
        faults = self._faults.get(syscall)
        fault = faults.popleft() if faults else None
        if isinstance(fault, Refused):
            raise fault
        if syscall == "agent.notices":
            said = (b"data: " + json.dumps(it).encode() + b"\n\n" for it in self.notices)
            return Answered(200, "text/event-stream", b"".join(said))
        before = key in self._recorded
        answer = self._recorded_or_done(syscall, key, body, run)
        kind = "text/event-stream" if syscall == "model.chat" else "application/json"
        return None if fault is _HANG_UP else Answered(200, kind, answer, recorded=before)

    def _recorded_or_done(self, syscall: str, key: str | None, body: bytes, run: _Run) -> bytes:
        digest = hashlib.sha256(syscall.encode() + body).digest()
        if key is not None and key in self._recorded:
            before, answer, by = self._recorded[key]
            if before != digest:
                raise Refused("idempotency-mismatch", f"the key {key} was used with another body")
            # To a turn that runs again what was said is said again; what was done is not done again.
            if syscall == "agent.message" and by is not run:
                self._recorded[key] = before, answer, run
                self._said(json.loads(body), run)
            return answer
        try:
            asked = json.loads(body)
        except ValueError as error:
            raise bad(f"the body is not JSON: {error}") from None
        if syscall == "agent.checkpoint" and len(str(asked.get("state", ""))) > 256 * 1024:
            raise Refused("too-large", "a checkpoint has at most 262144 bytes")
        SHAPES[syscall](asked, "")
        answer = self._done(syscall, asked, run)
        run.asked.calls.append(syscall)
        if key is not None:
            self._recorded[key] = digest, answer, run
            while len(self._recorded) > KEPT:
                del self._recorded[next(iter(self._recorded))]
        return answer

    def _verified(self, path: str, headers: Mapping[str, list[str]], body: bytes) -> tuple[str | None, _Run]:
        """The idempotency key and the run of a request that its run signed."""
        signed = ("aion-timestamp", "aion-counter", "aion-signature", "idempotency-key", "aion-deadline-ms")
        for name in signed:
            if len(headers.get(name, ())) > 1:
                raise bad(f"header {name} is there more than once")
        for name in signed[:3]:
            if name not in headers:
                raise Refused("bad-signature", f"header {name} is missing")
        given = {name: headers[name][0] for name in signed if name in headers}
        stamp, counter = _number("aion-timestamp", given), _number("aion-counter", given)
        deadline = _number("aion-deadline-ms", given) if "aion-deadline-ms" in given else None
        key = given.get("idempotency-key")
        if key is not None and not (1 <= len(key) <= 64 and all("!" <= it <= "~" for it in key)):
            raise bad("header idempotency-key takes 1 to 64 visible ASCII characters")
        run = self._run
        if run is None:
            raise Refused("not-running", "no turn runs", remedy="start a new turn")
        if not run.key.verifies(canonical(path, stamp, counter, key, deadline, body), given["aion-signature"]):
            raise Refused("bad-signature", "the signature is not of this key and request")
        age = time.time_ns() // 1_000_000 - stamp
        if not -MAX_AHEAD_MS <= age <= MAX_AGE_MS:
            raise Refused("stale", "timestamp is too old or ahead")
        if counter == 0 or counter in run.used:
            raise Refused("replayed", "counter was used before")
        run.used.add(counter)
        return key, run

    def _done(self, syscall: str, body: dict[str, Any], run: _Run) -> bytes:
        if syscall == "model.chat":
            said = events(self._reply(), body)
            self.requests.append(body)
            return b"".join(b"data: " + json.dumps(it).encode() + b"\n\n" for it in said)
        answer: dict[str, Any] = {}
        if syscall == "model.embed":
            answer = vectors(body)
            self.requests.append(body)
        elif syscall == "tool.list":
            answer = {"tools": [{**it.spec.wire(), "name": name} for name, it in self._tools.items()]}
        elif syscall == "tool.call":
            answer = self._called(body)
        elif syscall.startswith("memory."):
            answer = getattr(self.memory, syscall.removeprefix("memory."))(body)
        elif syscall.startswith("fs."):
            answer = getattr(self._files, syscall.removeprefix("fs."))(body)
        elif syscall == "agent.checkpoint":
            self.checkpoint = body["state"]
        elif syscall == "agent.message":
            self._said(body, run)
        elif syscall in ("agent.ask", "agent.spawn"):
            self._turns += 1
            ended = self._agents.begin(body, run.asked.turn, self._turns)
            answer = ended if syscall == "agent.ask" else {"turn": ended["turn"]}
        elif syscall in ("agent.wait", "agent.cancel"):
            ended = self._agents.ended(body, run.asked.turn)
            answer = ended if syscall == "agent.wait" else {}
        return json.dumps(answer).encode()

    def _reply(self) -> Reply:
        if not self.replies:
            remedy = "give FakeKernel more replies"
            raise Refused("unreachable", "the scripted model has nothing more to say", remedy=remedy)
        return self.replies.popleft()

    def _called(self, body: Mapping[str, Any]) -> dict[str, Any]:
        tool = self._tools.get(body["name"])
        if tool is None:
            raise Refused("denied", f"tool.call {body['name']}: no rule allows it")
        try:
            result = tool.function(**tool.arguments(json.dumps(body.get("arguments") or {})))
        except BadArguments as why:
            raise bad(str(why)) from None
        except Exception as error:
            return {"text": str(error), "isError": True}
        if isinstance(result, str):
            return {"text": result, "isError": False}
        return {"text": json.dumps(result), "structured": result, "isError": False}

    def _said(self, body: Mapping[str, Any], run: _Run) -> None:
        asked, text = run.asked, body["text"]
        if asked.text is not None or asked.failed is not None:
            raise bad("the turn's output has ended with its answer")
        if body["kind"] == "final":
            asked.text = text
        elif body["kind"] == "failed":
            asked.failed = text
        elif body["kind"] == "leftOut":
            asked.left_out.append(text)
        else:
            place = {"delta": asked.deltas, "progress": asked.progress, "notice": asked.notices}
            place[body["kind"]].append(text)


def _number(name: str, given: Mapping[str, str]) -> int:
    text = given[name]
    if not (text.isascii() and text.isdigit()) or (text[0] == "0" and text != "0") or int(text) >= 2**64:
        raise bad(f"header {name} is not a number in decimal digits")
    return int(text)
