"""Power that was used where no guest was, and its page."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from bookings.models import PowerRule, StayMeter
from bookings.vacancy import total, vacancy
from meters.models import Device, Meter
from tests import make

pytestmark = pytest.mark.django_db
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def test_use_in_hours_without_a_guest_is_listed():
    meter, first = make.meter(), datetime(2026, 7, 10, 8, tzinfo=UTC)
    pitch = make.pitch()
    make.installed(meter, pitch, since=first)
    for number in range(6):
        make.hour(meter, first + number * HOUR, 1000, estimated_wh=200)
    line = make.line(make.stay(pitch), meter, since=first + 2 * HOUR + 30 * MINUTE)
    StayMeter.objects.filter(pk=line.pk).update(
        period=DateTimeTZRange(line.period.lower, first + 4 * HOUR), end=make.snapshot(meter, first + 4 * HOUR)
    )
    (found,) = vacancy(first, first + DAY)
    assert (found.pitch, found.meter) == (pitch, meter)
    assert (found.energy_kwh, found.estimated_kwh) == (Decimal(4), Decimal("0.8"))
    assert (found.first, found.last) == (first, first + 5 * HOUR)
    assert vacancy(first + 2 * HOUR, first + 4 * HOUR) == []


def test_service_places_and_a_few_watt_hours_are_not_listed():
    first = datetime(2026, 7, 10, 8, tzinfo=UTC)
    for kind, energy in (("service", 5000), ("touring", 99)):
        meter = make.meter()
        make.installed(meter, make.pitch(kind=kind), since=first)
        make.hour(meter, first, energy)
    assert vacancy(first, first + DAY) == []


FIRST = datetime(2026, 7, 10, 8, tzinfo=UTC)


def unhung(energy_wh: int = 1000) -> Meter:
    meter = make.meter()
    make.hour(meter, FIRST, energy_wh)
    return meter


def test_an_outlet_that_hangs_on_no_pitch_is_listed_as_those_of_touring_pitches():
    meter = unhung()
    (found,) = vacancy(FIRST, FIRST + DAY)
    assert (found.pitch, found.meter, found.energy_kwh) == (None, meter, 1)
    PowerRule.objects.filter(kind="touring").update(follows_bookings=False)
    assert vacancy(FIRST, FIRST + DAY) == []


def test_a_chosen_outlets_hours_with_its_guest_are_not_listed():
    meter = unhung()
    make.line(make.stay(make.pitch()), meter, since=FIRST)
    assert vacancy(FIRST, FIRST + DAY) == []


def test_a_meter_that_was_put_up_meanwhile_is_listed_on_its_pitch_and_on_none():
    meter, pitch = unhung(), make.pitch()
    make.hour(meter, FIRST + HOUR, 3000)
    make.installed(meter, pitch, since=FIRST + HOUR)
    found = vacancy(FIRST, FIRST + DAY)
    assert [(each.pitch, each.energy_kwh) for each in found] == [(pitch, 3), (None, 1)]
    assert total(found) == (4, 0)


def test_what_a_meter_used_that_was_removed_since_is_listed():
    meter = unhung()
    Device.objects.update(removed_at=FIRST + DAY)
    assert [each.meter for each in vacancy(FIRST, FIRST + DAY)] == [meter]


# --- the page --------------------------------------------------------------------------------------------------------


@pytest.fixture
def reception() -> Client:
    client = Client(headers={"accept-language": "en"})
    client.force_login(make.staff())
    User.objects.get().groups.add(Group.objects.get(name="reception"))
    return client


def opened(client: Client, **asked: str) -> str:
    answer = client.get(reverse("admin:bookings_powerrule_vacancy"), asked)
    assert answer.status_code == 200
    return answer.content.decode()


def hour_of(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def test_the_page_tells_of_the_last_seven_days_with_the_sum(reception):
    today = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    meter, pitch = make.meter("102,1"), make.pitch("102")
    make.installed(meter, pitch, since=today - 30 * DAY)
    for days, energy_wh in ((1, 1500), (6, 2500), (8, 4000)):
        make.hour(meter, hour_of(today - days * DAY + 5 * HOUR), energy_wh, estimated_wh=500)
    make.hour(make.meter("X1"), hour_of(today - DAY), 700)
    page = opened(reception)
    assert [float(kwh) for kwh in re.findall(r">([\d.]+)</td>", page)] == [4.0, 1.0, 0.7, 4.7, 1.0]
    assert reverse("meter", args=[meter.device.ieee_address]) in page
    assert f"{reverse('admin:meters_meter_hours', args=[meter.pk])}?from=" in page
    assert "102,1" in page
    assert "No pitch" in page


def test_a_period_is_chosen_and_checked(reception):
    meter = unhung(2000)
    day = FIRST.date().isoformat()
    assert str(meter) in opened(reception, **{"from": day, "to": day})
    assert "No use without a guest is known" in opened(reception, **{"from": "2026-07-11", "to": "2026-07-11"})
    assert "At most 92 days" in opened(reception, **{"from": "2026-01-01", "to": "2026-04-03"})
    assert "No use without a guest is known" in opened(reception, **{"from": "2026-01-01", "to": "2026-04-02"})
    assert "must not be after" in opened(reception, **{"from": "2026-07-02", "to": "2026-07-01"})
    assert "Enter a valid date" in opened(reception, **{"from": "x", "to": "2026-07-01"})


def test_the_page_costs_no_more_queries_for_many(reception):
    asked = {"from": FIRST.date().isoformat(), "to": FIRST.date().isoformat()}

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            opened(reception, **asked)
        return len(queries)

    make.installed(unhung(), make.pitch(), since=FIRST)
    count()
    few = count()
    for _ in range(5):
        make.installed(unhung(), make.pitch(), since=FIRST)
    assert count() == few


def test_the_page_is_for_those_who_may_see_the_rules():
    client = Client()
    client.force_login(make.staff())
    assert client.get(reverse("admin:bookings_powerrule_vacancy")).status_code == 403
