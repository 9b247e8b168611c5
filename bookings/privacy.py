"""When guests are forgotten: some days after departure by itself, and on request. See docs/privacy.md.

What is forgotten, and how, is in bookings/guests.py; kWh and amounts stay.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from bookings import guests, inbox
from bookings.models import Booking, Stay
from meters import clock


class StillNeeded(Exception):
    """The guest is here or still to come. `code` is for machines, the text is for people."""

    code = "still_needed"

    def __init__(self, message: str | Promise) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return str(self.message)


def erase_due(now: datetime) -> int:
    """Forget whose departure is GUESTS_KEPT_DAYS days past, and calls of Sirvoy as old that no booking belongs to.

    Returns how many bookings and calls. Never one who is here or still to come. May run late or twice.
    """
    unread = inbox.erase_unread(now - timedelta(days=settings.GUESTS_KEPT_DAYS), now)
    return guests.erase_departed(now) + unread


def erase(booking: Booking, by: User | None, now: datetime) -> None:
    """Forget this guest because he, or somebody for him, asked for it. Raises StillNeeded."""
    with transaction.atomic():
        guests.erase(booking, by, now)  # it locks what must not change before it is asked for
        if reason := why_not(Booking.objects.get(pk=booking.pk), now):
            raise StillNeeded(reason)


def why_not(booking: Booking, now: datetime) -> Promise | None:
    """What keeps a guest from being forgotten now; None where nothing does."""
    stays = booking.stays.all()
    if stays.filter(status=Stay.Status.IN_HOUSE).exists():
        return _("The guest is still here.")
    today = clock.day_of(now)
    has_days = booking.departure is not None and booking.departure >= today
    is_to_come = has_days or guests.here_or_to_come(today).filter(booking=booking).exists()
    if is_to_come and not booking.is_cancelled and not booking.is_checked_out:
        return _("The guest is still to come. Cancel the booking in Sirvoy first.")
    return None
