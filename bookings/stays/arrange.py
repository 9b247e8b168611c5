"""Which parties a booking has, where each is and since when, by Sirvoy's newest word and the calendar, without undoing
what staff did by hand. Parties are changed in memory; nothing is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.conf import settings
from django.utils.dateparse import parse_date

from bookings import rooms
from bookings.hours import check_out_at, opening
from bookings.models import Booking, Room, Stay
from bookings.stays import status
from bookings.stays.match import match
from bookings.stays.status import MOVE_GRACE, Flags, Times
from meters import clock

Status = Stay.Status
Unclear = Stay.Unclear


@dataclass(frozen=True, slots=True)
class Slot:
    """A room of the booking, as Sirvoy tells it; None: no room said."""

    room: Room | None
    arrival: date | None
    departure: date | None


def arrange(
    booking: Booking,
    known: list[Stay],
    former: Sequence[Stay],
    before: Flags | None,
    now: datetime,
    at: datetime,
) -> tuple[list[Stay], list[Stay]]:
    """What becomes of the parties of a booking, `known` in their order and `former` without a room, the newest of them
    first: the present ones in their order, and those that have none any more.
    """
    slots = slots_of(booking)
    found, surplus = match([stay.room_id for stay in known], [slot.room and slot.room.pk for slot in slots])
    gone = [known[index] for index in surplus]
    for stay in gone:
        _retire(stay, booking, at)
    earlier = list(former) if known and None in found else []
    current = []
    for index, slot in zip(found, slots, strict=True):
        stay = known[index] if index is not None else _back_again(earlier, slot) or Stay(booking=booking)
        if _is_another_visit(stay, slot, booking):
            stay.position = None
            gone.append(stay)
            stay = Stay(booking=booking)
        current.append(stay)
    for position, (stay, slot) in enumerate(zip(current, slots, strict=True)):
        stay.position = position
        _place(stay, slot, booking, at)
    _judge(current, booking, before, now, at)
    return current, gone


def slots_of(booking: Booking) -> list[Slot]:
    """The rooms of the booking in Sirvoy's order; a booking without any is one party that has no room yet.

    Where the newest event names none, those named last count: of the only one the booking's dates are newer.
    """
    if not booking.rooms:
        return [Slot(None, booking.arrival, booking.departure)]
    found = rooms.find([rooms.key(told["room_id"], told["name"]) for told in booking.rooms])
    if len(found) == 1 and "rooms" in booking.kept:
        return [Slot(found[0], booking.arrival, booking.departure)]
    return [
        Slot(room, parse_date(told["arrival"] or ""), parse_date(told["departure"] or ""))
        for room, told in zip(found, booking.rooms, strict=True)
    ]


def times_of(stay: Stay) -> Times:
    return Times(stay.arrival, stay.departure, stay.late_until, stay.left_by_hand_at)


# --- inside ----------------------------------------------------------------------------------------------------------


def _retire(stay: Stay, booking: Booking, now: datetime) -> None:
    """Sirvoy names no room for this party any more: who is here has left, who was expected does not come."""
    stay.position = None
    has_been = stay.status in (Status.IN_HOUSE, Status.LEFT) and not booking.is_cancelled
    _become(stay, Status.LEFT if has_been else Status.CANCELLED, now, now)


def _back_again(former: list[Stay], slot: Slot) -> Stay | None:
    """The party whose room is named again, for days that were its own; it is taken out of `former`."""
    for stay in former:
        if slot.room and stay.room_id == slot.room.pk and _overlap(stay, slot):
            former.remove(stay)
            return stay
    return None


def _overlap(stay: Stay, slot: Slot) -> bool:
    if not (stay.arrival and stay.departure and slot.arrival and slot.departure):
        return False
    return stay.arrival < slot.departure and slot.arrival < stay.departure


def _is_another_visit(stay: Stay, slot: Slot, booking: Booking) -> bool:
    """Whether the party was here, has gone, and is to come on a later day: what it used then stays apart."""
    if stay.began_at is None or stay.ended_at is None or stay.left_by_hand_at or slot.arrival is None:
        return False
    is_to_come = status.flags(booking).state in ("", "in")
    return is_to_come and slot.arrival > clock.day_of(stay.ended_at)


def _place(stay: Stay, slot: Slot, booking: Booking, at: datetime) -> None:
    """Only another pitch in Sirvoy moves the party. Where it was moved by hand and Sirvoy's room is the same as before
    (staff only said which pitch that is), or was said before that, or Sirvoy names none, it stays where it is.
    """
    stay.arrival, stay.departure = slot.arrival, slot.departure
    stay.is_season = booking.adults == settings.SEASON_ADULTS
    was_moved_by_hand = stay.pitch_id != stay.booked_pitch_id
    if was_moved_by_hand and slot.room is None:
        return
    booked = slot.room.pitch if slot.room else None
    room_id = slot.room.pk if slot.room else None
    has_left = stay.left_by_hand_at is not None and stay.status == Status.LEFT and stay.pitch_id is not None
    is_known = has_left or (was_moved_by_hand and stay.room_id == room_id)
    is_older = stay.moved_by_hand_at is not None and at < stay.moved_by_hand_at
    if stay.booked_pitch_id != (booked and booked.pk) and not is_known and not is_older:
        stay.pitch = booked
    stay.room, stay.booked_pitch = slot.room, booked


def _judge(current: Sequence[Stay], booking: Booking, before: Flags | None, now: datetime, at: datetime) -> None:
    """A check-out by hand stands until Sirvoy says something new, and not only that it has seen it, too."""
    flags = status.flags(booking)
    if before is not None and before.state != flags.state and flags.state != "out":
        for stay in current:
            if stay.left_by_hand_at and stay.left_by_hand_at <= at:
                stay.left_by_hand_at = None
    times = [times_of(stay) for stay in current]
    for stay, own in zip(current, times, strict=True):
        new = status.status_of(flags, own, times, now)
        is_kept = new == Status.LEFT and _is_kept(stay, current, booking, now)
        _become(stay, Status.IN_HOUSE if is_kept else new, _since(stay, booking, now, at), now)
        stay.unclear = _unclear(stay, booking, own)


def _is_kept(stay: Stay, current: Sequence[Stay], booking: Booking, now: datetime) -> bool:
    """Whether who is here stays so although the calendar says that he has left: reception was not open since then, so
    that nobody is sent away by a wrong date at night; or the pitch to which he moves on that day is not free yet.
    """
    is_told = status.flags(booking).state != "in" or stay.left_by_hand_at is not None
    if stay.status != Status.IN_HOUSE or is_told or stay.departure is None:
        return False
    if now < opening(opening(max(check_out_at(stay.departure), booking.generated_at)) + MOVE_GRACE):
        return True
    return any(other.unclear == Unclear.TAKEN and other.arrival == stay.departure for other in current)


def _since(stay: Stay, booking: Booking, now: datetime, at: datetime) -> datetime:
    """When what is new of this party came about: rooms of a later day begin at check-out time of that day at most."""
    if stay.status == Status.EXPECTED and stay.arrival and booking.arrival and stay.arrival > booking.arrival:
        due = check_out_at(stay.arrival)
        return max(at, due) if due <= now else at
    return at


def _become(stay: Stay, new: Status, at: datetime, now: datetime) -> None:
    if new == stay.status:
        return
    if new == Status.IN_HOUSE:
        stay.noted_at = stay.noted_at if stay.began_at else now
        stay.began_at, stay.ended_at = stay.began_at or at, None
    elif new == Status.EXPECTED:
        stay.began_at = stay.noted_at = stay.ended_at = None
    elif stay.status == Status.IN_HOUSE or new == Status.LEFT:
        stay.ended_at = stay.ended_at or max(at, stay.began_at or at)
    stay.status = new


def _unclear(stay: Stay, booking: Booking, own: Times) -> Unclear:
    if stay.pitch_id is None:
        return Unclear.UNKNOWN_ROOM if stay.room_id else Unclear.NO_ROOM
    if "rooms" in booking.kept and stay.pitch_id == stay.booked_pitch_id:
        return Unclear.NO_ROOM
    if own.span is None:
        return Unclear.DATES
    if stay.unclear == Unclear.TAKEN and stay.status == Status.IN_HOUSE:
        return Unclear.TAKEN
    return Unclear.NONE
