"""People who want power on and off meanwhile, by the API, and do not give up until they are answered."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.chaos.load import Town

TIMEOUT_S = 10.0
PAUSE_S = (0.5, 4.0)


@dataclass(frozen=True)
class Asked:
    """`first_at`: when it was asked for the first time; `answered_at`: when it was known to be taken (time.time()).

    `command`: the number that the answer named.
    """

    ieee: str
    state: bool
    first_at: float
    answered_at: float
    command: int


class People:
    """One at a time, each asking with a key of its own, so that to ask again is no second wish.

    They ask in a thread of their own, so that who waits for them can start again what has ended, which answers them.
    `at_last`: the numbers of the commands that were asked for when all was well again.
    """

    def __init__(self, port: int, token: str, towns: Sequence[Town], dice: random.Random) -> None:
        self.asked: list[Asked] = []
        self.refused: list[str] = []
        self.at_last: list[int] = []
        self._port, self._token, self._dice = port, token, dice
        self._towns = towns
        # The first meter of each town is looked at on pages, and stays on.
        self._meters = [town.ieee(meter) for town in towns for meter in range(1, town.meters)]
        self._stopping, self._giving_up = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._begin(self._go_on)

    def stop(self) -> None:
        """Nobody wishes anything new; the last who asked goes on until answered (`are_answered`)."""
        self._stopping.set()

    def ask_at_last(self) -> None:
        """A meter of each town is to be what it is not. After `stop`, and once nothing is under way."""
        self._begin(self._want_at_last)

    def end(self) -> None:
        """Answered or not."""
        self.stop()
        self._giving_up.set()
        if self._thread:
            self._thread.join(2 * TIMEOUT_S)

    def are_answered(self) -> bool:
        return self._thread is None or not self._thread.is_alive()

    def _begin(self, work: Callable[[], None]) -> None:
        self._thread = threading.Thread(target=work, name="people", daemon=True)
        self._thread.start()

    def _go_on(self) -> None:
        while not self._stopping.wait(self._dice.uniform(*PAUSE_S)):
            self._want(self._dice.choice(self._meters), self._dice.random() < 0.5)

    def _want_at_last(self) -> None:
        for town in self._towns:
            if asked := self._want(town.ieee(1), not town.relay[1]):
                self.at_last.append(asked.command)

    def _want(self, ieee: str, state: bool) -> Asked | None:
        """None: gave up."""
        key, first_at = f"chaos-{len(self.asked)}", time.time()
        while not (told := self._ask(ieee, state, key)):
            if self._giving_up.wait(0.5):
                return None
        self.asked.append(Asked(ieee, state, first_at, time.time(), told["id"]))
        return self.asked[-1]

    def _ask(self, ieee: str, state: bool, key: str) -> dict[str, int] | None:
        """None where nobody answered, or could do it now."""
        headers = {"Authorization": f"Token {self._token}", "Content-Type": "application/json", "Idempotency-Key": key}
        body = json.dumps({"state": "on" if state else "off", "reason": "chaos"})
        line = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_S)
        try:
            line.request("POST", f"/api/v1/meters/{ieee}/power/", body, headers)
            answer = line.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            line.close()
        if answer.status == 202:
            found: dict[str, int] = json.loads(text)
            return found
        if answer.status not in (429, 502, 503):
            self.refused.append(f"{answer.status} {text[:300]!r}")
        return None
