"""What becomes of old readings and hours: proven, then dropped; what comes late, and what comes at the border."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, connections
from django.db.models import F, Sum
from hypothesis import given
from hypothesis import strategies as st

from meters import directory, partitions, retention, rollups
from meters.directory import Known
from meters.models import CounterEpoch, HourlyUsage, Meter, MeterState, QuarantinedReading, Reading, ReadingDay
from meters.readings import Report, store
from meters.zigbee2mqtt import State
from tests import make
from tests.meters.harness import until
from tests.properties import fewer

FRESH = frozenset({"state", "power", "voltage", "current", "energy"})
NOTHING = State("x", None, None, 100, None, None, None, None, None, {})
DAY = timedelta(days=1)
T0 = datetime(2026, 7, 1, tzinfo=UTC)
FIRST, SECOND, THIRD = (T0.date() + n * DAY for n in range(3))
CLOSED = T0 + 2 * DAY + timedelta(days=90, hours=1)
"""Two days are closed: the first may go, the second must be proven."""


def known(meter: Meter, fresh: frozenset[str] = FRESH) -> Known:
    return replace(directory.load().devices[meter.device.ieee_address], fresh=fresh)


def report(who: Known, hours: float, **told: Any) -> Report:
    return Report(who, replace(NOTHING, **told), T0 + timedelta(hours=hours))


def counting(who: Known, *hours: float, wh_an_hour: int = 100) -> None:
    store([report(who, hour, counter_wh=1000 + int(hour * wh_an_hour), power_w=wh_an_hour) for hour in hours])


def every_half_hour(first: float, last: float) -> list[float]:
    return [first + n / 2 for n in range(int((last - first) * 2) + 1)]


def used_wh(meter: Meter) -> int:
    return HourlyUsage.objects.filter(meter=meter).aggregate(sum=Sum("energy_wh"))["sum"] or 0


def billed_wh(meter: Meter) -> int:
    return int(MeterState.objects.get(meter=meter).energy_kwh * 1000)


def hours_of(meter: Meter, first: date, last: date) -> list[tuple[int, int, int]]:
    start, end = (datetime.combine(day, time(), UTC) for day in (first, last + DAY))
    rows = HourlyUsage.objects.filter(meter=meter, hour__gte=start, hour__lt=end).order_by("hour")
    return list(rows.values_list("energy_wh", "estimated_wh", "readings"))


def differences(meter: Meter, first: date, last: date) -> list[rollups.Difference]:
    start, end = (datetime.combine(day, time(), UTC) for day in (first, last + DAY))
    return rollups.compare(meter.pk, start, end).differences


@contextmanager
def another_connection() -> Iterator[psycopg.Connection[Any]]:
    parameters = connections["default"].get_connection_params()
    wanted = {key: parameters[key] for key in ("dbname", "user", "password", "host", "port") if parameters.get(key)}
    with psycopg.connect(**wanted) as other:
        yield other


@pytest.fixture
def meter() -> Meter:
    return make.meter("101,2", area=make.area())


@pytest.fixture
def days(transactional_db: None) -> Iterator[None]:
    """The partitions of the test's days are gone after it, whatever became of them."""
    yield
    for number in range(5):
        partitions.drop(FIRST + number * DAY)


# --- proven, then dropped --------------------------------------------------------------------------------------------


def test_a_day_goes_when_it_and_the_day_after_are_proven(days: None, meter: Meter) -> None:
    counting(known(meter), *every_half_hour(0, 70))
    assert retention.forget_readings(CLOSED - DAY) == []
    assert retention.forget_readings(CLOSED) == [FIRST]
    assert {SECOND, THIRD} <= partitions.existing()
    assert FIRST not in partitions.existing()
    told = ReadingDay.objects.get(day=FIRST)
    assert (told.readings, told.raw_wh, told.hours_wh, told.problem) == (48, 2400, 2400, "")
    assert told.proven_at
    assert told.dropped_at
    assert hours_of(meter, FIRST, FIRST) == [(100, 0, 2)] * 24
    assert retention.forget_readings(CLOSED) == []


@pytest.mark.parametrize("change", ["energy_wh = energy_wh + 1", "readings = readings - 1"])
def test_a_day_whose_hours_are_not_what_its_readings_tell_stays_and_is_noted(
    days: None, meter: Meter, change: str
) -> None:
    counting(known(meter), *every_half_hour(0, 70))
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE meters_hourlyusage SET {change} WHERE hour = %s", [T0 + timedelta(hours=5)])
    assert retention.forget_readings(CLOSED) == []
    assert FIRST in partitions.existing()
    told = ReadingDay.objects.get(day=FIRST)
    assert "2026-07-01 05:00" in told.problem
    assert told.proven_at is None
    call_command("rebuild_usage", "--write", stdout=StringIO())
    assert retention.forget_readings(CLOSED) == [FIRST]
    assert ReadingDay.objects.get(day=FIRST).problem == ""


