"""Reading `text/event-stream`: bytes in, the data of events out."""

from __future__ import annotations

from collections.abc import Iterator


class Decoder:
    """Takes bytes as they come, cut anywhere, and gives the data of each whole event."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, more: bytes) -> Iterator[bytes]:
        """The events that end in these bytes. Names, ids and comments are passed over."""
        lines = (self._rest + more).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            line = line.removesuffix(b"\r")
            if not line:
                if self._data:
                    yield b"\n".join(self._data)
                self._data = []
            elif line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
