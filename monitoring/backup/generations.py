"""Which backups are kept: grandfather, father, son. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

RECENT = timedelta(hours=48)
"""None goes so soon: whoever asks for several a day pushes out none of them."""


@dataclass(frozen=True)
class Kept:
    """Of so many days, weeks and months that have a backup, the newest one is kept."""

    daily: int = 7
    weekly: int = 5
    monthly: int = 12


def passed(times: Iterable[datetime], kept: Kept, zone: tzinfo) -> list[datetime]:
    """Those that no generation holds any more, oldest first. Never the newest, nor one of the two days before it.

    Days are the zone's. Counted are the days, weeks and months that have one: when none is made any more, none goes.
    """
    newest_first = sorted(times, reverse=True)
    held = {
        *(at for at in newest_first if newest_first[0] - at <= RECENT),
        *_newest_of_each(newest_first, kept.daily, lambda at: at.astimezone(zone).date()),
        *_newest_of_each(newest_first, kept.weekly, lambda at: at.astimezone(zone).isocalendar()[:2]),
        *_newest_of_each(newest_first, kept.monthly, lambda at: at.astimezone(zone).strftime("%Y-%m")),
    }
    return [at for at in reversed(newest_first) if at not in held]


def _newest_of_each(
    newest_first: list[datetime], count: int, period: Callable[[datetime], Hashable]
) -> Iterable[datetime]:
    newest: dict[Hashable, datetime] = {}
    for at in newest_first:
        newest.setdefault(period(at), at)
    return list(newest.values())[:count]
