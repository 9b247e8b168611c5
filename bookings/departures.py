"""Who leaves on a day, and what reception types into Sirvoy for it. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

from django.db.models import Exists, OuterRef, Prefetch, Q
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from bookings import accounts
from bookings.accounts import Bill
from bookings.models import Booking, Correction, PackageSale, Stay, StayMeter
from meters import clock

OFF = (Stay.Status.CANCELLED, Stay.Status.EXPECTED)


class Sure(StrEnum):
    """How sure a departure's kWh are."""

    RUNNING = "running"
    READ = "read"
    ESTIMATED = "estimated"
    UNKNOWN = "unknown"

    @property
    def words(self) -> Promise:
        return SURE_WORDS[self]


SURE_WORDS: dict[Sure, Promise] = {
    Sure.RUNNING: _("still running"),
    Sure.READ: _("read"),
    Sure.ESTIMATED: _("partly estimated"),
    Sure.UNKNOWN: _("unknown"),
}


class Account(StrEnum):
    """Whether reception has anything left to type in."""

    NO_TARIFF = "no_tariff"
    NOTHING = "nothing"
    DUE = "due"
    CHANGED = "changed"
    CHARGED = "charged"

    @property
    def words(self) -> Promise:
        return ACCOUNT_WORDS[self]


ACCOUNT_WORDS: dict[Account, Promise] = {
    Account.NO_TARIFF: _("no tariff"),
    Account.NOTHING: _("nothing to charge"),
    Account.DUE: _("to be charged"),
    Account.CHANGED: _("changed since it was charged"),
    Account.CHARGED: _("charged"),
}


@dataclass(frozen=True, slots=True)
class Departure:
    """A booking of which somebody leaves that day. The bill is the whole booking's, with all its stays.

    `is_off`: it was cancelled, or its check-in was taken back, and something was used or sold all the same.
    """

    booking_id: int
    sirvoy_id: int
    guest: str
    pitches: tuple[str, ...]
    arrival: date | None
    departure: date | None
    has_left: bool
    is_off: bool
    others_stay: bool
    """Others of the same booking leave on a later day, or it counts on another day."""
    bill: Bill

    @property
    def sure(self) -> Sure:
        if not self.has_left:
            return Sure.RUNNING
        if not self.bill.is_known:
            return Sure.UNKNOWN
        return Sure.ESTIMATED if self.bill.is_estimated else Sure.READ

    @property
    def account(self) -> Account:
        if self.bill.has_no_tariff:
            return Account.NO_TARIFF
        if self.bill.due:
            return Account.CHANGED if self.bill.charged else Account.DUE
        return Account.CHARGED if self.bill.charged else Account.NOTHING


def on(day: date) -> list[Departure]:
    """The departures of a day of the campsite: booked for it, or checked out on it; also of those who were cancelled,
    or whose check-in was taken back, where something was used or sold. By pitch, the undone first.

    A constant number of queries.
    """
    return between(day, day)


def between(first: date, last: date) -> list[Departure]:
    """The same for all days from the first to the last. Who was booked for one day and left on another counts when he
    left."""
    stays = Prefetch("stays", Stay.objects.select_related("pitch").order_by("position", "pk"))
    leaving = Stay.objects.filter(_leaves(first, last)).values("booking")
    bookings = list(Booking.objects.filter(pk__in=leaving).select_related("guest").prefetch_related(stays))
    bills = accounts.bill(booking.pk for booking in bookings)
    found = [_departure(each, bills[each.pk], first, last) for each in bookings]
    return sorted(found, key=lambda each: (each.account == Account.CHARGED, [_natural(p) for p in each.pitches]))


def total(departures: Iterable[Departure]) -> Decimal:
    """What is still to be charged for them."""
    return sum((each.bill.due for each in departures), Decimal(0))


# --- inside ----------------------------------------------------------------------------------------------------------


def _leaves(first: date, last: date) -> Q:
    """Of stays that are or were here; of others only where their booking has an account."""
    start, end = clock.moment(first), clock.moment(last + timedelta(days=1))
    has_left = Q(status=Stay.Status.LEFT, ended_at__gte=start, ended_at__lt=end)
    undated = Q(status=Stay.Status.LEFT, ended_at=None)
    is_booked = Q(departure__gte=first, departure__lte=last)
    ended = Q(status=Stay.Status.CANCELLED, ended_at__gte=start, ended_at__lt=end)
    is_undated = Q(departure=None, booking__generated_at__gte=start, booking__generated_at__lt=end)
    never_ended = Q(status__in=OFF, ended_at=None) & (is_booked | is_undated)
    was_here = Exists(StayMeter.objects.filter(stay=OuterRef("pk")))
    was_corrected = Exists(Correction.objects.filter(stay=OuterRef("pk")))
    has_bought = Exists(PackageSale.objects.filter(booking=OuterRef("booking")))
    has_account = Q(was_here) | Q(was_corrected) | Q(has_bought)
    return has_left | (Q(status=Stay.Status.IN_HOUSE) | undated) & is_booked | (ended | never_ended) & has_account


def _departure(booking: Booking, bill: Bill, first: date, last: date) -> Departure:
    parties = list(booking.stays.all())
    came = [each for each in parties if each.status not in OFF or each.ended_at]
    counted = [each for each in came if _is_within(each, first, last)]
    leaving = counted or [each for each in parties if _is_within(each, first, last)]
    guest = getattr(booking, "guest", None)
    return Departure(
        booking_id=booking.pk,
        sirvoy_id=booking.sirvoy_id,
        guest=str(guest) if guest else "",
        pitches=tuple(dict.fromkeys(each.pitch.number for each in leaving if each.pitch)),
        arrival=min((each.arrival for each in leaving if each.arrival), default=booking.arrival),
        departure=max((day for each in leaving if (day := _day(each))), default=booking.departure),
        has_left=all(each.status != Stay.Status.IN_HOUSE for each in leaving),
        is_off=all(each.status in OFF for each in leaving),
        others_stay=any((day := _day(each)) is None or day > last for each in came) or (bool(came) and not counted),
        bill=bill,
    )


def _is_within(stay: Stay, first: date, last: date) -> bool:
    day = _day(stay)
    return day is not None and first <= day <= last


def _day(stay: Stay) -> date | None:
    """The campsite's day on which a stay ends, or ended; without any date, that of Sirvoy's last word."""
    if stay.status in (Stay.Status.LEFT, Stay.Status.CANCELLED) and stay.ended_at:
        return clock.day_of(stay.ended_at)
    if stay.status in OFF and stay.departure is None:
        return clock.day_of(stay.booking.generated_at)
    return stay.departure


def _natural(number: str) -> tuple[int, str]:
    """Pitch 9 comes before pitch 10."""
    digits = "".join(filter(str.isdecimal, number))
    return int(digits[:9]) if digits else 0, number
