"""How fast commands go out: so many a second and area, a little uneven where many switch on. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

MANY = 10
MARGIN = 1.02
"""What we publish at even times arrives at uneven ones."""
EVEN = 0.7
"""Two follow each other after at least so much of the gap that the pace allows."""
JITTER = 0.5
"""Where many switch on, that share shrinks by up to this at random: against all drawing current in one rhythm."""


@dataclass
class Lane:
    """One area's road. Times are of a monotonic clock, in s."""

    next_at: float = 0.0
    taken: deque[float] = field(default_factory=deque)

    def wait_s(self, now: float) -> float:
        """How long until the next one may go."""
        return max(0.0, self.next_at - now)

    def take(self, now: float, per_s: float, evenness: float = EVEN) -> None:
        """One went now. In no window of a second go more than `per_s`; what came late may catch up within it."""
        many = max(1, int(per_s))
        self.taken.append(now)
        while len(self.taken) > many:
            self.taken.popleft()
        full = self.taken[0] + MARGIN * many / per_s if len(self.taken) == many else now
        self.next_at = max(now + evenness / per_s, full)


class Pace:
    """The lanes of all areas; commands and questions have lanes of their own."""

    def __init__(self, random: Callable[[], float] | None = None) -> None:
        self._random = random or Random().random  # noqa: S311  (no secret)
        self._lanes: dict[tuple[int, str], Lane] = {}

    def lane(self, area_id: int, kind: str) -> Lane:
        return self._lanes.setdefault((area_id, kind), Lane())

    def evenness(self, switching_on: int) -> float:
        """The least share of a gap before the next: at random where so many wait to be switched on."""
        return EVEN - JITTER * self._random() if switching_on > MANY else EVEN
