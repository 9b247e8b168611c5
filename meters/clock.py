"""Days and times of the campsite's clock. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from django.utils import timezone

MIDNIGHT = time()


def moment(day: date, at: time = MIDNIGHT) -> datetime:
    """That time of the day, in UTC: hours added to a local time would be counted wrongly on the days on which the clock
    changes.
    """
    return datetime.combine(day, at, timezone.get_default_timezone()).astimezone(UTC)


def day_of(moment: datetime) -> date:
    """The day of the campsite that this moment lies in."""
    return moment.astimezone(timezone.get_default_timezone()).date()
