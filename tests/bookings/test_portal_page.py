"""What the guest's page tells of his power, his kWh and his account: with its age, and never what was not seen."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bookings.models import Stay, StayMeter
from bookings.portal import facts
from meters.models import Command, Meter, Pitch
from tests import make
from tests.bookings.guest import enter, page

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def camper(meters: int = 1, language: str = "en", **pitch: Any) -> tuple[Stay, list[Meter]]:
    """A guest who has been here for three hours, with so many outlets that are on."""
    now = timezone.now()
    stay = make.stay(make.pitch("101", **pitch), began_at=now - 3 * HOUR)
    make.guest(stay.booking, language=language)
    found = []
    for number in range(1, meters + 1):
        meter = make.switchable(f"101,{number}", relay=True)
        make.line(stay, meter, pitch=stay.pitch, since=now - 3 * HOUR)
        found.append(meter)
    return stay, found


def heard(meter: Meter, minutes: float = 0, **values: Any) -> None:
    """It told its relay, its watts and its counter so long ago."""
    at = timezone.now() - timedelta(minutes=minutes)
    told = {"relay": True, "power_w": 1240, "energy_kwh": Decimal(5), "counter_kwh": Decimal(5)} | values
    times = {f"{name}_at": at for name in ("heard", "relay", "power", "counter")}
    type(meter.state).objects.filter(pk=meter.pk).update(**(times | told))


def test_power_and_watts_with_their_age() -> None:
    stay, (meter,) = camper()
    heard(meter, 3)
    shown = page(enter(stay))
    assert "The power is on" in shown
    assert "1.24 kW" in shown
    assert "measured 3 minutes ago" in shown
    assert "data-old" not in shown


def test_of_a_meter_that_is_not_heard_the_ages_are_said_and_nothing_is_zero() -> None:
    stay, (meter,) = camper()
    heard(meter, 50)
    type(meter.state).objects.update(counter_at=timezone.now() - timedelta(minutes=112))
    shown = page(enter(stay))
    assert "last heard 50 minutes ago, its kWh counter 2 hours ago" in shown
    assert "last known 50 minutes ago" in shown
    assert "data-old" in shown
    assert facts.gather(stay, timezone.now()).power_w is None


def test_of_a_meter_that_never_told_anything_nothing_is_claimed() -> None:
    stay, (meter,) = camper()
    type(meter.state).objects.all().delete()
    shown = page(enter(stay))
    assert "Not known yet" in shown
    assert " W</b>" not in shown


def test_a_confirmed_switching_is_told_as_proof_only_while_it_holds() -> None:
    stay, (meter,) = camper()
    heard(meter)
    command = make.command(make.want(meter, True), status=Command.Status.CONFIRMED, confirmed_at=timezone.now())
    assert "as the outlet itself confirmed" in page(enter(stay))
    heard(meter, relay=False)
    assert "as the outlet itself confirmed" not in page(enter(stay))
    heard(meter)
    Command.objects.filter(pk=command.pk).update(status=Command.Status.FAILED)
    assert "as the outlet itself confirmed" not in page(enter(stay))


def test_several_meters_are_told_one_by_one_and_summed() -> None:
    stay, meters = camper(2)
    for meter, watts in zip(meters, (700, 800), strict=True):
        heard(meter, power_w=watts)
    shown = page(enter(stay))
    assert "Outlet 101,1" in shown
    assert "Outlet 101,2" in shown
    assert "Together <b>1.50 kW</b>" in shown
    assert facts.gather(stay, timezone.now()).power_w == 1500


def test_kwh_of_today_and_of_the_stay_are_the_ledgers() -> None:
    now = timezone.now()
    stay, (meter,) = camper()
    begun = now - timedelta(days=2)
    StayMeter.objects.update(period=DateTimeTZRange(begun, None), start=make.snapshot(meter, begun, "100"))
    make.hour(meter, (now - 25 * HOUR).replace(minute=0, second=0, microsecond=0), 4000)
    make.counted(meter, "112.5", now)
    known = facts.gather(stay, now)
    assert known.used.kwh == Decimal("12.5")
    assert known.days is not None
    assert known.days.total_kwh == Decimal("12.5")
    assert known.today_kwh <= Decimal("8.5")
    assert "12.5" in page(enter(stay))


def test_what_is_left_of_a_package_and_how_long_it_lasts() -> None:
    now = timezone.now()
    stay, (meter,) = camper()
    make.tariff(mode="package", included_kwh_stay=20, kinds=[Pitch.Kind.TOURING])
    begun = now - timedelta(days=4)
    StayMeter.objects.update(period=DateTimeTZRange(begun, None), start=make.snapshot(meter, begun, "0"))
    for hour in range(96):
        make.hour(meter, (begun + hour * HOUR).replace(minute=0, second=0, microsecond=0), 104)
    make.counted(meter, "10", now)
    shown = page(enter(stay))
    assert "<strong>10.0</strong> kWh of 20.0 kWh left" in shown
    assert 'value="50"' in shown
    assert "about 4 days at your present use" in shown


@pytest.mark.parametrize(
    ("tariff", "words"),
    [
        ({"mode": "included"}, "Electricity is included in your price."),
        ({"mode": "metered", "price": Decimal("3.5")}, "<strong>DKK 8.75</strong> so far, at DKK 3.50 a kWh"),
        (None, "Ask at reception for the price of a kWh."),
    ],
)
def test_what_it_costs(tariff: dict[str, Any] | None, words: str) -> None:
    stay, (meter,) = camper()
    if tariff:
        make.tariff(kinds=[Pitch.Kind.TOURING], **tariff)
    make.counted(meter, "2.5", timezone.now())
    assert words in page(enter(stay)).replace("\xa0", " ")


def test_the_highest_use_is_measured_against_the_fuse() -> None:
    now = timezone.now()
    stay, (meter,) = camper(fuse_a=16)
    made = make.hour(meter, (now - HOUR).replace(minute=0, second=0, microsecond=0), 1000)
    type(made).objects.update(power_max_w=3100)
    assert "Your highest use was 3.10 kW of 3.68 kW (16 A)." in page(enter(stay))
    type(made).objects.update(power_max_w=None)
    assert "Your outlet gives up to 3.68 kW (16 A)." in page(enter(stay))


def test_the_highest_use_of_who_was_here_before_is_not_his() -> None:
    now = timezone.now()
    stay, (meter,) = camper(fuse_a=16)
    begun_in = (now - 3 * HOUR).replace(minute=0, second=0, microsecond=0)
    made = make.hour(meter, begun_in, 1000)
    type(made).objects.update(power_max_w=3100)
    assert facts.gather(stay, now).outlets[0].most_w is None


def test_what_the_watts_told_since_the_counter_is_an_estimate() -> None:
    now = timezone.now()
    stay, (meter,) = camper()
    heard(meter, 30)
    type(meter.state).objects.update(heard_at=now, counter_at=now - HOUR / 2)
    for minute in (30, 20, 10):
        make.reading(meter, now - timedelta(minutes=minute), power_w=1200)
    known = facts.gather(stay, now)
    assert known.estimate_kwh == Decimal("0.600")
    assert known.used.kwh == 0
    assert "never billed" in page(enter(stay))


@pytest.mark.parametrize("language", ["da", "de", "nl", "en", "nb", "sv"])
def test_it_is_whole_in_each_language(language: str) -> None:
    stay, (meter,) = camper(language=language, fuse_a=16)
    heard(meter, 50)
    make.counted(meter, "2.5", timezone.now() - timedelta(minutes=50))
    shown = page(enter(stay))
    assert f'<html lang="{language}"' in shown
    assert ("as of" in shown) == (language == "en")
    assert ("Your power" in shown) == (language == "en")


def test_the_page_takes_at_most_eight_queries_whatever_there_is_to_tell() -> None:
    now = timezone.now()
    stay, meters = camper(2, fuse_a=16)
    make.tariff(mode="package", included_kwh_stay=20, kinds=[Pitch.Kind.TOURING])
    type(stay.booking).objects.update(items=[{"description": "Bed linen", "quantity": 1}])
    other = make.stay(make.pitch("102"), booking=stay.booking, position=1)
    make.line(other, make.switchable("102", relay=True), pitch=other.pitch, since=now - 3 * HOUR)
    for meter in meters:
        heard(meter)
        make.counted(meter, "2.5", now)
        make.hour(meter, (now - HOUR).replace(minute=0, second=0, microsecond=0), 1000)
        make.command(make.want(meter, True), status=Command.Status.CONFIRMED, confirmed_at=now)
    client = enter(stay)
    with CaptureQueriesContext(connection) as seen:
        assert "kWh left" in page(client)
    assert len(seen) <= 8, "\n".join(query["sql"] for query in seen)
