"""What meters measured, as files: equal to what the tables hold, empty where nothing is known."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Sum
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from meters import exports, partitions
from meters.exports import What
from meters.files import as_csv
from meters.models import HourlyUsage, Meter
from meters.readings import days
from tests import make

pytestmark = pytest.mark.django_db
D = Decimal
FIRST, LAST = date(2026, 7, 1), date(2026, 7, 2)
MIDNIGHT = datetime(2026, 6, 30, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def meter() -> Meter:
    return make.meter("101,2")


def rows(meter: Meter, what: What, first: date = FIRST, last: date = LAST) -> list[dict[str, Any]]:
    table = exports.of_meter(meter, what, first, last)
    names = [column.name for column in table.columns]
    return [dict(zip(names, row, strict=True)) for row in table.rows]


def test_a_reading_is_a_row_in_utc_and_by_the_campsites_clock(meter):
    at = MIDNIGHT + HOUR
    make.reading(meter, at, counter_wh=858_320, power_w=25, voltage_dv=2315, current_ma=220, relay=True, epoch=2)
    make.reading(meter, at + HOUR, counter_wh=1)
    first, unbilled = rows(meter, What.READINGS)
    assert first == {
        "measured_at": at,
        "local_time": datetime(2026, 7, 1, 1),  # noqa: DTZ001  (a wall clock)
        "meter": "101,2",
        "ieee_address": meter.device.ieee_address,
        "counter_kwh": D("858.320"),
        "counts": True,
        "power_w": 25,
        "voltage_v": D("231.5"),
        "current_a": D("0.220"),
        "relay_on": True,
        "linkquality": None,
    }
    assert (unbilled["counts"], unbilled["power_w"], unbilled["relay_on"]) == (False, None, None)


def test_every_reading_of_the_days_is_there_once_however_many_pages_it_takes(meter, monkeypatch):
    monkeypatch.setattr(exports, "PAGE", 2)
    for minutes in (-1, 0, 1, 2, 3, 2 * 24 * 60 - 1, 2 * 24 * 60):
        make.reading(meter, MIDNIGHT + timedelta(minutes=minutes), power_w=minutes)
    assert [row["power_w"] for row in rows(meter, What.READINGS)] == [0, 1, 2, 3, 2879]


@pytest.mark.parametrize("what", [What.HOURS, What.DAYS])
def test_hours_and_days_of_a_file_sum_to_what_the_table_holds(meter, what, monkeypatch):
    monkeypatch.setattr(exports, "PAGE", 3)
    for number in range(30):
        make.hour(meter, MIDNIGHT + number * HOUR, energy_wh=100 + number, estimated_wh=number)
    held = HourlyUsage.objects.aggregate(energy=Sum("energy_wh"), estimated=Sum("estimated_wh"))
    told = rows(meter, what)
    assert sum(row["energy_kwh"] for row in told) == D(held["energy"]).scaleb(-3)
    assert sum(row["estimated_kwh"] for row in told) == D(held["estimated"]).scaleb(-3)
    assert {row["day"] for row in told} == {FIRST, LAST}


def test_an_hour_of_which_only_the_watts_are_known_has_no_energy_and_not_0(meter):
    hour = make.hour(meter, MIDNIGHT, energy_wh=0)
    HourlyUsage.objects.filter(pk=hour.pk).update(power_max_w=40)
    (row,) = rows(meter, What.HOURS)
    assert (row["energy_kwh"], row["estimated_kwh"], row["power_max_w"]) == (None, None, 40)
    assert rows(meter, What.DAYS) == []
    make.counted(meter, "5", at=MIDNIGHT + HOUR)
    (row,) = rows(meter, What.HOURS)
    assert row["energy_kwh"] == 0


def test_days_whose_hours_are_forgotten_are_told_all_the_same(meter):
    noon, later = datetime(2020, 7, 1, 10, tzinfo=UTC), datetime(2020, 7, 3, 10, tzinfo=UTC)
    make.hour(meter, noon, energy_wh=500, estimated_wh=200)
    make.hour(meter, noon + timedelta(days=1), energy_wh=0)  # of which nothing told a counter
    make.hour(meter, later, energy_wh=70)
    days.sum_up(timezone.now())
    assert days.forget_hours(date(2020, 7, 3)) == 2
    told = rows(meter, What.DAYS, date(2020, 7, 1), date(2020, 7, 4))
    assert [(row["day"].day, row["energy_kwh"], row["estimated_kwh"]) for row in told] == [
        (1, D("0.500"), D("0.200")),
        (3, D("0.070"), D(0)),
    ]
    first, following = exports.of_all(What.DAYS, *exports.month(date(2020, 7, 1))).rows
    assert (first[0], following[0]) == (date(2020, 7, 1), date(2020, 7, 3))


def test_an_hour_tells_where_the_meter_hung_last_in_it(meter):
    make.installed(meter, make.pitch("101"), since=MIDNIGHT, until=MIDNIGHT + 1.5 * HOUR)
    make.installed(meter, make.pitch("102"), since=MIDNIGHT + 1.5 * HOUR, until=MIDNIGHT + 2 * HOUR)
    for number in range(3):
        make.hour(meter, MIDNIGHT + number * HOUR, energy_wh=1)
    assert [row["pitch"] for row in rows(meter, What.HOURS)] == ["101", "102", None]
    assert [row["pitch"] for row in rows(meter, What.DAYS)] == ["102"]


def test_a_month_holds_the_hours_of_all_meters_and_of_none_that_is_unknown(meter):
    make.meter("never heard")
    other = make.meter("102")
    make.hour(meter, MIDNIGHT, energy_wh=5)
    make.hour(other, MIDNIGHT, energy_wh=7)
    table = exports.of_all(What.DAYS, *exports.month(FIRST))
    assert [(row[3], row[6]) for row in table.rows] == [("101,2", D("0.005")), ("102", D("0.007"))]


def test_a_file_of_raw_readings_says_from_when_on_there_are_any(meter):
    partitions.ensure([date(2026, 7, 2)])
    assert exports.readings_since() == date(2026, 7, 2)
    assert exports.of_meter(meter, What.READINGS, FIRST, LAST).name == "meter-1012-readings-2026-07-02-2026-07-02"
    assert exports.of_meter(meter, What.HOURS, FIRST, LAST).name == "meter-1012-hours-2026-07-01-2026-07-02"


# --- where staff find them -------------------------------------------------------------------------------------------


@pytest.fixture
def chief() -> Client:
    client = Client(headers={"accept-language": "en"})
    client.force_login(make.superuser())
    return client


def received(answer: Any) -> list[list[str]]:
    content = b"".join(answer).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(content)))


def test_the_days_that_are_shown_are_taken_along(chief, meter):
    make.reading(meter, MIDNIGHT + HOUR, power_w=25)
    page = chief.get(reverse("admin:meters_meter_readings", args=[meter.pk]), {"from": "2026-07-01"})
    assert "Parquet" in page.content.decode()
    url = reverse("admin:meters_meter_export", args=[meter.pk])
    asked = {"from": "2026-07-01", "to": "2026-07-01", "what": "readings"}
    head, row = received(chief.get(url, asked | {"format": "csv"}))
    assert (head[0], row[0], row[6]) == ("measured (UTC)", "2026-06-30T23:00:00Z", "25")
    answer = chief.get(url, asked | {"format": "parquet"})
    assert answer.headers["Content-Disposition"].endswith('.parquet"')
    assert b"".join(answer).startswith(b"PAR1")


def test_who_asks_for_days_that_are_none_is_led_back(chief, meter):
    url = reverse("admin:meters_meter_export", args=[meter.pk])
    assert chief.get(url, {"from": "2026-07-02", "to": "2026-07-01", "what": "hours"}).status_code == 302
    assert chief.get(url, {"from": "2026-07-02", "what": "everything"}).status_code == 302


def test_the_page_of_readings_says_from_when_on_they_are_kept(chief, meter):
    partitions.ensure([date(2026, 7, 2)])
    url = reverse("admin:meters_meter_readings", args=[meter.pk])
    assert "Raw readings are kept from" in chief.get(url, {"from": "2026-07-01"}).content.decode()
    assert "Raw readings are kept from" not in chief.get(url, {"from": "2026-07-02"}).content.decode()


def test_each_column_has_a_name_for_programs_and_one_with_its_unit_for_people():
    with translation.override("en"):
        for columns in (exports.READINGS, exports.HOURS, exports.DAYS):
            assert (
                len({column.name for column in columns})
                == len({str(column.label) for column in columns})
                == len(columns)
            )
    told = b"".join(as_csv.parts(exports.of_all(What.HOURS, FIRST, LAST))).decode()
    assert "kWh" in told


def test_an_export_of_today_asks_only_for_a_page_of_rows_at_a_time(meter, django_assert_num_queries):
    for number in range(3):
        make.reading(meter, timezone.now() - timedelta(minutes=number), power_w=1)
    with django_assert_num_queries(2):
        assert len(list(exports.readings(meter, timezone.now() - HOUR, timezone.now() + HOUR))) == 3
