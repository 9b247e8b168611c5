"""Which tariff rules a stay, and what a booking's power costs. Reads only; the arithmetic is in bookings/prices.py."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import BigIntegerField, DecimalField, F, Prefetch, Value

from bookings import ledger, prices
from bookings.accounts import items
from bookings.models import (
    Booking,
    Charge,
    Correction,
    Mode,
    PackageSale,
    Stay,
    StayMeter,
    Tariff,
)
from bookings.prices import ZERO
from meters import clock

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
    low_kwh: Decimal
    may_cut: bool
    grace: timedelta
    has_no_tariff: bool
    """Some of what was used has no price: no tariff fits."""

    @property
    def is_known(self) -> bool:
        """Whether anything was measured, or noted by hand: of who never had a meter nothing was."""
        return self.as_of is not None or self.used_kwh != 0

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
    made = _bills({each: list(each.stays.all()) for each in bookings}, measured)
    return {each.pk: bill for each, (bill, _used) in made.items()}


def bill_of(
    booking: Booking, stays: Sequence[Stay], lines: Sequence[ledger.Measured]
) -> tuple[Bill, dict[int, ledger.Used]]:
    """A booking's account, and what each of its stays (by id) used, where all its stays, with their pitches, and lines
    are at hand.
    """
    return _bills({booking: stays}, lines)[booking]


# --- inside ----------------------------------------------------------------------------------------------------------


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
) -> dict[Booking, tuple[Bill, dict[int, ledger.Used]]]:
    if not stays:
        return {}
    entered = _entered([booking.pk for booking in stays])
    book = ledger.Book(lines, {stay: kwh for each in entered.values() for stay, kwh in each.corrected.items()})
    tariffs, patterns = list(Tariff.objects.all()), items.known_patterns()
    made = {}
    for booking, its in stays.items():
        used = book.by_stay([stay.pk for stay in its])
        made[booking] = _bill(booking, its, used, entered[booking.pk], tariffs, patterns), used
    return made


@dataclass(slots=True)
class _Entered:
    """What people entered of a booking: packages sold here, what was charged, and kWh corrected by stay (id)."""

    sold: list[prices.Sold] = field(default_factory=list)
    charged: Decimal = ZERO
    corrected: dict[int, Decimal] = field(default_factory=lambda: defaultdict(Decimal))


def _entered(booking_ids: Sequence[int]) -> dict[int, _Entered]:
    """In one query of equal rows: of a package with its price, of kWh corrected with their stay, of a charge."""
    no_stay, no_number = Value(None, BigIntegerField()), Value(None, DecimalField())
    sold = PackageSale.objects.filter(booking__in=booking_ids).values(
        of=F("booking_id"), number=F("pk"), of_stay=no_stay, kwh=F("energy_kwh"), worth=F("price"), vat=F("vat_percent")
    )
    corrected = Correction.objects.filter(stay__booking__in=booking_ids).values(
        of=F("stay__booking_id"),
        number=F("pk"),
        of_stay=F("stay_id"),
        kwh=F("energy_kwh"),
        worth=no_number,
        vat=no_number,
    )
    charged = Charge.objects.filter(booking__in=booking_ids).values(
        of=F("booking_id"), number=F("pk"), of_stay=no_stay, kwh=no_number, worth=F("amount"), vat=no_number
    )
    found = {booking: _Entered() for booking in booking_ids}
    for row in sold.order_by().union(corrected.order_by(), charged.order_by(), all=True).order_by("-number"):
        each = found[row["of"]]
        if row["of_stay"]:
            each.corrected[row["of_stay"]] += row["kwh"]
        elif row["kwh"] is None:
            each.charged += row["worth"]
        else:
            each.sold.append(prices.Sold(row["kwh"], row["worth"], row["vat"]))
    return found


def _bill(
    booking: Booking,
    booked: Iterable[Stay],
    used: Mapping[int, ledger.Used],
    entered: _Entered,
    tariffs: Sequence[Tariff],
    patterns: items.Patterns,
) -> Bill:
    stays = [each for each in booked if each.status != Stay.Status.CANCELLED or used[each.pk].kwh]
    by_tariff: dict[Tariff | None, list[_Stretch]] = defaultdict(list)
    for stay in stays:
        for stretch in _stretches(stay, used[stay.pk], tariffs):
            by_tariff[stretch.tariff].append(stretch)
    parts = [_part(tariff, group) for tariff, group in by_tariff.items()]
    in_sirvoy_kwh, in_sirvoy = items.in_sirvoy(booking, patterns)
    sold_kwh = sum((each.energy_kwh for each in entered.sold), ZERO)
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
        low_kwh=max((each.low_kwh for each in terms), default=ZERO),
        may_cut=bool(terms) and all(each.mode == Mode.PACKAGE and each.cut_when_empty for each in terms),
        grace=timedelta(hours=max((each.grace_h for each in terms), default=0)),
        has_no_tariff=any(stretch.kwh for stretch in by_tariff[None]),
    )


def _part(tariff: Tariff | None, stretches: Sequence[_Stretch]) -> prices.Part:
    kwh = sum((stretch.kwh for stretch in stretches), ZERO)
    if tariff is None:
        return prices.Part(Mode.METERED, ZERO, UNPRICED_VAT_PERCENT, kwh, ZERO)
    included = prices.allowance(tariff, [stretch.nights for stretch in stretches if stretch.nights])
    return prices.Part(tariff.mode, tariff.price, tariff.vat_percent, kwh, included)


def _stretches(stay: Stay, used: ledger.Used, tariffs: Sequence[Tariff]) -> list[_Stretch]:
    """One; more where Sirvoy booked another kind of pitch while the guest was here, as they followed each other. What
    was corrected counts to the last one, as far as that used so much.
    """
    nights = _nights(stay)
    found = [_Stretch(_tariff(stay, tariffs, used.shares[0].kind if used.shares else ""), ZERO, nights)]
    for share in used.shares:
        tariff = _tariff(stay, tariffs, share.kind)
        if tariff != found[-1].tariff:
            before, nights = nights.split(clock.day_of(share.since))
            found[-1].nights = before if before.nights else None
            found.append(_Stretch(tariff, ZERO, nights))
        found[-1].kwh += share.kwh
    rest = used.kwh - sum((stretch.kwh for stretch in found), ZERO)
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
