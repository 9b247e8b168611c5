"""How long readings and hours are kept, and that nothing goes that is not proven to stand elsewhere.

The only module that writes ReadingDay. A day of readings is closed once nothing of it is taken in any more
(READINGS_KEPT_DAYS). Then its hours are computed anew: the same, and it is proven. It goes when the day after it is
proven as well, which needs its last readings, and all days before it are gone: so that of what is kept nothing is
missing in the middle.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from time import monotonic

from django.conf import settings
from django.db import OperationalError, connection

from meters import clock, notify, partitions, rollups
from meters.models import Meter, ReadingDay
from meters.readings import days

logger = logging.getLogger(__name__)

ADVISORY_LOCK = 7_301_002
DAY, YEAR = timedelta(days=1), timedelta(days=366)
LONGEST_S = 300
"""After so long no further day is packed, or proven, in a night: a background job may take twice the time."""
PACKED_AFTER = timedelta(days=2)
"""Hardly anything comes later than this."""
MOST_TOLD = 5
"""So many differences of a day are told in words."""


def pack(now: datetime) -> list[date]:
    """Pack the closed days that have not been; returns them. What a night missed is done in the next one."""
    packed = ReadingDay.objects.filter(packed_at__isnull=False).values_list("day", flat=True)
    due = {day for day in partitions.existing() if day <= (now - PACKED_AFTER).astimezone(UTC).date()} - set(packed)
    done: list[date] = []
    until = monotonic() + LONGEST_S
    for day in sorted(due):
        if monotonic() > until:
            break
        try:
            partitions.reindex(day)
        except OperationalError as busy:
            logger.warning("the readings of %s are being read, they are packed another night: %s", day, busy)
            break
        ReadingDay.objects.update_or_create(day=day, defaults={"packed_at": now})
        done.append(day)
    return done


def forget_readings(now: datetime) -> list[date]:
    """Prove the days that are closed, and drop those that may go; returns the days that are gone now.

    May be killed anywhere and run at any time: the next run goes on with it, a second one at once does nothing.
    """
    with _alone() as is_alone:
        return _forget_readings(now) if is_alone else []


def forget_hours(now: datetime) -> int:
    """Forget the hours of days older than HOURS_KEPT_YEARS that their day holds to the watt-hour; returns how many."""
    days.sum_up(now)
    return days.forget_hours(clock.day_of(now) - YEAR * settings.HOURS_KEPT_YEARS)


def prove(day: date, now: datetime) -> bool:
    """Compute this day's hours anew from its readings, and note whether they are the same."""
    start = datetime.combine(day, time(), UTC)
    readings = anew_wh = hours_wh = 0
    problems: list[str] = []
    for meter_id in Meter.objects.order_by("pk").values_list("pk", flat=True):
        found = rollups.compare(meter_id, start, start + DAY)
        readings, anew_wh = readings + found.readings, anew_wh + found.anew_wh
        hours_wh += found.stored_wh
        problems += map(str, found.differences)
    told = {"looked_at": now, "readings": readings, "raw_wh": anew_wh, "hours_wh": hours_wh}
    told |= {"problem": "\n".join(problems[:MOST_TOLD]), "proven_at": None if problems else now}
    ReadingDay.objects.update_or_create(day=day, defaults=told)
    if problems:
        logger.error("the hours of %s are not what its readings tell: %d differ", day, len(problems))
    return not problems


def _forget_readings(now: datetime) -> list[date]:
    until = monotonic() + LONGEST_S
    gone = [day for day in _given_up() if _drop(day, now)]
    kept = partitions.existing()
    closed = sorted(filter(partial(_is_closed, now=now), kept))
    proven = _proven()
    proven |= {day for day in closed if day not in proven and monotonic() < until and prove(day, now)}
    for day in closed:
        after = day + DAY
        may_go = day in proven and _is_closed(after, now) and (after in proven or after not in kept)
        if not may_go or _given_up():
            break  # in their order: nothing that is kept may miss what was measured just before it
        _give_up(day, now)
        if _drop(day, now):
            gone.append(day)
    return gone


def _is_closed(day: date, now: datetime) -> bool:
    """Whether readings of this day are refused as older than what is kept."""
    return datetime.combine(day + DAY, time(), UTC) <= now - timedelta(days=settings.READINGS_KEPT_DAYS)


def _proven() -> set[date]:
    """Days that were proven once they were closed: one that READINGS_KEPT_DAYS opened again took in more since."""
    proven = ReadingDay.objects.filter(proven_at__isnull=False, dropped_at=None).values_list("day", "proven_at")
    return {day for day, proven_at in proven if proven_at and _is_closed(day, proven_at)}


def _given_up() -> list[date]:
    """Days that were to go and are not gone: somebody read them, or the run was killed."""
    left = ReadingDay.objects.filter(forgotten_at__isnull=False, dropped_at=None)
    return list(left.order_by("day").values_list("day", flat=True))


def _give_up(day: date, now: datetime) -> None:
    """From here on nothing of this day is taken in, whatever READINGS_KEPT_DAYS says later."""
    ReadingDay.objects.filter(day=day).update(forgotten_at=now)
    notify.touch()


def _drop(day: date, now: datetime) -> bool:
    try:
        partitions.drop(day)
    except OperationalError as busy:
        logger.warning("the readings of %s are still being read, they go another night: %s", day, busy)
        return False
    ReadingDay.objects.filter(day=day).update(dropped_at=now)
    return True


@contextmanager
def _alone() -> Iterator[bool]:
    """Whether no other run is under way."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [ADVISORY_LOCK])
        (is_alone,) = cursor.fetchone()
        try:
            yield is_alone
        finally:
            if is_alone:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [ADVISORY_LOCK])
