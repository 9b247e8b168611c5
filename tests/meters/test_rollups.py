"""What stays of the readings: hours, days of the campsite, and that they are what the readings told."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import F, Sum
from django.utils import timezone

from meters import clock, partitions, retention, rollups, usage
from meters.models import (
    CounterEpoch,
    DailyUsage,
    HourlyUsage,
    Meter,
)
from meters.readings import Report, store
from meters.readings import days as readings_days
from tests import make
from tests.meters.counting import (
    DAY,
    FIRST,
    HOUR,
    NOTHING,
    T0,
    billed_wh,
    counting,
    known,
    used_wh,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def meter() -> Meter:
    return make.meter("101,2", area=make.area())


# --- hours and days --------------------------------------------------------------------------------------------------


NOW = T0 + timedelta(days=400)


@pytest.fixture
def used_long_ago(meter: Meter) -> Meter:
    """On both days on which the clock changes, and around them."""
    for first in (datetime(2021, 3, 27, 23, tzinfo=UTC), datetime(2021, 10, 30, 22, tzinfo=UTC)):
        for number in range(47 + (first.month == 10) * 2):
            make.hour(meter, first + timedelta(hours=number), 100 + number, number)
    make.counted(meter, "20", datetime(2022, 1, 1, tzinfo=UTC))
    return meter


def by_day(meter: Meter) -> list[tuple[Decimal | None, Decimal | None]]:
    told = usage.by_day([meter.pk], datetime(2021, 3, 20, tzinfo=UTC), datetime(2021, 11, 10, tzinfo=UTC))
    return [(use.energy_kwh, use.estimated_kwh) for use in told]


def test_days_tell_the_same_before_they_are_summed_up_then_and_when_their_hours_are_gone(used_long_ago: Meter) -> None:
    meter = used_long_ago
    before, kwh = by_day(meter), Decimal(used_wh(meter)).scaleb(-3)
    assert readings_days.sum_up(NOW) == 1
    assert readings_days.sum_up(NOW) == 0
    assert by_day(meter) == before
    assert DailyUsage.objects.aggregate(sum=Sum("energy_wh"))["sum"] == kwh * 1000
    assert retention.forget_hours(NOW) == 96
    assert not HourlyUsage.objects.exists()
    assert (
        usage.total(usage.by_day([meter.pk], datetime(2021, 1, 1, tzinfo=UTC), datetime(2022, 1, 1, tzinfo=UTC)))[0]
        == kwh
    )
    assert [told for told in by_day(meter) if told[0]] == [told for told in before if told[0]]


def test_a_day_whose_hours_changed_is_told_by_them_and_summed_up_again(meter: Meter) -> None:
    who = known(meter)
    counting(who, 1, 2)
    readings_days.sum_up(NOW)
    counting(who, 3)
    told = usage.by_day([meter.pk], T0, T0 + timedelta(hours=12))
    assert [use.energy_kwh for use in told] == [Decimal("0.2")]
    assert DailyUsage.objects.get(day=FIRST).energy_wh == 100
    readings_days.sum_up(NOW)
    day = DailyUsage.objects.get(day=FIRST)
    assert (day.energy_wh, day.readings, day.power_max_w) == (200, 3, 100)
    assert (day.first_at, day.last_at) == (T0 + timedelta(hours=1), T0 + timedelta(hours=3))


@pytest.mark.parametrize("is_summed", [False, True])
def test_a_day_without_use_is_known_where_a_counter_told_before_and_after_it_began(is_summed: bool) -> None:
    """0 was measured, or nothing was: with other meters beside it, and with counters that told one value alone."""
    silent, lone, counting = (make.meter(f"{number}") for number in range(3))
    midnight = clock.moment(date(2026, 7, 1))
    for meter in (silent, lone, counting):
        make.hour(meter, midnight, 0)
    make.counted(lone, "7", midnight)
    CounterEpoch.objects.update(first_at=midnight + timedelta(minutes=30), last_at=midnight + timedelta(minutes=30))
    make.counted(counting, "7", midnight)  # up to the moment at which the day begins, and not a moment into it
    if is_summed:
        readings_days.sum_up(midnight + timedelta(days=2))

    def used_kwh(*meters: Meter) -> Decimal | None:
        return usage.by_day([meter.pk for meter in meters], midnight, midnight + timedelta(hours=1))[0].energy_kwh

    assert used_kwh(silent) is used_kwh(lone) is used_kwh(counting) is used_kwh(silent, lone, counting) is None
    assert used_kwh() is None
    CounterEpoch.objects.filter(meter=counting).update(last_at=midnight + timedelta(minutes=1))
    assert used_kwh(counting) == used_kwh(silent, lone, counting) == 0
    assert used_kwh(silent, lone) is None


def test_what_takes_longer_than_a_night_goes_on_in_the_next(meter: Meter, monkeypatch: pytest.MonkeyPatch) -> None:
    for each in (meter, make.meter("102")):
        make.hour(each, T0, energy_wh=5)
    with monkeypatch.context() as hurried:
        hurried.setattr(readings_days, "LONGEST_S", -1)
        assert readings_days.sum_up(NOW) == 0
    assert readings_days.sum_up(NOW) == 2
    assert readings_days.sum_up(NOW) == 0
    with monkeypatch.context() as hurried:
        hurried.setattr(readings_days, "LONGEST_S", -1)
        assert readings_days.forget_hours(NOW.date()) == 0
    assert readings_days.forget_hours(NOW.date()) == 2


def test_hours_stay_whose_day_does_not_hold_them(used_long_ago: Meter) -> None:
    readings_days.sum_up(NOW)
    DailyUsage.objects.filter(day=date(2021, 3, 28)).update(energy_wh=F("energy_wh") - 1)
    assert retention.forget_hours(NOW) == 96 - 23
    assert not DailyUsage.objects.get(day=date(2021, 3, 28)).is_final


def test_what_was_used_since_before_the_hours_that_are_kept_is_spread_over_those_that_are(meter: Meter) -> None:
    who = known(meter)
    at = datetime(2021, 3, 28, 12, tzinfo=UTC)
    store(
        [Report(who, NOTHING._replace(counter_wh=1000), at), Report(who, NOTHING._replace(counter_wh=1100), at + HOUR)]
    )
    assert retention.forget_hours(NOW) == 2
    store([Report(who, NOTHING._replace(counter_wh=50_000), T0)])
    assert HourlyUsage.objects.order_by("hour").first().hour == datetime(2021, 3, 28, 22, tzinfo=UTC)
    days_wh = DailyUsage.objects.aggregate(sum=Sum("energy_wh"))["sum"]
    assert days_wh + used_wh(meter) == billed_wh(meter) == 49_000


def test_hours_from_before_they_counted_their_readings_are_counted_by_the_migration(told_for_three_days: Meter) -> None:
    before = list(HourlyUsage.objects.order_by("hour").values_list("readings", flat=True))
    HourlyUsage.objects.update(readings=0)
    with connection.cursor() as cursor:
        cursor.execute(import_module("meters.migrations.0012_how_many_readings_an_hour_has").FORWARD)
    assert list(HourlyUsage.objects.order_by("hour").values_list("readings", flat=True)) == before == [1] * 72


# --- rebuild_usage ---------------------------------------------------------------------------------------------------


def rebuild_usage(*words: str) -> tuple[bool, str]:
    """Whether nothing is left to mend, and what was said."""
    said = StringIO()
    try:
        call_command("rebuild_usage", *words, stdout=said)
    except CommandError:
        return False, said.getvalue()
    return True, said.getvalue()


@pytest.fixture
def told_for_three_days(meter: Meter) -> Meter:
    """Ends with the hour before this one."""
    now = timezone.now()
    for day in range(4):
        partitions.ensure([(now - day * DAY).date()])
    who = known(meter)
    for number in range(72, 0, -1):
        at = now - timedelta(hours=number)
        store([Report(who, NOTHING._replace(counter_wh=(100 - number) * 70, power_w=number), at)])
    readings_days.sum_up(now)
    return meter


def test_the_use_is_what_the_readings_tell(told_for_three_days: Meter) -> None:
    is_well, said = rebuild_usage()
    assert is_well
    assert said == "72 readings, 72 hours: 0 differences, 0 left\n"


@pytest.mark.parametrize("change", [{"energy_wh": 7}, {"estimated_wh": 0}, {"readings": 0}, {"power_max_w": None}])
def test_what_differs_is_told_and_mended_where_that_is_asked_for(told_for_three_days: Meter, change: Any) -> None:
    hour = HourlyUsage.objects.order_by("hour")[20]
    before = HourlyUsage.objects.filter(hour=hour.hour)
    then = before.values().get()
    before.update(**{"energy_wh": 7, "estimated_wh": 0} | change)
    is_well, said = rebuild_usage()
    assert not is_well
    assert f"hour {hour.hour:%Y-%m-%d %H:%M}" in said
    assert rebuild_usage("--write")[0]
    assert before.values().get() == then | {"is_summed": before.get().is_summed}
    assert rebuild_usage()[0]


def test_days_that_are_not_the_sum_of_their_hours_are_told_and_mended(told_for_three_days: Meter) -> None:
    yesterday = clock.day_of(timezone.now()) - DAY
    DailyUsage.objects.filter(day=yesterday).update(energy_wh=1)
    HourlyUsage.objects.filter(meter=told_for_three_days).update(is_summed=True)
    is_well, said = rebuild_usage("--from", str(yesterday), "--to", str(yesterday))
    assert not is_well
    assert said.count("day of") == 1
    assert rebuild_usage("--write")[0]
    assert DailyUsage.objects.get(day=yesterday).energy_wh > 1


def test_days_whose_readings_are_gone_cannot_be_computed_anew(told_for_three_days: Meter) -> None:
    with pytest.raises(CommandError, match="no readings before"):
        call_command("rebuild_usage", "--from", "2020-01-01")
    assert rebuild_usage("--from", str(clock.day_of(rollups.oldest_kept(timezone.now()))))[0]
