#!/usr/bin/env python3
"""Makes aion_sdk/aio.py of aion_sdk/blocking.py, word by word: ./make_aio.py. A test holds one against the other."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent / "aion_sdk"
# Names that have a sibling in the other world.
CLIENTS = r"\b((?:Syscall|Memory|Files|Tools|Model)Client|ChatStream|Completions|Transport|Turn)\b"
# Calls that wait.
CALLS = r"(?<!def )(self\.(?:_client\.run|run|syscalls\.run|_transport\.run|_transport\.close|close|_say|read)\()"
# Methods that do not.
PLAIN = r"    def (?!__init__|inherited|completion\b|text\b|__repr__|__iter__)"
SAID = {
    "that block; the steps are in `_core`. `aio` is made of this.": "that await: `blocking`, by make_aio.py.",
    "For a thread of its own.": "For a task of its own.",
    "class Chat:": "class AsyncChat:",
    "self.chat = Chat(": "self.chat = AsyncChat(",
    "Iterator": "AsyncIterator",
    "StopIteration": "StopAsyncIteration",
    "__enter__": "__aenter__",
    "__exit__": "__aexit__",
    "__iter__": "__aiter__",
    "__next__": "__anext__",
    # It passes the other's generator on.
    '    async def notices(self) -> AsyncIterator[dict[str, Any]]:\n        """As': '    def notices(self) -> AsyncIterator[dict[str, Any]]:\n        """As',
}


def made(blocking: str) -> str:
    """The text of aio.py."""
    text = re.sub(CLIENTS, r"Async\1", blocking)
    text = re.sub(PLAIN, "    async def ", text)
    text = re.sub(CALLS, r"await \1", text)
    for one, other in SAID.items():
        text = text.replace(one, other)
    return text


if __name__ == "__main__":
    (HERE / "aio.py").write_text(made((HERE / "blocking.py").read_text()))
