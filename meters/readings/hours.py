"""The hourly use: added to with every rise of a counter, rebuilt from the raw readings where something came late.

Where the value before the first one that is kept was dropped, the hours between them stay as they are. Of the hour of
that first value its share is what is left of the counter: what was billed up to it, without the hours before.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import NamedTuple

from django.db import connection

from meters.readings import days, tables
from meters.readings.counters import Rise
from meters.readings.spread import HOUR, hour_of, is_within_one_hour, spread

Watts = list[tuple[datetime, int]]
Used = dict[tuple[int, datetime], list[int]]  # (meter, hour) → [Wh, of it estimated]


class Interval(NamedTuple):
    """Between two values of a meter (by id)."""

    meter_id: int
    start: datetime
    end: datetime


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
# The hours' count, first and last times, least and greatest values, by the rows of tables.write_readings. Least and
# greatest ignore nulls, and taking them twice changes nothing.
WIDEN = """
INSERT INTO meters_hourlyusage AS h (meter_id, hour, energy_wh, estimated_wh, first_at, last_at,
    power_min_w, power_max_w, voltage_min_dv, voltage_max_dv, current_max_ma, readings)
SELECT meter_id, date_trunc('hour', measured_at, 'UTC'), 0, 0, min(measured_at), max(measured_at), min(power_w),
    max(power_w), min(voltage_dv), max(voltage_dv), max(current_ma), count(*) FILTER (WHERE is_new)
FROM told GROUP BY 1, 2
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
COUNTED = "FROM meters_reading WHERE meter_id = %(meter)s AND epoch IS NOT NULL AND measured_at"
RISES = f"""
WITH points AS (
    SELECT measured_at AS at, counter_wh AS wh, epoch {COUNTED} BETWEEN
    COALESCE((SELECT measured_at {COUNTED} <= %(start)s ORDER BY measured_at DESC LIMIT 1), %(start)s) AND
    COALESCE((SELECT measured_at {COUNTED} >= %(end)s ORDER BY measured_at LIMIT 1), %(end)s)
), rises AS (
    SELECT at, lead(at) OVER o AS stop, lead(wh) OVER o - wh AS wh, lead(epoch) OVER o = epoch AS is_one_epoch,
        date_trunc('hour', at, 'UTC') AS hour FROM points WINDOW o AS (ORDER BY at)
)
SELECT hour AS since, NULL::timestamptz AS stop, sum(wh) FROM rises
WHERE is_one_epoch AND wh > 0 AND stop <= hour + interval '1 hour' GROUP BY 1
UNION ALL
SELECT at, stop, wh FROM rises WHERE is_one_epoch AND wh > 0 AND stop > hour + interval '1 hour' ORDER BY since
"""  # noqa: S608
# The bounds of all intervals leave out the tables of other days, before any is looked at. OFFSET 0: one interval after
# another, also where PostgreSQL has no statistics yet, as after a restore.
WATTS = """
SELECT DISTINCT meter_id, measured_at, power_w
FROM unnest(%(meters)s::int[], %(starts)s::timestamptz[], %(stops)s::timestamptz[]) AS i (meter, start, stop), LATERAL (
    SELECT meter_id, measured_at, power_w FROM meters_reading
    WHERE meter_id = meter AND measured_at BETWEEN start AND stop
    AND measured_at BETWEEN %(min)s AND %(max)s AND power_w IS NOT NULL OFFSET 0
) AS r ORDER BY meter_id, measured_at
"""
FIRST_COUNTED = """
SELECT measured_at, counter_wh, epoch FROM meters_reading WHERE meter_id = %s AND epoch IS NOT NULL AND measured_at > %s
ORDER BY measured_at LIMIT 1
"""
LATEST = datetime.max.replace(tzinfo=UTC) - HOUR
LONGEST_KEPT_WHOLE = timedelta(days=365)
"""Hours are kept for at least so long (HOURS_KEPT_YEARS): only a longer interval can begin before the first of them."""