def test_a_day_that_stays_holds_back_those_after_it(days: None, meter: Meter) -> None:
    counting(known(meter), *every_half_hour(0, 94))
    HourlyUsage.objects.filter(hour=T0).delete()
    assert retention.forget_readings(CLOSED + DAY) == []
    assert {FIRST, SECOND} <= partitions.existing()


def test_a_backup_that_reads_all_tables_stops_neither_what_is_stored_nor_what_is_dropped_later(
    days: None, meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "LOCK_TIMEOUT", "200ms")
    who = known(meter)
    counting(who, *every_half_hour(0, 70))
    with another_connection() as backup:
        # What pg_dump does first: one snapshot, and a lock on each table.
        backup.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        backup.execute("LOCK TABLE meters_reading IN ACCESS SHARE MODE")
        dropping = threading.Thread(target=_in_a_thread, args=(lambda: retention.forget_readings(CLOSED),))
        dropping.start()
        while dropping.is_alive():
            counting(who, 70.5)
            dropping.join(0.01)
        counting(who, 71)
        assert backup.execute(f"SELECT count(*) FROM meters_reading_{FIRST:%Y%m%d}").fetchone() == (48,)
        assert ReadingDay.objects.get(day=FIRST).dropped_at is None
        assert retention.forget_readings(CLOSED) == []
    assert retention.forget_readings(CLOSED) == [FIRST]
    assert not _is_there(FIRST)


@pytest.mark.parametrize("killed_in", ["given up", "detached", "dropped"])
def test_a_run_that_was_killed_is_taken_up_by_the_next_one(days: None, meter: Meter, killed_in: str) -> None:
    counting(known(meter), *every_half_hour(0, 70))
    for day in (FIRST, SECOND):
        retention.prove(day, CLOSED)
    ReadingDay.objects.filter(day=FIRST).update(forgotten_at=CLOSED)
    name = f"meters_reading_{FIRST:%Y%m%d}"
    with connection.cursor() as cursor:
        if killed_in != "given up":
            cursor.execute(f"ALTER TABLE meters_reading DETACH PARTITION {name} CONCURRENTLY")
        if killed_in == "dropped":
            cursor.execute(f"DROP TABLE {name}")
    assert retention.forget_readings(CLOSED) == [FIRST]
    assert not _is_there(FIRST)


def test_of_two_runs_at_once_one_does_nothing(days: None, meter: Meter) -> None:
    counting(known(meter), *every_half_hour(0, 70))
    with another_connection() as other:
        other.execute("SELECT pg_advisory_lock(%s)", [retention.ADVISORY_LOCK])
        assert retention.forget_readings(CLOSED) == []
        assert not ReadingDay.objects.exists()
        other.execute("SELECT pg_advisory_unlock_all()")
    assert retention.forget_readings(CLOSED) == [FIRST]


def test_a_forgotten_day_is_never_made_again(days: None, meter: Meter) -> None:
    who = known(meter)
    counting(who, *every_half_hour(0, 70))
    retention.forget_readings(CLOSED)
    with pytest.raises(partitions.Forgotten):
        counting(who, 5.25)
    assert not _is_there(FIRST)
    assert directory.load().kept_from == T0 + DAY


# --- packed ----------------------------------------------------------------------------------------------------------


def test_days_are_packed_once_and_nights_that_were_missed_are_made_up_for(days: None, meter: Meter) -> None:
    counting(known(meter), 1, 25, 49)
    now = T0 + 4 * DAY
    assert {FIRST, SECOND, THIRD} <= set(retention.pack(now))
    assert retention.pack(now) == []


def test_a_late_reading_is_stored_while_its_day_is_being_packed(days: None, meter: Meter) -> None:
    who = known(meter)
    counting(who, 1, 2)
    with another_connection() as reader:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        reader.execute(f"SELECT count(*) FROM meters_reading_{FIRST:%Y%m%d}")
        packing = threading.Thread(target=_in_a_thread, args=(lambda: partitions.reindex(FIRST),))
        packing.start()
        until(lambda: _is_waiting("REINDEX"), "the reindexing to wait for who still reads")
        counting(who, 1.5)
        assert packing.is_alive()
        assert Reading.objects.count() == 3
    packing.join()
    assert hours_of(meter, FIRST, FIRST)[0] == (100, 0, 2)


