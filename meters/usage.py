"""What a meter, or many together, used, by hour or by local day, as HourlyUsage and DailyUsage tell it. Reads only.

What nothing is known of has no energy (None): an hour without a row, or one after the counter's last word, of which
only the watts are known. 0 was measured as 0.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Greatest

from meters import clock
from meters.models import CounterEpoch, HourlyUsage

HOUR = timedelta(hours=1)

# Days as they were summed up; the hours of those of which an hour has changed since, as today's do. A day without hours
# is one that is kept without them. Something is known where something was used, or a counter told before and after.
BY_DAY = """
WITH meters AS (
    SELECT meter_id, range_agg(tstzrange(first_at, last_at)) FILTER (WHERE last_at > first_at) AS told_at,
        range_agg(daterange((first_at AT TIME ZONE %(zone)s)::date,
            ((last_at - interval '1 microsecond') AT TIME ZONE %(zone)s)::date, '[]'
        )) FILTER (WHERE last_at > first_at) AS told_on
    FROM unnest(%(meters)s::int[]) AS meter_id LEFT JOIN meters_counterepoch USING (meter_id) GROUP BY meter_id
), open AS (
    SELECT DISTINCT meter_id, (hour AT TIME ZONE %(zone)s)::date AS day FROM meters_hourlyusage
    WHERE NOT is_summed AND meter_id = ANY(%(meters)s) AND hour >= %(start)s AND hour < %(end)s
), used AS (
    SELECT day, energy_wh, estimated_wh, energy_wh > 0 OR day <@ told_on AS is_known
    FROM meters_dailyusage JOIN meters USING (meter_id)
    WHERE day >= %(first)s AND day < %(after)s AND (meter_id, day) NOT IN (SELECT meter_id, day FROM open)
    UNION ALL
    SELECT day, energy_wh, estimated_wh, energy_wh > 0 OR told_at && tstzrange(hour, hour + interval '1 hour')
    FROM open JOIN meters USING (meter_id) JOIN meters_hourlyusage USING (meter_id)
    WHERE hour >= day::timestamp AT TIME ZONE %(zone)s AND hour < (day + 1)::timestamp AT TIME ZONE %(zone)s
)
SELECT day, sum(energy_wh), sum(estimated_wh) FROM used GROUP BY day HAVING bool_or(is_known)
"""


@dataclass(frozen=True, slots=True)
class Use:
    """Energy in kWh used from `start` up to `end` (UTC); `estimated_kwh` of it was spread over several hours."""

    start: datetime
    end: datetime
    energy_kwh: Decimal | None = None
    estimated_kwh: Decimal | None = None


def is_known() -> Q:
    """Whether the counter tells what was used in all or a part of an hour of HourlyUsage."""
    told = Exists(
        CounterEpoch.objects.filter(
            meter=OuterRef("meter"),
            first_at__lt=OuterRef("hour") + HOUR,
            last_at__gt=Greatest(OuterRef("hour"), "first_at"),  # a single value tells of no time
        )
    )
    return Q(energy_wh__gt=0) | Q(told)


def known(meter_ids: Collection[int], start: datetime, end: datetime) -> QuerySet[HourlyUsage]:
    """These meters' hours from `start` to `end` of which that is known."""
    return HourlyUsage.objects.filter(is_known(), meter__in=meter_ids, hour__gte=start, hour__lt=end)


def by_hour(meter_ids: Collection[int], start: datetime, end: datetime) -> list[Use]:
    """Each hour that begins from `start`, rounded down to its hour, and before `end`; all these meters together."""
    start = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    used = {row["hour"]: row for row in _sums(known(meter_ids, start, end).values("hour"))}
    return [_use(hour, hour + HOUR, used.get(hour)) for hour in _hours(start, end)]


def by_day(meter_ids: Collection[int], start: datetime, end: datetime) -> list[Use]:
    """Each day of the campsite's clock (23 to 25 hours) that `start` to `end` touches; all these meters together."""
    days = list(_days(start, end))
    if not days:
        return []
    told: dict[str, Any] = {"meters": list(meter_ids), "start": days[0][0], "end": days[-1][1]}
    told |= {"first": clock.day_of(days[0][0]), "after": clock.day_of(days[-1][1]), "zone": settings.TIME_ZONE}
    with connection.cursor() as cursor:
        cursor.execute(BY_DAY, told)
        used = {clock.moment(day): {"energy": wh, "estimated": estimated} for day, wh, estimated in cursor.fetchall()}
    return [_use(first, after, used.get(first)) for first, after in days]


def total(rows: list[Use]) -> tuple[Decimal | None, Decimal | None]:
    """Energy and the estimated part of it in kWh; None where nothing at all is known."""
    energy = [row.energy_kwh for row in rows if row.energy_kwh is not None]
    estimated = [row.estimated_kwh for row in rows if row.estimated_kwh is not None]
    return (sum(energy, Decimal(0)), sum(estimated, Decimal(0))) if energy else (None, None)


def _sums(rows: QuerySet[HourlyUsage, Any]) -> QuerySet[HourlyUsage, Any]:
    return rows.annotate(energy=Sum("energy_wh"), estimated=Sum("estimated_wh"))


def _use(start: datetime, end: datetime, used: Mapping[str, Any] | None) -> Use:
    if used is None:
        return Use(start, end)
    return Use(start, end, Decimal(used["energy"]).scaleb(-3), Decimal(used["estimated"]).scaleb(-3))


def _hours(start: datetime, end: datetime) -> Iterator[datetime]:
    while start < end:
        yield start
        start += HOUR


def _days(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """From midnight to midnight of the campsite's clock, told in UTC."""
    day = clock.day_of(start)
    while clock.moment(day) < end:
        yield clock.moment(day), clock.moment(day + timedelta(days=1))
        day += timedelta(days=1)
