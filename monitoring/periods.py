"""Times from … to …, as lists that are ordered and do not overlap: joined, cut, taken from each other. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

Period = tuple[datetime, datetime]


def joined(periods: Iterable[Period]) -> list[Period]:
    """All of the time that lies in any of them."""
    told: list[Period] = []
    for since, until in sorted(period for period in periods if period[0] < period[1]):
        if told and since <= told[-1][1]:
            told[-1] = (told[-1][0], max(until, told[-1][1]))
        else:
            told.append((since, until))
    return told


def common(some: Iterable[Period], others: Iterable[Period]) -> list[Period]:
    """The time that lies in both."""
    others = list(others)
    cut = ((max(a, c), min(b, d)) for a, b in some for c, d in others)
    return joined(cut)


def without(some: Iterable[Period], others: Iterable[Period]) -> list[Period]:
    """The time of the first that lies in none of the others."""
    left = joined(some)
    for since, until in joined(others):
        left = [part for a, b in left for part in ((a, min(b, since)), (max(a, until), b)) if part[0] < part[1]]
    return left


def length(periods: Iterable[Period]) -> timedelta:
    return sum((until - since for since, until in periods), timedelta())
