"""Being an agent's program from elsewhere: turns are taken as they come, each in a thread of its own."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

from ._core.boot import Boot
from ._core.effects import Lost, Plan
from ._core.elsewhere import Place, Remote, Run
from ._core.refused import Refused
from ._transport import Transport

# How long turns have to end when the program is told to.
GRACE_S = 10.0
# Between two looks whether it is to end.
LOOK_S = 0.5
# Refusals that pass once the node is as it was.
PASSING = ("unreachable", "restarting", "not-running", "overloaded")


class Elsewhere:
    """Takes turns for an agent until it is told to stop."""

    def __init__(self, answer: Callable[[Boot, Remote], int], place: Place, url: str, at_once: int) -> None:
        self._answer, self._place, self._url = answer, place, url
        self._transport = Transport(url)
        self._room = threading.Semaphore(at_once)
        self._held: dict[Run, threading.Thread] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._said = ""

    def serve(self) -> None:
        """Registers, and takes turns until `stop`, or until an exception such as KeyboardInterrupt ends it."""
        self._transport.run(self._place.register(()))
        self._tell(f"{self._place.agent}: registered, and waits for turns (Ctrl-C ends it)")
        beating = threading.Thread(target=self._beat, daemon=True)
        beating.start()
        try:
            while not self._stopped.is_set():
                if not self._room.acquire(timeout=LOOK_S):
                    continue
                boot = self._heard(lambda: self._place.next(self._holds()))
                if boot is None:
                    self._room.release()
                else:
                    self._begin(boot)
        finally:
            self.stop()
            for turn in list(self._held.values()):
                turn.join(GRACE_S)
            try:
                self._transport.run(self._place.leave())
            except Lost:
                pass
            self._transport.close()

    def stop(self) -> None:
        """Takes no further turn."""
        self._stopped.set()

    def _holds(self) -> list[Run]:
        with self._lock:
            return list(self._held)

    def _begin(self, boot: Boot) -> None:
        run = (boot.turn, boot.incarnation)
        turn = threading.Thread(target=self._turn, args=(boot, run), daemon=True)
        with self._lock:
            self._held[run] = turn
        turn.start()

    def _turn(self, boot: Boot, run: Run) -> None:
        try:
            try:
                code = self._answer(boot, self._place.remote(self._url, boot))
            except Exception:
                # Its own failures are told to the caller before; this is one of telling.
                traceback.print_exc(file=sys.stderr)
                code = 1
            with self._lock:
                is_held = run in self._held
            if is_held:
                self._heard(lambda: self._place.end(run, code))
        finally:
            with self._lock:
                self._held.pop(run, None)
            self._room.release()

    def _beat(self) -> None:
        while not self._stopped.wait(self._place.lease / 3):
            stop = self._heard(lambda: self._place.heartbeat(self._holds()))
            self._leave(stop or [])

    def _leave(self, runs: list[Run]) -> None:
        """A thread cannot be ended: its calls are refused from now on."""
        with self._lock:
            for run in runs:
                self._held.pop(run, None)

    def _heard(self, plan: Callable[[], Plan[Any]]) -> Any:
        """Says something to the node until it hears it; nothing where this is to end, or it has to be asked anew."""
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
        self._stopped.wait(LOOK_S)

    def _tell(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)
