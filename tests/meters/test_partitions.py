"""Daily partitions: made ahead, made on demand, never twice."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection

from meters import partitions

pytestmark = pytest.mark.django_db


def test_two_weeks_are_made_ahead_and_only_once() -> None:
    made = partitions.ensure_ahead(date(2031, 1, 10))
    assert len(made) == 16
    assert partitions.ensure_ahead(date(2031, 1, 10)) == []
    assert partitions.ensure_ahead(date(2031, 1, 11)) == [date(2031, 1, 25)]


def test_days_are_utc_days() -> None:
    moment = datetime(2031, 5, 1, 23, 30, tzinfo=UTC)
    partitions.ensure_for([moment, moment + timedelta(hours=1)])
    assert {date(2031, 5, 1), date(2031, 5, 2)} <= partitions.existing()


def test_there_is_no_default_partition() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT partdefid FROM pg_partitioned_table WHERE partrelid = 'meters_reading'::regclass")
        assert cursor.fetchone() == (0,)


@pytest.mark.django_db(transaction=True)
def test_a_closed_day_is_packed_and_a_missing_one_is_no_error() -> None:
    day = date(2031, 3, 1)
    partitions.ensure([day])
    partitions.reindex(day)
    partitions.reindex(date(2031, 3, 2))
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE meters_reading_20310301")
