"""People who want power on and off meanwhile, by the API, and do not give up until they are answered."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections.abc import Sequence
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
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="people", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns when the last who asked was answered."""
        self._stopping.set()
        self._thread.join()

    def ask_at_last(self) -> None:
        """A meter of each town is to be what it is not. After `stop`, and once nothing is under way."""
        for town in self._towns:
            self._want(town.ieee(1), not town.relay[1], f"chaos-{len(self.asked)}")
            self.at_last.append(self.asked[-1].command)

    def _run(self) -> None:
        while not self._stopping.wait(self._dice.uniform(*PAUSE_S)):
            self._want(self._dice.choice(self._meters), self._dice.random() < 0.5, f"chaos-{len(self.asked)}")

    def _want(self, ieee: str, state: bool, key: str) -> None:
        first_at = time.time()
        while not (told := self._ask(ieee, state, key)):
            time.sleep(0.5)
        self.asked.append(Asked(ieee, state, first_at, time.time(), told["id"]))

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
