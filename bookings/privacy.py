"""When guests are forgotten: some days after departure by itself, and on request. See docs/privacy.md.

Of a guest in every table that holds something of him; kWh and amounts stay.
"""

from __future__ import annotations

import logging
from datetime import date, datetime, timedelta

from auditlog.models import LogEntry
from django.conf import settings
from django.contrib.auth.models import User
from django.db import DatabaseError, transaction
from django.db.models import Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from bookings import guests, inbox, reports
from bookings.models import Booking, Stay, WebhookEvent
from meters import clock

logger = logging.getLogger(__name__)


class StillNeeded(Exception):
    """The guest is here or still to come. `code` is for machines, the text is for people."""

    code = "still_needed"


def erase_due(now: datetime) -> int:
    """Forget whose departure is GUESTS_KEPT_DAYS days past, and calls of Sirvoy as old that no booking belongs to.

    Returns how many bookings and calls. Never one who is here or still to come. May run late or twice.
    """
    unread = inbox.erase_unread(now - timedelta(days=settings.GUESTS_KEPT_DAYS), now)
    departed = sum(_forget_one(booking, now) for booking in _departed(now))
    return unread + departed + _forget_what_came_late(now)


def erase(booking: Booking, by: User | None, now: datetime) -> None:
    """Forget this guest because he, or somebody for him, asked for it. Raises StillNeeded."""
    with transaction.atomic():
        forget(booking, by, now)  # it locks what must not change before it is asked for
        if reason := why_not(Booking.objects.get(pk=booking.pk), now):
            raise StillNeeded(reason)


def forget(booking: Booking, by: User | None, now: datetime) -> None:
    """Forget the person: all but the country; also in what Sirvoy sent. The booking, its kWh and amounts stay.

    `by` None: the software, when the time has come. Events are locked before their booking, as where they are read.
    """
    with transaction.atomic():
        inbox.erase([booking.sirvoy_id], now)
        booking = Booking.objects.select_for_update(no_key=True).get(pk=booking.pk)
        guests.forget(booking, now)
        reports.erase([booking])
        # On the booking: an entry on the guest would keep the name.
        changes = {"guest": ["", "erased"]}
        LogEntry.objects.log_create(booking, action=LogEntry.Action.UPDATE, changes=changes, actor=by)


def why_not(booking: Booking, now: datetime) -> Promise | None:
    """What keeps a guest from being forgotten now; None where nothing does."""
    stays = booking.stays.all()
    if stays.filter(status=Stay.Status.IN_HOUSE).exists():
        return _("The guest is still here.")
    today = clock.day_of(now)
    has_days = booking.departure is not None and booking.departure >= today
    is_to_come = has_days or _here_or_to_come(today).filter(booking=booking).exists()
    if is_to_come and not booking.is_cancelled and not booking.is_checked_out:
        return _("The guest is still to come. Cancel the booking in Sirvoy first.")
    return None


# --- inside ----------------------------------------------------------------------------------------------------------


def _here_or_to_come(day: date) -> QuerySet[Stay]:
    """The parties that are here, or are expected on this day or later."""
    expected = Q(status=Stay.Status.EXPECTED, position__isnull=False)
    later = Q(departure__gte=day) | Q(departure=None, arrival__gte=day)
    return Stay.objects.filter(Q(status=Stay.Status.IN_HOUSE) | expected & later)


def _departed(now: datetime) -> QuerySet[Booking]:
    """Those who left more than GUESTS_KEPT_DAYS days ago and are not forgotten yet."""
    last = clock.day_of(now) - timedelta(days=settings.GUESTS_KEPT_DAYS)
    is_over = Q(departure__lt=last) | Q(departure=None, generated_at__date__lt=last)
    has_come = Q(arrival=None) | Q(arrival__lt=last)
    present = _here_or_to_come(last).values("booking")
    return Booking.objects.filter(is_over, has_come, guest__erased_at=None).exclude(pk__in=present).order_by("pk")


def _forget_one(booking: Booking, now: datetime) -> bool:
    """One that fails holds up no other; it is tried again the next night."""
    try:
        forget(booking, None, now)
    except DatabaseError:
        logger.exception("The guest of booking %s could not be erased", booking.pk)
        return False
    return True


def _forget_what_came_late(now: datetime) -> int:
    """Sirvoy may tell of a booking again after its guest was erased, and he may report something while his page is
    still open. Returns of how many bookings Sirvoy did.
    """
    erased = Booking.objects.filter(guest__erased_at__isnull=False)
    late = WebhookEvent.objects.filter(
        sirvoy_id__in=erased.values("sirvoy_id"), erased_at=None, processed_at__isnull=False
    )
    numbers = {number for number in late.values_list("sirvoy_id", flat=True) if number is not None}
    if numbers:
        inbox.erase(numbers, now)
    reports.erase(erased)
    return len(numbers)
