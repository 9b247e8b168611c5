"""Which outlets a guest has besides those of the pitch: chosen, added, taken away; and a meter exchanged in mid-stay.

Each verb locks the booking, checks, and leaves an entry in the audit log; of two guests who choose one outlet, one
gets it and the other is told.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from bookings import ledger, rooms
from bookings.models import Stay, StayMeter
from bookings.power import follow
from bookings.stays.errors import NeedsReason, NotItsMeter, OutletTaken, SeveralOutlets, UnknownOutlet
from bookings.stays.verbs import check_is_here, locked, note
from meters import installations
from meters.models import Installation, Meter, Pitch

Reason = StayMeter.Reason
NOT_FOR_CHOICE = (Pitch.Kind.CABIN, Pitch.Kind.SERVICE)
"""Guests themselves cannot choose the outlet of another's cabin, nor that of the washing place."""


def add_meter(stay: Stay, meter: Meter, by: User | None, now: datetime) -> StayMeter:
    """From now on the stay has this meter, too; where it has it already, nothing changes. Raises NotHere or
    OutletTaken.

    `by` None: the guest says so himself. He chooses one, where he has none, and takes it from nobody who is still here.
    """
    with locked(stay) as stay:
        check_is_here(stay)
        has_one = StayMeter.objects.filter(stay=stay, period__upper_inf=True) if by is None else None
        if line := _line(stay, meter) or (has_one and has_one.first()):
            return line
        line = _begin(stay, meter, now, Reason.CHOSEN, is_guest=by is None)
        note(stay, {"outlet": ["None", str(meter)]}, by)
        follow.soon([meter.pk])
    return line


def take_meter(stay: Stay, meter: Meter, by: User | None, now: datetime) -> StayMeter:
    """The stay has this meter no more, also where it hangs on its pitch. Raises NotItsMeter."""
    with locked(stay) as stay:
        line = ledger.end(stay, meter, now, Reason.TAKEN_AWAY)
        if line is None:
            raise NotItsMeter(_("This guest does not have that outlet."))
        note(stay, {"outlet": [str(meter), "None"]}, by)
        follow.soon([meter.pk])
    return line


def choose_outlet(stay: Stay, number: str, by: User | None, now: datetime) -> StayMeter:
    """As add_meter, by the number on the stand; `by` None: the guest chose it himself. Raises UnknownOutlet or
    SeveralOutlets, too.
    """
    return add_meter(stay, find_outlet(stay, number, is_guest=by is None), by, now)


def find_outlet(stay: Stay, number: str, *, is_guest: bool = False) -> Meter:
    """The meter of that name, or the only one of the pitch of that number. Raises UnknownOutlet or SeveralOutlets."""
    found = _named(number) or _hanging(number)
    if is_guest:
        found = _free_to_choose(_named(number), stay) or _free_to_choose(_hanging(number), stay)
    if not found:
        raise UnknownOutlet(format_lazy(_("There is no outlet “{number}”."), number=number.strip()[:40]))
    if len(found) > 1:
        listed = ", ".join(sorted(str(meter) for meter in found))
        raise SeveralOutlets(format_lazy(_("Say which one: {outlets}."), outlets=listed))
    return found[0]


def exchange(stay: Stay, old: Meter, new: Meter, by: User | None, reason: str, now: datetime) -> None:
    """The meter `new` took the place of `old` just now; the stay goes on with it.

    Raises NotHere, NotItsMeter, NeedsReason, OutletTaken, or an InstallationError.
    """
    reason = " ".join(reason.split())[:250]
    if not reason:
        raise NeedsReason(_("Say why the meter is exchanged."))
    with locked(stay) as stay:
        check_is_here(stay)
        line = _line(stay, old)
        if line is None:
            raise NotItsMeter(_("This guest does not have that outlet."))
        ledger.lock(ledger.concerned([stay], [stay.pitch_id]) | Q(pk__in=[old.pk, new.pk]))
        if installations.open_installation(old):
            installations.replace(old, new, now, by)
        if line.pitch_id is None:
            ledger.end(stay, old, now, Reason.EXCHANGE)
            _begin(stay, new, now, Reason.EXCHANGE)
        elif taken := ledger.align(stay, now, Reason.EXCHANGE).taken_by:
            raise OutletTaken(_("Another guest has this outlet."), taken[0])
        note(stay, {"outlet": [str(old), str(new)], "reason": ["None", reason]}, by)
        follow.soon([old.pk, new.pk])


# --- inside ----------------------------------------------------------------------------------------------------------


def _line(stay: Stay, meter: Meter) -> StayMeter | None:
    return StayMeter.objects.filter(stay=stay, meter=meter, period__upper_inf=True).first()


def _begin(stay: Stay, meter: Meter, now: datetime, why: Reason, *, is_guest: bool = False) -> StayMeter:
    try:
        return ledger.begin(stay, meter, now, why, from_nobody_here=is_guest)
    except ledger.OutletTaken as taken:
        raise OutletTaken(str(taken), taken.stay) from taken


def _named(name: str) -> list[Meter]:
    wanted = rooms.plain(name)
    known = Meter.objects.select_related("device").filter(device__removed_at=None)
    return [meter for meter in known if wanted and rooms.plain(meter.device.friendly_name) == wanted]


def _hanging(number: str) -> list[Meter]:
    """The meters of the pitch that goes by this number."""
    pitch = rooms.Pitches().get(number)
    hanging = Installation.objects.filter(pitch=pitch, period__upper_inf=True) if pitch else Installation.objects.none()
    return [each.meter for each in hanging.select_related("meter__device")]


def _free_to_choose(meters: Iterable[Meter], stay: Stay) -> list[Meter]:
    return [meter for meter in meters if not _belongs_elsewhere(meter, stay) and not _was_taken_away(meter, stay)]


def _belongs_elsewhere(meter: Meter, stay: Stay) -> bool:
    hangs = installations.open_installation(meter)
    if hangs is None or hangs.pitch_id == stay.pitch_id:
        return False
    return hangs.pitch.kind in NOT_FOR_CHOICE or hangs.pitch.policy == Pitch.Policy.MANUAL


def _was_taken_away(meter: Meter, stay: Stay) -> bool:
    """Whether staff took it from this guest: he does not take it back himself."""
    last = StayMeter.objects.filter(stay=stay, meter=meter).order_by("pk").last()
    return last is not None and last.ended_by == Reason.TAKEN_AWAY
