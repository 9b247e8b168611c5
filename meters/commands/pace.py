"""How fast commands go out: so many a second and area, a little uneven where many switch on. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

MANY = 10
JITTER = 0.2
"""Where many switch on, the gaps grow by up to a fifth at random: against all of them drawing current in one rhythm."""


@dataclass
class Lane:
    """One area's road. Times are of a monotonic clock, in s."""

    next_at: float = 0.0

    def wait_s(self, now: float) -> float:
        """How long until the next one may go."""
        return max(0.0, self.next_at - now)

    def take(self, now: float, per_s: float, stretch: float = 1.0) -> None:
        """One went now; never two in less than the gap, also after a pause."""
        self.next_at = now + stretch / per_s


class Pace:
    """The lanes of all areas; commands and questions have lanes of their own."""

    def __init__(self, random: Callable[[], float] | None = None) -> None:
        self._random = random or Random().random  # noqa: S311  (no secret)
        self._lanes: dict[tuple[int, str], Lane] = {}

    def lane(self, area_id: int, kind: str) -> Lane:
        return self._lanes.setdefault((area_id, kind), Lane())

    def stretch(self, switching_on: int) -> float:
        """By which factor the next gap grows where so many wait to be switched on."""
        return 1.0 + JITTER * self._random() if switching_on > MANY else 1.0
