"""Who is on which pitch, from when to when. The only package that writes Stay.

`status` and `match` are the pure rules, `arrange` says by them which parties a booking has, `reconcile` makes it so;
`hindsight` corrects what was, by an event that comes late; `advance` follows the calendar; `verbs` and `outlets` are
what reception, and guests, do.
"""

from bookings.stays.advance import advance, assign_room, compare, to_sort_out
from bookings.stays.errors import (
    BadTime,
    CheckedOutInSirvoy,
    NeedsReason,
    NotCheckedOut,
    NotHere,
    NotItsMeter,
    OutletTaken,
    PitchTaken,
    SamePitch,
    SeveralOutlets,
    StayError,
    UnknownOutlet,
)
from bookings.stays.hindsight import Story, lock, retell
from bookings.stays.outlets import add_meter, choose_outlet, exchange, find_outlet, take_meter
from bookings.stays.reconcile import reconcile
from bookings.stays.status import Flags, Times, flags, status_of
from bookings.stays.verbs import check_out, move, reopen, stay_late

__all__ = [
    "BadTime",
    "CheckedOutInSirvoy",
    "Flags",
    "NeedsReason",
    "NotCheckedOut",
    "NotHere",
    "NotItsMeter",
    "OutletTaken",
    "PitchTaken",
    "SamePitch",
    "SeveralOutlets",
    "StayError",
    "Story",
    "Times",
    "UnknownOutlet",
    "add_meter",
    "advance",
    "assign_room",
    "check_out",
    "choose_outlet",
    "compare",
    "exchange",
    "find_outlet",
    "flags",
    "lock",
    "move",
    "reconcile",
    "reopen",
    "retell",
    "status_of",
    "stay_late",
    "take_meter",
    "to_sort_out",
]
