"""Guests in the two nights in which the clock is changed. What power does in them is tested with the policy
(test_power.py), when a link ends in test_links.py.
"""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone, translation

from bookings import hours, prices
from bookings.models import Mode, Tariff
from bookings.portal import charts, drawing
from meters import clock

SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def of_the_day(day: date) -> tuple[dict[datetime, Decimal], charts.Known, datetime]:
    """0.1 kWh in each hour of the day and of those around it."""
    start, end = clock.moment(day - DAY), clock.moment(day + 2 * DAY)
    used = {start + number * HOUR: Decimal("0.1") for number in range((end - start) // HOUR)}
    return used, charts.Known(start, end), end - HOUR / 2


@pytest.mark.parametrize(("day", "hours_of_day"), [(SPRING, 23), (AUTUMN, 25)])
def test_the_guests_day_holds_all_its_hours_and_sums_to_the_ledger(day: date, hours_of_day: int) -> None:
    used, known, until = of_the_day(day)
    by_day = charts.daily(used, known, until, timezone.get_default_timezone(), 30)
    assert [bar.kwh for bar in by_day.bars] == [Decimal("2.4"), Decimal(hours_of_day) / 10, Decimal("2.4")]
    assert by_day.total_kwh == sum(used.values())


def test_the_guests_hours_are_each_told_by_a_name_of_their_own() -> None:
    used, known, until = of_the_day(AUTUMN)
    with translation.override("en"):
        drawn = drawing.hours(charts.hourly(used, known, until, 48))
    names = [column.name for column in drawn.columns]
    assert len(set(names)) == 48
    assert [name.rpartition(" ")[2] for name in names if "(" in name] == ["(CEST)", "(CET)"]


def test_in_spring_no_hour_is_named_that_was_not() -> None:
    used, known, until = of_the_day(SPRING)
    with translation.override("da"):
        drawn = drawing.hours(charts.hourly(used, known, until, 48))
    assert len(drawn.columns) == len({column.name for column in drawn.columns}) == 48
    assert not any("29" in column.name and "02" in column.name.split()[-1][:2] for column in drawn.columns)


@pytest.mark.parametrize("day", [SPRING, AUTUMN])
def test_reception_opens_at_eight_and_guests_leave_at_eleven(day: date) -> None:
    assert hours.opening(clock.moment(day)) == clock.moment(day, time(8))
    assert hours.opening(clock.moment(day, time(20))) == clock.moment(day + DAY, time(8))
    assert hours.check_out_at(day) == clock.moment(day, time(11))
    assert timezone.localtime(hours.check_out_at(day), timezone.get_default_timezone()).hour == 11


@pytest.mark.parametrize(
    "moment", [datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)]
)
def test_at_both_half_past_twos_reception_is_closed_until_eight(moment: datetime) -> None:
    assert hours.opening(moment) == datetime(2026, 10, 25, 7, tzinfo=UTC)


@pytest.mark.parametrize("day", [SPRING, AUTUMN])
def test_a_package_by_the_night_is_for_that_night_as_for_any_other(day: date) -> None:
    tariff = Tariff(mode=Mode.PACKAGE, included_kwh_day=Decimal(10), included_kwh_stay=Decimal(0))
    short = prices.allowance(tariff, [prices.Span(day - DAY, day + DAY)])
    other = prices.allowance(tariff, [prices.Span(date(2026, 7, 1), date(2026, 7, 3))])
    assert short == other == Decimal(20)
