"""The energy counter's truth: which raw values count, and what is billed. Pure.

A counter rises over a meter's life. It can fall (reset, or back to an older value after a power cut), stand still,
jump, or show a wrong value once. Billed is the rise within each epoch, never what happened between two epochs. A fall
or an impossible jump is believed only after CONSISTENT values in a row agree; then a new epoch begins with the first of
them, so that nothing measured is lost and nothing unmeasured is invented.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

CONSISTENT = 3
"""So many values in a row must agree before a fall or a jump is believed (the first one included)."""

RESOLUTION_WH = 20
"""Counters step by 0.01 kWh: two readings may each be off by one step."""

CACHED_SLACK_S = 3600
"""Where Zigbee2MQTT repeats cached values, a value may be as old as the longest reporting interval (3600 s)."""
FRESH_SLACK_S = 60


class Doubt(StrEnum):
    """Why a value was not billed; the same words as QuarantinedReading.Reason."""

    FALL = "fall"
    JUMP = "jump"
    GLITCH = "glitch"
    LATE = "late"


class Point(NamedTuple):
    """A raw counter value in Wh and when it was measured."""

    at: datetime
    wh: int


class Rise(NamedTuple):
    """What was used from one point to the next of the same epoch."""

    start: Point
    end: Point

    @property
    def wh(self) -> int:
        return self.end.wh - self.start.wh


class Counter(NamedTuple):
    """Where a meter's counter stands. `pending`: values that contradict `last` and are not yet believed."""

    epoch: int = 0
    last: Point | None = None
    pending: tuple[Point, ...] = ()


@dataclass(slots=True)
class Step:
    """What a new value led to: the counter after it, the points that now count (with their epoch), what was used, and
    what is in doubt (with the value expected)."""

    counter: Counter
    counted: list[tuple[Point, int]] = field(default_factory=list)
    rises: list[Rise] = field(default_factory=list)
    doubts: list[tuple[Point, Doubt, int | None]] = field(default_factory=list)
    new_epoch: Doubt | None = None


def limit_wh(start: Point, end: Point, rated_w: int, slack_s: float) -> float:
    """The most that a breaker of `rated_w` can have passed between two points."""
    seconds = abs((end.at - start.at).total_seconds()) + slack_s
    return rated_w * seconds / 3600 + RESOLUTION_WH


def fits(start: Point, end: Point, rated_w: int, slack_s: float) -> bool:
    """Whether a counter can have gone from one point to the later one."""
    return 0 <= end.wh - start.wh <= limit_wh(start, end, rated_w, slack_s)


def goes_on(counter: Counter, point: Point, rated_w: int, slack_s: float) -> bool:
    """Whether a value newer than all before it simply goes on from the last one that counts: nothing is in doubt."""
    last = counter.last
    if last is None or counter.pending:
        return False
    return 0 <= point.wh - last.wh <= RESOLUTION_WH or fits(last, point, rated_w, slack_s)


def advance(counter: Counter, point: Point, rated_w: int, slack_s: float) -> Step:
    """Take in a value that is newer than all before it."""
    last = counter.last
    if last is None:
        return Step(Counter(1, point), counted=[(point, 1)])
    follows_last = fits(last, point, rated_w, slack_s)
    follows_pending = bool(counter.pending) and fits(counter.pending[-1], point, rated_w, slack_s)
    # One odd value that is gone at once was a glitch; two that agree outweigh a return to the old level. Where both
    # readings of one value are possible, the lower bill is chosen.
    if follows_last and not (follows_pending and len(counter.pending) >= CONSISTENT - 1):
        return Step(
            Counter(counter.epoch, point),
            counted=[(point, counter.epoch)],
            rises=[Rise(last, point)],
            doubts=[(odd, Doubt.GLITCH, last.wh) for odd in counter.pending],
        )
    if not follows_pending:
        return Step(
            counter._replace(pending=(point,)), doubts=[(odd, Doubt.GLITCH, last.wh) for odd in counter.pending]
        )
    pending = (*counter.pending, point)
    if len(pending) < CONSISTENT:
        return Step(counter._replace(pending=pending))
    return _begin_epoch(counter, last, pending)


def _begin_epoch(counter: Counter, last: Point, points: tuple[Point, ...]) -> Step:
    epoch = counter.epoch + 1
    doubt = Doubt.FALL if points[0].wh < last.wh else Doubt.JUMP
    return Step(
        Counter(epoch, points[-1]),
        counted=[(point, epoch) for point in points],
        rises=[Rise(a, b) for a, b in pairwise(points)],
        doubts=[(points[0], doubt, last.wh)],
        new_epoch=doubt,
    )


@dataclass(frozen=True, slots=True)
class Late:
    """Where a value that came late belongs: its epoch and what it adds to the bill; or a doubt."""

    epoch: int = 0
    rise: Rise | None = None
    doubt: Doubt | None = None


def place_late(
    point: Point,
    before: tuple[Point, int] | None,
    after: tuple[Point, int] | None,
    rated_w: int,
    slack_s: float,
) -> Late:
    """Find the place of a value older than the newest, between the counted points (with their epochs) around it.

    Between two points of one epoch it only tells better when the energy was used. At an edge of an epoch it adds what
    was not yet known. The point before comes first.
    """
    if before and after and before[1] == after[1]:
        if before[0].wh <= point.wh <= after[0].wh:
            return Late(before[1])
        return Late(doubt=Doubt.LATE)
    if before and fits(before[0], point, rated_w, slack_s):
        return Late(before[1], Rise(before[0], point))
    if after and fits(point, after[0], rated_w, slack_s):
        return Late(after[1], Rise(point, after[0]))
    return Late(doubt=Doubt.LATE)
