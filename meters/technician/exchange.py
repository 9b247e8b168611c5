"""A meter takes the place of another one: on its pitch, with what was wanted of it, and with both counters told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from meters import commands, installations, snapshots
from meters.models import Installation, Meter, MeterState, Snapshot, Source
from meters.people import Person
from meters.readings import tables
from meters.technician import acts
from meters.technician.errors import TechnicianError

GOES_OVER = (Source.STAFF, Source.GUEST)
"""What people wanted of the old one they want of its outlet; machines decide anew within a minute."""
UNTOLD = Decimal("0.05")
"""So many kWh between what was read and what was told last are worth a word."""


class NeedsReason(TechnicianError):
    code = "needs_reason"
    message = _("Say why the meter is exchanged.")


class NotFree(TechnicianError):
    code = "not_free"
    message = _("The new meter hangs on a pitch by now: choose another one.")


@dataclass(frozen=True, slots=True)
class Counter:
    """A meter's counter beside an exchange: as it told itself, and as somebody read it, in kWh."""

    told_kwh: Decimal | None
    told_at: datetime | None
    read_kwh: Decimal | None
    is_asked: bool

    @property
    def untold_kwh(self) -> Decimal | None:
        """What the display showed beyond what the meter told last."""
        if self.told_kwh is None or self.read_kwh is None or self.read_kwh - self.told_kwh <= UNTOLD:
            return None
        return self.read_kwh - self.told_kwh


@dataclass(frozen=True, slots=True)
class Done:
    """An exchange that was made."""

    old: Installation
    new: Installation
    old_counter: Counter
    new_counter: Counter


def exchange(
    old: Meter,
    new: Meter,
    at: datetime,
    by: Person,
    reason: str,
    *,
    old_kwh: Decimal | None = None,
    new_kwh: Decimal | None = None,
) -> Installation:
    """At `at` the meter `new` took the place of `old`; both are asked what their counters stood at. A guest's stay
    follows within a minute, from that moment on. `old_kwh`, `new_kwh`: the counters as somebody read them.

    Raises NeedsReason, Gone, NotFree, or an InstallationError.
    """
    if not reason.strip():
        raise NeedsReason
    acts.check_listed(new)
    now = timezone.now()
    with transaction.atomic():
        list(Meter.objects.select_for_update().filter(pk__in=[old.pk, new.pk]).order_by("pk"))
        if old.pk != new.pk and installations.open_installation(new):
            raise NotFree
        made = installations.replace(old, new, at, by, reason=reason, old_kwh=old_kwh, new_kwh=new_kwh)
        for meter in (old, new):
            snapshots.take(meter, at, now)
        _hand_over(old, new, by, reason, now)
    return made


def ask_counter(meter: Meter, now: datetime) -> None:
    """Ask the meter what its counter stands at, before it is unscrewed."""
    snapshots.take(meter, now.replace(microsecond=0), now)


def last_of(new: Meter) -> Done | None:
    """The exchange by which this meter came to hang where it hangs; None: it came by no exchange."""
    hung = installations.open_installation(new)
    if hung is None:
        return None
    before = Installation.objects.filter(pitch=hung.pitch_id, period__endswith=hung.period.lower).exclude(meter=new)
    old = before.select_related("meter__device", "meter__state", "pitch").first()
    if old is None:
        return None
    at = hung.period.lower
    return Done(old, hung, _counter_at(old.meter, at, old.end_kwh), _counter_at(new, at, hung.start_kwh))


def counter(meter: Meter) -> Counter:
    """What the meter told last, and whether it is being asked."""
    state = MeterState.of(meter)
    return Counter(state.counter_kwh, state.counter_at, None, _waiting(meter).exists())


def _counter_at(meter: Meter, at: datetime, read_kwh: Decimal | None) -> Counter:
    """What the meter told of that moment: what it told since is another guest's, or another pitch's."""
    before, after = tables.neighbours(meter.pk, at)
    is_answer = after is not None and after[0].at - at <= snapshots.NEAR
    told = after if is_answer or before is None else before
    kwh, told_at = (Decimal(told[0].wh).scaleb(-3), told[0].at) if told else (None, None)
    return Counter(kwh, told_at, read_kwh, _waiting(meter).filter(at=at).exists())


def _waiting(meter: Meter) -> QuerySet[Snapshot]:
    return Snapshot.objects.filter(meter=meter, settled_at=None, quality=Snapshot.Quality.WAITING)


def _hand_over(old: Meter, new: Meter, by: Person, reason: str, now: datetime) -> None:
    """What people wanted of the old meter holds for the new one, if that can be switched."""
    for want in list(old.wants.filter(source__in=GOES_OVER, ended_at=None).order_by("priority")):
        commands.end(old, want.source, by, reason)
        is_over = want.until is not None and want.until <= now
        if not is_over and commands.unswitchable(new) is None:
            commands.want(new, want.source, want.state, want.reason or reason, want.by, want.until)
