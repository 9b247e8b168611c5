"""What may be switched, and by whom: the questions that every verb asks first. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from meters.commands import errors
from meters.commands.rules import LEASED, Wish
from meters.models import Installation, Meter, Pitch, Source


def serving(meter_ids: Iterable[int], now: datetime) -> dict[int, list[Pitch]]:
    """The pitches that each of these meters (by id) serves now."""
    found: dict[int, list[Pitch]] = {}
    present = Installation.objects.filter(meter__in=list(meter_ids), period__contains=now)
    for installation in present.select_related("pitch"):
        found.setdefault(installation.meter_id, []).append(installation.pitch)
    return found


def unswitchable(meter: Meter) -> type[errors.SwitchingError] | None:
    """Why this meter cannot be switched at all."""
    if not meter.device.has_relay:
        return errors.NoRelay
    return errors.Gone if meter.device.removed_at else None


def depends(pitches: Iterable[Pitch], now: datetime) -> bool:
    """Whether somebody may depend on the power of these pitches: occupied, or protected by staff."""
    return any(
        pitch.policy != Pitch.Policy.AUTOMATIC or (pitch.occupied_until is not None and pitch.occupied_until > now)
        for pitch in pitches
    )


def check(meters: Iterable[Meter], wish: Wish, now: datetime) -> None:
    """Raise what forbids this wish, of the first of these meters that it is forbidden for."""
    chosen = list(meters)
    pitches = serving([meter.pk for meter in chosen], now)
    for meter in chosen:
        _check(meter, wish, pitches.get(meter.pk, []), now)


def _check(meter: Meter, wish: Wish, pitches: Sequence[Pitch], now: datetime) -> None:
    if why := unswitchable(meter):
        raise why
    if wish.until is None and wish.source in LEASED:
        raise errors.BadTime
    if wish.until is not None and wish.until <= now:
        raise errors.BadTime
    policies = {pitch.policy for pitch in pitches}
    if not wish.is_persons and (
        Pitch.Policy.MANUAL in policies or (not wish.state and Pitch.Policy.NEVER_CUT in policies)
    ):
        raise errors.Protected
    if wish.source == Source.STAFF and not wish.state and not wish.reason and depends(pitches, now):
        raise errors.NeedsReason
