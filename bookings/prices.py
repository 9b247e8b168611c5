"""What power costs: which tariff rules, which extras are packages, and a bill's arithmetic. Pure: it asks no table.

Energy and money are Decimal all the way; an amount is rounded once, at its end, half a cent upwards.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from bookings.models.accounts import Mode, Tariff

CENT = Decimal("0.01")
ZERO = Decimal(0)
LARGEST_PACKAGE_KWH = Decimal(100_000)
_NUMBER = r"(?<!\d)(?<!\d[.,])(?P<kwh>(?>\d{1,6}(?:[.,]\d{1,3})?))(?![.,]?\d)"


def rounded(amount: Decimal) -> Decimal:
    """To two decimals, half upwards (half downwards below zero), as people round money."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def price_of_a_kwh(price: Decimal, kwh: Decimal) -> Decimal:
    """To four decimals, as prices are kept; 0 where there are no kWh."""
    return (price / kwh).quantize(Decimal("0.0001"), ROUND_HALF_UP) if kwh else ZERO


def vat_part(amount: Decimal, vat_percent: Decimal) -> Decimal:
    """The VAT that an amount including VAT holds, not rounded."""
    return amount * vat_percent / (100 + vat_percent)


# --- tariffs ---------------------------------------------------------------------------------------------------------


def choose(tariffs: Iterable[Tariff], kind: str, arrival: date, is_season: bool) -> Tariff | None:
    """The tariff for who arrives that day on a pitch of this kind: of those that fit, one for season guests before one
    for all, then the newest.
    """
    fitting = [
        each
        for each in tariffs
        if kind in each.kinds and each.valid_from <= arrival and (is_season or not each.season_only)
    ]
    return max(fitting, key=lambda each: (each.season_only, each.valid_from, each.pk), default=None)


# --- packages --------------------------------------------------------------------------------------------------------


