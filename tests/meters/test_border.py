"""What comes late where the readings before were dropped.

Here a day is emptied instead of dropped: the same for whoever reads, and the test may be taken back.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from hypothesis import given
from hypothesis import strategies as st

from meters import partitions, rollups, snapshots
from meters.directory import Known
from meters.models import (
    CounterEpoch,
    HourlyUsage,
    Meter,
    QuarantinedReading,
    Reading,
)
from meters.readings import Report, store
from tests import make
from tests.meters.counting import (
    DAY,
    FIRST,
    FRESH,
    SECOND,
    T0,
    THIRD,
    billed_wh,
    counting,
    differences,
    every_half_hour,
    hours_of,
    known,
    report,
    used_wh,
)
from tests.properties import fewer

pytestmark = pytest.mark.django_db


@pytest.fixture
def meter() -> Meter:
    return make.meter("101,2", area=make.area())


def lose(day: date) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE meters_reading_{day:%Y%m%d}")


def test_use_of_an_interval_over_the_border_is_neither_lost_nor_billed_twice(meter: Meter) -> None:
    who = known(meter)
    counting(who, 20, 22, 26, 30)
    lose(FIRST)
    before = hours_of(meter, FIRST, SECOND)
    store([report(who, 25, counter_wh=3_450, power_w=5000), report(who, 25.5, power_w=20)])
    assert [sums[:2] for sums in hours_of(meter, FIRST, SECOND) if sums[0]] == [sums[:2] for sums in before if sums[0]]
    assert used_wh(meter) == billed_wh(meter) == 1000
    assert Reading.objects.get(measured_at=T0 + timedelta(hours=25)).epoch is None
    assert QuarantinedReading.objects.get().reason == "late"
    assert differences(meter, SECOND, SECOND) == []


def test_what_comes_late_after_the_border_is_computed_as_if_it_had_come_in_time(meter: Meter) -> None:
    who = known(meter)
    counting(who, 20, 24, 25, 30)
    lose(FIRST)
    store([report(who, 27, counter_wh=1000 + 2500 + 10)])
    assert used_wh(meter) == billed_wh(meter) == 1000
    assert [sums[0] for sums in hours_of(meter, SECOND, SECOND) if sums[0]] == [100, 5, 5, 164, 163, 163]
    assert differences(meter, SECOND, SECOND) == []


def test_the_hour_of_the_first_value_that_is_kept_holds_what_is_left_of_the_counter(meter: Meter) -> None:
    who = known(meter)
    counting(who, 20, 26.5, 30)
    lose(FIRST)
    store([report(who, 28, counter_wh=1000 + 2650 + 10)])
    assert used_wh(meter) == billed_wh(meter) == 1000
    assert [sums[0] for sums in hours_of(meter, SECOND, SECOND)] == [100, 100, 53, 7, 170, 170, 0]
    assert differences(meter, SECOND, SECOND) == []


def test_a_cached_value_that_turns_out_to_be_older_is_left_where_it_is_known(meter: Meter) -> None:
    who = known(meter, frozenset({"power"}))
    counting(who, 20, 26)
    lose(FIRST)
    before = hours_of(meter, FIRST, SECOND)
    store([report(who, 25, counter_wh=1000 + 2600)])
    assert [sums[:2] for sums in hours_of(meter, FIRST, SECOND)][: len(before)] == [sums[:2] for sums in before]
    assert CounterEpoch.objects.get().last_at == T0 + timedelta(hours=26)
    assert not QuarantinedReading.objects.exists()


def test_the_first_words_of_a_meter_that_was_never_heard_before_are_no_border(meter: Meter) -> None:
    who = known(meter)
    counting(who, 26, 30)
    store([report(who, 25, counter_wh=1000 + 2500)])
    assert used_wh(meter) == billed_wh(meter) == 500
    assert differences(meter, FIRST, SECOND) == []


def test_what_a_silent_meter_tells_long_after_is_spread_over_dropped_days_too(meter: Meter) -> None:
    who = known(meter)
    counting(who, 1, 2)
    partitions.ensure([SECOND])
    lose(FIRST)
    counting(who, 50, 51)
    assert used_wh(meter) == billed_wh(meter) == 5000
    assert hours_of(meter, SECOND, SECOND) == [(100, 100, 0)] * 24
    assert differences(meter, SECOND, THIRD) == []


@pytest.mark.parametrize("wh", [-1, 1])
@pytest.mark.parametrize("number", [30, 50])
def test_where_the_beginning_of_an_interval_is_gone_the_counter_tells_what_is_missing(
    meter: Meter, number: int, wh: int
) -> None:
    who = known(meter)
    counting(who, 1, 2)
    lose(FIRST)
    counting(who, 50.5, 51)
    hour = HourlyUsage.objects.filter(meter=meter, hour=T0 + timedelta(hours=number))
    hour.update(energy_wh=F("energy_wh") + wh, estimated_wh=F("estimated_wh") + wh)
    assert len(differences(meter, SECOND, THIRD)) == 1


def test_more_than_the_counter_ever_told_is_found(meter: Meter) -> None:
    who = known(meter)
    counting(who, 1, 2)
    lose(FIRST)
    counting(who, 50.5, 51)
    HourlyUsage.objects.filter(meter=meter, hour=T0 + timedelta(hours=30)).update(energy_wh=9000)
    assert rollups.EVER in [found.what for found in differences(meter, SECOND, THIRD)]


@pytest.mark.parametrize("hour", [3, 10.25, 20.5])
def test_what_a_meter_stood_at_is_told_by_the_hours_where_the_readings_are_gone(meter: Meter, hour: float) -> None:
    who = known(meter)
    counting(who, *every_half_hour(0, 20))
    store([report(who, 21, counter_wh=8000), report(who, 25, counter_wh=8400), report(who, 30, counter_wh=8400)])
    at = T0 + timedelta(hours=hour)
    before = snapshots.energy_at(meter.pk, at)
    lose(FIRST)
    now = snapshots.energy_at(meter.pk, at)
    assert (now.kwh, now.quality) == (before.kwh, snapshots.Quality.ESTIMATED)


reports = st.lists(
    st.tuples(st.integers(0, 71 * 4), st.sampled_from(["counter_wh", "power_w", "both"]), st.integers(0, 900)),
    min_size=3,
    max_size=14,
)


@fewer(4)
@given(told=reports, order=st.randoms(use_true_random=False), cached=st.booleans())
def test_whatever_comes_late_after_a_day_was_dropped_hours_stay_what_the_counter_and_the_readings_tell(
    told: list[tuple[int, str, int]], order: Any, cached: bool
) -> None:
    meter = make.meter(area=make.area())
    who = known(meter, frozenset({"power"}) if cached else FRESH)
    arrived = [_report(who, *each) for each in told]
    order.shuffle(arrived)
    partitions.ensure([FIRST, SECOND, THIRD])
    half = len(arrived) // 2
    _one_by_one(arrived[:half])
    assert differences(meter, FIRST, THIRD) == []
    lose(FIRST)
    frozen = hours_of(meter, FIRST, FIRST)
    late = [each for each in arrived[half:] if each.measured_at >= T0 + DAY]
    _one_by_one(late)
    assert differences(meter, SECOND, THIRD) == []
    assert all(now[0] >= then[0] for now, then in zip(hours_of(meter, FIRST, FIRST), frozen, strict=False))
    epochs = CounterEpoch.objects.filter(meter=meter)
    assert used_wh(meter) == sum(epoch.last_wh - epoch.first_wh for epoch in epochs)
    if late or half:
        assert used_wh(meter) == billed_wh(meter)


def _report(who: Known, quarter: int, what: str, watts: int) -> Report:
    """Of a counter that rises with time: in any order it fits."""
    told = {"counter_wh": 1000 + quarter * 50} if what != "power_w" else {}
    return report(who, quarter / 4, **told, **({"power_w": watts} if what != "counter_wh" else {}))


def _one_by_one(reports: Sequence[Report]) -> None:
    for each in reports:
        store([each])
