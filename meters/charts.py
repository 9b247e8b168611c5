"""Places of bars and strips in the pictures of a meter's page. Whole numbers: a localised 0,5 is no coordinate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from meters.history import Hour, Stretch

BAR_STEP = 20
BAR_WIDTH = 16
BAR_ROOM = 100


@dataclass(frozen=True, slots=True)
class Bar:
    hour: Hour
    x: int
    y: int
    height: int
    estimated_height: int
    """The lower part: so much of the bar is estimated."""

    @property
    def estimated_y(self) -> int:
        return BAR_ROOM - self.estimated_height


@dataclass(frozen=True, slots=True)
class BarChart:
    bars: list[Bar]
    top_wh: int
    """What the whole height stands for."""

    @property
    def width(self) -> int:
        return len(self.bars) * BAR_STEP

    @property
    def total_wh(self) -> int | None:
        """As far as it is known; None: nothing is."""
        known = [bar.hour.energy_wh for bar in self.bars if bar.hour.energy_wh is not None]
        return sum(known) if known else None

    @property
    def estimated_wh(self) -> int:
        return sum(bar.hour.estimated_wh for bar in self.bars)


@dataclass(frozen=True, slots=True)
class Piece:
    stretch: Stretch
    x: int
    width: int


@dataclass(frozen=True, slots=True)
class Strip:
    """A stretch of time as a line of coloured pieces; a unit of its width is a minute."""

    pieces: list[Piece]
    width: int
    since: datetime
    until: datetime


def bar_chart(hours: list[Hour]) -> BarChart:
    top_wh = _round_top(max((hour.energy_wh or 0 for hour in hours), default=0))
    return BarChart([_bar(hour, index, top_wh) for index, hour in enumerate(hours)], top_wh)


def _bar(hour: Hour, index: int, top_wh: int) -> Bar:
    energy_wh = hour.energy_wh or 0
    height = max(round(energy_wh * BAR_ROOM / top_wh), 2) if energy_wh else 0  # a little use is seen, too
    estimated = round(height * hour.estimated_wh / energy_wh) if energy_wh else 0
    return Bar(hour, index * BAR_STEP + (BAR_STEP - BAR_WIDTH) // 2, BAR_ROOM - height, height, estimated)


def _round_top(highest_wh: int) -> int:
    """The next 1, 2 or 5 times a power of ten, at least 100 Wh: an axis that people can read."""
    top = 100
    while top < highest_wh:
        top = top * 5 // 2 if str(top)[0] == "2" else top * 2
    return top


def strip(stretches: list[Stretch], since: datetime, until: datetime) -> Strip:
    pieces = [Piece(s, _minutes(s.since - since), max(1, _minutes(s.duration))) for s in stretches]
    return Strip(pieces, _minutes(until - since), since, until)


def _minutes(duration: timedelta) -> int:
    return round(duration.total_seconds() / 60)
