"""All that a guest's page tells, gathered for one stay. Reads only; what was not seen is not told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.utils import timezone

from bookings import accounts, facts, ledger
from bookings.accounts import Bill
from bookings.ledger import Measured, Used
from bookings.models import Mode, Stay, StayMeter
from bookings.portal import charts, local, switching
from bookings.portal.charts import Chart, Known, Stretch
from bookings.portal.switching import Refusal, Switch
from meters import clock, closeup
from meters.closeup import Asked, Closeup

HOURS_SHOWN = 48
DAYS_SHOWN = 31
PRESENT_USE = timedelta(hours=48)
"""What is left of a package lasts so long as in these hours."""
LEAST_TO_FORESEE = timedelta(hours=6)
"""Of less nobody can tell what a day needs."""


@dataclass(frozen=True, slots=True)
class Outlet:
    """A meter that is the guest's now: what it tells itself (`near`), what it used for him and may give, and what he
    may do. `since_counter_kwh`: estimated from its watts since its counter was last heard.
    """

    near: Closeup
    used_kwh: Decimal
    since_counter_kwh: Decimal
    most_w: int | None
    fuse_a: int | None
    switch: Switch

    @property
    def is_heard(self) -> bool:
        return self.near.online.is_online

    @property
    def is_coming(self) -> bool:
        """Whether it is being switched on by itself."""
        wish = self.near.wish
        return bool(wish and wish.state and not wish.hold and self.is_heard and self.near.is_switched)

    @property
    def is_cut(self) -> bool:
        """Whether it is wanted off."""
        return self.near.wish is not None and not self.near.wish.state

    @property
    def is_near_fuse(self) -> bool:
        return bool(self.most_w and self.fuse_a and self.most_w >= self.fuse_a * local.VOLT * 0.8)


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
    """`each`: name and kWh of all outlets that the stay ever had, None: the counter was never heard. `known`: of which
    time it is known what was used; None: the stay has used no meter. `today_kwh`: since midnight; None: not known.
    """

    now: datetime
    outlets: tuple[Outlet, ...]
    each: tuple[tuple[str, Decimal | None], ...]
    used: Used
    known: Known | None
    today_kwh: Decimal | None
    account: Account
    hours: Chart | None
    days: Chart | None

    @property
    def is_under_way(self) -> bool:
        """Whether something is being switched: in a moment more is known."""
        return any(each.switch.is_under_way or (each.is_coming and not each.near.relay) for each in self.outlets)

    @property
    def is_known(self) -> bool:
        """Whether anything is known of what was used: a counter that was never heard says nothing, and not 0."""
        is_heard = self.known is not None and (
            self.known.until > self.known.since or any(outlet.near.energy.known_at for outlet in self.outlets)
        )
        return is_heard or self.used.kwh > 0

    @property
    def power_w(self) -> int | None:
        """Of all outlets together; None where that of one is not known now."""
        watts = [outlet.near.power_w for outlet in self.outlets if outlet.is_heard]
        known = [each for each in watts if each is not None]
        return sum(known) if self.outlets and len(known) == len(self.outlets) else None

    @property
    def estimate_kwh(self) -> Decimal:
        return sum((outlet.since_counter_kwh for outlet in self.outlets), Decimal(0))


def gather(stay: Stay, now: datetime) -> Facts:
    """What is known now of a stay, of its meters and of its booking's account, in at most six queries."""
    stays = list(Stay.objects.filter(booking=stay.booking_id).select_related("pitch", "booked_pitch").order_by("pk"))
    for each in stays:
        each.booking = stay.booking
    found = StayMeter.objects.filter(stay__in=stays).select_related("start", "end", "booked_pitch")
    all_lines = list(found.order_by("period"))
    near = closeup.of(_asked(all_lines, stay), now)
    all_measured = ledger.measure(all_lines, {meter: each.energy for meter, each in near.items()})
    bill, used = accounts.bill_of(stay.booking, stays, all_measured)
    lines = [measured for measured in all_measured if measured.line.stay_id == stay.pk]
    by_hour, known = charts.by_hour(_stretches(lines, near)), _known(lines)
    hours, days = _charts(by_hour, known, lines, now)
    return Facts(
        now,
        tuple(_outlets(stay, lines, near, bill, now)),
        tuple(
            (near[meter].name, kwh if near[meter].energy.known_at else None)
            for meter, kwh in used[stay.pk].by_meter.items()
        ),
        used[stay.pk],
        known,
        _today(by_hour, known, now),
        _account(bill, stays, by_hour, known),
        hours,
        days,
    )


# --- inside ----------------------------------------------------------------------------------------------------------


