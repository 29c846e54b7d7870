"""One event loop for the `async` turns of a process that answers more than one.

What a library keeps between turns, such as a pool of connections, belongs to the loop it was made on: on a loop of its own
the second turn would find it closed. What may not enter: turns.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True, name="aion-turns").start()
    return loop


def run(turn: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine there to its end, for the thread that calls."""
    return asyncio.run_coroutine_threadsafe(_kept(turn), _loop()).result()


async def _kept(turn: Coroutine[Any, Any, T]) -> T:
    """What ends a process would end the loop, and all turns with it."""
    try:
        return await turn
    except (SystemExit, KeyboardInterrupt) as end:
        raise RuntimeError(f"a turn wanted the program to end: {end!r}") from end
