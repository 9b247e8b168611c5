"""What a guest may switch, and what is told of it. On only where the policy has his power on: he may put it off, and on
again; nobody but staff stands above that.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.db import transaction
from django.db.models import Q
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from bookings import ledger
from bookings.models import Stay, StayMeter
from bookings.power import follow
from bookings.power.facts import reason_of
from bookings.power.policy import Why
from meters import commands
from meters.closeup import Attempt, Closeup, Wish
from meters.models import Command, Meter, Source, Want

TOLD_FOR = timedelta(hours=1)
"""So long it is told that a switching did not succeed."""


class Refusal(StrEnum):
    """Why a guest may not switch."""

    NOT_HERE = "not_here"
    NOT_YOURS = "not_yours"
    STAFF_ON = "staff_on"
    STAFF_OFF = "staff_off"
    USED_UP = "used_up"
    OVERDUE = "overdue"
    BY_RECEPTION = "by_reception"

    @property
    def words(self) -> Promise:
        return _WORDS[self]


_WORDS = {
    Refusal.NOT_HERE: _("You can switch your power from check-in until check-out."),
    Refusal.NOT_YOURS: _("This outlet is not yours any more. Load the page again, or ask at reception."),
    Refusal.STAFF_ON: _("Reception has switched it on. Ask there if it shall be off."),
    Refusal.STAFF_OFF: _("Reception has switched it off. Ask there, please."),
    Refusal.USED_UP: _("Your package is used up. Buy more at reception: then your power is switched on at once."),
    Refusal.OVERDUE: _("By your booking your stay is over. If you stay on, come to reception, please."),
    Refusal.BY_RECEPTION: _("This outlet is switched by reception alone. Ask there, please."),
}
_OF_POLICY = {Why.USED_UP: Refusal.USED_UP, Why.OVERDUE: Refusal.OVERDUE}
UNDER_WAY = {
    True: _("It is being switched on; the outlet has not confirmed it yet."),
    False: _("It is being switched off; the outlet has not confirmed it yet."),
}
WAITING = {
    True: _("It is switched on as soon as the outlet is heard again."),
    False: _("It is switched off as soon as the outlet is heard again."),
}
FAILED = {
    True: _(
        "Switching on did not succeed. The breaker on the stand may have tripped: put it up, and try again. "
        "If it stays off, tell reception, please."
    ),
    False: _("Switching off did not succeed: the outlet may still have power. Try again, or tell reception, please."),
}


class Refused(Exception):
    """The guest may not; `why` says it."""

    def __init__(self, why: Refusal) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Switch:
    """What may be done with an outlet now. `to`: on (True), off (False), or None: nothing, because of `why`.
    `progress`: what became of the newest command, in words. `waits_until`: so long it waits for an outlet that is not
    heard (`is_waiting`), or would, if it were pressed now.
    """

    to: bool | None
    why: Refusal | None = None
    progress: Promise | str = ""
    is_under_way: bool = False
    is_waiting: bool = False
    waits_until: datetime | None = None


def switch(stay: Stay, outlet: Closeup, why_off: Refusal, now: datetime) -> Switch:
    """What this guest may do with this outlet. `why_off`: why the bookings want it off, where they do. Pure."""
    why = refusal(stay, outlet.lease, why_off, outlet.wish)
    last = outlet.attempt
    if last is not None and not last.is_open and last.created_at <= now - TOLD_FOR:
        last = None
    is_under_way = last is not None and last.is_open and (outlet.online.is_online or last.claimed_at is not None)
    to = not last.state if last is not None and last.is_open else outlet.relay is not True
    return Switch(
        to=None if why else to,
        why=why,
        progress=_progress(last, is_under_way),
        is_under_way=is_under_way,
        is_waiting=last is not None and last.is_open and not is_under_way,
        waits_until=_waits_until(outlet, last, is_under_way, now),
    )


def refusal(stay: Stay, booked: bool | None, why_off: Refusal, wish: Wish | Want | None) -> Refusal | None:
    """Why the guest may switch nothing; None: he may. `booked`: what the bookings want; `wish`: what is in force."""
    if stay.status != Stay.Status.IN_HOUSE:
        return Refusal.NOT_HERE
    if wish is not None and wish.source == Source.STAFF:
        return Refusal.STAFF_ON if wish.state else Refusal.STAFF_OFF
    if booked is None:
        return Refusal.BY_RECEPTION
    return None if booked else why_off


def act(stay: Stay, meter: Meter, state: bool, now: datetime) -> None:
    """The guest wants his outlet on or off: one command of a person, with its proofs. Raises Refused, or what
    meters.commands raises.

    Off is his wish, which stands above the policy until he or staff say otherwise, or the outlet is his no more. On
    ends that wish, and has what the policy wants tried anew.
    """
    reason = reason_of(stay.booking.sirvoy_id)
    with transaction.atomic():
        ledger.lock(Q(pk=meter.pk))  # nobody else comes, or goes, meanwhile
        _check(stay, meter, now)
        if state:
            commands.end(meter, Source.GUEST)
        else:
            commands.want(meter, Source.GUEST, False, reason)
    if state:
        follow.apply([meter.pk], now)
        commands.again(meter, None, reason, source=Source.GUEST)


def _check(stay: Stay, meter: Meter, now: datetime) -> None:
    """Raises Refused where the guest may not switch this meter now."""
    stay.refresh_from_db(fields=["status"])
    if not StayMeter.objects.filter(stay=stay, meter=meter, period__upper_inf=True).exists():
        raise Refused(Refusal.NOT_YOURS if stay.status == Stay.Status.IN_HOUSE else Refusal.NOT_HERE)
    decision = follow.decisions([meter.pk], now)[meter.pk]
    why_off = _OF_POLICY.get(decision.why, Refusal.BY_RECEPTION)
    if why := refusal(stay, decision.state, why_off, commands.in_force([meter.pk], now).get(meter.pk)):
        raise Refused(why)


def _waits_until(outlet: Closeup, last: Attempt | None, is_under_way: bool, now: datetime) -> datetime | None:
    if outlet.online.is_online or is_under_way:
        return None
    return last.expires_at if last is not None and last.is_open else commands.waits_until(now)


def _progress(last: Attempt | None, is_under_way: bool) -> Promise | str:
    if last is None:
        return ""
    if last.is_open:
        return (UNDER_WAY if is_under_way else WAITING)[last.state]
    return FAILED[last.state] if last.status in (Command.Status.FAILED, Command.Status.EXPIRED) else ""
