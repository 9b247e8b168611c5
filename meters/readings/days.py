"""The daily use: the sum of a local day's hours. Brought up to them at night, and again where they changed since."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from time import monotonic
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction

from meters import clock
from meters.readings import tables

LONGEST_S = 240
"""After so long the other meters wait for the next night: a background job that does both has ten minutes."""
COLUMNS = {
    "energy_wh": "sum",
    "estimated_wh": "sum",
    "readings": "sum",
    "first_at": "min",
    "last_at": "max",
    "power_min_w": "min",
    "power_max_w": "max",
    "voltage_min_dv": "min",
    "voltage_max_dv": "max",
    "current_max_ma": "max",
}
"""Each column of a day with what makes it of those of its hours."""
DAY = "(hour AT TIME ZONE %(zone)s)::date"
SUM = f"""
INSERT INTO meters_dailyusage AS d (meter_id, day, {", ".join(COLUMNS)})
SELECT h.meter_id, c.day, {", ".join(f"{how}(h.{column})" for column, how in COLUMNS.items())}
FROM (SELECT DISTINCT {DAY} AS day FROM meters_hourlyusage
      WHERE meter_id = %(meter)s AND NOT is_summed AND hour < %(until)s) c
JOIN meters_hourlyusage h ON h.meter_id = %(meter)s AND h.hour >= c.day::timestamp AT TIME ZONE %(zone)s
    AND h.hour < (c.day + 1)::timestamp AT TIME ZONE %(zone)s
GROUP BY 1, 2
ON CONFLICT (meter_id, day) DO UPDATE SET {", ".join(f"{column} = excluded.{column}" for column in COLUMNS)}
WHERE NOT d.is_final
"""  # noqa: S608  (only our own column names)
MARK = (
    "UPDATE meters_hourlyusage SET is_summed = true WHERE meter_id = %(meter)s AND NOT is_summed AND hour < %(until)s"
)
OLD = f"""
SELECT h.meter_id, {DAY} AS day, sum(energy_wh) AS energy_wh, sum(estimated_wh) AS estimated_wh
FROM meters_hourlyusage h WHERE meter_id = %(meter)s AND hour < %(before)s GROUP BY 1, 2 HAVING bool_and(is_summed)
"""  # noqa: S608
WITH_OLD = (
    "SELECT id FROM meters_meter m WHERE EXISTS (SELECT FROM meters_hourlyusage WHERE meter_id = m.id AND hour < %s)"
)
# In one statement: a day whose hours go is final.
FORGET = f"""
WITH proven AS (
    UPDATE meters_dailyusage d SET is_final = true FROM ({OLD}) old
    WHERE d.meter_id = old.meter_id AND d.day = old.day
        AND (d.energy_wh, d.estimated_wh) = (old.energy_wh, old.estimated_wh)
    RETURNING d.day
)
DELETE FROM meters_hourlyusage h USING proven WHERE h.meter_id = %(meter)s AND h.hour < %(before)s
    AND (h.hour AT TIME ZONE %(zone)s)::date = proven.day
"""  # noqa: S608


EVER_USED = """
SELECT COALESCE((SELECT sum(energy_wh) FROM meters_dailyusage
        WHERE meter_id = %(meter)s AND is_final AND day < %(day)s), 0)
    + COALESCE((SELECT sum(energy_wh) FROM meters_hourlyusage WHERE meter_id = %(meter)s AND hour < %(hour)s), 0)
"""
UNLIKE = f"""
SELECT day, d.energy_wh, d.estimated_wh, d.readings, h.energy_wh, h.estimated_wh, h.readings
FROM (SELECT {DAY} AS day, sum(energy_wh) AS energy_wh, sum(estimated_wh) AS estimated_wh, sum(readings) AS readings,
        bool_and(is_summed) AS is_summed
      FROM meters_hourlyusage WHERE meter_id = %(meter)s AND hour >= %(start)s AND hour < %(end)s GROUP BY 1) h
FULL JOIN (SELECT * FROM meters_dailyusage WHERE meter_id = %(meter)s AND day >= %(first)s AND day < %(after)s
      AND NOT is_final) d USING (day)
