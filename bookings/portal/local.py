"""Numbers, amounts and dates as the language that is spoken writes them. By Babel's copy of Unicode's CLDR."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from babel import dates, numbers
from django.conf import settings
from django.utils import timezone

from meters import live
from meters.ages import STILL_THIS_UNIT, locale

VOLT = 230


def number(value: Decimal | float, digits: int = 0) -> str:
    """With exactly so many digits, halves rounded up."""
    exact = Decimal(str(value)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return str(numbers.format_decimal(exact + 0, format=f"#,##0.{'0' * digits}", locale=locale()))


def amount(value: Decimal) -> str:
    """With the campsite's currency."""
    spoken = locale()
    pattern = "¤\xa0#,##0.00" if spoken.language == "en" else None  # Babel puts "DKK8.75" together
    return numbers.format_currency(value, settings.CURRENCY, pattern, locale=spoken)


def price(value: Decimal) -> str:
    """Of a kWh, in the campsite's currency: with all of the decimals that it has, at least two."""
    spoken = locale()
    pattern = spoken.currency_formats["standard"].pattern.replace("0.00", "0.00##")
    pattern = "¤\xa0#,##0.00##" if spoken.language == "en" else pattern
    return numbers.format_currency(value, settings.CURRENCY, pattern, locale=spoken, currency_digits=False)


def percent(value: Decimal) -> str:
    """Of a number of hundredths, with the decimals that it has."""
    return str(numbers.format_percent(value / 100, locale=locale(), decimal_quantization=False))


def signed(value: Decimal, digits: int = 0) -> str:
    """A number with its sign, also where it is a plus."""
    return f"+{number(value, digits)}" if value > 0 else number(value, digits)


def kwh(value: Decimal) -> str:
    """To the Wh's hundreds, of less than 10 kWh to its tens: what is little is no 0."""
    return number(value, 2 if abs(value) < 10 else 1)


def power(watts: int) -> str:
    """In W up to 1 kW, then in kW."""
    return f"{number(watts)} W" if watts < 1000 else f"{number(Decimal(watts) / 1000, 2)} kW"


def fuse(amperes: int) -> str:
    """What an outlet behind such a fuse gives."""
    return f"{power(amperes * VOLT)} ({amperes} A)"


def clock(moment: datetime) -> str:
    """The campsite's time of day."""
    return dates.format_time(at_campsite(moment), "short", locale=locale())


def day(moment: date | datetime, *, weekday: bool = False) -> str:
    """Day and month, without the year."""
    local = at_campsite(moment).date() if isinstance(moment, datetime) else moment
    return dates.format_skeleton("MMMEd" if weekday else "MMMd", local, locale=locale())


def moment(at: datetime) -> str:
    """Day, month and time of day."""
    return f"{day(at)} {clock(at)}"


def full_date(day: date) -> str:
    """Day, month and year."""
    return dates.format_skeleton("yMMMd", day, locale=locale())


def full_moment(at: datetime) -> str:
    """Day, month, year and time of day."""
    return f"{full_date(at_campsite(at).date())} {clock(at)}"


def ms(moment: datetime | None) -> str:
    """Milliseconds since 1970, for scripts; "" for never."""
    return "" if moment is None else str(live.ms(moment))


def span(length: timedelta) -> str:
    """A duration in its largest unit that is more than one."""
    return dates.format_timedelta(length, threshold=STILL_THIS_UNIT, locale=locale())


def at_campsite(moment: datetime) -> datetime:
    """By the campsite's clock."""
    return timezone.localtime(moment, timezone.get_default_timezone())
