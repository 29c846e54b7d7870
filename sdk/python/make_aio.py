#!/usr/bin/env python3
"""Makes the modules for `await` of those that block, word by word: ./make_aio.py. A test holds them together."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent / "aion_sdk"
MODULES = {"blocking.py": "aio.py", "gateway.py": "aio_gateway.py"}
# Names that have a sibling in the other world.
CLIENTS = r"\b((?:Syscall|Memory|Files|Tools|Agents|Model|Embeddings)Client|(?:Chat|Event|Turn)Stream|Completions|Transport|Turn|Gateway)\b"
# Calls that wait.
CALLS = r"(?<!def )((?:self\.(?:(?:_client\.|syscalls\.|_transport\.)?run|(?:_transport\.)?close|_say|read)|(?<![._])stream\.(?:_listen|close))\()"
# Methods that do not.
PLAIN = r"    def (?!__init__|inherited|completion\b|text\b|cursor\b|is_away\b|turn\(self\) -> int|__repr__|__iter__)"
SAID = {
    "that block; the steps are in `_core`. `aio` is made of this.": "that await: `blocking`, by make_aio.py.",
    "by the gateway's REST: for programs that block.": "by the gateway's REST: `gateway`, by make_aio.py.",
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
    "async def notices(self) -> AsyncIterator[dict[str, Any]]:\n        \"\"\"As": (
        "def notices(self) -> AsyncIterator[dict[str, Any]]:\n        \"\"\"As"
    ),
}


def made(blocking: str) -> str:
    """The text of the module for `await`."""
    text = re.sub(CLIENTS, r"Async\1", blocking)
    text = re.sub(PLAIN, "    async def ", text)
    text = re.sub(CALLS, r"await \1", text)
    for one, other in SAID.items():
        text = text.replace(one, other)
    return text


if __name__ == "__main__":
    for blocking, awaiting in MODULES.items():
        (HERE / awaiting).write_text(made((HERE / blocking).read_text()))
