"""All that a guest's page tells, gathered for one stay. Reads only; what was not seen is not told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal

from django.utils import timezone

from bookings import accounts, follow, ledger
from bookings.ledger import Measured, Used
from bookings.models import Mode, Stay, StayMeter
from bookings.portal import charts, switching
from bookings.portal.charts import Chart, Stretch
from bookings.portal.switching import Switch
from meters import commands, online, overview, snapshots
from meters.models import Area, Command, HourlyUsage, Meter, Want

HOURS_SHOWN = 48
DAYS_SHOWN = 31
PRESENT_USE = timedelta(hours=48)
"""What is left of a package lasts so long as in these hours."""
LEAST_TO_FORESEE = timedelta(hours=6)
"""Of less nobody can tell what a day needs."""
VOLT = 230


@dataclass(frozen=True, slots=True)
class Outlet:
    """A meter that is the guest's now. `relay` as it told itself at `told_at`, None: it has not said; `is_heard`: it is
    online; `power_w` None: never told. `is_coming`: it is being switched on; `is_cut`: it is wanted off; `proved_at`:
    when it confirmed that it was switched so. `since_counter_kwh`: estimated from its watts since its counter was last
    heard at `counted_at`.
    """

    name: str
    relay: bool | None
    told_at: datetime | None
    is_heard: bool
    heard_at: datetime | None
    power_w: int | None
    power_at: datetime | None
    counted_at: datetime | None
    since_counter_kwh: Decimal
    used_kwh: Decimal
    is_coming: bool
    is_cut: bool
    proved_at: datetime | None
    most_w: int | None
    fuse_w: int | None
    meter_id: int
    switch: Switch

    @property
    def has_power(self) -> bool:
        """Whether its watts tell of now."""
        return self.is_heard and self.power_w is not None

    @property
    def is_near_fuse(self) -> bool:
        return bool(self.most_w and self.fuse_w and self.most_w >= self.fuse_w * 0.8)


@dataclass(frozen=True, slots=True)
class Account:
    """What the booking owes, or has left; `stays`: of how many pitches together. `days`: how long what is left lasts at
    the present use, None where that cannot be told.
    """

    mode: str
    amount: Decimal | None
    price: Decimal
    bought_kwh: Decimal
    left_kwh: Decimal | None
    stays: int
    days: float | None

    @property
    def left_percent(self) -> int:
        if not self.bought_kwh or self.left_kwh is None:
            return 0
        return min(100, max(0, round(100 * self.left_kwh / self.bought_kwh)))


@dataclass(frozen=True, slots=True)
class Facts:
    """`power_w`: of all outlets together, None where one is not known now. `today_kwh`: since midnight."""

    now: datetime
    outlets: tuple[Outlet, ...]
    used: Used
    today_kwh: Decimal
    power_w: int | None
    account: Account
    hours: Chart | None
    days: Chart | None

    @property
    def is_under_way(self) -> bool:
        """Whether something is being switched: in a moment more is known."""
        return any(outlet.switch.is_under_way for outlet in self.outlets)

    @property
    def estimate_kwh(self) -> Decimal:
        return sum((outlet.since_counter_kwh for outlet in self.outlets), Decimal(0))


def gather(stay: Stay, now: datetime) -> Facts:
    """What is known now of a stay, of its meters and of its booking's account."""
    lines = ledger.measure(
        StayMeter.objects.filter(stay=stay).select_related("start", "end", "meter").order_by("period")
    )
    usage = _usage(lines)
    used = charts.by_hour(_stretches(lines, usage, now))
    outlets = _outlets(stay, lines, usage, now)
    hours, days = _charts(lines, used, now)
    watts = [outlet.power_w for outlet in outlets if outlet.has_power]
    return Facts(
        now,
        outlets,
        ledger.used_kwh([stay]),
        _today(used, now),
        sum(w for w in watts if w is not None) if outlets and len(watts) == len(outlets) else None,
        _account(stay, used, lines, now),
        hours,
        days,
    )


# --- inside ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Usage:
    """kWh by hour of a meter, and its highest watts."""

    hours: dict[datetime, Decimal]
    most_w: int | None


def _usage(lines: Sequence[Measured]) -> dict[int, Usage]:
    """By meter (id), from the stay's beginning on; one query."""
    if not lines:
        return {}
    begun = min(measured.line.period.lower for measured in lines) - charts.HOUR
    rows = HourlyUsage.objects.filter(meter__in={measured.line.meter_id for measured in lines}, hour__gte=begun)
    found: dict[int, Usage] = {}
    for meter, hour, wh, most_w in rows.order_by().values_list("meter", "hour", "energy_wh", "power_max_w"):
        known = found.get(meter) or Usage({}, None)
        known.hours[hour] = Decimal(wh).scaleb(-3)
        whole = any(
            measured.line.meter_id == meter
            and measured.line.period.lower <= hour
            and (measured.line.period.upper is None or hour + charts.HOUR <= measured.line.period.upper)
            for measured in lines
        )
        most = max((w for w in (known.most_w, most_w if whole else None) if w is not None), default=None)
        found[meter] = Usage(known.hours, most)
    return found


def _stretches(lines: Sequence[Measured], usage: dict[int, Usage], now: datetime) -> list[Stretch]:
    nothing = Usage({}, None)
    return [
        Stretch(
            measured.line.period.lower,
            measured.line.period.upper or max(now, measured.line.period.lower),
            measured.kwh,
            usage.get(measured.line.meter_id, nothing).hours,
        )
        for measured in lines
    ]


