"""What a meter used, by hour or by local day, as HourlyUsage tells it. Reads only.

An hour without a row is one that nothing is known of: its energy is None. A row with 0 was measured as 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.db.models import Sum
from django.db.models.functions import TruncDay
from django.utils import timezone

from meters import clock
from meters.models import HourlyUsage

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Use:
    """Energy in kWh used from `start` up to `end` (UTC); `estimated_kwh` of it was spread over several hours."""

    start: datetime
    end: datetime
    energy_kwh: Decimal | None = None
    estimated_kwh: Decimal | None = None


def by_hour(meter_id: int, start: datetime, end: datetime) -> list[Use]:
    """Each hour that begins from `start`, rounded down to its hour, and before `end`."""
    start = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    rows = HourlyUsage.objects.filter(meter=meter_id, hour__gte=start, hour__lt=end)
    known = {hour: (energy, estimated) for hour, energy, estimated in rows.values_list(*_COLUMNS)}
    return [_use(hour, hour + HOUR, known.get(hour)) for hour in _hours(start, end)]


def by_day(meter_id: int, start: datetime, end: datetime) -> list[Use]:
    """Each day of the campsite's clock (23 to 25 hours) that `start` to `end` touches."""
    days = list(_days(start, end))
    rows = HourlyUsage.objects.filter(meter=meter_id, hour__gte=days[0][0], hour__lt=days[-1][1]) if days else None
    known = {}
    if rows is not None:
        local_day = TruncDay("hour", tzinfo=timezone.get_default_timezone())
        by_day = rows.annotate(day=local_day).values("day").order_by("day")
        for row in by_day.annotate(energy=Sum("energy_wh"), estimated=Sum("estimated_wh")):
            known[row["day"].astimezone(UTC)] = (row["energy"], row["estimated"])
    return [_use(first, after, known.get(first)) for first, after in days]


def total(rows: list[Use]) -> tuple[Decimal | None, Decimal | None]:
    """Energy and the estimated part of it in kWh; None where nothing at all is known."""
    energy = [row.energy_kwh for row in rows if row.energy_kwh is not None]
    estimated = [row.estimated_kwh for row in rows if row.estimated_kwh is not None]
    return (sum(energy, Decimal(0)), sum(estimated, Decimal(0))) if energy else (None, None)


_COLUMNS = ("hour", "energy_wh", "estimated_wh")


def _use(start: datetime, end: datetime, known: tuple[int, int] | None) -> Use:
    if known is None:
        return Use(start, end)
    return Use(start, end, Decimal(known[0]).scaleb(-3), Decimal(known[1]).scaleb(-3))


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
