"""What becomes of old readings: packed, proven, then dropped, whoever reads and whatever is killed meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, connections

from meters import directory, partitions, retention
from meters.models import (
    HourlyUsage,
    Meter,
    Reading,
    ReadingDay,
)
from tests import make
from tests.meters.counting import (
    CLOSED,
    DAY,
    FIRST,
    SECOND,
    T0,
    THIRD,
    counting,
    every_half_hour,
    hours_of,
    known,
)
from tests.meters.harness import until


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


def test_a_day_that_was_opened_again_after_its_proof_is_proven_again(days: None, meter: Meter, settings: Any) -> None:
    who = known(meter)
    counting(who, *every_half_hour(0, 70))
    assert retention.forget_readings(CLOSED - DAY) == []
    assert ReadingDay.objects.get(day=FIRST).proven_at
    settings.READINGS_KEPT_DAYS += 30
    counting(who, 5.25)
    HourlyUsage.objects.filter(hour=T0).update(energy_wh=7)
    assert retention.forget_readings(CLOSED + 30 * DAY) == []
    assert ReadingDay.objects.get(day=FIRST).proven_at is None


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
        assert partitions.ensure([FIRST + 4 * DAY]) == [FIRST + 4 * DAY]  # what is half gone keeps no other from coming
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


def test_days_are_packed_once_and_nights_that_were_missed_are_made_up_for(
    days: None, meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting(known(meter), 1, 25, 49)
    now = T0 + 4 * DAY
    with monkeypatch.context() as hurried:
        hurried.setattr(retention, "LONGEST_S", -1)
        assert retention.pack(now) == []
    assert {FIRST, SECOND, THIRD} <= set(retention.pack(now))
    assert retention.pack(now) == []


def test_a_late_reading_is_stored_while_its_day_is_being_packed(
    days: None, meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = known(meter)
    counting(who, 1, 2)
    with another_connection() as reader:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        reader.execute(f"SELECT count(*) FROM meters_reading_{FIRST:%Y%m%d}")
        packing = threading.Thread(target=_in_a_thread, args=(lambda: partitions.reindex(FIRST),))
        monkeypatch.setattr(partitions, "LOCK_TIMEOUT", "60s")
        packing.start()
        until(lambda: _is_waiting("REINDEX"), "the reindexing to wait for who still reads")
        counting(who, 1.5)
        assert packing.is_alive()
        assert Reading.objects.count() == 3
    packing.join()
    assert hours_of(meter, FIRST, FIRST)[0] == (100, 0, 2)


def test_a_day_that_a_backup_reads_is_packed_in_another_night(
    days: None, meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "LOCK_TIMEOUT", "100ms")
    counting(known(meter), 1, 2)
    with another_connection() as backup:
        backup.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        backup.execute(f"SELECT count(*) FROM meters_reading_{FIRST:%Y%m%d}")
        assert retention.pack(T0 + 4 * DAY) == []
    assert FIRST in retention.pack(T0 + 4 * DAY)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_index WHERE indrelid = %s::regclass", [f"meters_reading_{FIRST:%Y%m%d}"]
        )
        assert cursor.fetchone() == (1,)


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


# --- other schemas ---------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_tables_that_others_put_beside_or_below_ours_are_left_alone() -> None:
    """As TimescaleDB does, with schemas and inherited tables of its own."""
    before = partitions.existing()
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA other")
        cursor.execute("CREATE TABLE other.meters_reading (LIKE meters_reading) PARTITION BY RANGE (measured_at)")
        for schema, name in (
            ("other", "meters_reading_20200101"),
            ("public", "chunk_7"),
            ("other", "meters_reading_19990101"),
        ):
            cursor.execute(f"CREATE TABLE {schema}.{name} (LIKE meters_reading INCLUDING ALL)")
        attach = "ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ('{}') TO ('{}')"
        cursor.execute(
            attach.format("other.meters_reading", "other.meters_reading_20200101", "2020-01-01", "2020-01-02")
        )
        cursor.execute(attach.format("meters_reading", "chunk_7", "2020-02-01", "2020-02-02"))
        cursor.execute(attach.format("meters_reading", "other.meters_reading_19990101", "1999-01-01", "1999-01-02"))
    assert partitions.existing() == before
    assert partitions.ensure([date(2020, 1, 1)]) == [date(2020, 1, 1)]