def test_what_an_ended_reindexing_left_goes_with_the_next(days: None, meter: Meter) -> None:
    counting(known(meter), 1, 2)
    name = f"meters_reading_{FIRST:%Y%m%d}"
    with connection.cursor() as cursor:
        with pytest.raises(IntegrityError):  # ended in the middle, since it cannot be unique
            cursor.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {name}_pkey_ccnew ON {name} (meter_id)")
        partitions.reindex(FIRST)
        cursor.execute("SELECT count(*) FROM pg_index WHERE indrelid = %s::regclass", [name])
        assert cursor.fetchone() == (1,)


def _in_a_thread(do: Any) -> None:
    try:
        do()
    finally:
        connection.close()


def _is_waiting(word: str) -> bool:
    with another_connection() as watcher:
        waits = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE %s AND wait_event_type = 'Lock'"
        return watcher.execute(waits, [f"{word}%"]).fetchone() != (0,)


def _is_there(day: date) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [f"meters_reading_{day:%Y%m%d}"])
        return bool(cursor.fetchone()[0])


# --- at the border of what was dropped -------------------------------------------------------------------------------
# Here a day is emptied instead of dropped: the same for whoever reads, and a test may be taken back.


def lose(day: date) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE meters_reading_{day:%Y%m%d}")


@pytest.mark.django_db
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


@pytest.mark.django_db
def test_what_comes_late_after_the_border_is_computed_as_if_it_had_come_in_time(meter: Meter) -> None:
    who = known(meter)
    counting(who, 20, 24, 25, 30)
    lose(FIRST)
    store([report(who, 27, counter_wh=1000 + 2500 + 10)])
    assert used_wh(meter) == billed_wh(meter) == 1000
    assert [sums[0] for sums in hours_of(meter, SECOND, SECOND) if sums[0]] == [100, 5, 5, 164, 163, 163]
    assert differences(meter, SECOND, SECOND) == []


@pytest.mark.django_db
def test_the_hour_of_the_first_value_that_is_kept_holds_what_is_left_of_the_counter(meter: Meter) -> None:
    who = known(meter)
    counting(who, 20, 26.5, 30)
    lose(FIRST)
    store([report(who, 28, counter_wh=1000 + 2650 + 10)])
    assert used_wh(meter) == billed_wh(meter) == 1000
    assert [sums[0] for sums in hours_of(meter, SECOND, SECOND)] == [100, 100, 53, 7, 170, 170, 0]
    assert differences(meter, SECOND, SECOND) == []


@pytest.mark.django_db
def test_a_cached_value_that_turns_out_to_be_older_is_left_where_it_is_known(meter: Meter) -> None:
    who = known(meter, frozenset({"power"}))
    counting(who, 20, 26)
    lose(FIRST)
    before = hours_of(meter, FIRST, SECOND)
    store([report(who, 25, counter_wh=1000 + 2600)])
    assert [sums[:2] for sums in hours_of(meter, FIRST, SECOND)][: len(before)] == [sums[:2] for sums in before]
    assert CounterEpoch.objects.get().last_at == T0 + timedelta(hours=26)
    assert not QuarantinedReading.objects.exists()


@pytest.mark.django_db
def test_the_first_words_of_a_meter_that_was_never_heard_before_are_no_border(meter: Meter) -> None:
    who = known(meter)
    counting(who, 26, 30)
    store([report(who, 25, counter_wh=1000 + 2500)])
    assert used_wh(meter) == billed_wh(meter) == 500
    assert differences(meter, FIRST, SECOND) == []


@pytest.mark.django_db
def test_what_a_silent_meter_tells_long_after_is_spread_over_dropped_days_too(meter: Meter) -> None:
    who = known(meter)
    counting(who, 1, 2)
    partitions.ensure([SECOND])
    lose(FIRST)
    counting(who, 50, 51)
    assert used_wh(meter) == billed_wh(meter) == 5000
    assert hours_of(meter, SECOND, SECOND) == [(100, 100, 0)] * 24
    assert differences(meter, SECOND, THIRD) == []


@pytest.mark.django_db
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


@pytest.mark.django_db
def test_more_than_the_counter_ever_told_is_found(meter: Meter) -> None:
    who = known(meter)
    counting(who, 1, 2)
    lose(FIRST)
    counting(who, 50.5, 51)
    HourlyUsage.objects.filter(meter=meter, hour=T0 + timedelta(hours=30)).update(energy_wh=9000)
    assert rollups.EVER in [found.what for found in differences(meter, SECOND, THIRD)]


reports = st.lists(
    st.tuples(st.integers(0, 71 * 4), st.sampled_from(["counter_wh", "power_w", "both"]), st.integers(0, 900)),
    min_size=3,
    max_size=14,
)


@fewer(4)
@given(told=reports, order=st.randoms(use_true_random=False), cached=st.booleans())
@pytest.mark.django_db
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