class PatternError(ValueError):
    """`code` is for machines; bookings/admin has the words."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def check_pattern(pattern: str, kwh: Decimal | None) -> None:
    """Raises PatternError: `empty` (nothing but stars), `two_numbers` (several #), `no_kwh` (neither # nor kWh)."""
    if not pattern.replace("*", "").strip():
        raise PatternError("empty")
    if pattern.count("#") > 1:
        raise PatternError("two_numbers")
    if "#" not in pattern and not kwh:
        raise PatternError("no_kwh")


def package_kwh(description: str, patterns: Iterable[tuple[str, Decimal | None]]) -> Decimal | None:
    """The kWh of one package of this description; None where it is none.

    Of several patterns that fit, the one with most letters of its own rules.
    """
    text = _plain(description)
    for pattern, kwh in sorted(patterns, key=lambda each: (-len(re.sub(r"[*#\s]", "", each[0])), each[0])):
        found = _regex(_plain(pattern)).fullmatch(text)
        if found is None:
            continue
        number = _kwh(found["kwh"]) if "#" in pattern else kwh
        if number and 0 < number <= LARGEST_PACKAGE_KWH:
            return number
    return None


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _regex(pattern: str) -> re.Pattern[str]:
    """Each part after a star is atomic: no pattern, however starry, makes the search long."""
    first, *parts = [re.escape(part).replace(r"\#", _NUMBER) for part in re.split(r"\*+", pattern)]
    if not parts:
        return re.compile(first)
    return re.compile(first + "".join(f"(?>.*?{part})" for part in parts[:-1]) + f".*?{parts[-1]}", re.DOTALL)


def _kwh(number: str) -> Decimal:
    """ "2,5" and "2.5" are two and a half; exactly three digits after a dot or comma are thousands."""
    whole, separator, rest = number.replace(",", ".").partition(".")
    return Decimal(whole + rest) if len(rest) == 3 else Decimal(whole + separator + rest or "0")


# --- the bill --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Span:
    """The nights of one stay, from its arrival to its departure."""

    arrival: date | None
    departure: date | None

    @property
    def nights(self) -> int:
        return max((self.departure - self.arrival).days, 0) if self.arrival and self.departure else 0

    def split(self, day: date) -> tuple[Span, Span]:
        """The nights before this day, and those from it on."""
        if self.arrival and self.departure:
            day = min(max(day, self.arrival), max(self.departure, self.arrival))
        return Span(self.arrival, day), Span(day, self.departure)


def parties(spans: Sequence[Span]) -> int:
    """How many parties these stays are: one that moves on a planned day has two stays one after the other."""
    days = {span.arrival for span in spans if span.arrival}
    at_once = [sum(1 for span in spans if _covers(span, day)) for day in days]
    return max(at_once, default=len(spans))


def _covers(span: Span, day: date) -> bool:
    if span.arrival is None or span.arrival > day:
        return False
    return span.arrival == day or (span.departure is not None and day < span.departure)


@dataclass(frozen=True, slots=True)
class Part:
    """What the stays of one tariff used together."""

    mode: str
    price: Decimal
    vat_percent: Decimal
    used_kwh: Decimal
    allowance_kwh: Decimal
    """Included in the price of the stay; without end where the mode is INCLUDED."""

    @property
    def over_kwh(self) -> Decimal:
        """More than is included."""
        return ZERO if self.mode == Mode.INCLUDED else max(self.used_kwh - self.allowance_kwh, ZERO)

    @property
    def included_kwh(self) -> Decimal:
        return max(self.used_kwh, ZERO) if self.mode == Mode.INCLUDED else self.allowance_kwh


def allowance(tariff: Tariff, spans: Sequence[Span]) -> Decimal:
    """kWh that the price of these stays includes: each night's of each stay, and each party's."""
    nights = sum(span.nights for span in spans)
    return tariff.included_kwh_day * nights + tariff.included_kwh_stay * parties(spans)


@dataclass(frozen=True, slots=True)
class Sold:
    """A package that staff sold here, still to be charged; negative where it was taken back."""

    energy_kwh: Decimal
    price: Decimal
    vat_percent: Decimal


@dataclass(frozen=True, slots=True)
class Line:
    """One line to be charged. `amount` includes VAT; the lines' amounts sum to the bill's."""

    mode: str
    energy_kwh: Decimal
    price: Decimal
    vat_percent: Decimal
    amount: Decimal


def vat_of(lines: Iterable[Line]) -> Decimal:
    """The VAT that these amounts hold, each by its own rate; not rounded."""
    return sum((vat_part(line.amount, line.vat_percent) for line in lines), ZERO)


@dataclass(frozen=True, slots=True)
class Sum:
    """A booking's power: what was used, what of it is paid for, and what is to be charged."""

    used_kwh: Decimal
    included_kwh: Decimal
    packages_kwh: Decimal
    billable_kwh: Decimal
    included_used_kwh: Decimal
    packages_used_kwh: Decimal
    price: Decimal
    amount: Decimal
    vat: Decimal
    mode: str
    left_kwh: Decimal | None
    """Of the packages; None where none was bought and none is asked for. Never negative."""
    lines: tuple[Line, ...]


def reckon(parts: Sequence[Part], packages_kwh: Decimal, sold: Sequence[Sold] = ()) -> Sum:
    """The whole bill. Packages serve whatever is over the included kWh, the dearest first; `packages_kwh` counts those
    sold in Sirvoy and those `sold` here.
    """
    rest, owed = max(packages_kwh, ZERO), []
    for part in sorted(parts, key=lambda each: -each.price):
        covered = min(rest, part.over_kwh)
        rest -= covered
        owed.append((part, part.over_kwh - covered))
    billable = sum((kwh for _part, kwh in owed), ZERO)
    lines = _lines([(Mode.METERED, kwh, part.price, part.vat_percent) for part, kwh in owed if kwh], sold)
    amount = sum((line.amount for line in lines), ZERO)
    over = sum((part.over_kwh for part in parts), ZERO)
    used = sum((part.used_kwh for part in parts), ZERO)
    return Sum(
        used_kwh=used,
        included_kwh=sum((part.included_kwh for part in parts), ZERO),
        packages_kwh=packages_kwh,
        billable_kwh=billable,
        included_used_kwh=max(used - over, ZERO),
        packages_used_kwh=over - billable,
        price=_price(parts),
        amount=rounded(amount),
        vat=rounded(vat_of(lines)),
        mode=_mode(parts, packages_kwh),
        left_kwh=_left(parts, packages_kwh, rest),
        lines=lines,
    )


def _lines(metered: Sequence[tuple[str, Decimal, Decimal, Decimal]], sold: Sequence[Sold]) -> tuple[Line, ...]:
    """The sum is rounded, not each line: a line is what the rounded sum grows by with it."""
    made, total = [], ZERO
    for mode, kwh, price, vat_percent in metered:
        before, total = total, total + kwh * price
        made.append(Line(mode, kwh, price, vat_percent, rounded(total) - rounded(before)))
    for each in sold:
        price = price_of_a_kwh(each.price, each.energy_kwh)
        made.append(Line(Mode.PACKAGE, each.energy_kwh, price, each.vat_percent, each.price))
    return tuple(made)


def _price(parts: Sequence[Part]) -> Decimal:
    """Of the part that went furthest over what is included; before any use, the dearest."""
    charged = [part for part in parts if part.mode != Mode.INCLUDED]
    return max(((part.over_kwh, part.price) for part in charged), default=(ZERO, ZERO))[1]


def _mode(parts: Sequence[Part], packages_kwh: Decimal) -> str:
    modes = {part.mode for part in parts}
    if packages_kwh > 0 or Mode.PACKAGE in modes:
        return Mode.PACKAGE
    return Mode.METERED if Mode.METERED in modes else Mode.INCLUDED


def _left(parts: Sequence[Part], packages_kwh: Decimal, rest: Decimal) -> Decimal | None:
    if _mode(parts, packages_kwh) != Mode.PACKAGE:
        return None
    included = (max(each.allowance_kwh - each.used_kwh, ZERO) for each in parts if each.mode != Mode.INCLUDED)
    return rest + sum(included, ZERO)
