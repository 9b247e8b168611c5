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
    told: list[Period] = []
    left, right = joined(some), joined(others)
    while left and right:
        since, until = max(left[0][0], right[0][0]), min(left[0][1], right[0][1])
        if since < until:
            told.append((since, until))
        (left if left[0][1] == until else right).pop(0)
    return told


def without(some: Iterable[Period], others: Iterable[Period]) -> list[Period]:
    """The time of the first that lies in none of the others."""
    left = joined(some)
    if not left:
        return []
    ends = [left[0][0], *(moment for period in joined(others) for moment in period), left[-1][1]]
    return common(left, zip(ends[::2], ends[1::2], strict=True))


def length(periods: Iterable[Period]) -> timedelta:
    return sum((until - since for since, until in periods), timedelta())
