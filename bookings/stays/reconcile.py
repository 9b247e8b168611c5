"""Makes a booking's stays, and with them the ledger and the power, what they should be by bookings/stays/arrange.py."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from datetime import datetime
from typing import Any

from bookings import ledger
from bookings.models import Booking, Stay, StayMeter
from bookings.power import follow
from bookings.stays.arrange import arrange
from bookings.stays.status import Flags

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
    parties = list(Stay.objects.select_related("pitch").filter(booking=booking).order_by("position", "-pk"))
    was = {stay.pk: copy(stay) for stay in parties}
    known = [stay for stay in parties if stay.position is not None]
    former = [stay for stay in parties if stay.position is None]
    for stay in known:
        for name, value in (said or {}).get(stay.pk, {}).items():
            setattr(stay, name, value)
    current, gone = arrange(booking, known, former, before, now, at)
    _write([*gone, *current], was)
    _account([*gone, *current], was, now, at)


def why(stay: Stay, old: Stay | None) -> Reason:
    if old is None or old.status == Status.EXPECTED:
        return Reason.CHECK_IN
    if old.status != Status.IN_HOUSE:
        return Reason.REOPENED
    return Reason.MOVE if old.pitch_id != stay.pitch_id else Reason.INSTALLED


# --- inside ----------------------------------------------------------------------------------------------------------


def _write(parties: Sequence[Stay], was: dict[int, Stay]) -> None:
    """Positions are given up before they are taken: no two parties have one at any moment."""
    moved = [stay.pk for stay in parties if stay.pk and stay.position != was[stay.pk].position]
    if moved:
        Stay.objects.filter(pk__in=moved).update(position=None)
    for stay in parties:
        if stay.pk is None:
            stay.save()
        elif any(getattr(stay, name) != getattr(was[stay.pk], name) for name in WRITTEN):
            stay.save(update_fields=WRITTEN)


def _account(parties: Sequence[Stay], was: dict[int, Stay], now: datetime, at: datetime) -> None:
    """The ledger follows: first whoever goes lets go of his meters, then whoever is here gets his. Who neither is nor
    was here has none.

    A guest who is here keeps the meters he has while nobody knows his pitch. All meters are locked at once, in their
    order: two bookings that change places do not wait for each other.
    """
    before = {stay.pk: was.get(stay.pk, Stay()) for stay in parties}
    moving = [stay for stay in parties if Status.IN_HOUSE in (stay.status, before[stay.pk].status)]
    if not moving:
        return
    pitches = {stay.pitch_id for stay in moving} | {before[stay.pk].pitch_id for stay in moving}
    meters = ledger.lock(ledger.concerned(moving, pitches))
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
