"""Periodic jobs are declared in code; the table follows."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from django.utils import timezone
from django.utils.module_loading import import_string
from django_q.models import OrmQ, Schedule
from django_q.scheduler import scheduler

from campsite import schedules

pytestmark = pytest.mark.django_db


@pytest.mark.django_db(transaction=True)  # some of them may not run within one
def test_the_table_holds_what_is_declared_and_each_job_exists() -> None:
    assert set(Schedule.objects.values_list("name", flat=True)) == set(schedules.SCHEDULES)
    for schedule in Schedule.objects.all():
        import_string(schedule.func)()


def test_what_is_no_longer_declared_goes_and_the_next_run_stays() -> None:
    kept = Schedule.objects.first()
    assert kept is not None
    Schedule.objects.create(name="old", func="x.y")
    schedules.sync()
    assert not Schedule.objects.filter(name="old").exists()
    assert Schedule.objects.get(pk=kept.pk).next_run == kept.next_run


NIGHTLY = "Compare every stay with Sirvoy anew"


def clock(moment: Any) -> tuple[int, int]:
    """Hour and minute by the campsite's clock."""
    told = timezone.localtime(moment, timezone.get_default_timezone())
    return told.hour, told.minute


def test_what_runs_once_a_day_runs_at_night_by_the_campsites_clock() -> None:
    Schedule.objects.all().delete()
    schedules.sync()  # anew: since this database was made their hour may have struck
    daily = Schedule.objects.filter(schedule_type=Schedule.DAILY)
    assert clock(Schedule.objects.get(name=NIGHTLY).next_run) == (3, 30)
    now = timezone.now()
    for schedule in daily:
        assert (3, 0) <= clock(schedule.next_run) < (6, 0)  # it never falls into a change of the clock
        assert now < schedule.next_run <= now + timedelta(hours=25)


def week_ago() -> datetime:
    """The same hour, by the campsite's clock."""
    today = timezone.localdate(timezone=timezone.get_default_timezone())
    return datetime.combine(today - timedelta(days=7), time(3, 30), timezone.get_default_timezone())


def test_what_ran_by_day_is_moved_to_its_hour_and_what_is_late_stays_due() -> None:
    Schedule.objects.filter(name=NIGHTLY).update(next_run=timezone.now() + timedelta(days=2, minutes=7))
    schedules.sync()
    moved = Schedule.objects.get(name=NIGHTLY).next_run
    assert clock(moved) == (3, 30)
    assert timezone.now() < moved <= timezone.now() + timedelta(hours=25)
    Schedule.objects.filter(name=NIGHTLY).update(next_run=week_ago())
    schedules.sync()
    assert Schedule.objects.get(name=NIGHTLY).next_run == week_ago()


@pytest.mark.parametrize(
    ("night", "following"),
    [
        (datetime(2026, 3, 28, 2, 30, tzinfo=UTC), datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
        (datetime(2026, 10, 24, 1, 30, tzinfo=UTC), datetime(2026, 10, 25, 2, 30, tzinfo=UTC)),
    ],
)
def test_a_nightly_job_keeps_its_hour_over_a_change_of_the_clock(night: datetime, following: datetime) -> None:
    schedule = Schedule.objects.get(name=NIGHTLY)
    schedule.next_run = night
    assert schedule.calculate_next_run() == following
    assert clock(night) == clock(following) == (3, 30)


@pytest.mark.django_db(transaction=True)
def test_a_week_of_missed_nights_is_caught_up_once_and_the_next_is_at_its_hour() -> None:
    Schedule.objects.exclude(name=NIGHTLY).delete()
    Schedule.objects.update(next_run=week_ago())
    for _ in range(2):
        scheduler()
    assert OrmQ.objects.count() == 1
    following = Schedule.objects.get().next_run
    assert clock(following) == (3, 30)
    assert timezone.now() < following <= timezone.now() + timedelta(hours=25)
