"""What is due when. The simulation's only clock: tests turn it by hand, the runner turns it with the wall clock."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count


class Agenda:
    """Acts in the order of their due times; `now` is the epoch second at which the present act happens."""

    def __init__(self, now: float) -> None:
        self.now = now
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def at(self, when: float, act: Callable[[], None]) -> None:
        heappush(self._due, (max(when, self.now), next(self._order), act))

    def after(self, delay_s: float, act: Callable[[], None]) -> None:
        self.at(self.now + delay_s, act)

    @property
    def next_due(self) -> float | None:
        return self._due[0][0] if self._due else None

    def run_until(self, now: float) -> None:
        """Do everything that is due up to `now`, each at its own time."""
        while self._due and self._due[0][0] <= now:
            self.now, _, act = heappop(self._due)
            act()
        self.now = max(self.now, now)

    def shift(self, seconds: float) -> None:
        """Put everything off, as after a computer's sleep: what was missed is not made up for."""
        self._due = [(when + seconds, order, act) for when, order, act in self._due]
        self.now += seconds
