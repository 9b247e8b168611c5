"""The persons of the bookings, apart from everything else. The only module that writes Guest."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta

from auditlog.models import LogEntry
from django.conf import settings
from django.contrib.auth.models import User
from django.db import DatabaseError, transaction
from django.db.models import Q, QuerySet

from bookings import inbox, reports
from bookings.models import Booking, Guest, Stay, WebhookEvent
from bookings.sirvoy import GuestTold, RoomTold
from meters import clock

logger = logging.getLogger(__name__)
ERASED = GuestTold()


def write(booking: Booking, told: GuestTold, rooms: Sequence[RoomTold] | None) -> bool:
    """The guest is what Sirvoy says; whether that is news. What staff said stays; who was erased stays erased, until
    he comes another time. `rooms` None: nothing is said of them, nor of who is in them.
    """
    values = asdict(told) | ({} if rooms is None else {"room_guests": _persons(rooms)})
    guest = Guest.objects.filter(booking=booking).first()
    if guest is None:
        Guest.objects.create(booking=booking, **values)
        return True
    if guest.erased_at is not None and _comes_again(booking, guest.erased_at):
        values["erased_at"] = None
    news = [name for name, value in values.items() if getattr(guest, name) != value]
    if (guest.erased_at is not None and "erased_at" not in values) or not news:
        return False
    for name in news:
        setattr(guest, name, values[name])
    guest.save(update_fields=news)
    return True


def write_rooms(booking: Booking, rooms: Sequence[RoomTold]) -> None:
    """Who is in each room of the booking."""
    Guest.objects.filter(booking=booking, erased_at=None).update(room_guests=_persons(rooms))


def speaks(booking: Booking, language: str, by: User | None) -> None:
    """Staff say which of our languages the guest speaks; it rules over Sirvoy's. Empty: Sirvoy's counts again."""
    if language and language not in dict(settings.LANGUAGES):
        raise ValueError(language)
    with transaction.atomic():
        guest = Guest.objects.select_for_update().get(booking=booking)
        _note(booking, {"language": [guest.spoken, language]}, by)
        guest.spoken = language
        guest.save(update_fields=["spoken"])


def erase(booking: Booking, by: User | None, now: datetime) -> None:
    """Forget the person: all but the country; also in what Sirvoy sent. The booking, its kWh and amounts stay.

    `by` None: the software, when the time has come. Events are locked before their booking, as where they are read.
    """
    with transaction.atomic():
        inbox.erase([booking.sirvoy_id], now)
        booking = Booking.objects.select_for_update(no_key=True).get(pk=booking.pk)
        guest, _ = Guest.objects.select_for_update().get_or_create(booking=booking)
        values = asdict(ERASED) | {"country": guest.country, "spoken": "", "room_guests": [], "erased_at": now}
        for name, value in values.items():
            setattr(guest, name, value)
        guest.save(update_fields=list(values))
        reports.erase([booking])
        _note(booking, {"guest": ["", "erased"]}, by)


def erase_departed(now: datetime) -> int:
    """Forget those who left more than GUESTS_KEPT_DAYS days ago, and what came of them since; returns how many
    bookings were touched. May run late or twice.
    """
    last = clock.day_of(now) - timedelta(days=settings.GUESTS_KEPT_DAYS)
    is_over = Q(departure__lt=last) | Q(departure=None, generated_at__date__lt=last)
    has_come = Q(arrival=None) | Q(arrival__lt=last)
    present = here_or_to_come(last).values("booking")
    over = Booking.objects.filter(is_over, has_come, guest__erased_at=None).exclude(pk__in=present)
    done = sum(_erase_one(booking, now) for booking in over.order_by("pk"))
    return done + _erase_what_came_late(now)


def here_or_to_come(day: date) -> QuerySet[Stay]:
    """The parties that are here, or are expected on this day or later."""
    expected = Q(status=Stay.Status.EXPECTED, position__isnull=False)
    later = Q(departure__gte=day) | Q(departure=None, arrival__gte=day)
    return Stay.objects.filter(Q(status=Stay.Status.IN_HOUSE) | expected & later)


# --- inside ----------------------------------------------------------------------------------------------------------


def _erase_one(booking: Booking, now: datetime) -> bool:
    """One that fails holds up no other; it is tried again the next night."""
    try:
        erase(booking, None, now)
    except DatabaseError:
        logger.exception("The guest of booking %s could not be erased", booking.pk)
        return False
    return True


def _erase_what_came_late(now: datetime) -> int:
    """Sirvoy may tell of a booking again after its guest was erased, and he may report something while his page is
    still open. Returns of how many bookings Sirvoy did.
    """
    erased = Booking.objects.filter(guest__erased_at__isnull=False).values("sirvoy_id")
    late = WebhookEvent.objects.filter(sirvoy_id__in=erased, erased_at=None, processed_at__isnull=False)
    numbers = {number for number in late.values_list("sirvoy_id", flat=True) if number is not None}
    if numbers:
        inbox.erase(numbers, now)
    reports.erase(Booking.objects.filter(guest__erased_at__isnull=False))
    return len(numbers)


def _comes_again(booking: Booking, erased_at: datetime) -> bool:
    """Whether the booking is used for another visit: he had been here when he was erased, and is to come after it."""
    day = clock.day_of(erased_at)
    is_to_come = booking.arrival is not None and booking.arrival > day
    return is_to_come and Stay.objects.filter(booking=booking, ended_at__lt=erased_at).exists()


def _persons(rooms: Sequence[RoomTold]) -> list[dict[str, str]]:
    return [{"name": room.guest_name, "comment": room.comment} for room in rooms]


def _note(booking: Booking, changes: dict[str, list[str]], by: User | None) -> None:
    """On the booking: an entry on the guest would keep the name."""
    LogEntry.objects.log_create(booking, action=LogEntry.Action.UPDATE, changes=changes, actor=by)