def _asked(lines: Sequence[StayMeter], stay: Stay) -> dict[int, Asked]:
    """The meters (ids) of these lines; those of this stay with when it has them, and with their hours since it first
    had them.
    """
    own = [line for line in lines if line.stay_id == stay.pk]
    first = {line.meter_id: line.period.lower for line in reversed(own)}
    last = {line.meter_id: line.period.lower for line in own}
    ids = [line.meter_id for line in lines]
    return {meter: Asked(since=last.get(meter), hours_since=first.get(meter)) for meter in ids}


def _known(lines: Sequence[Measured]) -> Known | None:
    """From when the stay began to use power until when that is known of any of its meters."""
    if not lines:
        return None
    ends = (measured.as_of or measured.line.period.upper for measured in lines)
    return Known(min(measured.line.period.lower for measured in lines), max(end for end in ends if end))


def _stretches(lines: Iterable[Measured], near: Mapping[int, Closeup]) -> list[Stretch]:
    """Each line as far as it is known."""
    return [
        Stretch(
            measured.line.period.lower,
            measured.as_of or measured.line.period.upper,
            measured.kwh,
            {hour: Decimal(wh).scaleb(-3) for hour, wh, _most in near[measured.line.meter_id].hours},
        )
        for measured in lines
    ]


def _charts(
    used: Mapping[datetime, Decimal], known: Known | None, lines: Sequence[Measured], now: datetime
) -> tuple[Chart | None, Chart | None]:
    if known is None:
        return None, None
    ends = [measured.line.period.upper for measured in lines]
    until = now if None in ends else max(end for end in ends if end)
    zone = timezone.get_default_timezone()
    return charts.hourly(used, known, until, HOURS_SHOWN), charts.daily(used, known, until, zone, DAYS_SHOWN)


def _today(used: Mapping[datetime, Decimal], known: Known | None, now: datetime) -> Decimal | None:
    midnight = clock.moment(clock.day_of(now))
    if known is None or known.until <= midnight:
        return None
    return sum((kwh for hour, kwh in used.items() if hour >= midnight), Decimal(0))


def _outlets(
    stay: Stay, lines: Sequence[Measured], near: Mapping[int, Closeup], bill: Bill, now: datetime
) -> Iterable[Outlet]:
    fuse_a = stay.pitch.fuse_a if stay.pitch else None
    why_off = _why_off(stay, bill, now)
    mine = (measured.line.meter_id for measured in lines if measured.line.period.upper_inf)
    for outlet in sorted((near[meter] for meter in mine), key=lambda each: (each.name, each.meter_id)):
        of_meter = [measured for measured in lines if measured.line.meter_id == outlet.meter_id]
        estimate_wh = outlet.since_counter_wh if outlet.online.is_online else 0
        yield Outlet(
            near=outlet,
            used_kwh=sum((measured.kwh for measured in of_meter), Decimal(0)),
            since_counter_kwh=Decimal(estimate_wh).scaleb(-3),
            most_w=_most_w(of_meter, outlet),
            fuse_a=fuse_a,
            switch=switching.switch(stay, outlet, why_off, now),
        )


def _why_off(stay: Stay, bill: Bill, now: datetime) -> Refusal:
    """Why the bookings want a guest's power off, where they do."""
    leaves = facts.leaving(stay)
    if leaves is not None and leaves <= now:
        return Refusal.OVERDUE
    return Refusal.USED_UP if bill.is_empty else Refusal.BY_RECEPTION


def _most_w(lines: Iterable[Measured], outlet: Closeup) -> int | None:
    """The highest watts of the hours that are wholly the stay's."""
    periods = [(m.line.period.lower, m.line.period.upper) for m in lines]
    return max(
        (
            most
            for hour, _wh, most in outlet.hours
            if most is not None
            and any(lower <= hour and (upper is None or hour + charts.HOUR <= upper) for lower, upper in periods)
        ),
        default=None,
    )


def _account(bill: Bill, stays: Sequence[Stay], used: Mapping[datetime, Decimal], known: Known | None) -> Account:
    return Account(
        mode=bill.mode,
        amount=None if bill.has_no_tariff or bill.mode == Mode.INCLUDED else bill.amount,
        price=bill.price,
        bought_kwh=bill.packages_kwh + bill.included_kwh,
        left_kwh=bill.left_kwh,
        stays=sum(1 for each in stays if each.position is not None),
        days=_days_left(bill.left_kwh, used, known),
    )


def _days_left(left_kwh: Decimal | None, used: Mapping[datetime, Decimal], known: Known | None) -> float | None:
    if not left_kwh or known is None:
        return None
    since = max(known.until - PRESENT_USE, known.since)
    recent = sum((kwh for hour, kwh in used.items() if hour >= since), Decimal(0))
    if known.until - since < LEAST_TO_FORESEE or recent <= 0:
        return None
    passed: float = (known.until - since) / charts.DAY
    return float(left_kwh / recent) * passed
