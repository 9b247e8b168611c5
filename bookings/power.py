"""What the power of a meter should be, and why, by its guests and the campsite's rules. Pure.

Nobody is stranded: who is here within the booked time has power; what would end it for a guest who is here (his time
is long over, his package is used up) begins only while reception is open, and never on a pitch that is never cut.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Protocol

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from bookings.hours import check_out_at, opening
from bookings.models import PowerRule
from meters import clock
from meters.models import Pitch, Source

OFF_AFTER_A_GUEST = timedelta(hours=12)
"""So long after a guest has left, and after his pitch was cleaned, power is wanted off, also where pitches without a
guest are left as they are; and longer, until the meter has said that it is off.
"""
FOR_EVER = datetime.max.replace(tzinfo=UTC)


class Why(StrEnum):
    """The reason of a decision."""

    HERE = "here"
    LATE = "late"
    WARNED = "warned"
    WAITS = "waits"
    KEPT = "kept"
    GRACE = "grace"
    CLEANING = "cleaning"
    OVERDUE = "overdue"
    USED_UP = "used_up"
    LEFT = "left"
    VACANT = "vacant"
    LEFT_ALONE = "left_alone"
    NEVER_CUT = "never_cut"
    BY_HAND = "by_hand"
    NO_BOOKINGS = "no_bookings"
    NO_PITCH = "no_pitch"


WORDS: dict[Why, Promise] = {
    Why.HERE: _("a guest is here"),
    Why.LATE: _("a guest is still here after check-out time"),
    Why.WARNED: _("the guest's package is used up; the guest was told"),
    Why.WAITS: _("it ends when reception opens"),
    Why.KEPT: _("it would end, but this pitch is never cut"),
    Why.GRACE: _("the guest gave it back a moment ago"),
    Why.CLEANING: _("cleaning"),
    Why.OVERDUE: _("the guest should have left long ago"),
    Why.USED_UP: _("the guest's package is used up"),
    Why.LEFT: _("the guest has left"),
    Why.VACANT: _("no guest is here"),
    Why.LEFT_ALONE: _("no guest is here; it is left as it is"),
    Why.NEVER_CUT: _("this pitch is never cut"),
    Why.BY_HAND: _("this pitch is switched by hand only"),
    Why.NO_BOOKINGS: _("this kind of pitch does not follow bookings"),
    Why.NO_PITCH: _("the meter is on no pitch"),
}


class Package(Protocol):
    """What is left of the kWh that a booking bought ahead; `told_at`: when the guest was told that nothing is."""

    @property
    def is_empty(self) -> bool: ...
    @property
    def told_at(self) -> datetime | None: ...
    @property
    def grace(self) -> timedelta: ...
    @property
    def may_cut(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Party:
    """A stay that has the meter since `since` or, with `ended_at`, had it until then; `booking` is Sirvoy's number, and
    `told_at` when Sirvoy last said something of it.
    """

    booking: int
    departure: date | None = None
    late_until: datetime | None = None
    ended_at: datetime | None = None
    package: Package | None = None
    told_at: datetime | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """What a person wants of the meter, which stands above all of this."""

    state: bool
    source: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the power of a meter depends on.

    `policies`: of its pitch, and of those of its guests. `departures`: days (local) on which somebody was booked to
    leave its pitch; `left`: when somebody left it. `is_off`, `is_on`: what the policy has wanted so far, and
    `off_since` since when; `relay`: what the meter says of itself.
    """

    rule: PowerRule | None
    policies: frozenset[str] = frozenset()
    parties: tuple[Party, ...] = ()
    departures: frozenset[date] = frozenset()
    left: tuple[datetime, ...] = ()
    is_off: bool = False
    is_on: bool = False
    off_since: datetime | None = None
    relay: bool | None = None
    override: Override | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """On, off, or None: not managed. `until`: when it will be decided otherwise, as far as that is known; `booking`:
    Sirvoy's number of the one that it is for.
    """

    state: bool | None
    why: Why
    source: Source = Source.POLICY
    until: datetime | None = None
    booking: int | None = None
    override: Override | None = None

    @property
    def words(self) -> Promise:
        return WORDS[self.why]


def decide(facts: Facts, now: datetime) -> Decision:
    """What should be, of all but persons; what a person wants is handed on in `override`."""
    found = _unmanaged(facts) or _for_guests(facts, now) or _without_guest(facts, now)
    return Decision(found.state, found.why, found.source, found.until, found.booking, facts.override)


def leaves_at(departure: date | None, late_until: datetime | None) -> datetime | None:
    """When a guest must have left; None: nobody knows."""
    moments = [check_out_at(departure)] if departure else []
    return max([*moments, late_until] if late_until else moments, default=None)


# --- inside ----------------------------------------------------------------------------------------------------------


