"""Why a verb of reception was refused."""

from __future__ import annotations

from django.utils.functional import Promise

from bookings.models import Stay


class StayError(Exception):
    """`code` is for machines, the text is for people."""

    code = "stay"


class NotHere(StayError):
    """The guest has not come yet, has left, or was cancelled."""

    code = "not_here"


class CheckedOutInSirvoy(StayError):
    code = "checked_out_in_sirvoy"


class NotCheckedOut(StayError):
    code = "not_checked_out"


class SamePitch(StayError):
    code = "same_pitch"


class PitchTaken(StayError):
    """Another guest, who has not left, has the meters of this pitch."""

    code = "pitch_taken"


class BadTime(StayError):
    code = "bad_time"


class OutletTaken(StayError):
    """Another guest has this meter: `stay`, for staff's eyes only; None where it came a moment before."""

    code = "outlet_taken"

    def __init__(self, message: str | Promise, stay: Stay | None) -> None:
        super().__init__(message)
        self.stay = stay


class UnknownOutlet(StayError):
    code = "unknown_outlet"


class SeveralOutlets(StayError):
    """The number stands for more than one meter."""

    code = "several_outlets"


class NotItsMeter(StayError):
    """The stay does not have this meter."""

    code = "not_its_meter"


class NeedsReason(StayError):
    code = "needs_reason"
