"""The hourly use: added to with every rise of a counter, rebuilt from the raw readings where something came late.

Where the value before the first one that is kept was dropped, the hours between them stay as they are. Of the hour of
that first value its share is what is left of the counter: what was billed up to it, without the hours before.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from operator import itemgetter

from django.db import connection

from meters.readings import days, tables
from meters.readings.counters import Rise
from meters.readings.latest import Row
from meters.readings.spread import HOUR, hour_of, is_within_one_hour, spread

Watts = list[tuple[datetime, int]]
Used = dict[tuple[int, datetime], list[int]]  # (meter, hour) → [Wh, of it estimated]

ADD_ENERGY = """
INSERT INTO meters_hourlyusage AS h (meter_id, hour, energy_wh, estimated_wh)
SELECT * FROM unnest(%s::bigint[], %s::timestamptz[], %s::int[], %s::int[])
ON CONFLICT (meter_id, hour) DO UPDATE
SET energy_wh = h.energy_wh + excluded.energy_wh, estimated_wh = h.estimated_wh + excluded.estimated_wh,
    is_summed = false
"""
SET_SUMS = """
INSERT INTO meters_hourlyusage AS h (meter_id, hour, energy_wh, estimated_wh, readings)
SELECT * FROM unnest(%s::bigint[], %s::timestamptz[], %s::int[], %s::int[], %s::int[])
ON CONFLICT (meter_id, hour) DO UPDATE SET energy_wh = excluded.energy_wh, estimated_wh = excluded.estimated_wh,
    readings = excluded.readings, is_summed = false
"""
SET_ENERGY = ADD_ENERGY.replace("h.energy_wh +", "").replace("h.estimated_wh +", "")
# Least and greatest ignore nulls, and taking them twice changes nothing.
WIDEN = """
INSERT INTO meters_hourlyusage AS h (meter_id, hour, energy_wh, estimated_wh, first_at, last_at,
    power_min_w, power_max_w, voltage_min_dv, voltage_max_dv, current_max_ma, readings)
SELECT meter_id, date_trunc('hour', at, 'UTC'), 0, 0, min(at), max(at), min(w), max(w), min(dv), max(dv), max(ma),
    count(*) FILTER (WHERE is_new)
FROM unnest(%s::bigint[], %s::timestamptz[], %s::int[], %s::smallint[], %s::int[], %s::bool[])
    AS r (meter_id, at, w, dv, ma, is_new)
GROUP BY 1, 2
ON CONFLICT (meter_id, hour) DO UPDATE SET
    first_at = least(h.first_at, excluded.first_at), last_at = greatest(h.last_at, excluded.last_at),
    power_min_w = least(h.power_min_w, excluded.power_min_w),
    power_max_w = greatest(h.power_max_w, excluded.power_max_w),
    voltage_min_dv = least(h.voltage_min_dv, excluded.voltage_min_dv),
    voltage_max_dv = greatest(h.voltage_max_dv, excluded.voltage_max_dv),
    current_max_ma = greatest(h.current_max_ma, excluded.current_max_ma),
    readings = h.readings + excluded.readings, is_summed = false
"""
WIDEN_BY_RAW = """
UPDATE meters_hourlyusage h SET first_at = t.first_at, last_at = t.last_at,
    power_min_w = least(h.power_min_w, t.w_min), power_max_w = greatest(h.power_max_w, t.w_max),
    voltage_min_dv = least(h.voltage_min_dv, t.dv_min), voltage_max_dv = greatest(h.voltage_max_dv, t.dv_max),
    current_max_ma = greatest(h.current_max_ma, t.ma_max)
FROM meters_hourlyusage asked, LATERAL (
    SELECT min(measured_at) AS first_at, max(measured_at) AS last_at, min(power_w) AS w_min, max(power_w) AS w_max,
        min(voltage_dv) AS dv_min, max(voltage_dv) AS dv_max, max(current_ma) AS ma_max
    FROM meters_reading r WHERE r.meter_id = asked.meter_id
        AND r.measured_at >= asked.hour AND r.measured_at < asked.hour + interval '1 hour'
) t
WHERE asked.meter_id = %s AND asked.hour = ANY(%s) AND (h.meter_id, h.hour) = (asked.meter_id, asked.hour)
"""
LONGEST_KEPT_WHOLE = timedelta(days=365)
"""Hours are kept for at least so long (HOURS_KEPT_YEARS): only a longer interval can begin before the first of them."""


def widen(rows: Sequence[Row]) -> None:
    """Bring the hours' count, first and last times, least and greatest values up to these readings."""
    names = ("meter_id", "measured_at", "power_w", "voltage_dv", "current_ma", "is_new")
    columns = [[getattr(row, name) for row in rows] for name in names]
    with connection.cursor() as cursor:
        cursor.execute(WIDEN, columns)


def add(rises: Iterable[tuple[int, Rise]]) -> None:
    """Add what meters (by id) used. The readings of the interval must be stored before."""
    used: Used = defaultdict(lambda: [0, 0])
    for meter_id, rise in rises:
        if rise.wh:
            rise = _since_hours_are_kept(meter_id, rise)
            crosses = not is_within_one_hour(rise.start.at, rise.end.at)
            watts = _watts(meter_id, rise.start.at, rise.end.at) if crosses else []
            _collect(used, meter_id, rise.start.at, rise.end.at, rise.wh, watts)
    _write(ADD_ENERGY, used)


