"""Sirvoy's newest word on a booking becomes the booking. The only module that writes Booking."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection, transaction

from bookings import accounts, guests, rooms, sirvoy, stays
from bookings.models import Booking, WebhookEvent
from bookings.sirvoy import BookingTold, ItemTold, RoomTold

Status = WebhookEvent.Status
LOCK = 0x51A70
STANDING = ("is_cancelled", "is_checked_in", "is_checked_out", "rooms", "adults", "items")
"""What power and its price hang on: an event that does not tell it does not change it, the newest that did counts."""
Told = tuple[datetime, int, BookingTold]
"""When Sirvoy made an event, its id, and what it says."""
Source = list[Any]
"""When, as ISO 8601, and the id of an event."""
BELIEVED = timedelta(days=3)
"""An event is worked on that much later at most where it still tells when something came about: Sirvoy repeats it for
long when nobody answers. Of an older one nobody knows what else happened meanwhile.
"""
NEVER: Source = ["0001-01-01T00:00:00+00:00", 0]


def apply(told: BookingTold, event: WebhookEvent, now: datetime) -> Status:
    """What an event tells becomes the booking, its guest, its stays and their lines, all in one transaction.

    The newest by (when Sirvoy made it, else when it was received; the event's id) rules; an older one only teaches what
    rooms are called, and what no newer one told. So the order in which events are worked on, and how often, makes no
    difference. Returns APPLIED; STALE: older than what is known; DUPLICATE: nothing that had not been said.
    """
    at = told.generated_at or event.received_at
    with transaction.atomic(savepoint=False):
        booking = _locked(told.sirvoy_id)
        if booking and booking.event_number != event.pk and _is_same(booking, event, at):
            Booking.objects.filter(pk=booking.pk, event_number__lt=event.pk).update(event=event, event_number=event.pk)
            return Status.DUPLICATE
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


def _rule(booking: Booking | None, told: BookingTold, event: WebhookEvent, at: datetime, now: datetime) -> Status:
    before = stays.flags(booking) if booking else None
    is_other = booking is None or booking.event_number != event.pk
    is_later = booking is None or booking.generated_at != at
    booking = booking or Booking(sirvoy_id=told.sirvoy_id)
    is_news = _write(booking, told, event, at)
    is_news |= guests.write(booking, told.guest, told.rooms)
    stays.reconcile(booking, now, before, at=at if _is_believed(at, now) else now)
    return Status.DUPLICATE if is_other and not is_later and not is_news else Status.APPLIED


def _teach(
    booking: Booking, told: BookingTold, event: WebhookEvent, at: datetime, now: datetime, has_learned: bool
) -> Status:
    """What an older event tells and no newer one did."""
    values, before = _values(told, booking), stays.flags(booking)
    story = _retold(booking, told, event, at, now)
    taught = [name for name in booking.kept if name in values and _moment(booking.kept[name]) < (at, event.pk)]
    for name in taught:
        setattr(booking, name, values[name])
        booking.kept[name] = _source(at, event.pk)
    if taught:
        booking.save(update_fields=[*taught, "kept"])
    if "rooms" in taught:
        guests.write_rooms(booking, told.rooms or ())
    if taught or has_learned:
        stays.reconcile(booking, now, before, at=at if taught and _is_believed(at, now) else now)
    if story:
        stays.retell(booking, story, now)
    return Status.APPLIED if taught else Status.STALE


def _retold(
    booking: Booking, told: BookingTold, event: WebhookEvent, at: datetime, now: datetime
) -> stays.Story | None:
    """What a late event makes of the hours before; None where it came too late for that, or what was told without it is
    not all that happened.
    """
    if not _is_believed(at, now):
        return None
    others = _others(booking, event)
    if others is None:
        return None
    known, all_told = _story(others), _story([*others, (at, event.pk, told)])
    stays.lock(booking, stays.Story(booking, known, now), stays.Story(booking, all_told, now))
    if stays.Story(booking, known, now).is_true(booking):  # as it is now that nobody changes it
        return stays.Story(booking, all_told, now)
    return None


def _is_believed(at: datetime, now: datetime) -> bool:
    return now - BELIEVED < at < now


def _others(booking: Booking, event: WebhookEvent) -> list[Told] | None:
    """All that was told of a booking by events that were worked on, but for this one; None where some of that cannot be
    read any more.
    """
    done = WebhookEvent.objects.filter(sirvoy_id=booking.sirvoy_id, processed_at__isnull=False)
    done = done.exclude(status=WebhookEvent.Status.FAILED).exclude(pk=event.pk)
    try:
        return [(each.generated_at or each.received_at, each.pk, sirvoy.read(bytes(each.body))) for each in done]
    except sirvoy.Unreadable:
        return None


def _story(events: Iterable[Told]) -> list[Booking]:
    """The booking as each of these events left it, in the order in which Sirvoy made them; nothing is written."""
    left: list[Booking] = []
    for at, number, told in sorted(events, key=lambda event: event[:2]):
        booking = copy(left[-1]) if left else Booking(sirvoy_id=told.sirvoy_id)
        _tell(booking, replace(told, items=None), at, number)
        left.append(booking)
    return left


def _write(booking: Booking, told: BookingTold, event: WebhookEvent, at: datetime) -> bool:
    """The booking becomes what is told; whether that is news."""
    is_new, before = booking.pk is None, copy(booking)
    values = _tell(booking, told, at, event.pk)
    booking.event = event
    booking.save()
    return is_new or any(getattr(before, name) != value for name, value in values.items())


def _tell(booking: Booking, told: BookingTold, at: datetime, number: int) -> dict[str, Any]:
    """Set what is told; returns it, by column."""
    values = _values(told, booking)
    told_before = _source(booking.generated_at, booking.event_number) if booking.generated_at else NEVER
    kept = {name: booking.kept.get(name, told_before) for name in STANDING if name not in values}
    for name, value in (values | {"generated_at": at, "event_number": number, "kept": kept}).items():
        setattr(booking, name, value)
    return values


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
    kwh = known | accounts.kwh_of({item.description for item in told} - known.keys())
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