def add(rises: Iterable[tuple[int, Rise]]) -> None:
    """Add what meters (by id) used. The readings of the interval must be stored before."""
    used: Used = defaultdict(lambda: [0, 0])
    across: list[tuple[Interval, int]] = []
    known, hour, share = 0, LATEST, [0, 0]  # of the rise before: most share them
    for meter_id, rise in rises:
        (start, _), (end, _) = rise
        if meter_id == known and hour <= start and end <= hour + HOUR:
            share[0] += rise.wh
        elif is_within_one_hour(start, end):
            known, hour = meter_id, hour_of(start)
            share = used[meter_id, hour]
            share[0] += rise.wh
        else:
            across.append((Interval(meter_id, _since_hours_are_kept(meter_id, start, end), end), rise.wh))
    _spread(used, across)
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
    used: Used = defaultdict(lambda: [0, 0])
    if not is_whole(meter_id, first) and (point := first_counted(meter_id, first)):
        used[meter_id, hour_of(point[0])] = [_carried(meter_id, *point)] * 2
    within, across = _rises(meter_id, first, end)
    for hour, wh in within.items():
        used[meter_id, hour][0] += wh
    _spread(used, across)
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


def first_counted(meter_id: int, after: datetime) -> tuple[datetime, int, int] | None:
    """The first value that counts after a moment, with its time and epoch."""
    with connection.cursor() as cursor:
        cursor.execute(FIRST_COUNTED, [meter_id, after])
        found: tuple[datetime, int, int] | None = cursor.fetchone()
        return found


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
    _within, across = _rises(meter_id, at, at + timedelta(microseconds=1))
    for (_, start, end), _wh in across:
        if start <= at < end:
            rebuild(meter_id, start, end)


def _since_hours_are_kept(meter_id: int, start: datetime, end: datetime) -> datetime:
    """What was used since before the hours that are kept is spread over those that are: no day is final twice."""
    final = days.final_until(meter_id) if end - start >= LONGEST_KEPT_WHOLE else None
    return start if final is None else max(start, final)


def _spread(used: Used, across: Sequence[tuple[Interval, int]]) -> None:
    """Add the Wh of intervals that touch several hours: by the watts that were told meanwhile, else evenly."""
    watts = _watts([interval for interval, _ in across])
    for interval, wh in across:
        (meter_id, start, end), told = interval, watts[interval.meter_id]
        told = told[bisect_left(told, start, key=itemgetter(0)) : bisect_right(told, end, key=itemgetter(0))]
        for hour, share in spread(start, end, wh, told).items():
            used[meter_id, hour][0] += share
            used[meter_id, hour][1] += 0 if is_within_one_hour(start, end) else share


def _rises(meter_id: int, start: datetime, end: datetime) -> tuple[dict[datetime, int], list[tuple[Interval, int]]]:
    """What was used, from the last value at or before `start` to the first at or after `end`: Wh by hour, of intervals
    that lie within one; and those that do not.
    """
    with connection.cursor() as cursor:
        cursor.execute(RISES, {"meter": meter_id, "start": start, "end": end})
        rows = cursor.fetchall()
    within = {since: int(wh) for since, stop, wh in rows if stop is None}
    return within, [(Interval(meter_id, since, stop), int(wh)) for since, stop, wh in rows if stop is not None]


def _watts(intervals: Sequence[Interval]) -> dict[int, Watts]:
    """The power that meters told within these intervals, in the order of the times."""
    found: dict[int, Watts] = defaultdict(list)
    if not intervals:
        return found
    meters, starts, stops = (list(column) for column in zip(*intervals, strict=True))
    told = {"meters": meters, "starts": starts, "stops": stops, "min": min(starts), "max": max(stops)}
    with connection.cursor() as cursor:
        cursor.execute(WATTS, told)
        for meter_id, at, power_w in cursor.fetchall():
            found[meter_id].append((at, power_w))
    return found


def _known_hours(meter_id: int, first: datetime, last: datetime) -> set[datetime]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT hour FROM meters_hourlyusage WHERE meter_id = %s AND hour BETWEEN %s AND %s",
            [meter_id, first, last],
        )
        return {hour for (hour,) in cursor.fetchall()}


def _write(statement: str, used: Used) -> None:
    rows = [(meter, hour, wh, estimated) for (meter, hour), (wh, estimated) in sorted(used.items())]
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(statement, [tables.array(column) for column in zip(*rows, strict=True)])
