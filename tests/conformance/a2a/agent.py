"""The agent that A2A's test kit (TCK) asks: what it does is said by how the `messageId` of a message begins.

    AION_AGENT=tck AION_GATEWAY_URL=… AION_GATEWAY_TOKEN_FILE=… python3 tests/conformance/a2a/agent.py

The names and texts are those of the kit's scenarios (docs/a2a.md).
"""

import os
import time
from collections.abc import Iterator

from aion_sdk import Agent, Turn, Unanswered

#: Seconds that the kit waits for an event, as its scenarios reckon.
PATIENCE = float(os.environ.get("TCK_STREAMING_TIMEOUT", "2"))

#: Answers, whole.
TEXTS = {
    "tck-complete-task": "Hello from TCK",
    "tck-artifact-text": "Generated text content",
    "tck-message-response": "Direct message response",
    "tck-stream-001": "Stream hello from TCK",
    "tck-stream-002": "Stream message-only response",
    "tck-stream-003": "Stream task lifecycle",
    "tck-stream-ordering-001": "Ordered output",
    "tck-stream-artifact-text": "Streamed text content",
}
#: Answers in parts.
PARTS = {"tck-stream-artifact-chunked": ("chunk-1 ", "chunk-2")}
#: A file `output.txt`, and no text.
FILES = {"tck-artifact-file", "tck-artifact-file-url", "tck-stream-artifact-file"}
#: Answers that take a while.
LATER = {
    "tck-delayed-complete": (1, "Done after delay"),
    "test-resubscribe-message-id": (2, "Done after a while"),
}
#: What it declines, and why.
DECLINED = {
    "tck-reject-task": "rejected",
    "tck-input-required": "a turn waits for its caller's approval and for nothing else: ask again with what is missing",
    "tck-artifact-data": "an answer is text and files, and not data",
}
PREFIXES = sorted([*TEXTS, *PARTS, *FILES, *LATER, *DECLINED], key=len, reverse=True)

agent = Agent()


def scenario(message: str) -> str:
    """The longest name that the `messageId` begins with."""
    return next((it for it in PREFIXES if message.startswith(it)), "")


@agent.turn
def answer(turn: Turn) -> Iterator[str]:
    message = turn.message_id or ""
    name = scenario(message)
    if name in DECLINED:
        raise Unanswered(DECLINED[name])
    if name in FILES:
        turn.files.write("output", "output.txt", "tck")
        # A text is wanted at least: nothing is left of this one.
        yield "\n"
    elif name in LATER:
        often, text = LATER[name]
        time.sleep(often * PATIENCE)
        yield text
    elif name in PARTS:
        yield from PARTS[name]
    else:
        yield TEXTS.get(name) or f"Unhandled messageId prefix: {message}"


if __name__ == "__main__":
    agent.run()
