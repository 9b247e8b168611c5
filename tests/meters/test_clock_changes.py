"""On the two days on which the clock is changed: 23 and 25 hours, each told apart, and together what the counter says.

The board's day, the API's and the files' have their tests beside those of other days; here they are held together.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from django.template.loader import render_to_string
from django.utils import timezone, translation

from meters import charts, clock, exports, history, switching, usage
from meters.models import CounterEpoch, DailyUsage, HourlyUsage
from meters.readings import Report, days, store
from tests import make
from tests.meters.counting import NOTHING, known

pytestmark = pytest.mark.django_db
SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)
DAYS = [(SPRING, 23), (AUTUMN, 25)]
HOUR = timedelta(hours=1)


def bounds(day: date) -> tuple[datetime, datetime]:
    return clock.moment(day), clock.moment(day + timedelta(days=1))


@pytest.fixture(params=DAYS, ids=["spring", "autumn"])
def told(request: pytest.FixtureRequest):
    """A meter that told its counter at each full hour, from the day before to the day after: 100 Wh an hour."""
    day, hours = request.param
    meter = make.meter("101")
    start, end = bounds(day)
    moments = [start + number * HOUR for number in range(-24, (end - start) // HOUR + 25)]
    who = known(meter)
    store([Report(who, NOTHING._replace(counter_wh=100 * count), at) for count, at in enumerate(moments)])
    return meter, day, hours


def test_the_day_has_its_hours_and_they_sum_to_the_counter(told) -> None:
    meter, day, hours = told
    found = history.hours(meter, day, timezone.now())
    assert [hour.energy_wh for hour in found] == [100] * hours
    assert charts.bar_chart(found).total_wh == hours * 100
    epoch = CounterEpoch.objects.get(meter=meter)
    assert sum(HourlyUsage.objects.values_list("energy_wh", flat=True)) == epoch.last_wh - epoch.first_wh


def test_the_days_sum_is_that_of_its_hours_and_the_days_around_are_whole(told) -> None:
    meter, day, hours = told
    days.sum_up(clock.moment(day + timedelta(days=2), time(3, 15)))
    sums = dict(DailyUsage.objects.filter(meter=meter).values_list("day", "energy_wh"))
    assert [sums[day + timedelta(days=away)] for away in (-1, 0, 1)] == [2400, hours * 100, 2400]


def test_by_hour_by_day_and_in_a_file_it_is_the_same(told) -> None:
    meter, day, hours = told
    start, end = bounds(day)
    wanted = Decimal(hours) / 10
    assert usage.total(usage.by_hour([meter.pk], start, end))[0] == wanted
    assert usage.total(usage.by_day([meter.pk], start, end))[0] == wanted
    rows = list(exports.of_meter(meter, exports.What.HOURS, day, day).rows)
    assert (len(rows), sum(row[-7] for row in rows)) == (hours, wanted)


def test_an_hour_of_a_file_is_told_in_utc_too_so_that_none_is_another(told) -> None:
    meter, day, hours = told
    rows = list(exports.of_meter(meter, exports.What.HOURS, day, day).rows)
    assert len({row[0] for row in rows}) == hours
    assert len({row[1] for row in rows}) == min(hours, 24)
    assert {row[2] for row in rows} == {day}


def test_each_hour_ends_where_the_next_begins(told) -> None:
    meter, day, _hours = told
    found = history.hours(meter, day, timezone.now())
    for hour, following in pairwise(found):
        assert (hour.end.utcoffset(), hour.end.time()) == (following.start.utcoffset(), following.start.time())


def test_the_board_tells_the_two_hours_of_one_name_apart() -> None:
    meter = make.meter("101")
    for hour in (0, 1):
        make.hour(meter, datetime(2026, 10, 25, hour, tzinfo=UTC), 100)
    day = history.hours(meter, AUTUMN, clock.moment(AUTUMN + timedelta(days=1)))
    with translation.override("en"):
        page = render_to_string("board/_meter_today.html", {"chart": charts.bar_chart(day)})
    titles = re.findall(r"<title>(02:00.*?):\s", page)
    rows = re.findall(r'<th scope="row">(02:00.*?)</th>', page)
    assert titles == rows == ["02:00–02:00 (CEST)", "02:00–03:00 (CET)"]


@pytest.mark.parametrize(
    ("typed", "utc"),
    [
        ("2026-03-29T02:30", "2026-03-29T01:30"),  # there is no such time: what the clock shows an hour later
        ("2026-10-25T02:30", "2026-10-25T00:30"),  # of two the first
        ("2026-10-25T02:30+01:00", "2026-10-25T01:30"),
        ("2026-10-25T03:00", "2026-10-25T02:00"),
    ],
)
def test_what_is_typed_in_those_hours_is_one_moment_and_never_an_error(typed: str, utc: str) -> None:
    moment = datetime.fromisoformat(utc).replace(tzinfo=UTC)
    assert clock.typed(typed) == moment
    until = switching._until({"until": typed})
    assert until is not None
    assert until.astimezone(UTC) == moment
