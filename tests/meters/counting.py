"""A meter that counts on three days, for the tests of what stays of its readings."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.models import Sum

from meters import directory, rollups
from meters.directory import Known
from meters.models import (
    HourlyUsage,
    Meter,
    MeterState,
)
from meters.readings import Report, store
from meters.zigbee2mqtt import State

FRESH = frozenset({"state", "power", "voltage", "current", "energy"})
NOTHING = State("x", None, None, 100, None, None, None, None, None, {})
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
T0 = datetime(2026, 7, 1, tzinfo=UTC)
FIRST, SECOND, THIRD = (T0.date() + n * DAY for n in range(3))
CLOSED = T0 + 2 * DAY + timedelta(days=90, hours=1)
"""Two days are closed: the first may go, the second must be proven."""


def known(meter: Meter, fresh: frozenset[str] = FRESH) -> Known:
    return replace(directory.load().devices[meter.device.ieee_address], fresh=fresh)


def report(who: Known, hours: float, **told: Any) -> Report:
    return Report(who, NOTHING._replace(**told), T0 + timedelta(hours=hours))


def counting(who: Known, *hours: float, wh_an_hour: int = 100) -> None:
    store([report(who, hour, counter_wh=1000 + int(hour * wh_an_hour), power_w=wh_an_hour) for hour in hours])


def every_half_hour(first: float, last: float) -> list[float]:
    return [first + n / 2 for n in range(int((last - first) * 2) + 1)]


def used_wh(meter: Meter) -> int:
    return HourlyUsage.objects.filter(meter=meter).aggregate(sum=Sum("energy_wh"))["sum"] or 0


def billed_wh(meter: Meter) -> int:
    return int(MeterState.objects.get(meter=meter).energy_kwh * 1000)


def hours_of(meter: Meter, first: date, last: date) -> list[tuple[int, int, int]]:
    start, end = (datetime.combine(day, time(), UTC) for day in (first, last + DAY))
    rows = HourlyUsage.objects.filter(meter=meter, hour__gte=start, hour__lt=end).order_by("hour")
    return list(rows.values_list("energy_wh", "estimated_wh", "readings"))


def differences(meter: Meter, first: date, last: date) -> list[rollups.Difference]:
    start, end = (datetime.combine(day, time(), UTC) for day in (first, last + DAY))
    return rollups.compare(meter.pk, start, end).differences
