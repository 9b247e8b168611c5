"""What single meters say that cannot be right, or that somebody should know of: of those that are heard, in service."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from django.db.models import Count, Max, Min, Sum
from django.db.models.functions import TruncDay

from bookings.models import Stay
from bookings.vacancy import vacancy
from meters import online
from meters.commands.rules import NO_LOAD_A
from meters.models import Area, CounterEpoch, HourlyUsage, Meter, MeterState, QuarantinedReading
from monitoring import silence
from monitoring.findings import Fact, Finding, Severity, key

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FROZEN = timedelta(hours=12)
"""A voltage moves with everybody's load, and is told at least once an hour; one meter stood at 47 V for eight days."""
LISTENED = timedelta(hours=2)
"""Twice the longest time between two reports: before, what is old may only be what we have missed."""
GRACE = timedelta(seconds=30)
"""A meter that went off holds its zero back for 11 s (docs/zigbee2mqtt.md); polled ones tell it within the minute."""
DAYS, ALWAYS_WH = 14, 500
"""What used so much on each day of two weeks is a fridge, a heater, an office, no standby."""
TOLD_HOURS = 20
"""Of a day: who told nothing is not known to use nothing."""
VACANT_KWH = 1
"""A day; less is what a meter, a lamp, a charger use."""
NAMED = 3


def frozen(now: datetime) -> Iterator[Finding]:
    """Heard, but what it measures has not moved for half a day: its values are old, or its measuring is broken.

    Many at once are one finding of their area: its Zigbee2MQTT asks them no more.
    """
    link = online.link(now)
    heard = [meter for meter in _heard(link, now) if _is_listened(link.since(meter.device.area_id), now)]
    unmoved = _unmoved([meter.pk for meter in heard], now)
    found = {meter: since for meter in heard if (since := _frozen_since(meter, unmoved, now))}
    of_area, frozen_of_area = (Counter(meter.device.area for meter in meters) for meters in (heard, found))
    many = {area for area, count in frozen_of_area.items() if area and count >= silence.needed(of_area[area])}
    for area in many:
        facts: dict[str, Fact] = {"area": area.name, "meters": frozen_of_area[area], "of": of_area[area]}
        since = min(at for meter, at in found.items() if meter.device.area == area)
        yield Finding("many_frozen", Severity.WARNING, area.slug, facts, since)
    for meter, since in found.items():
        part_of = key("many_frozen", meter.device.area.slug) if meter.device.area in many else ""
        told: dict[str, Fact] = {"volts": _volts(meter.state), "hours": round(FROZEN / HOUR)}
        yield _of(meter, "frozen", Severity.WARNING, told, since, part_of)


def current_while_off(now: datetime) -> Iterator[Finding]:
    """The relay says off, and current flows: it is welded shut, or somebody bridged it."""
    for meter in _heard(online.link(now), now):
        state = meter.state
        amperes = max([state.current_a or 0, *(phase or 0 for phase in state.phase_current_a or ())])
        told_at = max((at for at in (state.current_at, state.phases_at) if at), default=None)
        is_off = state.relay is False and state.relay_at and told_at and told_at - state.relay_at > GRACE
        if is_off and amperes >= NO_LOAD_A:
            yield _of(meter, "current_while_off", Severity.WARNING, {"amperes": float(amperes)}, state.relay_at)


def load_gone(now: datetime) -> Iterator[Finding]:
    """On, and told to use nothing for a day, where on each day of two weeks something was: a breaker behind the meter?

    A guest may only have unplugged his fridge: worth a look, no alarm.
    """
    on = {
        meter.pk: meter
        for meter in _heard(online.link(now), now)
        if meter.state.relay and meter.state.power_w == 0 and meter.state.relay_at and now - meter.state.relay_at > DAY
    }
    for pk, least_wh in _least_a_day(_idle(on, now), now).items():
        if least_wh >= ALWAYS_WH:
            yield _of(on[pk], "load_gone", Severity.NOTICE, {"kwh": least_wh / 1000}, now - DAY)


def counters(now: datetime) -> Iterator[Finding]:
    """Counters that began anew or jumped within a day, and values that were left out of the bill. Told once each."""
    ours = {"meter__device__area__in_service": True}
    new = CounterEpoch.objects.filter(first_at__gt=now - DAY, **ours).exclude(reason=CounterEpoch.Reason.FIRST)
    begun = set()
    for epoch in new.select_related("meter__device__area").order_by("pk"):
        begun.add(epoch.meter_id)
        facts: dict[str, Fact] = {"kwh": epoch.first_wh / 1000}
        code = "counter_fell" if epoch.reason == CounterEpoch.Reason.FALL else "counter_jumped"
        yield _of(epoch.meter, code, Severity.NOTICE, facts, epoch.first_at)
    odd = QuarantinedReading.objects.filter(created_at__gt=now - DAY, **ours).exclude(meter__in=begun)
    found = odd.values("meter").annotate(first=Min("measured_at"), last=Max("pk"))
    values = QuarantinedReading.objects.select_related("meter__device__area").in_bulk([each["last"] for each in found])
    for each in found:
        value = values[each["last"]]
        yield _of(value.meter, "counter_odd", Severity.NOTICE, {"kwh": value.counter_wh / 1000}, each["first"])