WHERE h.is_summed IS NOT FALSE
    AND (d.energy_wh, d.estimated_wh, d.readings) IS DISTINCT FROM (h.energy_wh, h.estimated_wh, h.readings)
ORDER BY day
"""  # noqa: S608
UNSUMMED = "SELECT DISTINCT meter_id FROM meters_hourlyusage WHERE NOT is_summed AND hour < %s"
UNMARK = "UPDATE meters_hourlyusage SET is_summed = false WHERE meter_id = %s AND hour >= %s AND hour < %s"


class Sums(NamedTuple):
    """What an hour or a day holds, beside its bounds."""

    energy_wh: int = 0
    estimated_wh: int = 0
    readings: int = 0


def sum_up(now: datetime) -> int:
    """Bring the days that are over up to their hours; returns how many meters had any that were not.

    A meter at a time, which stores nothing meanwhile: no hour can change between its sum and the note of that. Years
    of hours that were never summed up may take more than one night.
    """
    until, summed, ends = clock.moment(clock.day_of(now)), 0, monotonic() + LONGEST_S
    for meter_id in _column(UNSUMMED, until):
        if monotonic() > ends:
            break
        with transaction.atomic():
            tables.hold(meter_id)
            _sum_up(meter_id, until)
        summed += 1
    return summed


def unlike(meter_id: int, first: date, after: date) -> list[tuple[date, Sums, Sums]]:
    """The days from `first` up to `after` that are not the sum of their hours: what they hold, and that sum. Days that
    are still to be brought up are none of them.
    """
    told = {"start": clock.moment(first), "end": clock.moment(after), "first": first, "after": after}
    with connection.cursor() as cursor:
        cursor.execute(UNLIKE, told | {"meter": meter_id, "zone": settings.TIME_ZONE})
        return [(day, _sums(sums[:3]), _sums(sums[3:])) for day, *sums in cursor.fetchall()]


def mend(meter_id: int, first: date, after: date) -> None:
    """Sum up the days from `first` up to `after` anew, whatever is noted of them."""
    with transaction.atomic():
        tables.hold(meter_id)
        with connection.cursor() as cursor:
            cursor.execute(UNMARK, [meter_id, clock.moment(first), clock.moment(after)])
        _sum_up(meter_id, clock.moment(after))


def _sum_up(meter_id: int, until: datetime) -> None:
    with connection.cursor() as cursor:
        for statement in (SUM, MARK):
            cursor.execute(statement, {"meter": meter_id, "until": until, "zone": settings.TIME_ZONE})


def _sums(told: Sequence[int | None]) -> Sums:
    return Sums(*(int(value or 0) for value in told))


def forget_hours(first_kept: date) -> int:
    """Forget the hours of days before `first_kept` that their day holds to the watt-hour; returns how many."""
    before, forgotten, ends = clock.moment(first_kept), 0, monotonic() + LONGEST_S
    for meter_id in _column(WITH_OLD, before):
        if monotonic() > ends:
            break
        with transaction.atomic():
            tables.hold(meter_id)
            with connection.cursor() as cursor:
                cursor.execute(FORGET, {"meter": meter_id, "before": before, "zone": settings.TIME_ZONE})
                forgotten += cursor.rowcount
    return forgotten


def ever_used(meter_id: int, hour: datetime) -> int:
    """All that this meter used before the beginning of an hour, in Wh."""
    with connection.cursor() as cursor:
        cursor.execute(EVER_USED, {"meter": meter_id, "hour": hour, "day": clock.day_of(hour)})
        return int(cursor.fetchone()[0])


def final_until(meter_id: int) -> datetime | None:
    """Up to when this meter's hours were forgotten."""
    last = _column("SELECT max(day) FROM meters_dailyusage WHERE is_final AND meter_id = %s", meter_id)[0]
    return clock.moment(last + timedelta(days=1)) if last else None


def _column(statement: str, parameter: datetime | int) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, [parameter])
        return [value for (value,) in cursor.fetchall()]
