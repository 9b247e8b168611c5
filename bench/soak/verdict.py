"""What grows, and whether the product was well meanwhile."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.soak.samples import WORKERS

WARM_UP = 0.4
"""This part of the time, an hour at most: caches fill, pools open, tables find their size."""
MOST_WARM_UP_S = 3600.0
SHORT_S = 3600.0
"""In less, qcluster's first workers make way after the warming up: each new one holds two handles more."""
MAY_RISE = 1.1
"""qcluster's workers hold more and more until they make way: at most so many times as much in the second half as in
the first.
"""
MOST_POINTS = 400
STORED = 0.5
"""At least this part of the messages must become readings: two messages may tell of one."""


@dataclass(frozen=True)
class Tolerance:
    """What a thing may grow by within the time that is looked at: by so much, or so much of what it is."""

    most: float
    share: float = 0.03


TOLERANCES = {
    "MB": Tolerance(3.0),
    "handles": Tolerance(2.0),
    "threads": Tolerance(1.0),
    "connections": Tolerance(1.5),
    "clients": Tolerance(1.5),
    "messages": Tolerance(20.0, 0.1),
    "kB": Tolerance(512.0, 0.1),
    "segments": Tolerance(2.0),
    "s": Tolerance(1.0),
}
"""By the last word of a sample's name."""


@dataclass(frozen=True)
class Trend:
    name: str
    first: float
    last: float
    an_hour: float
    is_flat: bool
    is_judged: bool
    seen_from: float
    """What grows by less an hour than this cannot be told in a run so short."""

    def __str__(self) -> str:
        flat = f"flat (from {self.seen_from:+,.1f} on it would be seen)"
        word = flat if self.is_flat else f"GROWS, in a week to {self.last + 168 * self.an_hour:,.0f}"
        told = f"{self.name:<38}{self.first:>15,.1f}{self.last:>15,.1f}{self.an_hour:>+15,.2f}"
        return f"{told}  {word if self.is_judged else 'told, not judged'}"


def thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most MOST_POINTS, each the medians of its neighbours: of a week's there would be a hundred million pairs."""
    each = -(-len(points) // MOST_POINTS)
    groups = (points[begin : begin + each] for begin in range(0, len(points), each))
    return [(statistics.median(t for t, _ in group), statistics.median(v for _, v in group)) for group in groups]


def trend(name: str, points: Sequence[tuple[float, float]]) -> Trend:
    """Theil and Sen's slope: the median of those between all pairs, which a few outliers do not move."""
    points = thinned(points)
    slopes = [(b - a) / (t - s) for (s, a), (t, b) in itertools.combinations(points, 2) if t > s]
    slope = statistics.median(slopes) if slopes else 0.0
    span = points[-1][0] - points[0][0]
    allowed = TOLERANCES.get(name.rpartition(" ")[2])
    level = statistics.median(value for _, value in points)
    may = max(allowed.most, allowed.share * level) if allowed else float("inf")
    ends = max(1, len(points) // 5)
    first, last = (statistics.median(v for _, v in part) for part in (points[:ends], points[-ends:]))
    return Trend(name, first, last, slope * 3600, slope * span <= may, allowed is not None, may / span * 3600)


def trends(rows: Sequence[Mapping[str, float]], seconds: float) -> list[Trend]:
    """Of what was there in each sample after the warming up."""
    late = [row for row in rows if row["at"] >= min(MOST_WARM_UP_S, WARM_UP * seconds)]
    if len(late) < 3:
        return []
    names = [name for name in late[-1] if name != "at"]
    found = [trend(name, [(row["at"], row.get(name, 0.0)) for row in late]) for name in names]
    return found if seconds >= SHORT_S else [replace(each, is_flat=True, is_judged=False) for each in found]


def risen(rows: Sequence[Mapping[str, float]], seconds: float) -> list[str]:
    """Whether what comes and goes comes higher."""
    late = [row[WORKERS] for row in rows if row["at"] >= min(MOST_WARM_UP_S, WARM_UP * seconds)]
    if len(late) < 4:
        return []
    before, after = max(late[: len(late) // 2]), max(late[len(late) // 2 :])
    if not before or after <= MAY_RISE * before:  # none has made way yet: the first ones count as those that stay
        return []
    return [f"qcluster's workers held {before:.0f} MB at most, and {after:.0f} later"]


def unwell(
    rows: Sequence[Mapping[str, float]],
    answers: Mapping[str, int],
    per_s: float,
    ended: Sequence[str],
    nights: int,
    seconds: float,
) -> list[str]:
    """What was wrong meanwhile: what does nothing stays flat. `ended`: processes that are no more. `nights`: of the
    first there is no backup yet, the last may not be over.
    """
    found = [f"{name} has ended" for name in ended]
    found += [f"callers were answered {answer}: {count} times" for answer, count in answers.items() if answer != "200"]
    if not answers:
        found.append("callers were never answered")
    stored, passed = (rows[-1][name] - rows[0][name] if rows else 0.0 for name in ("readings", "at"))
    if stored < STORED * per_s * passed:
        found.append(f"{stored:.0f} readings were stored in {passed:.0f} s, at {per_s:g} messages a second")
    failed, drills = (rows[-1][name] if rows else 0.0 for name in ("failed jobs", "drills"))
    if failed:
        found.append(f"{failed:.0f} jobs failed")
    if drills < nights - 2 and seconds >= SHORT_S:
        found.append(f"{drills:.0f} backups came back in {nights} nights")
    return found


def show(found: Sequence[Trend], wrong: Sequence[str], rows: Sequence[Mapping[str, float]], path: Path) -> int:
    print(f"{'':<38}{'first':>15}{'last':>15}{'slope an hour':>15}")
    for each in found:
        print(each)
    print(f"{len(rows)} samples in {path}")
    grows = [each.name for each in found if not each.is_flat]
    is_judged = any(each.is_judged for each in found)
    flat = (
        "All is flat."
        if is_judged
        else "Too short for a verdict, which takes an hour: caches still fill, pools open, first workers make way."
    )
    print(f"NOT FLAT: {', '.join(grows)}" if grows else flat)
    print("\n".join(f"NOT WELL: {text}" for text in wrong) or "All was well meanwhile.")
    return 1 if grows or wrong or not found else 0
