"""Sirvoy's newest word on a booking becomes the booking. The only module that writes Booking."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum, auto
from typing import Any

from django.db import connection, transaction

from bookings import accounts, guests, rooms, stays
from bookings.models import Booking, WebhookEvent
from bookings.sirvoy import BookingTold, ItemTold, RoomTold

LOCK = 0x51A70
STANDING = ("is_cancelled", "is_checked_in", "is_checked_out", "rooms", "adults", "items")
"""What power and its price hang on: an event that does not tell it does not change it, the newest that did counts."""
Source = list[Any]
"""When, as ISO 8601, and the id of an event."""
BELIEVED = timedelta(days=3)
"""An event is worked on that much later at most where it still tells when something came about: Sirvoy repeats it for
long when nobody answers. Of an older one nobody knows what else happened meanwhile.
"""
NEVER: Source = ["0001-01-01T00:00:00+00:00", 0]


class Outcome(Enum):
    """APPLIED: it rules; STALE: older than what is known; DUPLICATE: it says nothing that had not been said."""

    APPLIED = auto()
    STALE = auto()
    DUPLICATE = auto()


def apply(told: BookingTold, event: WebhookEvent, now: datetime) -> Outcome:
    """What an event tells becomes the booking, its guest, its stays and their lines, all in one transaction.

    The newest by (when Sirvoy made it, else when it was received; the event's id) rules; an older one only teaches what
    rooms are called, and what no newer one told. So the order in which events are worked on, and how often, makes no
    difference.
    """
    at = told.generated_at or event.received_at
    with transaction.atomic(savepoint=False):
        booking = _locked(told.sirvoy_id)
        if booking and booking.event_number != event.pk and _is_same(booking, event, at):
            Booking.objects.filter(pk=booking.pk, event_number__lt=event.pk).update(event=event, event_number=event.pk)
            return Outcome.DUPLICATE
        has_learned = rooms.learn(told.rooms or (), at)
        if booking and (at, event.pk) < (booking.generated_at, booking.event_number):
            return _teach(booking, told, event, at, now, has_learned)
        return _rule(booking, told, event, at, now)


# --- inside ----------------------------------------------------------------------------------------------------------


def _locked(sirvoy_id: int) -> Booking | None:
    """The booking as it is known: one event of it at a time, also while there is no row of it."""
    known = Booking.objects.select_for_update(of=("self",), no_key=True).filter(sirvoy_id=sirvoy_id)
    known = known.select_related("event").defer("event__body")
    if booking := known.first():
        return booking
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashint8(%s))", [LOCK, sirvoy_id])
    return known.first()


def _rule(booking: Booking | None, told: BookingTold, event: WebhookEvent, at: datetime, now: datetime) -> Outcome:
    before = stays.flags(booking) if booking else None
    is_other = booking is None or booking.event_number != event.pk
    is_later = booking is None or booking.generated_at != at
    booking, is_news = _write(booking or Booking(sirvoy_id=told.sirvoy_id), told, event, at)
    is_news |= guests.write(booking, told.guest, told.rooms)
    stays.reconcile(booking, now, before, at=at if now - BELIEVED < at < now else now)
    return Outcome.DUPLICATE if is_other and not is_later and not is_news else Outcome.APPLIED


def _teach(
    booking: Booking, told: BookingTold, event: WebhookEvent, at: datetime, now: datetime, has_learned: bool
) -> Outcome:
    """What an older event tells and no newer one did."""
    values, before = _values(told, booking), stays.flags(booking)
    taught = [name for name in booking.kept if name in values and _moment(booking.kept[name]) < (at, event.pk)]
    for name in taught:
        setattr(booking, name, values[name])
        booking.kept[name] = _source(at, event.pk)
    if taught:
        booking.save(update_fields=[*taught, "kept"])
    if "rooms" in taught:
        guests.write_rooms(booking, told.rooms or ())
    if taught or has_learned:
        stays.reconcile(booking, now, before)
    return Outcome.APPLIED if taught else Outcome.STALE


def _write(booking: Booking, told: BookingTold, event: WebhookEvent, at: datetime) -> tuple[Booking, bool]:
    """The booking with what is told, and whether that is news."""
    values = _values(told, booking)
    told_before = _source(booking.generated_at, booking.event_number) if booking.pk else NEVER
    kept = {name: booking.kept.get(name, told_before) for name in STANDING if name not in values}
    is_news = booking.pk is None or any(getattr(booking, name) != value for name, value in values.items())
    for name, value in (values | {"generated_at": at, "event": event, "event_number": event.pk, "kept": kept}).items():
        setattr(booking, name, value)
    booking.save()
    return booking, is_news


def _values(told: BookingTold, booking: Booking) -> dict[str, Any]:
    """By column; without what stands until it is told otherwise."""
    values = {
        "arrival": told.arrival,
        "departure": told.departure,
        "is_cancelled": told.is_cancelled,
        "is_confirmed": told.is_confirmed,
        "is_checked_in": told.is_checked_in,
        "is_checked_out": told.is_checked_out,
        "adults": told.adults,
        "channel": told.channel,
        "rooms": None if told.rooms is None else [_room(room) for room in told.rooms],
        "items": None if told.items is None else _items(told.items, booking),
    }
    return {name: value for name, value in values.items() if value is not None or name not in STANDING}


def _source(at: datetime, number: int) -> Source:
    return [at.isoformat(), number]


def _moment(source: Source) -> tuple[datetime, int]:
    return datetime.fromisoformat(source[0]), source[1]


def _room(told: RoomTold) -> dict[str, Any]:
    number, name = rooms.key(told.sirvoy_id, told.name)
    return {
        "room_id": number,
        "name": name,
        "arrival": told.arrival and told.arrival.isoformat(),
        "departure": told.departure and told.departure.isoformat(),
        "adults": told.adults,
    }


def _items(told: Sequence[ItemTold], booking: Booking) -> list[dict[str, Any]]:
    """What was recognised as a package once stays what it was, whatever becomes of the text that did it."""
    known = {item["description"]: Decimal(item["kwh"]) for item in booking.items if item["kwh"]}
    kwh = {text: known.get(text) or accounts.kwh_of(text) for text in {item.description for item in told}}
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
