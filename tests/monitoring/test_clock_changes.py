"""What monitoring reckons by the clock, in the two nights in which it is changed."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.forms import DateTimeField
from django.utils import timezone, translation

from campsite.urls import admin
from meters import clock
from monitoring import availability, routes
from monitoring.findings import Severity
from monitoring.models import AlertRoute, Look, MaintenanceWindow
from tests import make

SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)
NIGHT = AlertRoute(from_time=time(7), to_time=time(2, 30), wakes=False)


@pytest.mark.parametrize(
    ("utc", "is_awake"),
    [
        ("2026-10-25T00:29", True),  # 2:29
        ("2026-10-25T00:30", False),  # 2:30, the first time
        ("2026-10-25T01:29", True),  # 2:29 once more: by the clock on the wall it is early again
        ("2026-10-25T01:30", False),
        ("2026-03-29T00:59", True),  # 1:59
        ("2026-03-29T01:00", False),  # 3:00: 2:30 is over
        ("2026-03-29T05:00", True),  # 7:00
        ("2026-10-25T05:59", False),
        ("2026-10-25T06:00", True),
    ],
)
def test_quiet_hours_are_those_of_the_clock_on_the_wall(utc: str, is_awake: bool) -> None:
    now = datetime.fromisoformat(utc).replace(tzinfo=UTC)
    assert routes.is_awake(NIGHT, Severity.WARNING, now) is is_awake


@pytest.mark.parametrize("typed", ["2026-03-29 02:30", "2026-10-25 02:30"])
def test_a_window_is_not_guessed_from_a_time_that_is_missing_or_doubled(typed: str) -> None:
    """It is refused in words that say why."""
    with translation.override("da"), pytest.raises(ValidationError, match="Europe/Copenhagen"):
        DateTimeField().clean(typed)


@pytest.mark.django_db
@pytest.mark.parametrize("now", [datetime(2026, 3, 29, 0, 40, tzinfo=UTC), datetime(2026, 10, 24, 23, 40, tzinfo=UTC)])
def test_the_window_that_is_offered_lasts_two_hours(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: now)
    offered = admin.site._registry[MaintenanceWindow].get_changeform_initial_data(None)
    assert offered["to_at"] - offered["from_at"].astimezone(UTC) == timedelta(hours=2)


@pytest.mark.django_db
@pytest.mark.parametrize(("month", "hours"), [(date(2026, 3, 1), 31 * 24 - 1), (date(2026, 10, 1), 31 * 24 + 1)])
def test_a_month_is_as_long_as_its_hours(month: date, hours: int) -> None:
    area = make.area(in_service=True)
    since, until = clock.moment(month), clock.moment(date(2026, month.month + 1, 1))
    Look.objects.create(area=area, since=since - timedelta(hours=2), until=until + timedelta(hours=2))
    (told, *_others) = availability.between(since, until, until)
    assert told.up == timedelta(hours=hours)
    assert told.up + told.down + told.planned + told.unknown == until - since
