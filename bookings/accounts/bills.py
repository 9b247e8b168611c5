"""Which tariff rules a stay, and what a booking's power costs. Reads only; the arithmetic is in bookings/prices.py."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db.models import DateTimeField, DecimalField, Prefetch, Value

from bookings import ledger, prices
from bookings.models import (
    Booking,
    Charge,
    Correction,
    Mode,
    PackagePattern,
    PackageSale,
    Stay,
    StayMeter,
    Tariff,
)
from bookings.prices import NONE
from meters import clock

Patterns = Sequence[tuple[str, Decimal | None]]
UNPRICED_VAT_PERCENT = Decimal(25)
"""Where no tariff fits: Denmark's VAT."""


@dataclass(frozen=True, slots=True)
class Bill(prices.Sum):
    """A booking's account: all its stays together. `amount` is what Sirvoy does not know of: kWh by the meter and the
    packages that staff sold here; `in_sirvoy` the price of the packages among its extras.
    """

    booking_id: int
    is_estimated: bool
    as_of: datetime | None
    """When the oldest of its values was measured."""
    vat_percent: Decimal
    in_sirvoy: Decimal
    charged: Decimal
    charged_at: datetime | None
    low_kwh: Decimal
    may_cut: bool
    grace: timedelta
    has_no_tariff: bool
    """Some of what was used has no price: no tariff fits."""

    @property
    def due(self) -> Decimal:
        """What is still to be typed into Sirvoy; negative where too much was."""
        return self.amount - self.charged

    @property
    def is_empty(self) -> bool:
        """All that was bought is used up. Who has used nothing yet has emptied nothing."""
        return self.left_kwh is not None and self.left_kwh <= 0 and self.used_kwh > 0

    @property
    def is_low(self) -> bool:
        return self.left_kwh is not None and self.left_kwh <= self.low_kwh and not self.is_empty


def bill(booking_ids: Iterable[int]) -> dict[int, Bill]:
    """Each booking's account by the booking's id, in a constant number of queries. Unknown ids are left out."""
    stays = Prefetch("stays", Stay.objects.select_related("pitch", "booked_pitch"))
    bookings = list(Booking.objects.filter(pk__in=set(booking_ids)).prefetch_related(stays).order_by("pk"))
    lines = StayMeter.objects.filter(stay__booking__in=bookings).select_related("start", "end", "booked_pitch")
    measured = ledger.measure(lines) if bookings else []
    return {each.pk: bill for each, bill, _used in _bills({b: list(b.stays.all()) for b in bookings}, measured)}


def bill_of(
    booking: Booking, stays: Sequence[Stay], lines: Sequence[ledger.Measured]
) -> tuple[Bill, dict[int, ledger.Used]]:
    """A booking's account, and what each of its stays (by id) used, where all its stays, with their pitches, and lines
    are at hand.
    """
    ((_booking, made, used),) = _bills({booking: stays}, lines)
    return made, used


def kwh_of(description: str) -> Decimal | None:
    """The kWh of one extra of this description; None where it is no package. A quantity multiplies it."""
    return prices.package_kwh(description, _patterns())


def extras(booking: Booking) -> list[tuple[str, Decimal | None]]:
    """What was bought in Sirvoy besides, as text, and its kWh; None where it is no package of electricity."""
    patterns, found = _patterns(), []
    for item in booking.items:
        kwh, quantity = _item_kwh(item, patterns), _quantity(item)
        text = f"{quantity.normalize():f} × {item.get('description') or '?'}"
        found.append((text, None if kwh is None else kwh * quantity))
    return found


# --- inside ----------------------------------------------------------------------------------------------------------


def _patterns() -> Patterns:
    return list(PackagePattern.objects.values_list("pattern", "kwh"))


