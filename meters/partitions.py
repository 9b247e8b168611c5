"""The daily partitions of the readings table (UTC days). The only module that makes them, and takes them away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from meters.models import ReadingDay

DAYS_AHEAD = 14
LOCK_TIMEOUT = "3s"
ADVISORY_LOCK = 7_301_001

_seen: set[date] = set()
"""Days whose partition this process has seen committed: nobody takes away one that readings may still come for."""


class Forgotten(Exception):
    """The readings of this day were given up: nothing of it is taken in any more."""


def ensure(days: Iterable[date]) -> list[date]:
    """Make the missing ones of these days' partitions; returns those made. Raises Forgotten.

    CREATE … LIKE and ATTACH take no lock that would make inserts or pg_dump wait (CREATE … PARTITION OF does).
    """
    missing = sorted(set(days) - existing())
    if missing:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ADVISORY_LOCK])
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            if ReadingDay.objects.filter(day__in=missing, forgotten_at__isnull=False).exists():
                raise Forgotten(", ".join(map(str, missing)))
            for day in sorted(set(missing) - existing()):
                cursor.execute(_create(day))
    return missing


def ensure_for(moments: Iterable[datetime]) -> None:
    """Make the partitions that readings of these moments need, should one be missing."""
    days = {moment.astimezone(UTC).date() for moment in moments} - _seen
    if not days:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT d FROM unnest(%s::date[]) d WHERE to_regclass('meters_reading_' || to_char(d, 'YYYYMMDD')) IS NULL",
            [sorted(days)],
        )
        missing = [day for (day,) in cursor.fetchall()]
    if missing:
        ensure(missing)
    transaction.on_commit(lambda: _seen.update(days))


def ensure_ahead(today: date | None = None) -> list[date]:
    """Make today's partition, the next DAYS_AHEAD, and yesterday's for what comes late."""
    today = today or datetime.now(UTC).date()
    return ensure(today + timedelta(days=offset) for offset in range(-1, DAYS_AHEAD + 1))


def reindex(day: date) -> None:
    """Pack the index of a day to which hardly anything comes any more: a quarter smaller. Locks nobody out.

    Raises django.db.OperationalError when somebody has been reading for longer than LOCK_TIMEOUT: try another time.
    """
    if day in existing():
        with _hasty() as cursor:
            _drop_halves(cursor, day)
            cursor.execute(f"REINDEX TABLE CONCURRENTLY {_name(day)}")


def drop(day: date) -> None:
    """Take a day's partition away for good; whatever it was interrupted in, it goes on with.

    Nobody who stores has to wait. Raises django.db.OperationalError when somebody who still reads (a backup) holds it
    for longer than LOCK_TIMEOUT: then it is gone from the readings, or about to go, and is dropped another time.
    """
    name = _name(day)
    with _hasty() as cursor:
        cursor.execute(
            "SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = to_regclass(%s) "
            "AND inhparent = 'meters_reading'::regclass",
            [name],
        )
        if attached := cursor.fetchone():
            how = "FINALIZE" if attached[0] else "CONCURRENTLY"
            cursor.execute(f"ALTER TABLE meters_reading DETACH PARTITION {name} {how}")
        cursor.execute(f"DROP TABLE IF EXISTS {name}")
    _seen.discard(day)


def existing() -> set[date]:
    """The days that have an attached partition of ours. What others put below the table is left alone."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid "
            "WHERE inhparent = 'meters_reading'::regclass AND NOT inhdetachpending "
            r"AND pg_table_is_visible(child.oid) AND child.relname ~ '^meters_reading_\d{8}$'"
        )
        return {_day(name) for (name,) in cursor.fetchall()}


def sizes(days: Iterable[date]) -> dict[date, int]:
    """How many bytes each of these days takes, with its index; those that have no partition are left out."""
    names = {_name(day): day for day in days}
    with connection.cursor() as cursor:
        cursor.execute("SELECT n, pg_total_relation_size(to_regclass(n)) FROM unnest(%s::text[]) n", [list(names)])
        return {names[name]: size for name, size in cursor.fetchall() if size is not None}


def _create(day: date) -> str:
    name = _name(day)
    return (
        f"CREATE TABLE {name} (LIKE meters_reading INCLUDING ALL);"
        f"ALTER TABLE meters_reading ATTACH PARTITION {name} "
        f"FOR VALUES FROM ('{day} 00:00:00+00') TO ('{day + timedelta(days=1)} 00:00:00+00')"
    )


@contextmanager
def _hasty() -> Iterator[CursorWrapper]:
    """Outside of a transaction: who waits for a lock gives up after LOCK_TIMEOUT."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
        try:
            yield cursor
        finally:
            cursor.execute("RESET lock_timeout")


def _drop_halves(cursor: CursorWrapper, day: date) -> None:
    """What a reindexing left that was ended in the middle: indexes that are kept up and never used."""
    cursor.execute(
        "SELECT relname FROM pg_index JOIN pg_class ON oid = indexrelid "
        "WHERE indrelid = to_regclass(%s) AND NOT indisvalid AND relname ~ '_cc(new|old)\\d*$'",
        [_name(day)],
    )
    for (name,) in cursor.fetchall():
        cursor.execute(f"DROP INDEX CONCURRENTLY {name}")


def _name(day: date) -> str:
    return f"meters_reading_{day:%Y%m%d}"


def _day(name: str) -> date:
    return date.fromisoformat(name.rpartition("_")[2])
