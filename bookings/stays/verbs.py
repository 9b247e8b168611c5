"""What reception does with a stay: each verb locks the booking, checks, and leaves an entry in the audit log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from auditlog.models import LogEntry
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from bookings.models import Booking, Stay
from bookings.stays.errors import BadTime, CheckedOutInSirvoy, NotCheckedOut, NotHere, PitchTaken, SamePitch
from bookings.stays.reconcile import reconcile
from meters.models import Pitch

Status = Stay.Status


def move(stay: Stay, pitch: Pitch, by: User | None, now: datetime) -> Stay:
    """The party is on this pitch, whatever Sirvoy says, until Sirvoy books another one.

    Raises NotHere, SamePitch, or PitchTaken where another guest has that pitch's meters: then nothing has changed.
    """
    with locked(stay) as stay:
        if stay.status not in Stay.PRESENT:
            raise NotHere(_("The guest has left already."))
        if stay.pitch_id == pitch.pk:
            raise SamePitch(format_lazy(_("The guest is on {pitch} already."), pitch=str(pitch)))
        note(stay, {"pitch": [str(stay.pitch), str(pitch)]}, by)
        moved = _say(stay, now, pitch=pitch, moved_by_hand_at=now)
        if moved.unclear == Stay.Unclear.TAKEN:
            raise PitchTaken(format_lazy(_("Another guest who has not left is on {pitch}."), pitch=str(pitch)))
    return moved


def check_out(stay: Stay, by: User | None, now: datetime) -> Stay:
    """The guest has left, also where Sirvoy does not know. Raises NotHere."""
    with locked(stay) as stay:
        check_is_here(stay)
        note(stay, {"status": [stay.status, Status.LEFT]}, by)
        return _say(stay, now, left_by_hand_at=now)


def reopen(stay: Stay, by: User | None, now: datetime) -> Stay:
    """Take a check-out by hand back. Raises NotCheckedOut or CheckedOutInSirvoy."""
    with locked(stay) as stay:
        if stay.status == Status.LEFT and (stay.booking.is_checked_out or stay.position is None):
            raise CheckedOutInSirvoy(_("The guest is checked out in Sirvoy: take that back there."))
        if stay.left_by_hand_at is None:
            raise NotCheckedOut(_("Nobody has checked this guest out by hand."))
        note(stay, {"left_by_hand_at": [stay.left_by_hand_at.isoformat(), "None"]}, by)
        return _say(stay, now, left_by_hand_at=None)


def stay_late(stay: Stay, until: datetime | None, by: User | None, now: datetime) -> Stay:
    """The guest may stay until then, beyond his check-out time; None takes it back. Raises NotHere or BadTime."""
    with locked(stay) as stay:
        if stay.status not in Stay.PRESENT:
            raise NotHere(_("The guest has left already."))
        if until is not None and until <= now:
            raise BadTime(_("That time is over."))
        note(stay, {"late_until": [_told(stay.late_until), _told(until)]}, by)
        return _say(stay, now, late_until=until)


# --- for the package -------------------------------------------------------------------------------------------------


@contextmanager
def locked(stay: Stay) -> Iterator[Stay]:
    """The stay as it is now; its booking does not change until the transaction's end."""
    with transaction.atomic():
        booking = Booking.objects.select_for_update(no_key=True).get(pk=stay.booking_id)
        fresh = Stay.objects.select_related("pitch").get(pk=stay.pk)
        fresh.booking = booking
        yield fresh


def check_is_here(stay: Stay) -> None:
    """Raises NotHere."""
    if stay.status == Status.EXPECTED:
        raise NotHere(_("The guest is not checked in."))
    if stay.status != Status.IN_HOUSE:
        raise NotHere(_("The guest has left already."))


def note(stay: Stay, changes: dict[str, Any], by: User | None) -> None:
    """What was done, for the audit log; `by` None: the guest himself."""
    LogEntry.objects.log_create(stay, action=LogEntry.Action.UPDATE, changes=changes, actor=by)


# --- inside ----------------------------------------------------------------------------------------------------------


def _say(stay: Stay, now: datetime, **said: Any) -> Stay:
    reconcile(stay.booking, now, said={stay.pk: said})
    return Stay.objects.select_related("pitch", "booking").get(pk=stay.pk)


def _told(moment: datetime | None) -> str:
    return timezone.localtime(moment).isoformat() if moment else "None"