def _unmanaged(facts: Facts) -> Decision | None:
    if facts.rule is None:
        return Decision(None, Why.NO_PITCH)
    if not facts.rule.follows_bookings:
        return Decision(None, Why.NO_BOOKINGS)
    return Decision(None, Why.BY_HAND) if Pitch.Policy.MANUAL in facts.policies else None


def _for_guests(facts: Facts, now: datetime) -> Decision | None:
    """What those who are here, or were a moment ago, have; who comes in to clean has it, too."""
    here = [_of(party, facts, now) for party in facts.parties if party.ended_at is None]
    on = _together([decision for decision in here if decision.state])
    found = on or [d for party in facts.parties if (d := _grace(party, facts, now))] or _cleaning(facts, now) or here
    return found[0] if found else None


def _together(on: list[Decision]) -> list[Decision]:
    """Of several, what is said of the one who has it longest. It is for the first all the time: another name would be
    a fresh decision, and switch on again what went off by itself.
    """
    return [replace(max(on, key=lambda d: d.until or FOR_EVER), booking=on[0].booking)] if on else []


def _of(party: Party, facts: Facts, now: datetime) -> Decision:
    """What a guest who is here has."""
    cuts = _cuts(party, facts.rule)
    due = [why for at, why in cuts if at <= now]
    if due and Pitch.Policy.NEVER_CUT in facts.policies:
        return Decision(True, Why.KEPT, booking=party.booking)
    if due and not _is_cut(party, facts) and opening(now) > now:
        return Decision(True, Why.WAITS, until=opening(now), booking=party.booking)
    if due:
        return Decision(False, due[0], booking=party.booking)
    leaves = leaves_at(party.departure, party.late_until)
    for at, why in cuts:
        if why == Why.USED_UP or (leaves and leaves <= now):
            return Decision(True, Why.WARNED if why == Why.USED_UP else Why.LATE, until=at, booking=party.booking)
    return Decision(True, Why.HERE, until=leaves, booking=party.booking)


def _is_cut(party: Party, facts: Facts) -> bool:
    """Whether the power was cut for this guest already, not for who had the meter before."""
    before = facts.off_since is not None and party.since is not None and facts.off_since < party.since
    return facts.is_off and not before


def _cuts(party: Party, rule: PowerRule | None) -> list[tuple[datetime, Why]]:
    """When a guest's power ends although he is here, and why; the earliest first. A departure that was typed into the
    past ends nothing at once.
    """
    found = []
    leaves = leaves_at(party.departure, party.late_until)
    if leaves and rule:
        known = max(leaves, party.told_at or leaves)
        found.append((opening(known + timedelta(hours=rule.overdue_h)), Why.OVERDUE))
    package = party.package
    if package and package.is_empty and package.may_cut and package.told_at:
        found.append((opening(package.told_at + package.grace), Why.USED_UP))
    return sorted(found)


def _grace(party: Party, facts: Facts, now: datetime) -> Decision | None:
    """Time to pack up, for those who had power until they left."""
    if party.ended_at is None or facts.rule is None or facts.is_off:
        return None
    until = party.ended_at + timedelta(minutes=facts.rule.grace_min)
    if now >= until or any(at <= party.ended_at for at, _why in _cuts(party, facts.rule)):
        return None
    return Decision(True, Why.GRACE, until=until, booking=party.booking)


def _cleaning(facts: Facts, now: datetime) -> list[Decision]:
    found = [ends for begins, ends in _windows(facts) if begins <= now < ends]
    return [Decision(True, Why.CLEANING, Source.CLEANING, ends) for ends in found]


def _windows(facts: Facts) -> list[tuple[datetime, datetime]]:
    """When the pitch is cleaned, by the campsite's clock: on the day of departure as it was booked, and on the day on
    which somebody left; where that day's window was over by then, on the day after.
    """
    rule = facts.rule
    if rule is None or rule.cleaning_from is None or rule.cleaning_until is None:
        return []
    days = set(facts.departures)
    for left in facts.left:
        day = clock.day_of(left)
        days.add(day if left < clock.moment(day, rule.cleaning_until) else day + timedelta(days=1))
    return [(clock.moment(day, rule.cleaning_from), clock.moment(day, rule.cleaning_until)) for day in days]


def _without_guest(facts: Facts, now: datetime) -> Decision:
    if Pitch.Policy.NEVER_CUT in facts.policies:
        return Decision(None, Why.NEVER_CUT)
    left = [party.ended_at for party in facts.parties if party.ended_at]
    cleaned = [ends for _begins, ends in _windows(facts) if ends <= now]
    last = max([*left, *cleaned], default=None)
    if last and now < last + OFF_AFTER_A_GUEST:
        return Decision(False, Why.LEFT, until=last + OFF_AFTER_A_GUEST)
    if facts.is_on or (facts.is_off and facts.relay is not False):
        return Decision(False, Why.LEFT)
    if facts.rule and facts.rule.when_vacant == PowerRule.Vacant.OFF:
        return Decision(False, Why.VACANT)
    return Decision(None, Why.LEFT_ALONE)
