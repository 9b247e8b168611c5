"""The persons of the bookings, apart from everything else. The only module that writes Guest."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from auditlog.models import LogEntry
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from bookings.models import Booking, Guest, Stay
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
        changes = {"language": [guest.spoken, language]}
        # On the booking: an entry on the guest would keep the name.
        LogEntry.objects.log_create(booking, action=LogEntry.Action.UPDATE, changes=changes, actor=by)
        guest.spoken = language
        guest.save(update_fields=["spoken"])


def forget(booking: Booking, now: datetime) -> None:
    """All but the country. Of `privacy.forget`, which does the same with what Sirvoy sent and the guest reported."""
    guest, _ = Guest.objects.select_for_update().get_or_create(booking=booking)
    values = asdict(ERASED) | {"country": guest.country, "spoken": "", "room_guests": [], "erased_at": now}
    for name, value in values.items():
        setattr(guest, name, value)
    guest.save(update_fields=list(values))


# --- inside ----------------------------------------------------------------------------------------------------------


def _comes_again(booking: Booking, erased_at: datetime) -> bool:
    """Whether the booking is used for another visit: he had been here when he was erased, and is to come after it."""
    day = clock.day_of(erased_at)
    is_to_come = booking.arrival is not None and booking.arrival > day
    return is_to_come and Stay.objects.filter(booking=booking, ended_at__lt=erased_at).exists()


def _persons(rooms: Sequence[RoomTold]) -> list[dict[str, str]]:
    return [{"name": room.guest_name, "comment": room.comment} for room in rooms]