def _tariff(stay: Stay, tariffs: Sequence[Tariff], kind: str = "") -> Tariff | None:
    """`kind`: of the pitch that was booked; "": of the one that is booked now."""
    own, booked = stay.arrival, stay.booking.arrival
    pitch, arrival = stay.booked_pitch or stay.pitch, booked or own
    if stay.position is None:
        arrival = own or booked
    kind = kind or (pitch.kind if pitch else "")
    return prices.choose(tariffs, kind, arrival, stay.is_season) if kind and arrival else None


@dataclass(slots=True)
class _Stretch:
    """What a stay used under one tariff, and its nights; None where it lasted no night and another one followed."""

    tariff: Tariff | None
    kwh: Decimal
    nights: prices.Span | None


def _bills(
    stays: Mapping[Booking, Sequence[Stay]], lines: Sequence[ledger.Measured]
) -> Iterator[tuple[Booking, Bill, dict[int, ledger.Used]]]:
    if not stays:
        return
    entered = _entered([booking.pk for booking in stays])
    book = ledger.Book(lines, {stay: kwh for each in entered.values() for stay, kwh in each.corrected.items()})
    tariffs, patterns = list(Tariff.objects.all()), _patterns()
    for booking, its in stays.items():
        used = book.by_stay([stay.pk for stay in its])
        yield booking, _bill(booking, its, used, entered[booking.pk], tariffs, patterns), used


@dataclass(slots=True)
class _Entered:
    """What people entered of a booking: packages sold here, what was charged, and kWh corrected by stay (id)."""

    sold: list[prices.Sold] = field(default_factory=list)
    charged: Decimal = NONE
    charged_at: datetime | None = None
    corrected: dict[int, Decimal] = field(default_factory=lambda: defaultdict(Decimal))


def _entered(booking_ids: Sequence[int]) -> dict[int, _Entered]:
    """In one query."""
    of = {"booking__in": booking_ids}
    no_amount, no_time = Value(None, DecimalField()), Value(None, DateTimeField())
    rows = PackageSale.objects.filter(**of).values_list(
        "booking_id", "pk", Value("sold"), "energy_kwh", "price", "vat_percent", no_time
    )
    charges = Charge.objects.filter(**of).values_list(
        "booking_id", "pk", Value("charged"), "energy_kwh", "amount", "vat_percent", "at"
    )
    corrections = Correction.objects.filter(stay__booking__in=booking_ids).values_list(
        "stay__booking_id", "stay_id", Value("corrected"), "energy_kwh", no_amount, no_amount, no_time
    )
    found = {booking: _Entered() for booking in booking_ids}
    for booking, pk, what, kwh, amount, vat_percent, at in sorted(
        rows.order_by().union(charges.order_by(), corrections.order_by(), all=True), key=lambda row: -row[1]
    ):
        each = found[booking]
        if what == "sold":
            each.sold.append(prices.Sold(kwh, amount, vat_percent))
        elif what == "charged":
            each.charged += amount
            each.charged_at = max(at, each.charged_at or at)
        else:
            each.corrected[pk] += kwh
    return found


def _bill(
    booking: Booking,
    booked: Iterable[Stay],
    used: Mapping[int, ledger.Used],
    entered: _Entered,
    tariffs: Sequence[Tariff],
    patterns: Patterns,
) -> Bill:
    stays = [each for each in booked if each.status != Stay.Status.CANCELLED or used[each.pk].kwh]
    by_tariff: dict[Tariff | None, list[_Stretch]] = defaultdict(list)
    for stay in stays:
        for stretch in _stretches(stay, used[stay.pk], tariffs):
            by_tariff[stretch.tariff].append(stretch)
    parts = [_part(tariff, group) for tariff, group in by_tariff.items()]
    in_sirvoy_kwh, in_sirvoy = _in_sirvoy(booking, patterns)
    sold_kwh = sum((each.energy_kwh for each in entered.sold), NONE)
    total = prices.reckon(parts, in_sirvoy_kwh + sold_kwh, entered.sold)
    terms = [tariff for stay in stays if (tariff := _tariff(stay, tariffs)) and tariff.mode != Mode.INCLUDED]
    known = [used[stay.pk].as_of for stay in stays]
    return Bill(
        **{field.name: getattr(total, field.name) for field in fields(prices.Sum)},
        booking_id=booking.pk,
        is_estimated=any(used[stay.pk].is_estimated for stay in stays),
        as_of=min((moment for moment in known if moment), default=None),
        vat_percent=terms[0].vat_percent if terms else UNPRICED_VAT_PERCENT,
        in_sirvoy=in_sirvoy,
        charged=entered.charged,
        charged_at=entered.charged_at,
        low_kwh=max((each.low_kwh for each in terms), default=NONE),
        may_cut=bool(terms) and all(each.mode == Mode.PACKAGE and each.cut_when_empty for each in terms),
        grace=timedelta(hours=max((each.grace_h for each in terms), default=0)),
        has_no_tariff=any(stretch.kwh for stretch in by_tariff[None]),
    )


