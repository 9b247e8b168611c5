"""Sirvoy's newest word on a booking becomes the booking. The only module that writes Booking."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from enum import Enum, auto
from typing import Any

from django.db import connection, transaction

from bookings import accounts, guests, rooms, stays
from bookings.models import Booking, WebhookEvent
from bookings.sirvoy import BookingTold, ItemTold, RoomTold

LOCK = 0x51A70


class Outcome(Enum):
    """APPLIED: it rules; STALE: older than what is known; DUPLICATE: it says nothing that had not been said."""

    APPLIED = auto()
    STALE = auto()
    DUPLICATE = auto()


def apply(told: BookingTold, event: WebhookEvent, now: datetime) -> Outcome:
    """What an event tells becomes the booking, its guest, its stays and their lines, all in one transaction.

    The newest by (when Sirvoy made it, else when it was received; the event's id) rules; an older one only teaches what
    rooms are called. So the order in which events are worked on, and how often, makes no difference.
    """
    at = told.generated_at or event.received_at
    with transaction.atomic():
        _lock(told.sirvoy_id)
        known = Booking.objects.select_for_update(of=("self",), no_key=True).select_related("event")
        booking = known.filter(sirvoy_id=told.sirvoy_id).first()
        if booking and booking.event_number != event.pk and _is_same(booking, event, at):
            Booking.objects.filter(pk=booking.pk, event_number__lt=event.pk).update(event=event, event_number=event.pk)
            return Outcome.DUPLICATE
        has_learned = rooms.learn(told.rooms, at)
        if booking and (at, event.pk) < (booking.generated_at, booking.event_number):
            if has_learned:
                stays.reconcile(booking, now)
            return Outcome.STALE
        return _rule(booking, told, event, at, now)


# --- inside ----------------------------------------------------------------------------------------------------------


def _lock(sirvoy_id: int) -> None:
    """One event of a booking at a time, also while there is no row of it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashint8(%s))", [LOCK, sirvoy_id])


def _rule(booking: Booking | None, told: BookingTold, event: WebhookEvent, at: datetime, now: datetime) -> Outcome:
    before = stays.flags(booking) if booking else None
    is_other = booking is None or booking.event_number != event.pk
    is_later = booking is None or booking.generated_at != at
    booking, is_news = _write(booking or Booking(sirvoy_id=told.sirvoy_id), told, event, at)
    is_news |= guests.write(booking, told.guest, told.rooms)
    stays.reconcile(booking, now, before)
    return Outcome.DUPLICATE if is_other and not is_later and not is_news else Outcome.APPLIED


def _write(booking: Booking, told: BookingTold, event: WebhookEvent, at: datetime) -> tuple[Booking, bool]:
    """The booking with what is told, and whether that is news."""
    values = _values(told)
    is_news = booking.pk is None or any(getattr(booking, name) != value for name, value in values.items())
    for name, value in (values | {"generated_at": at, "event": event, "event_number": event.pk}).items():
        setattr(booking, name, value)
    booking.save()
    return booking, is_news


def _values(told: BookingTold) -> dict[str, Any]:
    return {
        "arrival": told.arrival,
        "departure": told.departure,
        "is_cancelled": told.is_cancelled,
        "is_confirmed": told.is_confirmed,
        "is_checked_in": told.is_checked_in,
        "is_checked_out": told.is_checked_out,
        "adults": told.adults,
        "channel": told.channel,
        "rooms": [_room(room) for room in told.rooms],
        "items": _items(told.items),
    }


def _room(told: RoomTold) -> dict[str, Any]:
    number, name = rooms.key(told.sirvoy_id, told.name)
    return {
        "room_id": number,
        "name": name,
        "arrival": told.arrival and told.arrival.isoformat(),
        "departure": told.departure and told.departure.isoformat(),
        "adults": told.adults,
    }


def _items(told: Sequence[ItemTold]) -> list[dict[str, Any]]:
    kwh = {text: accounts.kwh_of(text) for text in {item.description for item in told}}
    return [
        {
            "description": item.description,
            "date": item.date and item.date.isoformat(),
            "quantity": _text(item.quantity),
            "price": _text(item.price),
            "total": _text(item.total),
            "kwh": _text(kwh[item.description]),
        }
        for item in told
    ]


def _text(number: Decimal | None) -> str | None:
    """As JSON keeps it exactly, without zeros that say nothing."""
    return None if number is None else f"{number.normalize():f}"


def _is_same(booking: Booking, event: WebhookEvent, at: datetime) -> bool:
    """Whether the booking rests on an event of the same moment with the same body."""
    return booking.generated_at == at and booking.event is not None and booking.event.digest == event.digest
