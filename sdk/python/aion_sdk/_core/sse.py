"""Reading `text/event-stream`: bytes in, the data of events out."""

from __future__ import annotations

from collections.abc import Iterator

from .refused import Refused

# An event is held whole; a turn's answer is much smaller.
MAX_EVENT = 32 * 1024 * 1024


class Decoder:
    """Takes bytes as they come, cut anywhere, and gives the data of each whole event."""

    def __init__(self) -> None:
        # Parts of a line that has not ended: they are not looked through again.
        self._rest: list[bytes] = []
        self._data: list[bytes] = []
        # Bytes since the last event's end.
        self._held = 0

    def feed(self, more: bytes) -> Iterator[bytes]:
        """The events that end in these bytes. Names, ids and comments are passed over."""
        lines = more.split(b"\n")
        self._held += len(more)
        if self._held > MAX_EVENT:
            raise Refused("too-large", f"an event has more than {MAX_EVENT} bytes")
        if len(lines) > 1:
            lines[0] = b"".join([*self._rest, lines[0]])
            self._rest = []
        self._rest.append(lines.pop())
        for line in lines:
            line = line.removesuffix(b"\r")
            if not line:
                if self._data:
                    yield b"\n".join(self._data)
                self._data, self._held = [], 0
            elif line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
