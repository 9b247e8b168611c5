"""The hourly use: added to with every rise of a counter, rebuilt from the raw readings where something came late."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from django.db import connection

from meters.readings.counters import Rise
from meters.readings.latest import Row
from meters.readings.spread import HOUR, hour_of, is_within_one_hour, spread

Watts = list[tuple[datetime, int]]
Used = dict[tuple[int, datetime], list[int]]  # (meter, hour) → [Wh, of it estimated]

ADD_ENERGY = """
INSERT INTO meters_hourlyusage AS h (meter_id, hour, energy_wh, estimated_wh)
SELECT * FROM unnest(%s::bigint[], %s::timestamptz[], %s::int[], %s::int[])
ON CONFLICT (meter_id, hour) DO UPDATE
SET energy_wh = h.energy_wh + excluded.energy_wh, estimated_wh = h.estimated_wh + excluded.estimated_wh
"""
SET_ENERGY = ADD_ENERGY.replace("h.energy_wh +", "").replace("h.estimated_wh +", "")
# Least and greatest ignore nulls, and taking them twice changes nothing.
WIDEN = """
INSERT INTO meters_hourlyusage AS h (meter_id, hour, energy_wh, estimated_wh, first_at, last_at,
    power_min_w, power_max_w, voltage_min_dv, voltage_max_dv, current_max_ma)
SELECT meter_id, date_trunc('hour', at, 'UTC'), 0, 0, min(at), max(at), min(w), max(w), min(dv), max(dv), max(ma)
FROM unnest(%s::bigint[], %s::timestamptz[], %s::int[], %s::smallint[], %s::int[]) AS r (meter_id, at, w, dv, ma)
GROUP BY 1, 2
ON CONFLICT (meter_id, hour) DO UPDATE SET
    first_at = least(h.first_at, excluded.first_at), last_at = greatest(h.last_at, excluded.last_at),
    power_min_w = least(h.power_min_w, excluded.power_min_w),
    power_max_w = greatest(h.power_max_w, excluded.power_max_w),
    voltage_min_dv = least(h.voltage_min_dv, excluded.voltage_min_dv),
    voltage_max_dv = greatest(h.voltage_max_dv, excluded.voltage_max_dv),
    current_max_ma = greatest(h.current_max_ma, excluded.current_max_ma)
"""


def widen(rows: Sequence[Row]) -> None:
    """Bring the hours' first and last times, least and greatest values up to these readings."""
    columns = [
        [getattr(r, c) for r in rows] for c in ("meter_id", "measured_at", "power_w", "voltage_dv", "current_ma")
    ]
    with connection.cursor() as cursor:
        cursor.execute(WIDEN, columns)


def add(rises: Iterable[tuple[int, Rise]]) -> None:
    """Add what meters (by id) used. The readings of the interval must be stored before."""
    used: Used = defaultdict(lambda: [0, 0])
    for meter_id, rise in rises:
        if rise.wh:
            crosses = not is_within_one_hour(rise.start.at, rise.end.at)
            watts = _watts(meter_id, rise.start.at, rise.end.at) if crosses else []
            _collect(used, meter_id, rise, watts)
    _write(ADD_ENERGY, used)


def rebuild(meter_id: int, start: datetime, end: datetime) -> None:
    """Compute the energy of the hours that touch start..end anew from the raw readings."""
    first, last = hour_of(start), hour_of(end)
    points = _points(meter_id, first, last + HOUR)
    watts = _watts(meter_id, points[0][0], points[-1][0]) if points else []
    used: Used = defaultdict(lambda: [0, 0])
    for (at, wh, epoch), (next_at, next_wh, next_epoch) in pairwise(points):
        if epoch == next_epoch and next_wh > wh:
            for hour, share in spread(at, next_at, next_wh - wh, watts).items():
                used[meter_id, hour][0] += share
                used[meter_id, hour][1] += 0 if is_within_one_hour(at, next_at) else share
    hours = [first + i * HOUR for i in range((last - first) // HOUR + 1)]
    known = _known_hours(meter_id, first, last)
    _write(SET_ENERGY, {(meter_id, h): used[meter_id, h] for h in hours if (meter_id, h) in used or h in known})


def rebuild_around(meter_id: int, at: datetime) -> None:
    """A reading came late: where it lies in an interval that was spread over hours, its watts change the spread."""
    points = _points(meter_id, at, at + timedelta(microseconds=1))
    for (start, wh, _), (end, next_wh, _) in pairwise(points):
        if start < at < end and wh != next_wh and not is_within_one_hour(start, end):
            rebuild(meter_id, start, end)


def _collect(used: Used, meter_id: int, rise: Rise, watts: Watts) -> None:
    estimated = not is_within_one_hour(rise.start.at, rise.end.at)
    for hour, wh in spread(rise.start.at, rise.end.at, rise.wh, watts).items():
        used[meter_id, hour][0] += wh
        used[meter_id, hour][1] += wh if estimated else 0


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
