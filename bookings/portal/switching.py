"""What a guest may switch, and what is told of it. On only where the policy has his power on: he may put it off, and on
again; nobody but staff stands above that.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from bookings import follow
from bookings.facts import reason_of
from bookings.models import Stay, StayMeter
from bookings.power import Decision, Why
from meters import commands
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
WAITING = _("It is switched as soon as the outlet is heard again.")
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
    `progress`: what became of the newest command, in words.
    """

    to: bool | None
    why: Refusal | None = None
    progress: Promise | str = ""
    is_under_way: bool = False


def switch(
    stay: Stay, decision: Decision, want: Want | None, relay: bool | None, last: Command | None, is_heard: bool
) -> Switch:
    """`decision`: of the policy; `want`: what is in force; `relay`: what the meter says, `is_heard`: whether it is
    online; `last`: its newest command that is still to be told. Pure.
    """
    why = refusal(stay, decision, want)
    is_off = relay is False or (want is not None and want.source == Source.GUEST and not want.state)
    is_open = last is not None and last.status in Command.OPEN
    is_under_way = is_open and last is not None and (is_heard or last.claimed_at is not None)
    return Switch(None if why else is_off or relay is None, why, _progress(last, is_under_way), is_under_way)


def refusal(stay: Stay, decision: Decision, want: Want | None) -> Refusal | None:
    """Why the guest may switch nothing; None: he may."""
    if stay.status != Stay.Status.IN_HOUSE:
        return Refusal.NOT_HERE
    if want is not None and want.source == Source.STAFF:
        return Refusal.STAFF_ON if want.state else Refusal.STAFF_OFF
    if decision.state:
        return None
    return _OF_POLICY.get(decision.why, Refusal.BY_RECEPTION)


def newest(meter_ids: list[int], now: datetime) -> dict[int, Command]:
    """By meter (id) the newest command that a guest may still want to hear of."""
    told = Command.objects.filter(meter__in=meter_ids).order_by("meter_id", "-pk").distinct("meter_id")
    return {each.meter_id: each for each in told if each.status in Command.OPEN or each.created_at > now - TOLD_FOR}


def act(stay: Stay, meter: Meter, state: bool, now: datetime) -> None:
    """The guest wants his outlet on or off: one command of a person, with its proofs. Raises Refused, or what
    meters.commands raises.

    Off is his wish, which stands above the policy until he or staff say otherwise, or the outlet is his no more. On
    ends that wish, and has what the policy wants tried anew.
    """
    if not StayMeter.objects.filter(stay=stay, meter=meter, period__upper_inf=True).exists():
        raise Refused(Refusal.NOT_YOURS)
    decision = follow.decisions([meter.pk], now)[meter.pk]
    if why := refusal(stay, decision, commands.in_force([meter.pk], now).get(meter.pk)):
        raise Refused(why)
    if not state:
        commands.want(meter, Source.GUEST, False, reason_of(stay.booking.sirvoy_id))
        return
    commands.end(meter, Source.GUEST)
    follow.apply([meter.pk], now)
    commands.again(meter, None, reason_of(stay.booking.sirvoy_id), source=Source.GUEST)


def _progress(last: Command | None, is_under_way: bool) -> Promise | str:
    if last is None:
        return ""
    if last.status in Command.OPEN:
        return UNDER_WAY[last.state] if is_under_way else WAITING
    return FAILED[last.state] if last.status in (Command.Status.FAILED, Command.Status.EXPIRED) else ""
