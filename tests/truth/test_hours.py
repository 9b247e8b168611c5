"""What a meter used in an hour is known as far as its counter has told it, whatever its watts say."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.authtoken.models import Token

from meters import history, usage
from meters.models import CounterEpoch, HourlyUsage, Meter
from meters.readings import store
from tests import make
from tests.meters.test_readings import T0, known, report

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def meter() -> Meter:
    """It told its counter twice, at 10:05 and 10:55, and from then on its watts alone."""
    made = make.meter("101", area=make.area())
    who = known(made)
    store([report(who, 5, counter_wh=1000, power_w=0), report(who, 55, counter_wh=1000)])
    store([report(who, minute, power_w=900) for minute in (70, 130, 190)])
    return made


def energies(meter: Meter) -> list[float | None]:
    rows = usage.by_hour([meter.pk], T0 - HOUR, T0 + 4 * HOUR)
    return [None if row.energy_kwh is None else float(row.energy_kwh) for row in rows]


def test_of_hours_after_the_counters_last_word_no_0_is_told(meter: Meter) -> None:
    assert HourlyUsage.objects.count() == 4, "their watts are stored"
    assert energies(meter) == [None, 0, None, None, None]
    store([report(known(meter), 210, counter_wh=2800)])
    before, *after = energies(meter)
    assert before is None
    assert sum(value for value in after if value is not None) == pytest.approx(1.8)
    assert None not in after


def test_a_single_value_of_a_counter_tells_of_no_hour() -> None:
    meter = make.meter(area=make.area())
    store([report(known(meter), 5, counter_wh=1000)])
    assert energies(meter) == [None] * 5


def test_the_api_tells_until_when_the_use_is_known(meter: Meter) -> None:
    token = Token.objects.create(user=make.staff("machine"))
    url = f"/api/v1/meters/{meter.device.ieee_address}/usage/?from=2026-07-01T10:00:00Z&to=2026-07-01T13:00:00Z"
    told = Client(headers={"authorization": f"Token {token.key}"}).get(url).json()
    assert [row["energy_kwh"] for row in told["rows"]] == [0, None, None]
    assert (told["energy_kwh"], told["known_until"]) == (0, "2026-07-01T10:55:00Z")
    CounterEpoch.objects.all().delete()
    told = Client(headers={"authorization": f"Token {token.key}"}).get(url).json()
    assert (told["energy_kwh"], told["known_until"]) == (None, None)


def test_todays_use_is_not_0_where_todays_counter_is_not_known(client: Client) -> None:
    meter, now = make.meter("101", area=make.area()), timezone.now()
    client.force_login(make.staff())
    make.hour(meter, now.replace(minute=0, second=0, microsecond=0), 0)
    make.state(meter, counter_at=now - 30 * HOUR)
    make.counted(meter, "5", now - 30 * HOUR)
    page = client.get(f"/board/meters/{meter.device.ieee_address}/", headers={"accept-language": "en"}).content.decode()
    assert '<span class="nowrap">– kWh</span>' in page
    assert "Up to the counter's last report" in page.replace("&#x27;", "'")
    make.counted(meter, "5", now)
    assert history.hours(meter, timezone.localdate(now), now)[timezone.localtime(now).hour].energy_wh == 0