def _charts(
    lines: Sequence[Measured], used: dict[datetime, Decimal], now: datetime
) -> tuple[Chart | None, Chart | None]:
    if not lines:
        return None, None
    since = min(measured.line.period.lower for measured in lines)
    ends = [measured.line.period.upper for measured in lines]
    until = now if None in ends else max(end for end in ends if end)
    zone = timezone.get_default_timezone()
    return charts.hourly(used, since, until, HOURS_SHOWN), charts.daily(used, since, until, zone, DAYS_SHOWN)


def _today(used: dict[datetime, Decimal], now: datetime) -> Decimal:
    zone = timezone.get_default_timezone()
    midnight = datetime.combine(now.astimezone(zone).date(), time(), zone)
    return sum((kwh for hour, kwh in used.items() if hour >= midnight), Decimal(0))


def _outlets(stay: Stay, lines: Sequence[Measured], usage: dict[int, Usage], now: datetime) -> tuple[Outlet, ...]:
    mine = {measured.line.meter_id: measured for measured in lines if measured.line.period.upper_inf}
    found = list(overview.meters(now).filter(pk__in=mine))
    link, wants = online.link(now), commands.in_force([meter.pk for meter in found], now)
    is_stopped = commands.stop.current() is not None
    decisions = follow.decisions(list(mine), now) if mine else {}
    last = switching.newest(list(mine), now)
    proofs = Command.objects.filter(meter__in=mine, status=Command.Status.CONFIRMED).order_by("meter_id", "-pk")
    proved = {command.meter_id: command for command in proofs.distinct("meter_id")}
    fuse_a = stay.pitch.fuse_a if stay.pitch else None
    nothing = Usage({}, None)
    kwh: dict[int, Decimal] = {}
    for measured in lines:
        kwh[measured.line.meter_id] = kwh.get(measured.line.meter_id, Decimal(0)) + measured.kwh
    return tuple(
        _outlet(
            meter,
            link,
            wants.get(meter.pk),
            proved.get(meter.pk),
            None if is_stopped else meter.device.area,
            kwh[meter.pk],
            usage.get(meter.pk, nothing).most_w,
            fuse_a,
            mine[meter.pk].line.period.lower,
            switching.switch(
                stay,
                decisions[meter.pk],
                wants.get(meter.pk),
                _relay(meter),
                last.get(meter.pk),
                online.status(meter, link, now).is_online,
            ),
            now,
        )
        for meter in found
    )


def _outlet(
    meter: Meter,
    link: online.Link,
    want: Want | None,
    proof: Command | None,
    area: Area | None,
    used_kwh: Decimal,
    most_w: int | None,
    fuse_a: int | None,
    since: datetime,
    switch: Switch,
    now: datetime,
) -> Outlet:
    state = getattr(meter, "state", None)
    relay = _relay(meter)
    is_heard = online.status(meter, link, now).is_online
    is_switched = area is not None and area.control == Area.Control.ACT
    counted_at = state.counter_at if state else None
    is_proved = proof is not None and proof.state == relay and state is not None and state.relay_at is not None
    return Outlet(
        name=str(meter),
        relay=relay,
        told_at=state.relay_at if state and relay is not None else None,
        is_heard=is_heard,
        heard_at=state.heard_at if state else None,
        power_w=state.power_w if state else None,
        power_at=state.power_at if state else None,
        counted_at=counted_at,
        since_counter_kwh=_estimate(meter, max(counted_at, since), now) if counted_at and is_heard else Decimal(0),
        used_kwh=used_kwh,
        is_coming=bool(want and want.state and not want.hold and is_heard and is_switched),
        is_cut=bool(want and not want.state),
        proved_at=proof.confirmed_at if proof and is_proved else None,
        most_w=most_w,
        fuse_w=fuse_a * VOLT if fuse_a else None,
        meter_id=meter.pk,
        switch=switch,
    )


def _relay(meter: Meter) -> bool | None:
    state = getattr(meter, "state", None)
    return state.relay if state else None


def _estimate(meter: Meter, since: datetime, now: datetime) -> Decimal:
    return Decimal(round(snapshots.power_told_wh(meter.pk, since, now))).scaleb(-3)


def _account(stay: Stay, used: dict[datetime, Decimal], lines: Sequence[Measured], now: datetime) -> Account:
    bill = accounts.bill([stay.booking_id])[stay.booking_id]
    return Account(
        mode=bill.mode,
        amount=None if bill.has_no_tariff or bill.mode == Mode.INCLUDED else bill.amount,
        price=bill.price,
        bought_kwh=bill.packages_kwh + bill.included_kwh,
        left_kwh=bill.left_kwh,
        stays=Stay.objects.filter(booking=stay.booking_id, position__isnull=False).count(),
        days=_days_left(bill.left_kwh, used, lines, now),
    )


def _days_left(
    left_kwh: Decimal | None, used: dict[datetime, Decimal], lines: Sequence[Measured], now: datetime
) -> float | None:
    if not left_kwh or not lines:
        return None
    since = max(now - PRESENT_USE, min(measured.line.period.lower for measured in lines))
    recent = sum((kwh for hour, kwh in used.items() if hour >= since), Decimal(0))
    if now - since < LEAST_TO_FORESEE or recent <= 0:
        return None
    passed: float = (now - since) / charts.DAY
    return float(left_kwh / recent) * passed
