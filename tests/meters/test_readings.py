"""Storing reports: merged, exact under repetition and lateness."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DataError, connection, transaction
from django.db.models import Sum
from hypothesis import given
from hypothesis import strategies as st

from meters import directory, rollups
from meters.directory import Known
from meters.models import CounterEpoch, HourlyUsage, Meter, MeterState, QuarantinedReading, Reading
from meters.readings import Report, hours, prune_quarantined, store
from meters.zigbee2mqtt import State
from tests import make
from tests.meters.commands import in_thread, wait_for_a_lock
from tests.properties import fewer

pytestmark = pytest.mark.django_db

T0 = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
FRESH = frozenset({"state", "power", "voltage", "current", "energy"})
NOTHING = State("x", None, None, 100, None, None, None, None, None, {})


def known(meter: Meter, fresh: frozenset[str] = FRESH, phases: tuple[str, ...] = ()) -> Known:
    return replace(directory.load().devices[meter.device.ieee_address], fresh=fresh, phases=phases)


def report(who: Known, minute: float = 0, **told: Any) -> Report:
    return Report(who, NOTHING._replace(**told), T0 + timedelta(minutes=minute))


def latest(meter: Meter) -> MeterState:
    return MeterState.objects.get(meter=meter)


def by_hour(meter: Meter) -> dict[int, tuple[int, int]]:
    rows = HourlyUsage.objects.filter(meter=meter).exclude(energy_wh=0)
    return {row.hour.hour: (row.energy_wh, row.estimated_wh) for row in rows}


def differences(meter: Meter) -> list[Any]:
    """Between the hours and what the readings tell."""
    return rollups.compare(meter.pk, T0 - timedelta(days=1), T0 + timedelta(days=3)).differences


@pytest.fixture
def meter() -> Meter:
    return make.meter("101,2", area=make.area())


def test_one_report_in_several_messages_becomes_one_reading(meter: Meter) -> None:
    who = known(meter)
    store([report(who, voltage_dv=2310), report(who, current_ma=220), report(who, power_w=25)])
    store([report(who, counter_wh=858_320, relay=True)])
    row = Reading.objects.get()
    assert (row.voltage_dv, row.current_ma, row.power_w, row.counter_wh, row.relay) == (2310, 220, 25, 858_320, True)


def test_each_value_has_its_own_time(meter: Meter) -> None:
    who = known(meter)
    store([report(who, 0, power_w=25), report(who, 5, voltage_dv=2301)])
    state = latest(meter)
    assert (state.power_w, state.power_at) == (25, T0)
    assert (state.voltage_v, state.voltage_at) == (Decimal("230.1"), T0 + timedelta(minutes=5))
    assert state.heard_at == T0 + timedelta(minutes=5)


def test_a_repeat_of_the_cache_is_no_new_measurement(meter: Meter) -> None:
    who = known(meter, fresh=frozenset())
    store([report(who, 0, power_w=25), report(who, 5, power_w=25), report(who, 9, power_w=30)])
    assert latest(meter).power_at == T0 + timedelta(minutes=9)
    store([report(who, 20, power_w=30)])
    assert latest(meter).power_at == T0 + timedelta(minutes=9)


def test_an_older_report_never_replaces_a_newer_value(meter: Meter) -> None:
    who = known(meter)
    store([report(who, 5, power_w=30)])
    store([report(who, 1, power_w=25)])
    assert latest(meter).power_w == 30
    assert Reading.objects.count() == 2


def test_an_acknowledgement_tells_the_old_state_first_and_the_new_one_with_the_same_time(meter: Meter) -> None:
    who = known(meter)
    store([report(who, 0, relay=True)])
    store([report(who, 1, relay=True), report(who, 1, relay=False)])
    assert latest(meter).relay is False


def test_a_cached_repeat_of_three_phases_is_no_new_measurement(meter: Meter) -> None:
    who = known(meter, fresh=frozenset(), phases=("a", "b", "c"))
    for minute in (0, 30):
        store([report(who, minute, phases={"power_a": 100, "power_b": 200, "power_c": 50})])
    assert (latest(meter).power_at, latest(meter).phases_at) == (T0, T0)


def test_null_is_unknown_and_changes_nothing(meter: Meter) -> None:
    who = known(meter)
    store([report(who, 0, power_w=25, counter_wh=1000)])
    store([report(who, 1)])
    assert latest(meter).power_w == 25
    assert latest(meter).counter_kwh == Decimal("1.000")


def test_three_phases_are_kept_one_by_one_and_summed(meter: Meter) -> None:
    who = known(meter, phases=("a", "b", "c"))
    store([report(who, phases={"power_a": 100, "power_b": 200, "voltage_a": 2301})])
    assert latest(meter).power_w is None
    store([report(who, 1, phases={"power_c": 50})])
    state = latest(meter)
    assert state.phase_power_w == [100, 200, 50]
    assert state.phase_voltage_v == [Decimal("230.1"), None, None]
    assert state.power_w == 350


def test_use_is_billed_and_stands_in_its_hour(meter: Meter) -> None:
    who = known(meter)
    store([report(who, 0, counter_wh=1000), report(who, 30, counter_wh=1500)])
    assert latest(meter).energy_kwh == Decimal("0.500")
    assert by_hour(meter) == {10: (500, 0)}


def test_use_over_several_hours_follows_the_watts_and_is_marked_estimated(meter: Meter) -> None:
    who = known(meter)
    store([report(who, 0, counter_wh=1000, power_w=0), report(who, 60, power_w=1000)])
    store([report(who, 120, counter_wh=2000, power_w=1000)])
    assert by_hour(meter) == {11: (1000, 1000)}


def test_a_message_that_comes_twice_changes_nothing(meter: Meter) -> None:
    who = known(meter)
    batch = [report(who, i * 20, counter_wh=1000 + i * 200, power_w=i * 100) for i in range(8)]
    store(batch)
    before = (latest(meter).energy_kwh, by_hour(meter), Reading.objects.count())
    store(batch)
    store(batch[3:5])
    assert (latest(meter).energy_kwh, by_hour(meter), Reading.objects.count()) == before
    assert not QuarantinedReading.objects.exists()


def test_each_reading_counts_once_in_its_hour_however_often_and_in_how_many_parts_it_comes(meter: Meter) -> None:
    who = known(meter)
    batch = [report(who, minute, power_w=5) for minute in (0, 30, 60)]
    store(batch)
    store(batch[:2])
    store([report(who, 30, voltage_dv=2300), report(who, 60, counter_wh=1000), report(who, 45, power_w=7)])
    told = HourlyUsage.objects.filter(meter=meter).order_by("hour").values_list("readings", flat=True)
    assert list(told) == [3, 1]


def test_watts_that_come_late_in_a_message_of_their_own_count_from_the_beginning_of_the_interval(meter: Meter) -> None:
    who = known(meter)
    store([report(who, 0, counter_wh=1000), report(who, 60, power_w=0), report(who, 120, counter_wh=2000)])
    store([report(who, 0, power_w=1000)])
    assert by_hour(meter) == {10: (1000, 1000)}
    assert differences(meter) == []


def test_a_reset_begins_an_epoch_and_loses_nothing(meter: Meter) -> None:
    who = known(meter)
    for i, wh in enumerate([50_000, 50_100, 0, 200, 500, 700]):
        store([report(who, i * 10, counter_wh=wh)])
    assert latest(meter).energy_kwh == Decimal("0.800")
    assert [e.reason for e in CounterEpoch.objects.order_by("number")] == ["first", "fall"]
    assert sum(wh for wh, _ in by_hour(meter).values()) == 800
    assert QuarantinedReading.objects.get().reason == "fall"


def test_an_impossible_jump_is_shown_and_not_billed(meter: Meter) -> None:
    who = known(meter)
    for i, wh in enumerate([1000, 9_000_000, 9_000_100, 9_000_200]):
        store([report(who, i * 10, counter_wh=wh)])
    assert latest(meter).energy_kwh == Decimal("0.200")
    assert QuarantinedReading.objects.get().reason == "jump"


def test_cached_repeats_do_not_confirm_a_fall(meter: Meter) -> None:
    who = known(meter, fresh=frozenset())
    store([report(who, 0, counter_wh=50_000)])
    store([report(who, i, counter_wh=0) for i in range(1, 20)])
    store([report(who, 30, counter_wh=50_100)])
    assert latest(meter).energy_kwh == Decimal("0.100")
    assert CounterEpoch.objects.count() == 1


def test_energy_is_left_alone_where_it_is_not_sure_who_spoke(meter: Meter) -> None:
    who = known(meter)
    store([report(who, 0, counter_wh=50_000)])
    store([report(who, 5, counter_wh=10, power_w=7)._replace(counts=False)])
    state = latest(meter)
    assert state.power_w == 7
    assert state.energy_kwh == 0
    assert state.pending == []


def test_the_hours_of_a_late_value_are_as_if_it_had_come_in_time(meter: Meter) -> None:
    who = known(meter)
    store([report(who, 0, counter_wh=1000), report(who, 120, counter_wh=3000)])
    assert by_hour(meter) == {10: (1000, 1000), 11: (1000, 1000)}
    store([report(who, 60, counter_wh=1100)])
    assert by_hour(meter) == {10: (100, 0), 11: (1900, 0)}
    assert latest(meter).energy_kwh == Decimal("2.000")


def test_a_late_value_between_two_epochs_is_not_lost(meter: Meter) -> None:
    who = known(meter)
    for i, wh in enumerate([50_000, 50_100, 0, 200, 500]):
        store([report(who, i * 10, counter_wh=wh)])
    store([report(who, 15, counter_wh=50_150)])
    assert latest(meter).energy_kwh == Decimal("0.650")
    assert CounterEpoch.objects.get(number=1).last_wh == 50_150


def test_a_late_value_that_fits_nowhere_is_quarantined(meter: Meter) -> None:
    who = known(meter)
    store([report(who, 0, counter_wh=1000), report(who, 30, counter_wh=1500)])
    store([report(who, 10, counter_wh=9000)])
    assert QuarantinedReading.objects.get().reason == "late"
    assert latest(meter).energy_kwh == Decimal("0.500")


def test_values_that_were_put_aside_long_ago_are_forgotten(meter: Meter) -> None:
    who = known(meter)
    store([report(who, 0, counter_wh=1000), report(who, 30, counter_wh=1500), report(who, 40, counter_wh=1600)])
    store([report(who, 10, counter_wh=9000), report(who, 20, counter_wh=9000)])
    QuarantinedReading.objects.filter(measured_at=T0 + timedelta(minutes=10)).update(created_at=T0)
    assert prune_quarantined(T0 + timedelta(days=1)) == 1
    assert QuarantinedReading.objects.get().measured_at == T0 + timedelta(minutes=20)


def test_a_value_beyond_its_column_is_refused_by_the_database_and_never_wraps(meter: Meter) -> None:
    with pytest.raises(DataError):
        store([report(known(meter), voltage_dv=40_000)])


def test_reports_of_many_days_find_or_make_their_partitions(meter: Meter) -> None:
    who = known(meter)
    store([report(who, -60 * 24 * day, power_w=day) for day in range(5)])
    assert Reading.objects.count() == 5


def test_a_batch_costs_a_fixed_number_of_queries(django_assert_max_num_queries: Any) -> None:
    area = make.area()
    who = [known(make.meter(area=area)) for _ in range(20)]
    store([report(w, 0, counter_wh=1000) for w in who])
    batch = [report(w, 1, counter_wh=1100, power_w=5) for w in who]
    with django_assert_max_num_queries(11):
        store(batch)


# --- properties

steps = st.lists(
    st.tuples(
        st.integers(1, 90), st.one_of(st.none(), st.integers(0, 900)), st.one_of(st.none(), st.integers(0, 3000))
    ),
    min_size=2,
    max_size=10,
)


def honest(history: list[tuple[int, int | None, int | None]]) -> list[dict[str, Any]]:
    """Reports of a counter that only rises, with watts now and then."""
    minute, wh, told = 0, 1000, []
    for gap, rise, watts in history:
        minute += gap
        wh += min(rise or 0, gap * 200)  # a 63 A breaker passes 241 Wh a minute
        told.append({"minute": minute, "power_w": watts, "counter_wh": None if rise is None else wh})
    return told


@fewer(4)
@given(history=steps, order=st.randoms(use_true_random=False), cached=st.booleans())
def test_any_order_and_repetition_ends_in_the_same_hours_and_energy(
    history: list[tuple[int, int | None, int | None]], order: Any, cached: bool
) -> None:
    told = honest(history)
    area = make.area()
    fresh = frozenset({"power"}) if cached else FRESH
    first, second = make.meter(area=area), make.meter(area=area)
    store([report(known(first, fresh), **entry) for entry in told])
    who = known(second, fresh)
    mixed = told + order.sample(told, k=order.randint(0, len(told)))
    order.shuffle(mixed)
    for entry in mixed:
        store([report(who, **entry)])
    assert by_hour(first) == by_hour(second)
    assert latest(first).energy_kwh == latest(second).energy_kwh
    assert differences(first) == differences(second) == []
    values = [entry["counter_wh"] for entry in told if entry["counter_wh"] is not None]
    assert latest(first).energy_kwh * 1000 == (values[-1] - values[0] if values else 0)


@pytest.mark.django_db(transaction=True)
def test_two_that_store_the_same_value_at_once_bill_it_once(meter: Meter) -> None:
    """As when one worker takes over from another that still stores what it had: who waits must see what was done."""
    who = known(meter)
    store([report(who, 0, counter_wh=1000)])
    with transaction.atomic():
        store([report(who, 10, counter_wh=1100)])
        other = in_thread(lambda: store([report(who, 10, counter_wh=1100)]))
        wait_for_a_lock()
    other.join()
    assert latest(meter).energy_kwh == Decimal("0.1")
    assert by_hour(meter) == {10: (100, 0)}


@pytest.mark.django_db(transaction=True)
def test_two_that_hear_a_meter_for_the_first_time_at_once_both_store_it(meter: Meter) -> None:
    who, another = known(meter), known(make.meter("101,3", area=meter.device.area))
    store([report(another, 0, power_w=1)])  # the day's partition is there
    with transaction.atomic():
        store([report(who, 0, counter_wh=1000)])
        other = in_thread(lambda: store([report(who, 10, counter_wh=1100)]))
        wait_for_a_lock()
    other.join()
    assert latest(meter).energy_kwh == Decimal("0.1")


@fewer(4)
@given(st.lists(st.tuples(st.integers(1, 200), st.integers(0, 40_000)), min_size=1, max_size=15), st.integers(1, 4))
def test_whatever_the_counter_does_the_hours_sum_to_the_energy_and_rebuild_alike(
    history: list[tuple[int, int]], size: int
) -> None:
    meter = make.meter(area=make.area())
    minute, billed, batch, who = 0, Decimal(0), [], known(meter)
    for gap, wh in history:
        minute += gap
        batch.append(report(who, minute, counter_wh=wh, power_w=wh % 700))
        if len(batch) >= size:
            store(batch)
            batch = []
            assert latest(meter).energy_kwh >= billed
            billed = latest(meter).energy_kwh
    store(batch)
    total = HourlyUsage.objects.filter(meter=meter).aggregate(Sum("energy_wh"))["energy_wh__sum"] or 0
    assert total == latest(meter).energy_kwh * 1000
    epochs = CounterEpoch.objects.filter(meter=meter)
    assert total == sum(epoch.last_wh - epoch.first_wh for epoch in epochs)
    before = by_hour(meter)
    hours.rebuild(meter.pk, T0, T0 + timedelta(minutes=minute))
    assert by_hour(meter) == before
    assert differences(meter) == []


def test_a_reading_of_a_closed_day_needs_about_a_hundred_bytes() -> None:
    """Of the real mix, where one report in five tells the counter. Today's, not yet packed, needs some 108."""
    area = make.area()
    who = [known(make.meter(area=area)) for _ in range(40)]
    for minute in range(250):
        told = {"power_w": 5, "voltage_dv": 2300, "current_ma": 7, "relay": True}
        counter = {"counter_wh": 1000 + minute} if minute % 5 == 0 else {}
        store([report(w, minute, **told, **counter) for w in who])
    with connection.cursor() as cursor:
        cursor.execute("REINDEX TABLE meters_reading_20260701")
        cursor.execute("SELECT pg_total_relation_size('meters_reading_20260701') / count(*) FROM meters_reading")
        assert cursor.fetchone()[0] <= 105  # the last pages of a small table are not full
