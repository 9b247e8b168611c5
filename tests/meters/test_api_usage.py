"""What a meter used, as the API tells it by hour and by day of the campsite's clock (Europe/Copenhagen)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.authtoken.models import Token

from meters.models import Meter
from tests import make

pytestmark = pytest.mark.django_db
IEEE = "0xa4c1380000000001"


@pytest.fixture
def api() -> Client:
    token = Token.objects.create(user=make.staff("machine"))
    return Client(headers={"authorization": f"Token {token.key}"})


@pytest.fixture
def meter() -> Meter:
    return make.meter("101", ieee=IEEE)


def use(api: Client, status: int = 200, **query: str) -> Any:
    answer = api.get(f"/api/v1/meters/{IEEE}/usage/", {"from" if k == "start" else k: v for k, v in query.items()})
    assert answer.status_code == status, answer.content
    return answer.json()


def fill(meter: Meter, start: datetime, hours: int, energy_wh: int) -> None:
    for number in range(hours):
        make.hour(meter, start + timedelta(hours=number), energy_wh)


# --- by hour ---------------------------------------------------------------------------------------------------------


def test_each_hour_tells_its_energy_and_how_much_of_it_was_estimated(api, meter):
    make.hour(meter, datetime(2026, 7, 1, 8, tzinfo=UTC), 1500, 500)
    told = use(api, start="2026-07-01T08:00:00Z", to="2026-07-01T09:00:00Z")
    assert told["rows"] == [
        {"start": "2026-07-01T08:00:00Z", "end": "2026-07-01T09:00:00Z", "energy_kwh": 1.5, "estimated_kwh": 0.5}
    ]
    assert (told["energy_kwh"], told["estimated_kwh"], told["per"]) == (1.5, 0.5, "hour")


def test_an_hour_that_nothing_is_known_of_is_null_and_a_measured_zero_is_zero(api, meter):
    make.hour(meter, datetime(2026, 7, 1, 8, tzinfo=UTC), 0)
    make.counted(meter, "5", datetime(2026, 7, 1, 9, tzinfo=UTC))
    rows = use(api, start="2026-07-01T08:00:00Z", to="2026-07-01T10:00:00Z")["rows"]
    assert [row["energy_kwh"] for row in rows] == [0, None]


def test_the_sum_of_nothing_known_is_null(api, meter):
    told = use(api, start="2026-07-01T08:00:00Z", to="2026-07-01T10:00:00Z")
    assert (told["energy_kwh"], told["estimated_kwh"]) == (None, None)


def test_a_span_is_widened_to_whole_hours(api, meter):
    told = use(api, start="2026-07-01T10:20:00+02:00", to="2026-07-01T11:10:00+02:00")
    assert (told["start"], told["end"]) == ("2026-07-01T08:00:00Z", "2026-07-01T10:00:00Z")


def test_without_a_span_it_is_the_last_24_hours(api, meter):
    this_hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    make.hour(meter, this_hour, 700)
    rows = use(api)["rows"]
    assert (len(rows), rows[-1]["energy_kwh"]) == (24, 0.7)


# --- by day ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        ("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 23),
        ("2026-07-01T22:00:00Z", "2026-07-02T22:00:00Z", 24),
        ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", 25),
    ],
)
def test_a_day_is_from_midnight_to_midnight_of_the_campsites_clock(api, meter, start, end, hours):
    first = datetime.fromisoformat(start)
    fill(meter, first - timedelta(hours=1), hours + 2, 1000)
    told = use(api, start=start, to=end, per="day")
    assert told["rows"] == [{"start": start, "end": end, "energy_kwh": float(hours), "estimated_kwh": 0.0}]


def test_days_and_hours_of_the_same_span_sum_to_the_same(api, meter):
    fill(meter, datetime(2026, 10, 23, 22, tzinfo=UTC), 73, 123)
    span = {"start": "2026-10-23T22:00:00Z", "to": "2026-10-26T23:00:00Z"}
    by_day, by_hour = use(api, per="day", **span), use(api, per="hour", **span)
    assert len(by_day["rows"]) == 3
    assert by_day["energy_kwh"] == by_hour["energy_kwh"] == round(73 * 0.123, 3)


def test_a_day_without_any_hour_is_null(api, meter):
    make.hour(meter, datetime(2026, 7, 1, 8, tzinfo=UTC), 100)
    rows = use(api, start="2026-07-01T00:00:00+02:00", to="2026-07-03T00:00:00+02:00", per="day")["rows"]
    assert [row["energy_kwh"] for row in rows] == [0.1, None]


def test_without_a_span_it_is_30_days_and_today_is_the_last(api, meter):
    rows = use(api, per="day")["rows"]
    today = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    assert len(rows) == 30
    assert datetime.fromisoformat(rows[-1]["start"]) == today


def test_another_meters_use_is_not_counted(api, meter):
    make.hour(make.meter("102"), datetime(2026, 7, 1, 8, tzinfo=UTC), 100)
    assert use(api, start="2026-07-01T00:00:00Z", to="2026-07-02T00:00:00Z", per="day")["energy_kwh"] is None


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "field", "reason"),
    [
        ({"start": "2026-07-01T00:00:00"}, "from", "no time zone"),
        ({"to": "2026-07-01"}, "to", "no time zone"),
        ({"start": "yesterday"}, "from", "Not a time"),
        ({"start": "2026-13-01T00:00:00Z"}, "from", "Not a time"),
        ({"start": "0001-01-01T00:00:00+02:00"}, "from", "year"),
        ({"to": "9999-12-31T23:59:59Z"}, "to", "year"),
        ({"start": "2026-07-02T00:00:00Z", "to": "2026-07-01T00:00:00Z"}, "from", "before"),
        ({"start": "2026-01-01T00:00:00Z", "to": "2026-04-01T00:00:00Z"}, "from", "At most 62 days"),
        ({"start": "2024-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z", "per": "day"}, "from", "At most 400 days"),
        ({"per": "week"}, "per", "hour or day"),
        ({"form": "2026-07-01T00:00:00Z"}, "form", "no such parameter"),
    ],
)
def test_a_span_that_cannot_be_answered_is_refused_by_name(api, meter, query, field, reason):
    error = use(api, 400, **query)["error"]
    assert list(error["fields"]) == [field]
    assert reason in error["fields"][field][0]


def test_an_offset_whose_plus_was_not_escaped_is_understood(api, meter):
    answer = api.get(f"/api/v1/meters/{IEEE}/usage/?from=2026-07-01T00:00:00+02:00&to=2026-07-01T02:00:00+02:00")
    assert answer.json()["start"] == "2026-06-30T22:00:00Z"


def test_an_unknown_meters_use_is_not_found(api):
    assert use(api, 404)["error"]["code"] == "not_found"


@pytest.mark.parametrize("per", ["hour", "day"])
def test_it_asks_three_queries(api, meter, per, django_assert_num_queries):
    fill(meter, datetime(2026, 7, 1, tzinfo=UTC), 48, 100)
    with django_assert_num_queries(3):  # token, meter, hours
        use(api, start="2026-07-01T00:00:00Z", to="2026-07-20T00:00:00Z", per=per)
