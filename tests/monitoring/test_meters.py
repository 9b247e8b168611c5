"""What single meters say that cannot be right, or that somebody should know of."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from meters.models import Area, CounterEpoch, HourlyUsage, Meter, MeterState, Pitch, QuarantinedReading, Watch
from monitoring.checks import meters
from monitoring.findings import Severity
from tests import make

pytestmark = pytest.mark.django_db
NOW = timezone.now()
HOUR = timedelta(hours=1)
THIS_HOUR = NOW.replace(minute=0, second=0, microsecond=0)


@pytest.fixture
def area() -> Area:
    make.worker()
    return make.area("North", in_service=True)


def heard(area: Area, **values: object) -> Meter:
    made = make.meter(area=area)
    make.state(made, **values)
    return made


def told(found: object) -> list[str]:
    return [finding.code for finding in found]  # type: ignore[attr-defined]


def hours(meter: Meter, since_h: int, until_h: int = 0, **values: int) -> None:
    """The same in each hour from so many hours ago on."""
    for ago in range(until_h, since_h):
        HourlyUsage.objects.create(meter=meter, hour=THIS_HOUR - ago * HOUR, **values)


# --- frozen ----------------------------------------------------------------------------------------------------------


def test_a_meter_that_is_heard_and_whose_voltage_is_old_is_frozen(area: Area) -> None:
    meter = heard(area, voltage_v=47, voltage_at=NOW - timedelta(days=8))
    (found,) = meters.frozen(NOW)
    assert (found.code, found.facts["volts"], found.since) == ("frozen", "47", NOW - timedelta(days=8))
    MeterState.objects.filter(meter=meter).update(voltage_at=NOW - 11 * HOUR)
    assert told(meters.frozen(NOW)) == []


def test_many_that_freeze_are_one_finding_of_their_area(area: Area) -> None:
    for number in range(20):
        heard(area, voltage_v=230, voltage_at=NOW - timedelta(hours=14 if number < 5 else 1))
    worst, *each = meters.frozen(NOW)
    assert (worst.key, worst.facts["meters"], worst.facts["of"]) == ("many_frozen:north", 5, 20)
    assert [finding.part_of for finding in each] == ["many_frozen:north"] * 5
    for _ in range(6):
        heard(area, voltage_v=230, voltage_at=NOW)
    assert [finding.key.partition(":")[0] for finding in meters.frozen(NOW)] == ["frozen"] * 5


def test_one_that_tells_the_same_voltage_hour_by_hour_is_frozen(area: Area) -> None:
    meter = heard(area, voltage_v=231, voltage_at=NOW)
    hours(meter, 13, voltage_min_dv=2310, voltage_max_dv=2310)
    (found,) = meters.frozen(NOW)
    assert found.since == NOW - 12 * HOUR
    HourlyUsage.objects.filter(hour=THIS_HOUR - 4 * HOUR).update(voltage_max_dv=2320)
    assert told(meters.frozen(NOW)) == []


def test_a_meter_that_is_new_has_had_no_time_to_freeze(area: Area) -> None:
    hours(heard(area, voltage_v=231, voltage_at=NOW), 11, voltage_min_dv=2310, voltage_max_dv=2310)
    heard(area)
    assert told(meters.frozen(NOW)) == []


def test_a_frozen_three_phase_meter_is_told_by_its_phases(area: Area) -> None:
    heard(area, phase_voltage_v=[230, 231, 229], phases_at=NOW - 13 * HOUR)
    (found,) = meters.frozen(NOW)
    assert found.facts["volts"] == "230/231/229"


def test_one_that_is_silent_is_not_also_frozen(area: Area) -> None:
    heard(area, voltage_v=230, voltage_at=NOW - 13 * HOUR, heard_at=NOW - 13 * HOUR, gap_s=60)
    assert told(meters.frozen(NOW)) == []


def test_after_an_outage_of_ours_old_values_are_only_what_we_missed(area: Area) -> None:
    heard(area, voltage_v=230, voltage_at=NOW - 13 * HOUR)
    Watch.objects.update(since=NOW - HOUR)
    assert told(meters.frozen(NOW)) == []


# --- relay and current -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("relay", "amperes", "later_s", "is_told"),
    [(False, 0.5, 31, True), (False, 0.5, 12, False), (False, 0.05, 90, False), (True, 5, 90, False), (None, 5, 90, 0)],
)
def test_current_that_flows_although_the_relay_says_off(
    area: Area, relay: bool | None, amperes: float, later_s: int, is_told: bool
) -> None:
    off_at = NOW - timedelta(minutes=3)
    heard(area, relay=relay, relay_at=off_at, current_a=amperes, current_at=off_at + timedelta(seconds=later_s))
    assert told(meters.current_while_off(NOW)) == (["current_while_off"] if is_told else [])


def test_one_phase_that_still_carries_current_is_enough(area: Area) -> None:
    off_at = NOW - timedelta(minutes=3)
    heard(area, relay=False, relay_at=off_at, phase_current_a=[0, None, 2.5], phases_at=NOW)
    (found,) = meters.current_while_off(NOW)
    assert (found.facts["amperes"], found.severity) == (2.5, Severity.WARNING)


def always_used(area: Area, wh_an_hour: int = 40, **values: object) -> Meter:
    """On for long, with use until a day ago."""
    meter = heard(area, **{"relay": True, "relay_at": NOW - timedelta(days=20), "power_w": 0} | values)
    hours(meter, 24 * 16, 25, energy_wh=wh_an_hour, power_max_w=60)
    hours(meter, 25, energy_wh=0, power_max_w=0)
    return meter


def test_where_always_something_was_used_and_nothing_is_any_more(area: Area) -> None:
    meter = always_used(area)
    (found,) = meters.load_gone(NOW)
    assert (found.code, found.severity, found.about) == ("load_gone", Severity.NOTICE, meter.device.ieee_address)
    HourlyUsage.objects.filter(hour=THIS_HOUR - 3 * HOUR).update(power_max_w=5)
    assert told(meters.load_gone(NOW)) == []


def test_an_empty_day_before_a_little_use_or_a_relay_that_was_off_is_nobodys_breaker(area: Area) -> None:
    always_used(area, wh_an_hour=10)
    always_used(area, relay=False)
    always_used(area, relay_at=NOW - HOUR)
    always_used(area, power_w=30)
    assert told(meters.load_gone(NOW)) == []
    meter = always_used(area)
    HourlyUsage.objects.filter(meter=meter, hour__range=(NOW - timedelta(days=7), NOW - timedelta(days=5))).delete()
    assert told(meters.load_gone(NOW)) == []


def test_who_tells_nothing_of_its_power_is_not_known_to_use_nothing(area: Area) -> None:
    meter = always_used(area)
    recent = HourlyUsage.objects.filter(meter=meter, hour__gt=NOW - timedelta(hours=6))
    recent.update(power_max_w=None)
    assert told(meters.load_gone(NOW)) == []


# --- counters --------------------------------------------------------------------------------------------------------


def epoch(meter: Meter, number: int, reason: str, at: datetime) -> None:
    CounterEpoch.objects.create(
        meter=meter, number=number, reason=reason, first_wh=1000, first_at=at, last_wh=2000, last_at=NOW
    )


def test_a_counter_that_began_anew_is_told_for_a_day(area: Area) -> None:
    meter = heard(area)
    epoch(meter, 1, "first", NOW - 3 * HOUR)
    assert told(meters.counters(NOW)) == []
    epoch(meter, 2, "fall", NOW - 2 * HOUR)
    (found,) = meters.counters(NOW)
    assert (found.code, found.facts["kwh"], found.since) == ("counter_fell", 1.0, NOW - 2 * HOUR)
    epoch(heard(area), 2, "jump", NOW - HOUR)
    assert told(meters.counters(NOW)) == ["counter_fell", "counter_jumped"]
    assert told(meters.counters(NOW + timedelta(hours=24))) == []


def test_values_left_out_of_the_bill_are_one_finding_a_meter_and_none_beside_a_new_epoch(area: Area) -> None:
    meter = heard(area)
    for minutes in (50, 30):
        QuarantinedReading.objects.create(
            meter=meter, measured_at=NOW - timedelta(minutes=minutes), counter_wh=5000, reason="glitch"
        )
    (found,) = meters.counters(NOW)
    assert (found.code, found.since) == ("counter_odd", NOW - timedelta(minutes=50))
    epoch(meter, 2, "fall", NOW - HOUR)
    assert told(meters.counters(NOW)) == ["counter_fell"]


# --- use without a guest ---------------------------------------------------------------------------------------------


def test_use_without_a_guest_is_one_finding_with_the_most_first(area: Area) -> None:
    for number, wh in (("101", 2000), ("102", 3000), ("103", 900)):
        pitch = make.pitch(number, kind=Pitch.Kind.TOURING)
        meter = heard(area)
        make.installed(meter, pitch, since=NOW - timedelta(days=9))
        make.hour(meter, THIS_HOUR - 5 * HOUR, wh)
    assert told(meters.vacant_use(NOW)) == []
    make.stay(make.pitch("200"))
    (found,) = meters.vacant_use(NOW)
    assert (found.facts["where"], found.facts["kwh"], found.facts["places"]) == ("102, 101", 5.0, 2)
    assert told(meters.vacant_use(NOW + timedelta(days=1))) == []
    Area.objects.update(in_service=False)
    assert told(meters.vacant_use(NOW)) == []


def test_an_area_being_commissioned_is_left_alone() -> None:
    make.worker()
    area = make.area("New")
    off_at = NOW - HOUR
    meter = heard(area, voltage_v=47, voltage_at=NOW - timedelta(days=8), relay=False, relay_at=off_at, current_a=5)
    MeterState.objects.update(current_at=NOW)
    epoch(meter, 2, "fall", NOW - HOUR)
    always_used(area)
    checks = (meters.frozen, meters.current_while_off, meters.load_gone, meters.counters)
    assert [finding.key for check in checks for finding in check(NOW)] == []
