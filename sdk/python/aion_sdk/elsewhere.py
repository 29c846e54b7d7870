"""Being an agent's program from elsewhere: turns are taken as they come, each in a thread of its own."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

from ._core.boot import Boot
from ._core.effects import Lost, Plan
from ._core.elsewhere import Place, Remote, Run
from ._core.refused import Refused
from ._transport import Transport

# How long turns have to end when the program is told to, all together.
GRACE_S = 10.0
# Between two looks whether it is to end.
LOOK_S = 0.5
# A node answers a question for a turn within 15 s: a longer silence is of a connection that is gone, as after a sleep.
SILENCE_S = 25.0
# Refusals that pass once the node is as it was.
PASSING = ("unreachable", "restarting", "not-running", "overloaded")


class Elsewhere:
    """Takes turns for an agent until it is told to stop."""

    def __init__(self, answer: Callable[[Boot, Remote], int], place: Place, url: str, at_once: int) -> None:
        self._answer, self._place, self._url = answer, place, url
        self._transport = Transport(url, silence=SILENCE_S)
        self._room = threading.Semaphore(at_once)
        self._held: dict[Run, threading.Thread] = {}
        self._lock = threading.Lock()
        # It takes no further turn; and it waits for none any more.
        self._stopped, self._over = threading.Event(), threading.Event()
        self._failed: Exception | None = None
        self._said = ""

    def serve(self) -> None:
        """Registers, and takes turns until `stop`, or until an exception such as KeyboardInterrupt ends it.

        Raises `Refused` where the node does not take this program.
        """
        self._transport.run(self._place.register(()))
        self._tell(f"{self._place.agent}: registered, and waits for turns (Ctrl-C ends it)")
        threading.Thread(target=self._beat, daemon=True).start()
        try:
            while not self._stopped.is_set():
                if self._room.acquire(timeout=LOOK_S):
                    self._take()
        finally:
            self._end()
        if self._failed is not None:
            raise self._failed

    def stop(self) -> None:
        """Takes no further turn."""
        self._stopped.set()

    def _take(self) -> None:
        try:
            boot = self._heard(lambda: self._place.next(self._holds()))
        except BaseException:
            self._room.release()
            raise
        if boot is None:
            self._room.release()
            return
        run = (boot.turn, boot.incarnation)
        turn = threading.Thread(target=self._turn, args=(boot, run), daemon=True)
        with self._lock:
            self._held[run] = turn
        turn.start()

    def _end(self) -> None:
        """Turns that work are heard of until they end, or the grace is over."""
        self.stop()
        until = time.monotonic() + GRACE_S
        with self._lock:
            turns = list(self._held.values())
        for turn in turns:
            turn.join(max(0.0, until - time.monotonic()))
        self._over.set()
        try:
            self._transport.run(self._place.leave())
        except Lost:
            pass
        self._transport.close()

    def _holds(self) -> list[Run]:
        with self._lock:
            return list(self._held)

    def _turn(self, boot: Boot, run: Run) -> None:
        try:
            try:
                code = self._answer(boot, self._place.remote(self._url, boot))
            except Refused as refused:
                # Set aside for a person's word, cancelled, or given to another: nobody hears its failure.
                self._tell(f"{self._place.agent}: turn {boot.turn} was taken back: {refused.sentence()}")
                code = 1
            except Exception:
                # Its own failures are told to the caller before; this is one of telling.
                traceback.print_exc(file=sys.stderr)
                code = 1
            # It is held until its end is heard: who holds nothing loses nothing, and who lost it is told to leave it.
            while run in self._holds() and not self._over.is_set():
                if self._heard(lambda: self._place.end(run, code)):
                    break
        except Refused as refused:
            self._fail(refused)
        finally:
            self._leave([run])
            self._room.release()

    def _beat(self) -> None:
        while not self._over.wait(self._place.lease / 3):
            try:
                stop = self._heard(lambda: self._place.heartbeat(self._holds()))
            except Refused as refused:
                return self._fail(refused)
            self._leave(stop or [])

    def _fail(self, refused: Refused) -> None:
        """What does not pass ends all of it: `serve` raises it."""
        self._failed = self._failed or refused
        self.stop()

    def _leave(self, runs: list[Run]) -> None:
        """A thread cannot be ended: its calls are refused from now on."""
        with self._lock:
            for run in runs:
                self._held.pop(run, None)

    def _heard(self, plan: Callable[[], Plan[Any]]) -> Any:
        """Says something to the node; nothing where it did not hear it, or did not know this program."""
        try:
            told = self._transport.run(plan())
            self._said = ""
        except Lost as lost:
            self._away(str(lost))
        except Refused as refused:
            if refused.code == "not-found":
                self._again()
            elif refused.code in PASSING:
                self._away(refused.sentence())
            else:
                raise
        else:
            if isinstance(told, tuple):
                boot, stop = told
                self._leave(stop)
                return boot
            return told
        return None

    def _again(self) -> None:
        try:
            self._leave(self._transport.run(self._place.register(self._holds())))
        except Lost as lost:
            self._away(str(lost))
        except Refused as refused:
            if refused.code not in PASSING:
                raise
            self._away(refused.sentence())

    def _away(self, why: str) -> None:
        if why != self._said:
            self._said = why
            self._tell(f"{self._place.agent}: {why}; it is tried again")
        self._over.wait(LOOK_S)

    def _tell(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)
