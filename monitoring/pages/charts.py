"""Places of bars in the pictures of an area's page. Whole numbers: a localised 0,5 is no coordinate. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

STEP, WIDTH, ROOM = 10, 8, 100
RECENT = 3


@dataclass(frozen=True, slots=True)
class Bar:
    """`value` None: nothing was told of this stretch, and nothing is drawn."""

    index: int
    value: float | None
    height: int

    @property
    def x(self) -> int:
        return self.index * STEP + (STEP - WIDTH) // 2

    @property
    def y(self) -> int:
        return ROOM - self.height


@dataclass(frozen=True, slots=True)
class Chart:
    bars: list[Bar]
    top: float
    """What the whole height stands for."""

    @property
    def width(self) -> int:
        return len(self.bars) * STEP

    @property
    def known(self) -> list[float]:
        return [bar.value for bar in self.bars if bar.value is not None]

    @property
    def last(self) -> float | None:
        """The newest value; None where nothing was told for some bars: an old one is not how it stands."""
        return next((bar.value for bar in reversed(self.bars[-RECENT:]) if bar.value is not None), None)

    @property
    def highest(self) -> float | None:
        return max(self.known, default=None)


def chart(values: Sequence[float | None], least_top: float = 1) -> Chart:
    """Bars from left to right; the axis ends at the next 1, 2 or 5 times a power of ten, at least at `least_top`."""
    top = round_top(max((value or 0 for value in values), default=0), least_top)
    return Chart([Bar(index, value, _height(value, top)) for index, value in enumerate(values)], top)


def _height(value: float | None, top: float) -> int:
    return max(round(value / top * ROOM), 1) if value else 0  # a little is seen, too


def round_top(highest: float, least: float) -> float:
    top, steps = least, (2, 2.5, 2)
    step = 0
    while top < highest:
        top *= steps[step % 3]
        step += 1
    return top