def _part(tariff: Tariff | None, stretches: Sequence[_Stretch]) -> prices.Part:
    kwh = sum((stretch.kwh for stretch in stretches), NONE)
    if tariff is None:
        return prices.Part(Mode.METERED, NONE, UNPRICED_VAT_PERCENT, kwh, NONE)
    included = prices.allowance(tariff, [stretch.nights for stretch in stretches if stretch.nights])
    return prices.Part(tariff.mode, tariff.price, tariff.vat_percent, kwh, included)


def _stretches(stay: Stay, used: ledger.Used, tariffs: Sequence[Tariff]) -> list[_Stretch]:
    """One; more where Sirvoy booked another kind of pitch while the guest was here, as they followed each other. What
    was corrected counts to the last one, as far as that used so much.
    """
    nights = _nights(stay)
    found = [_Stretch(_tariff(stay, tariffs, used.shares[0].kind if used.shares else ""), NONE, nights)]
    for share in used.shares:
        tariff = _tariff(stay, tariffs, share.kind)
        if tariff != found[-1].tariff:
            before, nights = nights.split(clock.day_of(share.since))
            found[-1].nights = before if before.nights else None
            found.append(_Stretch(tariff, NONE, nights))
        found[-1].kwh += share.kwh
    rest = used.kwh - sum((stretch.kwh for stretch in found), NONE)
    for stretch in reversed(found):
        change = max(rest, -stretch.kwh)
        stretch.kwh, rest = stretch.kwh + change, rest - change
    return found


def _nights(stay: Stay) -> prices.Span:
    """The nights that were booked; of a stay that is no part of its booking any more, or was cancelled, those that it
    lasted.
    """
    if stay.status == Stay.Status.CANCELLED and stay.ended_at is None:
        return prices.Span(stay.arrival, stay.arrival)
    if stay.ended_at and (stay.position is None or stay.status == Stay.Status.CANCELLED):
        return prices.Span(stay.arrival, clock.day_of(stay.ended_at))
    return prices.Span(stay.arrival, stay.departure)


def _in_sirvoy(booking: Booking, patterns: Patterns) -> tuple[Decimal, Decimal]:
    """kWh and price of the packages among a booking's extras."""
    energy, price = NONE, NONE
    for item in booking.items:
        kwh, quantity = _item_kwh(item, patterns), _quantity(item)
        if kwh is None:
            continue
        energy += kwh * quantity
        total = _decimal(item.get("total"))
        price += (_decimal(item.get("price")) or NONE) * quantity if total is None else total
    return energy, prices.rounded(price)


def _item_kwh(item: Mapping[str, Any], patterns: Patterns) -> Decimal | None:
    """Of one; None where it is no package. What was recognised when the event came stays so; a pattern that was added
    since recognises the rest.
    """
    kwh = _decimal(item.get("kwh"))
    return prices.package_kwh(str(item.get("description") or ""), patterns) if kwh is None else kwh


def _quantity(item: Mapping[str, Any]) -> Decimal:
    quantity = _decimal(item.get("quantity"))
    return Decimal(1) if quantity is None else quantity


def _decimal(value: Any) -> Decimal | None:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
