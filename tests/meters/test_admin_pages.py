"""The read-only pages of a meter's readings and of its use, by days of the campsite's clock."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from meters.models import Meter
from tests import make

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 7, 1, 10, tzinfo=UTC)


@pytest.fixture
def chief() -> Client:
    client = Client(headers={"accept-language": "en"})
    client.force_login(make.superuser())
    return client


@pytest.fixture
def meter() -> Meter:
    return make.meter("101")


def readings(client: Client, meter: Meter, **query: str):
    url = reverse("admin:meters_meter_readings", args=[meter.pk])
    return client.get(url, {"from" if key == "first" else key: value for key, value in query.items()})


def cells(answer) -> list[list[str]]:
    return answer.context["rows"]


def test_a_reading_is_shown_with_its_units_by_the_campsites_clock(chief, meter):
    make.reading(meter, NOON, counter_wh=858_320, power_w=25, voltage_dv=2315, current_ma=220, relay=True, epoch=2)
    row = cells(readings(chief, meter, first="2026-07-01"))[0]
    assert row[:5] == ["2026-07-01 12:00:00 CEST", "858.320", "25", "231.5", "0.220"]
    assert ("on" in row[5], row[6], "epoch 2" in row[7]) == (True, "–", True)


def test_a_counter_that_does_not_count_says_no(chief, meter):
    make.reading(meter, NOON, counter_wh=1)
    make.reading(meter, NOON + timedelta(minutes=1), power_w=1)
    newest, older = cells(readings(chief, meter, first="2026-07-01"))
    assert newest[7] == "–"
    assert "no" in older[7]


def test_without_days_it_is_today(chief, meter):
    make.reading(meter, timezone.now(), power_w=7)
    make.reading(meter, timezone.now() - timedelta(days=2), power_w=8)
    assert [row[2] for row in cells(readings(chief, meter))] == ["7"]


def test_days_begin_at_midnight_of_the_campsites_clock(chief, meter):
    for minutes in (-1, 0, 24 * 60 - 1, 24 * 60):
        make.reading(meter, datetime(2026, 6, 30, 22, tzinfo=UTC) + timedelta(minutes=minutes), power_w=1)
    rows = cells(readings(chief, meter, first="2026-07-01", to="2026-07-01"))
    assert [row[0][:16] for row in rows] == ["2026-07-01 23:59", "2026-07-01 00:00"]


def test_the_hour_that_comes_twice_in_autumn_is_told_apart(chief, meter):
    for hour in (0, 1):
        make.reading(meter, datetime(2026, 10, 25, hour, 30, tzinfo=UTC), power_w=1)
    rows = cells(readings(chief, meter, first="2026-10-25"))
    assert [row[0] for row in rows] == ["2026-10-25 02:30:00 CET", "2026-10-25 02:30:00 CEST"]


def test_days_without_readings_say_so(chief, meter):
    assert "No readings in these days." in readings(chief, meter, first="2026-01-01").content.decode()


def test_more_than_a_page_continues_where_it_ended(chief, meter):
    for number in range(205):
        make.reading(meter, NOON + timedelta(seconds=number), power_w=number)
    first = readings(chief, meter, first="2026-07-01")
    second = chief.get(reverse("admin:meters_meter_readings", args=[meter.pk]) + "?" + first.context["older"])
    assert [row[2] for row in cells(first)] == [str(number) for number in range(204, 4, -1)]
    assert [row[2] for row in cells(second)] == ["4", "3", "2", "1", "0"]
    assert second.context["older"] is None


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"first": "yesterday"}, "valid date"),
        ({"first": "2026-07-02", "to": "2026-07-01"}, "must not be after"),
        ({"first": "2024-01-01", "to": "2026-07-01"}, "At most 400 days"),
        ({"first": "0001-01-01"}, "At most 400 days"),
        ({"first": "2026-07-01", "before": "x"}, "No readings"),
    ],
)
def test_days_that_cannot_be_shown_say_why(chief, meter, query, reason):
    assert reason in readings(chief, meter, **query).content.decode()


def test_another_meters_readings_are_not_shown(chief, meter):
    make.reading(make.meter("102"), NOON, power_w=1)
    assert cells(readings(chief, meter, first="2026-07-01")) == []


def test_an_unknown_meter_is_not_found(chief):
    assert chief.get(reverse("admin:meters_meter_readings", args=[999])).status_code == 404


def test_only_who_may_see_meters_sees_their_readings(meter):
    client = Client()
    client.force_login(make.staff())
    assert readings(client, meter).status_code == 403


def test_the_page_asks_a_constant_number_of_queries(chief, meter, django_assert_num_queries):
    for number in range(50):
        make.reading(meter, NOON + timedelta(seconds=number), power_w=number)
    readings(chief, meter)
    with django_assert_num_queries(5):  # session, user, meter, readings, since when there are any
        readings(chief, meter, first="2026-07-01")


# --- use -------------------------------------------------------------------------------------------------------------


def use(client: Client, meter: Meter, first: str, last: str):
    return client.get(reverse("admin:meters_meter_hours", args=[meter.pk]), {"from": first, "to": last})


def test_use_is_shown_by_hour_with_its_sum(chief, meter):
    make.hour(meter, NOON, 1500, 500)
    make.hour(meter, NOON + timedelta(hours=1), 250)
    answer = use(chief, meter, "2026-07-01", "2026-07-01")
    assert len(cells(answer)) == 24
    assert cells(answer)[12:14] == [
        ["2026-07-01 12:00 CEST", "1.500", "0.500"],
        ["2026-07-01 13:00 CEST", "0.250", "0.000"],
    ]
    assert answer.context["footer"][1:] == ["1.750", "0.500"]


def test_more_than_a_week_is_shown_by_day(chief, meter):
    make.hour(meter, NOON, 1500)
    assert len(cells(use(chief, meter, "2026-07-01", "2026-07-10"))) == 10


def test_days_of_which_no_use_is_known_say_so(chief, meter):
    assert "No use is known" in use(chief, meter, "2026-07-01", "2026-07-01").content.decode()
