"""The product's own processes for a try-out, and the keeper that starts again what has died."""

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from campsite.embedded.processes import Failed, Kept, Process, identity
from campsite.embedded.progress import say
from campsite.embedded.state import State

ROOT = Path(__file__).resolve().parent.parent.parent
GAPS_S = (1, 2, 4, 8, 15, 30)
STEADY_S = 60
"""Who has run this long begins again with the shortest gap."""


def manage(*words: str) -> list[str]:
    return [sys.executable, "-m", "campsite.embedded.child", *words]


class Child(Kept):
    """One process of the product. Only its main process is told to stop: qcluster hangs if its workers hear it."""

    stop_timeout_s = 15

    def __init__(self, name: str, words: Sequence[str], state: State, environment: Mapping[str, str]) -> None:
        self.name, self._words, self._state, self._environment = name, words, state, environment

    def start(self) -> None:
        log = self._state.log(self.name)
        self.process = Process(self.name, self._words, log, environment=self._environment, directory=ROOT)

    def run(self, timeout_s: float) -> None:
        """To its end. Raises Failed when that is not a good one."""
        self.start()
        try:
            if self.process:
                self.process.wait_success(timeout_s)
        finally:
            self.stop()


def identified(kept: Iterable[Kept]) -> dict[str, tuple[int, str | None]]:
    """For the card: the number of each process, and what tells it from a later namesake."""
    return {each.name: (each.process.pid, identity(each.process.pid)) for each in kept if each.process}


class Errand:
    """One process that runs once beside the others; of its end only a bad one is told."""

    def __init__(self, child: Child) -> None:
        self._child: Child | None = child
        child.start()

    def tick(self) -> None:
        if self._child and self._child.process and not self._child.is_alive():
            if self._child.process.exit_code:
                say(_how_it_ended(self._child.process))
            self._child = None


class Keeper:
    """Starts one process again after its death, each time after a longer gap."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._deaths = 0
        self._started_at = time.monotonic()
        self._due: float | None = None

    def tick(self, now: float) -> bool:
        """Whether it was started again just now; `now` is monotonic time in seconds."""
        if self._kept.is_alive():
            if now - self._started_at > STEADY_S:
                self._deaths = 0
            return False
        if self._due is None:
            self._wait(now)
            return False
        return now >= self._due and self._start(now)

    def _wait(self, now: float) -> None:
        gap_s = GAPS_S[min(self._deaths, len(GAPS_S) - 1)]
        self._deaths += 1
        self._due = now + gap_s
        process = self._kept.process
        how = _how_it_ended(process) if process else f"{self._kept.name} does not run"
        say(f"{how}; again in {gap_s} s")

    def _start(self, now: float) -> bool:
        self._due, self._started_at = None, now
        try:
            self._kept.start()
        except (Failed, OSError) as failed:
            say(str(failed))
            return False
        return True


def _how_it_ended(process: Process) -> str:
    return f"{process.name} ended with code {process.exit_code}, see {process.log}"
