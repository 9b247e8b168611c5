"""Where a party is, by what Sirvoy says and by the calendar. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from bookings.hours import check_out_at
from bookings.models import Booking, Stay

Status = Stay.Status
MOVE_GRACE = timedelta(hours=1)
"""On the day of a planned move the old pitch is kept for so long after check-out time."""


@dataclass(frozen=True, slots=True)
class Flags:
    """What Sirvoy says of a booking as a whole."""

    is_cancelled: bool = False
    is_checked_in: bool = False
    is_checked_out: bool = False

    @property
    def state(self) -> str:
        """The strongest: cancelled, out, in, or nothing yet. Checked-in stays true after check-out."""
        if self.is_cancelled:
            return "cancelled"
        if self.is_checked_out:
            return "out"
        return "in" if self.is_checked_in else ""


@dataclass(frozen=True, slots=True)
class Times:
    """When a party may be here: local dates. `late_until`, `left_by_hand_at`: what staff said."""

    arrival: date | None
    departure: date | None
    late_until: datetime | None = None
    left_by_hand_at: datetime | None = None

    @property
    def span(self) -> tuple[date, date] | None:
        """The first and the last day; None where the dates make no sense, and say nothing."""
        if self.arrival is None or self.departure is None or self.departure < self.arrival:
            return None
        return self.arrival, self.departure


def flags(booking: Booking) -> Flags:
    return Flags(booking.is_cancelled, booking.is_checked_in, booking.is_checked_out)


def status_of(flags: Flags, own: Times, rooms: Sequence[Times], now: datetime) -> Status:
    """The status of the party with the times `own` in a booking whose rooms (its own among them) have these times.

    The flags are the booking's. Of a booking that is checked in, the rooms of its first day are here at once, also
    before that day; later ones from check-out time of their own first day on, when the guest before them is out. Who
    stays beyond the booking's last day is here until he is checked out.
    """
    if flags.state == "cancelled":
        return Status.CANCELLED
    if flags.state == "out" or own.left_by_hand_at is not None:
        return Status.LEFT
    if flags.state != "in" or _is_to_come(own, rooms, now):
        return Status.EXPECTED
    return Status.LEFT if _is_over(own, rooms, now) else Status.IN_HOUSE


def _is_to_come(own: Times, rooms: Sequence[Times], now: datetime) -> bool:
    if own.span is None or own.span[0] == min(room.span[0] for room in rooms if room.span):
        return False
    return now < check_out_at(own.span[0])


def _is_over(own: Times, rooms: Sequence[Times], now: datetime) -> bool:
    """Whether the party's own time is over while another room of its booking goes on."""
    if own.span is None or own.span[1] >= max(room.span[1] for room in rooms if room.span):
        return False
    if own.late_until is not None and now < own.late_until:
        return False
    return now >= check_out_at(own.span[1]) + MOVE_GRACE
