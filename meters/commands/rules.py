"""The rules of switching. Pure: what stands above what, and what to do where a relay is not as wanted.

An ON leaves only on a fresh decision: a click of a moment ago, a lease renewed a moment ago, or a proven return of
power. An OFF that was decided stays decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from meters.models import Source, Want
from meters.people import Person

PRIORITIES = {Source.STAFF: 40, Source.GUEST: 30, Source.CLEANING: 20, Source.POLICY: 10}
PERSONS = frozenset({Source.STAFF, Source.GUEST})
LEASED = frozenset({Source.CLEANING, Source.POLICY})
"""Sources whose wants end unless they are renewed: an open one was decided anew a moment ago."""
Hold = Want.Hold

NO_LOAD_A = 0.1
"""Less than this is no load; a relay that is off measures 0.00 A."""
SOON_AFTER = timedelta(minutes=5)
"""An OFF that is told later after a return of power has another cause."""
JUST_BEFORE = timedelta(seconds=10)
"""Clocks of Zigbee2MQTT and ours may differ by so much."""


@dataclass
class Wish:
    """What somebody wants of meters."""

    source: str
    state: bool
    reason: str = ""
    by: Person = None
    until: datetime | None = None

    @property
    def is_persons(self) -> bool:
        return self.source in PERSONS


class Act(Enum):
    """What to do now, where it is not a reason to leave it."""

    NOTHING = "nothing"
    SWITCH = "switch"
    ASK = "ask"


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the decision depends on. `last_*` tell of the newest command that served this want, `newest_failure` of
    the newest of all that the meter carried out.
    """

    source: str
    state: bool
    since: datetime
    fulfilled_at: datetime | None
    hold: str
    hold_at: datetime | None
    relay: bool | None
    relay_at: datetime | None
    current_a: float | None
    is_online: bool
    available_since: datetime | None
    announced_at: datetime | None
    may_act: bool
    is_stopped: bool
    never_cut: bool
    by_hand_only: bool
    last_status: str
    last_failure: str
    last_finished_at: datetime | None
    last_created_at: datetime | None
    corrections: int
    is_readable: bool = True
    newest_failure: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """`session`: since when this worker hears the broker without a break; None while it does not."""

    session: datetime | None
    fresh: timedelta
    corrections_an_hour: int


def decide(facts: Facts, limits: Limits, now: datetime) -> Act | Hold:
    """What to do about a want without an open command: act, or why it is left alone."""
    if _still_loaded(facts):
        return Hold.LOAD
    if facts.relay is facts.state:
        return Act.NOTHING
    if not facts.is_online:  # that it went off before is not forgotten
        return Hold.UNASKED_OFF if facts.hold == Hold.UNASKED_OFF else Hold.OFFLINE
    return _undecided(facts, limits, now) or _forbidden(facts, limits) or _act(facts, limits)


def _still_loaded(facts: Facts) -> bool:
    """The last OFF ended with current still flowing, and nothing has told otherwise since."""
    if facts.state or facts.newest_failure != "load" or facts.relay is True:
        return False
    return facts.current_a is None or facts.current_a >= NO_LOAD_A


def _undecided(facts: Facts, limits: Limits, now: datetime) -> Hold | None:
    """Why nobody has decided that this is to be done now."""
    if facts.last_status == "failed" and not _came_back(facts):
        return Hold.FAILED
    if not facts.state:
        return None
    if facts.fulfilled_at is not None:
        return None if _power_returned(facts) else Hold.UNASKED_OFF
    is_fresh = facts.source in LEASED or now - facts.since < limits.fresh
    return None if is_fresh or _power_returned(facts) else Hold.STALE


def _forbidden(facts: Facts, limits: Limits) -> Hold | None:
    """Why nothing automatic may be done here."""
    if facts.by_hand_only:
        return Hold.MANUAL
    if facts.never_cut and not facts.state:
        return Hold.NEVER_CUT
    if not facts.may_act:
        return Hold.OBSERVE
    if facts.is_stopped:
        return Hold.STOPPED
    return Hold.FLIPS if facts.corrections >= limits.corrections_an_hour else None


def _act(facts: Facts, limits: Limits) -> Act:
    """Drift is corrected only on a position told since we listen without a break; else it is asked for first."""
    if facts.fulfilled_at is None:
        return Act.SWITCH
    if not facts.is_readable:
        return Act.SWITCH
    told_at, session = facts.relay_at, limits.session
    if facts.relay is None or told_at is None or session is None or told_at < session - JUST_BEFORE:
        return Act.ASK
    return Act.SWITCH


def _came_back(facts: Facts) -> bool:
    """The meter was away and is back since its last command failed."""
    finished = facts.last_finished_at
    return finished is not None and any(at and at > finished for at in (facts.available_since, facts.announced_at))


def _power_returned(facts: Facts) -> bool:
    """The meter lost its power and got it back: it was on before, went off by that, and is not yet put right."""
    back = facts.announced_at
    if back is None or facts.relay_at is None or not back - JUST_BEFORE <= facts.relay_at <= back + SOON_AFTER:
        return False
    was_off_before = facts.hold == Hold.UNASKED_OFF and facts.hold_at is not None and facts.hold_at < back
    was_tried = facts.last_created_at is not None and facts.last_created_at > back
    return not was_off_before and not was_tried and (facts.fulfilled_at or facts.since) < back
