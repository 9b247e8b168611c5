"""Days and times of the campsite's clock. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from django.utils import timezone
from django.utils.dateparse import parse_datetime

MIDNIGHT = time()


def moment(day: date, at: time = MIDNIGHT) -> datetime:
    """That time of the day, in UTC: hours added to a local time would be counted wrongly on the days on which the clock
    changes.
    """
    return datetime.combine(day, at, timezone.get_default_timezone()).astimezone(UTC)


def day_of(moment: datetime) -> date:
    """The day of the campsite that this moment lies in."""
    return moment.astimezone(timezone.get_default_timezone()).date()


def typed(text: str) -> datetime | None:
    """The moment that somebody typed (2026-07-31T14:00): by the campsite's clock where it has no offset, and then
    in UTC: of an hour that the clock has twice the first, of one that it leaves out the next. None: it is none.
    """
    try:
        told = parse_datetime(text)
    except ValueError:
        return None
    if told is None or timezone.is_aware(told):
        return told
    return timezone.make_aware(told, timezone.get_default_timezone()).astimezone(UTC)
