"""The whole site in a few figures: what it draws now, what it used by the hour, what is not as wanted. Reads only.

As the board counts: areas in service, meters that Zigbee2MQTT still lists; of who is not heard nothing is known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from django.db.models import QuerySet
from django.utils import timezone

from meters import clock, commands, online, usage, wishes
from meters.models import Command, Meter, MeterState

ONE_IN = 10
"""Of the meters online one in so many may not have told of an hour yet that counts as complete."""


@dataclass(frozen=True, slots=True)
class Load:
    """`power_w`: the sum of the meters that tell theirs now, None where none does. Of `lacking` it is unknown."""

    power_w: int | None
    told: int
    lacking: int

    @property
    def kw(self) -> float | None:
        return None if self.power_w is None else self.power_w / 1000


@dataclass(frozen=True, slots=True)
class Compared:
    """kWh of a `day` up to `until`, and of the day before up to the same time. None: nothing is known."""

    day: date
    until: datetime
    kwh: Decimal | None
    before_kwh: Decimal | None


def meters() -> QuerySet[Meter]:
    """Those that count, with all that a status looks at."""
    return online.meters().filter(device__area__in_service=True, device__removed_at=None)


def load(found: Iterable[Meter], statuses: Mapping[int, online.Online], now: datetime) -> Load:
    states = [(MeterState.of(meter), statuses[meter.pk].is_online) for meter in found]
    watts = [state.power_w for state, is_online in states if is_online and not state.is_frozen(now)]
    told = [power_w for power_w in watts if power_w is not None]
    return Load(sum(told) if told else None, len(told), len(states) - len(told))


def otherwise(found: Iterable[Meter], statuses: Mapping[int, online.Online], now: datetime) -> int:
    """How many meters should be otherwise than they are, while nothing is under way for them."""
    told = {meter.pk: meter for meter in found}
    under_way = {
        command.meter_id: command for command in Command.objects.filter(meter__in=told, status__in=Command.OPEN)
    }
    count = 0
    for pk, want in commands.in_force(told, now).items():
        relay, is_online = MeterState.of(told[pk]).relay, statuses[pk].is_online
        count += wishes.of(want, relay, under_way.get(pk), is_online=is_online).startswith("should_")
    return count


def counted_until(found: Iterable[Meter], statuses: Mapping[int, online.Online], now: datetime) -> datetime | None:
    """The end of the last hour of which most counters have told: a counter tells once an hour, or after 2.57 kWh."""
    online_ones = (meter for meter in found if statuses[meter.pk].is_online)
    times = sorted(min(at, now) for meter in online_ones if (at := MeterState.of(meter).counter_at))
    if not times:
        return None
    return times[len(times) // ONE_IN].astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def compared(meter_ids: Collection[int], until: datetime) -> Compared:
    """Today and yesterday up to the same time of the campsite's clock, also where it was changed in between."""
    day = clock.day_of(until - timedelta(microseconds=1))  # at midnight it is still the day that ends
    start, before = clock.moment(day), clock.moment(day - timedelta(days=1))
    at = timezone.localtime(until, timezone.get_default_timezone()).time()
    end = clock.moment(day - timedelta(days=1), at) if at != clock.MIDNIGHT else start
    return Compared(day, until, _sum(meter_ids, start, until), _sum(meter_ids, before, end))


def _sum(meter_ids: Collection[int], start: datetime, end: datetime) -> Decimal | None:
    return usage.total(usage.by_hour(meter_ids, start, end))[0]
