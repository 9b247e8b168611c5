"""Makes a booking's stays what Sirvoy's newest event says, without undoing what staff did by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.conf import settings
from django.utils.dateparse import parse_date

from bookings import follow, ledger, rooms
from bookings.hours import check_out_at, opening
from bookings.models import Booking, Room, Stay, StayMeter
from bookings.stays import status
from bookings.stays.match import match
from bookings.stays.status import MOVE_GRACE, Flags, Times
from meters import clock
from meters.models import Installation

Status = Stay.Status
Reason = StayMeter.Reason
Unclear = Stay.Unclear
WRITTEN = [
    *("position", "room_id", "booked_pitch_id", "pitch_id", "arrival", "departure", "status", "unclear"),
    *("began_at", "noted_at", "ended_at", "late_until", "moved_by_hand_at", "left_by_hand_at", "is_season"),
]
ENDED = {
    Status.CANCELLED: Reason.CANCELLED,
    Status.EXPECTED: Reason.CHECK_IN_UNDONE,
    Status.LEFT: Reason.CHECK_OUT,
}


Said = dict[int, dict[str, Any]]
"""By a stay's id, the columns that staff set."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A room of the booking, as Sirvoy tells it; None: no room said."""

    room: Room | None
    arrival: date | None
    departure: date | None


def reconcile(
    booking: Booking,
    now: datetime,
    before: Flags | None = None,
    said: Said | None = None,
    at: datetime | None = None,
) -> None:
    """The booking's stays, their lines in the ledger and then their power become what they should be now.

    Whoever calls holds the booking's lock in a transaction. `before`: what Sirvoy said before an event; `said`: what
    staff say now; `at`: when what is new came about (None: now). Repeating it changes nothing.
    """
    at = at or now
    known = list(Stay.objects.select_related("pitch").filter(booking=booking, position__isnull=False))
    known.sort(key=lambda stay: stay.position or 0)
    was = {stay.pk: copy(stay) for stay in known}
    for stay in known:
        for name, value in (said or {}).get(stay.pk, {}).items():
            setattr(stay, name, value)

    def former() -> list[Stay]:
        found = _former(booking)
        was.update({stay.pk: copy(stay) for stay in found})
        return found

    current, gone = arrange(booking, known, former, before, now, at)
    _write([*gone, *current], was)
    _account([*gone, *current], was, now, at)


def arrange(
    booking: Booking,
    known: list[Stay],
    former: Callable[[], list[Stay]],
    before: Flags | None,
    now: datetime,
    at: datetime,
) -> tuple[list[Stay], list[Stay]]:
    """What becomes of the parties of a booking, `known` in their order and `former` without a room: the present ones in
    their order, and those that have none any more. Parties are changed, nothing is written.
    """
    slots = slots_of(booking)
    found, surplus = match([stay.room_id for stay in known], [slot.room and slot.room.pk for slot in slots])
    gone = [known[index] for index in surplus]
    for stay in gone:
        _retire(stay, booking, at)
    earlier = former() if known and None in found else []
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


def changed(stay: Stay, was: Stay | None) -> bool:
    return was is None or any(getattr(stay, name) != getattr(was, name) for name in WRITTEN)


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


def why(stay: Stay, old: Stay | None) -> Reason:
    if old is None or old.status == Status.EXPECTED:
        return Reason.CHECK_IN
    if old.status != Status.IN_HOUSE:
        return Reason.REOPENED
    return Reason.MOVE if old.pitch_id != stay.pitch_id else Reason.INSTALLED


# --- what should be --------------------------------------------------------------------------------------------------


def _retire(stay: Stay, booking: Booking, now: datetime) -> None:
    """Sirvoy names no room for this party any more: who is here has left, who was expected does not come."""
    stay.position = None
    has_been = stay.status in (Status.IN_HOUSE, Status.LEFT) and not booking.is_cancelled
    _become(stay, Status.LEFT if has_been else Status.CANCELLED, now, now)


def _former(booking: Booking) -> list[Stay]:
    """Parties for which Sirvoy named no room any more, the newest first."""
    return list(Stay.objects.select_related("pitch").filter(booking=booking, position__isnull=True).order_by("-pk"))


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


def times_of(stay: Stay) -> Times:
    return Times(stay.arrival, stay.departure, stay.late_until, stay.left_by_hand_at)


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


# --- writing ---------------------------------------------------------------------------------------------------------


def _write(parties: Sequence[Stay], was: dict[int, Stay]) -> None:
    """Positions are given up before they are taken: no two parties have one at any moment."""
    moved = [stay.pk for stay in parties if stay.pk and stay.position != was[stay.pk].position]
    if moved:
        Stay.objects.filter(pk__in=moved).update(position=None)
    for stay in parties:
        if stay.pk is None:
            stay.save()
        elif changed(stay, was[stay.pk]):
            stay.save(update_fields=WRITTEN)


def _account(parties: Sequence[Stay], was: dict[int, Stay], now: datetime, at: datetime) -> None:
    """The ledger follows: first whoever goes lets go of his meters, then whoever is here gets his. Who neither is nor
    was here has none.

    A guest who is here keeps the meters he has while nobody knows his pitch. All meters are locked at once, in their
    order: two bookings that change places do not wait for each other.
    """
    before = {stay.pk: was.get(stay.pk, Stay()) for stay in parties}
    moving = [stay for stay in parties if Status.IN_HOUSE in (stay.status, before[stay.pk].status)]
    meters = meters_of(moving, {stay.pitch_id for stay in moving} | {before[stay.pk].pitch_id for stay in moving})
    ledger.lock(meters)
    here = [stay for stay in moving if stay.status == Status.IN_HOUSE]
    for stay in moving:
        if stay not in here:
            ledger.end_all(stay, now, ENDED[Status(stay.status)], at)
    for stay in here:
        if stay.pitch_id is not None:
            meters |= _align(stay, was.get(stay.pk), now, max(at, stay.began_at or at))
    follow.soon(meters)


def _align(stay: Stay, old: Stay | None, now: datetime, at: datetime) -> set[int]:
    """The stay's lines follow; a meter that another guest has makes it unclear, if nothing worse does. Returns the
    meters (ids) concerned.
    """
    aligned = ledger.align(stay, now, why(stay, old), at)
    known = stay.unclear
    if known in (Unclear.NONE, Unclear.TAKEN):
        is_taken = any(other.booking_id != stay.booking_id for other in aligned.taken_by)
        stay.unclear = Unclear.TAKEN if is_taken else Unclear.NONE
    if stay.unclear != known:
        stay.save(update_fields=["unclear"])
    return aligned.meters


def meters_of(parties: Sequence[Stay], pitches: set[int | None]) -> set[int]:
    """The meters (ids) that hang on these pitches, and those that ever served these stays."""
    if not parties:
        return set()
    fixed = Installation.objects.filter(pitch__in=pitches - {None}, period__upper_inf=True)
    served = StayMeter.objects.filter(stay__in=[stay.pk for stay in parties])
    return {*fixed.values_list("meter_id", flat=True), *served.values_list("meter_id", flat=True)}