def rebuild(meter_id: int, start: datetime, end: datetime) -> None:
    """Compute the energy of the hours that touch start..end anew from the raw readings."""
    first, last = hour_of(start), hour_of(end)
    used = anew(meter_id, first, last + HOUR)
    hours = [first + i * HOUR for i in range((last - first) // HOUR + 1)]
    known = _known_hours(meter_id, first, last)
    _write(SET_ENERGY, {(meter_id, h): used[meter_id, h] for h in hours if (meter_id, h) in used or h in known})


def mend(meter_id: int, sums: Mapping[datetime, days.Sums]) -> None:
    """Set what these hours hold, and bring their bounds up to the raw readings."""
    if not sums:
        return
    with connection.cursor() as cursor:
        columns = [list(column) for column in zip(*sums.values(), strict=True)]
        cursor.execute(SET_SUMS, [[meter_id] * len(sums), list(sums), *columns])
        cursor.execute(WIDEN_BY_RAW, [meter_id, list(sums)])


def anew(meter_id: int, first: datetime, end: datetime) -> Used:
    """What the raw readings tell of the hours from `first` up to `end`; those without use may be left out, and those
    around them are told in part.
    """
    points = _points(meter_id, first, end)
    watts = _watts(meter_id, points[0][0], points[-1][0]) if points else []
    used: Used = defaultdict(lambda: [0, 0])
    if points and points[0][0] > first and not is_whole(meter_id, first):
        used[meter_id, hour_of(points[0][0])] = [_carried(meter_id, *points[0])] * 2
    for (at, wh, epoch), (next_at, next_wh, next_epoch) in pairwise(points):
        if epoch == next_epoch and next_wh > wh:
            within = watts[bisect_left(watts, at, key=itemgetter(0)) : bisect_right(watts, next_at, key=itemgetter(0))]
            _collect(used, meter_id, at, next_at, next_wh - wh, within)
    return used


def is_whole(meter_id: int, hour: datetime) -> bool:
    """Whether the last value that counts before this hour is still there, or there was none."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT NOT EXISTS (SELECT FROM meters_counterepoch WHERE meter_id = %(meter)s AND first_at < %(hour)s) OR "
            "EXISTS (SELECT FROM meters_reading WHERE meter_id = %(meter)s AND epoch IS NOT NULL "
            "AND measured_at <= %(hour)s)",
            {"meter": meter_id, "hour": hour},
        )
        return bool(cursor.fetchone()[0])


def _carried(meter_id: int, at: datetime, wh: int, epoch: int) -> int:
    """What was used in the hour of the first value that is kept, up to that value, since one that was dropped."""
    return max(0, tables.billed_wh(meter_id, wh, epoch) - days.ever_used(meter_id, hour_of(at)))


def used_until(meter_id: int, at: datetime) -> int:
    """All that this meter used up to a moment, as far as the hours tell, in Wh; within an hour it rises evenly."""
    hour = hour_of(at)
    before, after = days.ever_used(meter_id, hour), days.ever_used(meter_id, hour + HOUR)
    return before + (after - before) * (at - hour) // HOUR


def rebuild_around(meter_id: int, at: datetime) -> None:
    """A reading came late: where it lies in an interval that was spread over hours, its watts change the spread."""
    points = _points(meter_id, at, at + timedelta(microseconds=1))
    for (start, wh, _), (end, next_wh, _) in pairwise(points):
        if start <= at < end and wh != next_wh and not is_within_one_hour(start, end):
            rebuild(meter_id, start, end)


def _since_hours_are_kept(meter_id: int, rise: Rise) -> Rise:
    """What was used since before the hours that are kept is spread over those that are: no day is final twice."""
    if rise.end.at - rise.start.at < LONGEST_KEPT_WHOLE:
        return rise
    final = days.final_until(meter_id)
    return rise if final is None or final <= rise.start.at else replace(rise, start=replace(rise.start, at=final))


def _collect(used: Used, meter_id: int, start: datetime, end: datetime, wh: int, watts: Watts) -> None:
    estimated = not is_within_one_hour(start, end)
    for hour, share in spread(start, end, wh, watts).items():
        used[meter_id, hour][0] += share
        used[meter_id, hour][1] += share if estimated else 0


def _points(meter_id: int, start: datetime, end: datetime) -> list[tuple[datetime, int, int]]:
    """The counted points from the last at or before `start` to the first at or after `end`."""
    where = "FROM meters_reading WHERE meter_id = %(meter)s AND epoch IS NOT NULL AND measured_at"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT measured_at, counter_wh, epoch {where} BETWEEN "
            f"COALESCE((SELECT measured_at {where} <= %(start)s ORDER BY measured_at DESC LIMIT 1), %(start)s) AND "
            f"COALESCE((SELECT measured_at {where} >= %(end)s ORDER BY measured_at LIMIT 1), %(end)s) "
            "ORDER BY measured_at",
            {"meter": meter_id, "start": start, "end": end},
        )
        rows: list[tuple[datetime, int, int]] = cursor.fetchall()
        return rows


def _watts(meter_id: int, start: datetime, end: datetime) -> Watts:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT measured_at, power_w FROM meters_reading WHERE meter_id = %s AND measured_at BETWEEN %s AND %s "
            "AND power_w IS NOT NULL ORDER BY measured_at",
            [meter_id, start, end],
        )
        rows: Watts = cursor.fetchall()
        return rows


def _known_hours(meter_id: int, first: datetime, last: datetime) -> set[datetime]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT hour FROM meters_hourlyusage WHERE meter_id = %s AND hour BETWEEN %s AND %s",
            [meter_id, first, last],
        )
        return {hour for (hour,) in cursor.fetchall()}


def _write(statement: str, used: Used) -> None:
    rows = sorted(used.items())
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            statement,
            [
                [meter for (meter, _), _ in rows],
                [hour for (_, hour), _ in rows],
                [wh for _, (wh, _) in rows],
                [estimated for _, (_, estimated) in rows],
            ],
        )
