"""Whether the hours and days are what the raw readings tell: both computed anew and held against each other.

A meter at a time, which stores nothing meanwhile. Hours of which the counter value before was dropped, up to the first
that is kept, cannot be computed anew; there the counter itself is the measure: all that the meter ever used up to then
lies between what it told before and after.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta

from django.db import connection, transaction

from meters import clock, partitions, snapshots
from meters.models import Meter
from meters.readings import days, hours, tables
from meters.readings.days import Sums
from meters.readings.spread import HOUR, hour_of

DAY, RESOLUTION = timedelta(days=1), timedelta(microseconds=1)
READINGS = """
SELECT date_trunc('hour', measured_at, 'UTC'), count(*) FROM meters_reading
WHERE meter_id = %s AND measured_at >= %s AND measured_at < %s GROUP BY 1
"""
HOURS = """
SELECT hour, energy_wh, estimated_wh, readings FROM meters_hourlyusage
WHERE meter_id = %s AND hour >= %s AND hour < %s
"""
HOUR_OF, EVER, DAY_OF = "hour", "all until", "day of"


@dataclass(frozen=True, slots=True)
class Difference:
    """What is in the roll-up, and what was computed anew: of an hour, of all time up to an hour, or of a day."""

    meter_id: int
    hour: datetime
    stored: Sums
    anew: Sums
    what: str = HOUR_OF

    def __str__(self) -> str:
        return f"meter {self.meter_id}, {self.what} {self.hour:%Y-%m-%d %H:%M}: {self.stored} instead of {self.anew}"


@dataclass
class Comparison:
    """A meter's hours in a time: how many readings, their energy anew and as it is stored, and where they differ."""

    readings: int = 0
    hours: int = 0
    anew_wh: int = 0
    stored_wh: int = 0
    differences: list[Difference] = field(default_factory=list)


def oldest_kept(now: datetime) -> datetime:
    """From when on the raw readings are there."""
    return datetime.combine(min(partitions.existing(), default=now.date()), time(), UTC)


def rebuild(start: datetime, end: datetime, now: datetime, *, mend: bool = False) -> Iterator[Comparison]:
    """Compare meter by meter the hours that this time touches, and its days that are over; with `mend` what differs is
    set."""
    first = clock.day_of(start - RESOLUTION) + DAY
    after = min(clock.day_of(end), clock.day_of(now))
    for meter_id in Meter.objects.order_by("pk").values_list("pk", flat=True):
        found = compare(meter_id, hour_of(start), hour_of(end - RESOLUTION) + HOUR, mend=mend)
        if mend:
            days.mend(meter_id, first, after)
        found.differences += [
            Difference(meter_id, clock.moment(day), stored, anew, DAY_OF)
            for day, stored, anew in days.unlike(meter_id, first, after)
        ]
        yield found


def compare(meter_id: int, start: datetime, end: datetime, *, mend: bool = False) -> Comparison:
    """Compute the hours from `start` up to `end` (full hours) anew. With `mend` those that differ are set."""
    with transaction.atomic():
        tables.hold(meter_id)
        whole_from = _whole_from(meter_id, start)
        anew, stored = _anew(meter_id, start, end), _stored(meter_id, start, end)
        found = Comparison(
            sum(told.readings for told in anew.values()),
            len(stored),
            sum(told.energy_wh for told in anew.values()),
            sum(told.energy_wh for told in stored.values()),
        )
        for hour in sorted(anew.keys() | stored.keys()):
            told, kept = anew.get(hour, Sums()), stored.get(hour, Sums())
            if hour < whole_from:
                told = kept._replace(readings=told.readings)
            if told != kept:
                found.differences.append(Difference(meter_id, hour, kept, told))
        if whole_from > start:
            found.differences += _beyond_the_counter(meter_id, min(whole_from, end))
        if mend:
            hours.mend(meter_id, {each.hour: each.anew for each in found.differences if each.what == HOUR_OF})
    return found


def _whole_from(meter_id: int, start: datetime) -> datetime:
    """From which hour on all can be computed anew."""
    if hours.is_whole(meter_id, start):
        return start
    if (point := hours.first_counted(meter_id, start)) is None:
        return start  # nothing was counted since: nothing was used
    return hour_of(point[0])


def _anew(meter_id: int, start: datetime, end: datetime) -> dict[datetime, Sums]:
    used = hours.anew(meter_id, start, end)
    with connection.cursor() as cursor:
        cursor.execute(READINGS, [meter_id, start, end])
        readings = dict(cursor.fetchall())
    told = {hour: Sums(wh, estimated) for (_, hour), (wh, estimated) in used.items() if start <= hour < end}
    return told | {hour: told.get(hour, Sums())._replace(readings=count) for hour, count in readings.items()}


def _stored(meter_id: int, start: datetime, end: datetime) -> dict[datetime, Sums]:
    with connection.cursor() as cursor:
        cursor.execute(HOURS, [meter_id, start, end])
        return {hour: Sums(*sums) for hour, *sums in cursor.fetchall()}


def _beyond_the_counter(meter_id: int, end: datetime) -> Iterator[Difference]:
    least, most = snapshots.billed_around(meter_id, end)
    used = days.ever_used(meter_id, end)
    if not least <= used <= most:
        yield Difference(meter_id, end, Sums(used), Sums(least if used < least else most), what=EVER)
