"""Many meters that fall silent together are noticed within minutes; whatever only looks like it is not."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from meters import online, partitions
from meters.models import Area, AreaState, Meter, MeterState, Reading, Watch, WorkerState
from monitoring import incidents
from monitoring.checks import areas
from monitoring.findings import Finding
from tests import make

pytestmark = pytest.mark.django_db
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
LONG_AGO = timedelta(hours=5)


@pytest.fixture
def now() -> datetime:
    make.worker()
    return timezone.now()


def area(now: datetime, **reported: Any) -> Area:
    told = {"bridge_since": now - LONG_AGO, "seen_at": now, **reported}
    return make.area("North", in_service=True, reported=told)


def heard(area: Area, last: datetime, count: int = 1, every: timedelta = MINUTE, reports: int = 30) -> list[Meter]:
    """Meters that reported `every` so often until then."""
    made = [make.meter(area=area) for _ in range(count)]
    for number, meter in enumerate(made):
        at = last - number * SECOND
        make.state(meter, heard_at=at, gap_s=every.total_seconds())
        times = [at - back * every for back in range(reports)]
        partitions.ensure({each.date() for each in times})
        Reading.objects.bulk_create(Reading(meter=meter, measured_at=each, power_w=1) for each in times)
    return made


def found(now: datetime) -> list[Finding]:
    return list(areas.silent_meters(now))


def test_a_fuse_is_one_finding_within_minutes_and_no_meter_alone_is(now: datetime) -> None:
    north = area(now)
    heard(north, now - 4 * MINUTE, 10)
    heard(north, now, 30)
    (only,) = found(now)
    assert (only.code, only.facts) == ("many_silent", {"area": "North", "silent": 10, "meters": 40})
    assert only.since == now - 4 * MINUTE


def test_it_is_one_finding_still_when_the_silence_of_some_counts_for_itself(now: datetime) -> None:
    north = area(now)
    heard(north, now - online.SHORTEST_EXPECTED + 5 * SECOND, 10)
    heard(north, now, 30)
    first, *each = found(now)
    assert (first.code, first.facts["silent"], len(each)) == ("many_silent", 10, 5)


def test_before_three_minutes_nothing_is_said(now: datetime) -> None:
    north = area(now)
    heard(north, now - 2 * MINUTE, 10)
    heard(north, now, 30)
    assert found(now) == []


def test_few_meters_keep_their_quarter_of_an_hour(now: datetime) -> None:
    north = area(now)
    heard(north, now - 4 * MINUTE, 7)  # less than a fifth
    heard(north, now, 33)
    assert found(now) == []


def test_meters_that_fell_silent_one_after_the_other_are_no_event(now: datetime) -> None:
    north = area(now)
    for number in range(10):
        heard(north, now - (4 + 1.1 * number) * MINUTE)
    heard(north, now, 30)
    assert found(now) == []


def test_another_meter_that_falls_silent_later_hides_no_fuse(now: datetime) -> None:
    north = area(now)
    heard(north, now - 9 * MINUTE, 10)
    heard(north, now - 4 * MINUTE)
    heard(north, now, 29)
    (only,) = found(now)
    assert (only.facts["silent"], only.since) == (10, now - 9 * MINUTE)


def test_meters_that_are_often_silent_for_longer_are_not_missed_so_soon(now: datetime) -> None:
    """By day they tell each change, at night an hour may pass: what they learned by day says too little."""
    north = area(now)
    heard(north, now - 5 * MINUTE, 10, every=10 * MINUTE)
    MeterState.objects.update(gap_s=30)
    heard(north, now, 30)
    assert found(now) == []


def test_an_outage_of_this_morning_makes_no_long_silence_usual(now: datetime) -> None:
    north = area(now)
    for meter in heard(north, now - 4 * MINUTE, 10, reports=120):
        make.reading(meter, now - timedelta(hours=5))
    heard(north, now, 30)
    assert [finding.code for finding in found(now)] == ["many_silent"]


def test_meters_whose_habits_are_not_known_are_waited_for(now: datetime) -> None:
    north = area(now)
    heard(north, now - 4 * MINUTE, 10, reports=8)
    heard(north, now, 30)
    assert found(now) == []


# --- all of an area --------------------------------------------------------------------------------------------------


def test_a_whole_area_that_falls_silent_is_found_by_when_its_last_word_came(now: datetime) -> None:
    heard(area(now, seen_at=now - 4 * MINUTE), now - 4 * MINUTE, 10)
    (only,) = found(now)
    assert (only.code, only.facts["silent"]) == ("many_silent", 10)


def test_it_goes_on_whatever_its_zigbee2mqtt_says_of_itself_until_a_meter_is_heard(now: datetime) -> None:
    north = area(now, seen_at=now - 4 * MINUTE)
    meters = heard(north, now - 4 * MINUTE, 10)
    incidents.take(found(now), now)
    AreaState.objects.update(seen_at=now)  # its health
    assert [finding.code for finding in found(now + 5 * SECOND)] == ["many_silent"]
    MeterState.objects.filter(meter__in=meters).update(heard_at=now)
    assert found(now + 5 * SECOND) == []


# --- what only looks like it -----------------------------------------------------------------------------------------

Cause = Callable[[datetime], Any]
CAUSES: dict[str, tuple[timedelta, Cause]] = {
    "its clock is ten minutes slow": (10 * MINUTE, lambda now: None),
    "its clock was set back": (7 * MINUTE, lambda now: None),
    "the worker was away": (9 * MINUTE, lambda now: Watch.objects.update(since=now - MINUTE)),
    "the worker is away": (9 * MINUTE, lambda now: WorkerState.objects.update(heartbeat_at=now - MINUTE)),
    "the broker is away": (9 * MINUTE, lambda now: WorkerState.objects.update(connected_at=None)),
    "its Zigbee2MQTT was restarted": (9 * MINUTE, lambda now: AreaState.objects.update(bridge_since=now - MINUTE)),
    "its Zigbee2MQTT is away": (9 * MINUTE, lambda now: AreaState.objects.update(bridge="offline", confirmed_at=now)),
    "it is not in service": (9 * MINUTE, lambda now: Area.objects.update(in_service=False)),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_what_only_looks_like_a_loss_is_none(now: datetime, cause: str) -> None:
    ago, make_so = CAUSES[cause]
    north = area(now)
    heard(north, now - ago, 40)
    make_so(now)
    assert found(now) == []


def test_after_our_absence_who_has_reported_makes_nobody_else_look_lost(now: datetime) -> None:
    north = area(now)
    heard(north, now - 9 * MINUTE, 30)
    heard(north, now, 10)
    Watch.objects.update(since=now - MINUTE)
    assert found(now) == []


def test_a_clock_that_is_slow_hides_no_fuse(now: datetime) -> None:
    north = area(now)
    heard(north, now - 14 * MINUTE, 10)
    heard(north, now - 10 * MINUTE, 30)
    assert [finding.facts["silent"] for finding in found(now)] == [10]


def test_what_left_or_was_disabled_is_not_missed(now: datetime) -> None:
    north = area(now)
    for number, meter in enumerate(heard(north, now - 4 * MINUTE, 12)):
        device = meter.device
        device.disabled, device.left_at = number < 6, None if number < 6 else now
        device.save()
    heard(north, now, 28)
    assert found(now) == []


def test_it_costs_one_query_of_its_own(now: datetime, django_assert_num_queries) -> None:
    north = area(now)
    heard(north, now - 4 * MINUTE, 10)
    heard(north, now, 30)
    with django_assert_num_queries(6):
        found(now)
