"""The syscalls of AION-OS, for an agent of runtime `process`, with Python's standard library alone.

The boot document is on the descriptor that AION_BOOT_FD names, the node at /run/aion.sock. docs/process-abi.md says
what both are, docs/syscalls.md what a call is. What an agent does with its turn may not enter.
"""

import contextlib
import hashlib
import hmac
import http.client
import itertools
import json
import os
import random
import socket
import time

SOCKET = "/run/aion.sock"
# Refusals that pass by themselves: the table of docs/process-abi.md.
PASSING = ("overloaded", "restarting", "stale")
# How long a call is tried again while the node is away, restarted or busy.
PATIENCE_S = 30
# Between two tries where the node names no pause.
PAUSE_MS = 200


class Refused(Exception):
    """The node refused a call. `code` is stable, the text is for people."""

    def __init__(self, problem):
        super().__init__(problem.get("detail", "refused"))
        self.code = problem.get("code", "internal")
        self.remedy = problem.get("remedy")


class _Connection(http.client.HTTPConnection):
    """HTTP over the one socket that there is."""

    def __init__(self, path):
        super().__init__("aion")
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self._path)


class Node:
    """One turn: its input, and its calls. One thread makes calls, another may listen to notices."""

    def __init__(self, path=SOCKET):
        self._path = path
        with os.fdopen(int(os.environ["AION_BOOT_FD"]), "rb") as document:
            boot = json.load(document)
        self._key = bytes.fromhex(boot["key"])
        # Each number once, whichever thread takes it.
        self._counter = itertools.count(1)
        self._calls = 0
        self._turn = boot["turn"]
        self.agent = boot["agent"]
        self.text = boot["input"].get("text", "")
        self.files = boot["input"].get("files", [])
        self.checkpoint = boot.get("checkpoint")

    def call(self, syscall, /, **body):
        """Makes the call `syscall`, such as `memory.recall`, and gives its answer.

        Sent again with the same idempotency key while the node is away or busy, so it takes effect once; and by its
        number within the turn, so that nothing is done twice where the turn runs again on another launcher.
        """
        self._calls += 1
        key = f"t{self._turn}.{self._calls}"
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                status, answer = self._once(syscall, json.dumps(body).encode(), key)
            except (OSError, http.client.HTTPException) as lost:
                answer, passes = {"code": "unreachable", "detail": f"the node does not answer: {lost}"}, True
            else:
                if status == 200:
                    return answer
                passes = answer.get("code") in PASSING
            # Never less than the node names, and a random part more: it names the same to others.
            again = answer.get("retryAfterMs", PAUSE_MS) / 1000 * random.uniform(1, 1.5)
            if not passes or time.monotonic() + again > until:
                raise Refused(answer)
            time.sleep(again)

    def notices(self):
        """What the node tells without being asked, as it comes, until the turn ends: `{"notice": "pressure", ...}`.

        For a thread of its own. Opened anew where the daemon was restarted in between.
        """
        while True:
            try:
                connection, response = self._send("agent.notices", b"{}", "")
                with contextlib.closing(connection):
                    if response.status != 200:
                        raise Refused(json.loads(response.read()))
                    for line in response:
                        if line.startswith(b"data: "):
                            yield json.loads(line[6:])
            except (OSError, http.client.HTTPException):
                pass
            except Refused as refused:
                if refused.code not in PASSING:
                    raise
            time.sleep(PAUSE_MS / 1000)

    def _once(self, syscall, body, key):
        connection, response = self._send(syscall, body, key)
        with contextlib.closing(connection):
            return response.status, json.loads(response.read())

    def _send(self, syscall, body, key):
        path = "/v1/" + syscall.replace(".", "/")
        stamp = str(time.time_ns() // 1_000_000)
        counter = str(next(self._counter))
        # The empty line is the deadline, which is left to the node.
        signed = ["AION-HMAC-SHA256-V1", "POST", path, stamp, counter, key, "", hashlib.sha256(body).hexdigest()]
        headers = {
            "content-type": "application/json",
            "aion-timestamp": stamp,
            "aion-counter": counter,
            "aion-signature": hmac.new(self._key, "\n".join(signed).encode(), hashlib.sha256).hexdigest(),
        }
        if key:
            headers["idempotency-key"] = key
        connection = _Connection(self._path)
        try:
            connection.request("POST", path, body, headers)
            return connection, connection.getresponse()
        except BaseException:
            connection.close()
            raise
