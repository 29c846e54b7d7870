"""HTTP/1.1 over a Unix socket, with what Python's standard library has. What is answered may not enter."""

from __future__ import annotations

import http.server
import socketserver
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class Answered:
    """An answer."""

    status: int
    kind: str
    body: bytes
    #: It is that of an earlier call under the same key.
    recorded: bool = False


Answer = Callable[[str, Mapping[str, list[str]], bytes], Optional[Answered]]


class Server:
    """Answers each request by a function; where that gives none, the connection is closed."""

    def __init__(self, path: str, answer: Answer) -> None:
        self._path, self._answer = path, answer
        self._server: socketserver.BaseServer | None = None

    def start(self) -> None:
        answer = self._answer

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Head and body in one packet.
            wbufsize = -1

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers: dict[str, list[str]] = {}
                for name, value in self.headers.items():
                    headers.setdefault(name.lower(), []).append(value)
                answered = answer(self.path, headers, body)
                if answered is None:
                    self.close_connection = True
                    return
                self.send_response(answered.status)
                self.send_header("content-type", answered.kind)
                self.send_header("content-length", str(len(answered.body)))
                if answered.recorded:
                    self.send_header("aion-outcome", "recorded")
                self.end_headers()
                self.wfile.write(answered.body)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        class Listener(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True
            # Connections that a client keeps open end with the process.
            block_on_close = False

        self._server = Listener(self._path, Handler)
        # It looks so often whether it is to stop.
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
