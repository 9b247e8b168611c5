"""In the two nights in which the clock is changed every job runs as often as it should, and at its hour."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.utils import timezone
from django_q.models import Schedule

from campsite import schedules

SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)
"""At 2:00 it becomes 3:00; at 3:00 it becomes 2:00."""
DAILY = {name: told["at"] for name, told in schedules.SCHEDULES.items() if "at" in told}


def local(moment: datetime) -> datetime:
    return timezone.localtime(moment, timezone.get_default_timezone())


def at(day: date, when: time) -> datetime:
    return datetime.combine(day, when, timezone.get_default_timezone()).astimezone(UTC)


@pytest.mark.parametrize("day", [SPRING, AUTUMN])
@pytest.mark.parametrize("name", DAILY)
def test_each_nightly_job_keeps_its_hour_into_that_night_and_out_of_it(name: str, day: date) -> None:
    schedule = Schedule(schedule_type=Schedule.DAILY, next_run=at(day - timedelta(days=1), DAILY[name]))
    for following in (day, day + timedelta(days=1)):
        schedule.next_run = schedule.calculate_next_run()
        assert schedule.next_run == at(following, DAILY[name])


@pytest.mark.parametrize("day", [SPRING, AUTUMN])
@pytest.mark.parametrize("name", DAILY)
def test_the_hour_that_is_missing_or_doubled_holds_no_job(name: str, day: date) -> None:
    moment = at(day, DAILY[name])
    assert local(moment).time() == DAILY[name]
    assert local(moment - timedelta(hours=1)).time() != DAILY[name]


@pytest.mark.parametrize("day", [SPRING, AUTUMN])
def test_a_job_that_is_brought_to_its_hour_before_that_night_is_due_in_it(day: date) -> None:
    evening = at(day - timedelta(days=1), time(22))
    assert schedules._next(time(5, 15), evening) == at(day, time(5, 15))


@pytest.mark.parametrize(
    ("kind", "each"), [(Schedule.MINUTES, timedelta(minutes=1)), (Schedule.HOURLY, timedelta(hours=1))]
)
@pytest.mark.parametrize("change", [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)])
def test_what_runs_each_minute_or_hour_does_so_through_the_change(kind: str, each: timedelta, change: datetime) -> None:
    schedule = Schedule(schedule_type=kind, next_run=change - 2 * each)
    runs = []
    while schedule.next_run < change + 2 * each:
        runs.append(schedule.next_run)
        schedule.next_run = schedule.calculate_next_run()
    assert runs == [change + number * each for number in (-2, -1, 0, 1)]
