"""Moments of the campsite's clock: check-out time, and when reception is open. Pure."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from django.conf import settings

from meters import clock


def check_out_at(departure: date) -> datetime:
    """The moment, in UTC, at which guests leave on that day."""
    return clock.moment(departure, time.fromisoformat(settings.CHECK_OUT_AT))


def opening(moment: datetime) -> datetime:
    """The first moment from this one on at which reception is open."""
    opens, closes = time.fromisoformat(settings.RECEPTION_OPENS), time.fromisoformat(settings.RECEPTION_CLOSES)
    today = clock.day_of(moment)
    if moment < clock.moment(today, opens):
        return clock.moment(today, opens)
    return moment if moment < clock.moment(today, closes) else clock.moment(today + timedelta(days=1), opens)
