"""What pages say beside a relay's reported position: whether it is as wanted, and what a person is offered to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from meters.models import Command, Meter, Source, Want

Hold = Want.Hold

OFFERED = {
    **dict.fromkeys([Hold.UNASKED_OFF, Hold.STALE, Hold.FAILED, Hold.FLIPS, Hold.LOAD], "again"),
    **dict.fromkeys([Hold.OBSERVE, Hold.STOPPED, Hold.MANUAL], "as_wanted"),
}
"""Where the software leaves a relay alone and a person's click would make it so: the first half of a key of
words.BOARD. Not where the pitch is never cut: nobody is invited to that."""


def of(want: Want | None, relay: bool | None, command: Command | None = None, *, is_online: bool = True) -> str:
    """A key of words.BOARD, of the want in force and the newest command; "" where it is as wanted or not managed.

    Once an attempt has failed it is no longer "being switched", although others follow; while it is parked neither.
    Between the server's messages static/js/board/truth.js follows the same rule.
    """
    if command and command.is_open and not command.failure and (is_online or command.status != Command.Status.QUEUED):
        return "being_switched_on" if command.state else "being_switched_off"
    if want is None:
        return ""
    if want.hold == Hold.LOAD:
        return "should_off_load"
    if relay is want.state:
        return ""
    return ("should_on" if want.state else "should_off") + ("_unknown" if relay is None else "")


def offer(want: Want | None, wish: str) -> str:
    """The key of words.BOARD of what a person is offered to do about this wish, if anything."""
    if want is None or want.hold not in OFFERED or not wish.startswith("should_"):
        return ""
    return f"{OFFERED[Hold(want.hold)]}_{want.word}"


# --- letting go ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Left:
    """What staff want of a meter, and what will be wanted once they want nothing any more."""

    meter: Meter
    staff: Want | None
    then: Want | None


def left(meters: Iterable[Meter], now: datetime) -> list[Left]:
    """What letting go of these meters would lead to; those of which staff want nothing come last."""
    chosen = list(meters)
    lasting = Q(until=None) | Q(until__gt=now)
    wants = Want.objects.filter(lasting, meter__in=chosen, ended_at=None).select_related("by").order_by("priority")
    staff = {want.meter_id: want for want in wants if want.source == Source.STAFF}
    then = {want.meter_id: want for want in wants if want.source != Source.STAFF}  # the highest is the last
    rows = [Left(meter, staff.get(meter.pk), then.get(meter.pk)) for meter in chosen]
    return sorted(rows, key=lambda row: row.staff is None)
