"""Moments of the campsite's clock: check-out time, and when reception is open. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from django.conf import settings
from django.utils import timezone


def local(day: date, at: time) -> datetime:
    """That time of the campsite's clock, in UTC: hours added to a local time would be counted wrongly on the days on
    which the clock changes.
    """
    return datetime.combine(day, at, timezone.get_default_timezone()).astimezone(UTC)


def check_out_at(departure: date) -> datetime:
    """The moment, in UTC, at which guests leave on that day."""
    return local(departure, time.fromisoformat(settings.CHECK_OUT_AT))


def opening(moment: datetime) -> datetime:
    """The first moment from this one on at which reception is open."""
    opens, closes = time.fromisoformat(settings.RECEPTION_OPENS), time.fromisoformat(settings.RECEPTION_CLOSES)
    today = moment.astimezone(timezone.get_default_timezone()).date()
    if moment < local(today, opens):
        return local(today, opens)
    return moment if moment < local(today, closes) else local(today + timedelta(days=1), opens)