def vacant_use(now: datetime) -> Iterator[Finding]:
    """What was used without a guest in the last day's whole hours: one finding, the most first."""
    if not Stay.objects.exists():  # nobody tells us of guests
        return
    until = now.replace(minute=0, second=0, microsecond=0)
    in_service = set(Area.objects.filter(in_service=True).values_list("pk", flat=True))
    used = [each for each in vacancy(until - DAY, until) if each.energy_kwh >= VACANT_KWH]
    found = [each for each in used if each.meter.device.area_id in in_service]
    if found:
        where = ", ".join(each.pitch.number if each.pitch else str(each.meter.device) for each in found[:NAMED])
        kwh = sum(each.energy_kwh for each in found)
        yield Finding("vacant_use", Severity.NOTICE, facts={"places": len(found), "kwh": float(kwh), "where": where})


# --- inside ----------------------------------------------------------------------------------------------------------


def _heard(link: online.Link, now: datetime) -> Iterator[Meter]:
    """The meters in service that are online, with their state, device and area: what they say counts."""
    for meter in online.meters().select_related("device__area").filter(device__area__in_service=True):
        if online.status(meter, link, now).is_online:
            yield meter


def _is_listened(since: datetime | None, now: datetime) -> bool:
    """Whether somebody has listened for long enough to know that nothing moves."""
    return since is not None and now - since >= LISTENED


def _frozen_since(meter: Meter, unmoved: set[int], now: datetime) -> datetime | None:
    """None where it measures, or has never told."""
    told_at = max((at for at in (meter.state.voltage_at, meter.state.phases_at) if at), default=None)
    is_frozen = told_at and (now - told_at > FROZEN or meter.pk in unmoved)
    return min(told_at, now - FROZEN) if told_at and is_frozen else None


def _unmoved(meters: Iterable[int], now: datetime) -> set[int]:
    """Those whose voltage was told in each of the last hours, and was the same in all of them."""
    since = now.replace(minute=0, second=0, microsecond=0) - FROZEN
    hours = HourlyUsage.objects.filter(meter__in=list(meters), hour__gte=since, voltage_min_dv__isnull=False)
    spans = hours.values_list("meter").annotate(
        low=Min("voltage_min_dv"), high=Max("voltage_max_dv"), first=Min("hour")
    )
    return {meter for meter, low, high, first in spans if low == high and first == since}


def _idle(meters: Iterable[int], now: datetime) -> list[int]:
    """Those that told in most hours of the last day that no power flows."""
    hours = HourlyUsage.objects.filter(meter__in=list(meters), hour__gt=now - DAY).values("meter")
    told = hours.annotate(hours=Count("power_max_w"), most_w=Max("power_max_w"), most_wh=Max("energy_wh"))
    return list(told.filter(hours__gte=TOLD_HOURS, most_w=0, most_wh=0).values_list("meter", flat=True))


def _least_a_day(meters: Iterable[int], now: datetime) -> dict[int, int]:
    """Of how many Wh these meters used at least on each of the DAYS before the last one; none where one is missing."""
    until = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - DAY
    hours = HourlyUsage.objects.filter(meter__in=list(meters), hour__gte=until - DAYS * DAY, hour__lt=until)
    days = hours.values("meter", day=TruncDay("hour", tzinfo=UTC)).annotate(wh=Sum("energy_wh"))
    used: dict[int, list[int]] = defaultdict(list)
    for each in days:
        used[each["meter"]].append(each["wh"])
    return {meter: min(of_days) for meter, of_days in used.items() if len(of_days) == DAYS}


def _volts(state: MeterState) -> str:
    phases = state.phase_voltage_v or [state.voltage_v]
    return "/".join(f"{volts:.0f}" for volts in phases if volts is not None)


def _of(
    meter: Meter,
    code: str,
    severity: Severity,
    facts: Mapping[str, Fact],
    since: datetime | None = None,
    part_of: str = "",
) -> Finding:
    area = meter.device.area
    told: dict[str, Fact] = {"meter": str(meter.device), "area": area.name if area else None}
    return Finding(code, severity, meter.device.ieee_address, {**told, **facts}, since, part_of)
