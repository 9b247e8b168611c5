"""Where bookings, what should be, and what the meters say disagree: healed where that can be done, else reported."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from django.db import transaction
from django.db.models import QuerySet, prefetch_related_objects
from django.utils import formats, timezone
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from bookings import facts, follow, ledger, stays
from bookings.facts import Case
from bookings.models import Booking, Stay, StayMeter
from bookings.power import Decision, decide
from meters import commands, online
from meters.commands.rules import PERSONS
from meters.models import Meter, MeterState, Pitch, Want

logger = logging.getLogger(__name__)
T = TypeVar("T")
SOON_ENOUGH = timedelta(minutes=1)
"""A meter that is being switched has so long before anybody hears of it."""
LEAST_W = 10.0
"""Less power on a pitch without a guest is no use."""
BY_HAND = timedelta(hours=12)
"""What a person switched on where nobody is, is told of when it has stood so long: whatever it was for is done."""
CLOSED_BY = {
    Stay.Status.EXPECTED: StayMeter.Reason.CHECK_IN_UNDONE,
    Stay.Status.LEFT: StayMeter.Reason.CHECK_OUT,
    Stay.Status.CANCELLED: StayMeter.Reason.CANCELLED,
}


class Kind(StrEnum):
    """What is wrong, the worst first."""

    DARK = "dark"
    NO_METER = "no_meter"
    SILENT = "silent"
    OPEN_LINE = "open_line"
    OVERDUE = "overdue"
    LIT = "lit"


WORDS: dict[Kind, Promise] = {
    Kind.DARK: _("a guest is here, and the power is not on"),
    Kind.NO_METER: _("a guest is here, and has no meter"),
    Kind.SILENT: _("a guest is here, and nobody hears whether the power is on"),
    Kind.OPEN_LINE: _("a guest is not here, and still has a meter"),
    Kind.OVERDUE: _("a guest should have left, and is not checked out"),
    Kind.LIT: _("no guest is here, and the power is on"),
}
ORDER = list(Kind)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that a person should look at. `why`: what is known of the cause; `since`: from when on it is so;
    `hold`: why the relay is left as it is, as in Want.Hold.
    """

    kind: Kind
    pitch: Pitch | None = None
    stay: Stay | None = None
    meter: Meter | None = None
    why: str | Promise = ""
    since: datetime | None = None
    hold: str = ""

    @property
    def words(self) -> Promise:
        return WORDS[self.kind]


@dataclass(frozen=True, slots=True)
class Healed:
    """How many bookings were reconciled, lines closed, and meters wanted otherwise than before."""

    bookings: int
    lines: int
    meters: int


@dataclass(frozen=True, slots=True)
class _Seen:
    """A meter, what should be of it, what is wanted in the end, and what it says."""

    case: Case
    decision: Decision
    want: Want | None
    state: MeterState | None
    online: online.Online

    @property
    def relay(self) -> bool | None:
        return self.state.relay if self.state else None


def problems(now: datetime) -> list[Problem]:
    """All that disagrees now, the worst first, of each kind the oldest first; in a constant number of queries, with
    the guests, pitches and meters that a page tells of.
    """
    seen, here = _look(now), _here()
    found = [
        *(problem for each in seen for problem in _of_meter(each, now)),
        *_without_meter(here),
        *_of_lines(),
        *_overdue(here, now),
    ]
    prefetch_related_objects([problem.stay.booking for problem in found if problem.stay], "guest")
    return sorted(found, key=lambda p: (ORDER.index(p.kind), p.since or now))


def hourly(now: datetime) -> Healed:
    """Heal what can be healed: stays, their lines, their power. Repeating it changes nothing."""
    reconciled = stays.advance(now)
    return Healed(reconciled, _close_lines(now), follow.apply(None, now))


def nightly(now: datetime) -> Healed:
    """As `hourly`, with every booking that is here or expected compared anew with what Sirvoy told."""
    present = [Stay.Status.EXPECTED, Stay.Status.IN_HOUSE]
    concerned = Stay.objects.filter(status__in=present, position__isnull=False).values_list("booking_id", flat=True)
    _each(concerned, lambda booking: stays.reconcile(booking, now))
    return hourly(now)


def _each(bookings: Iterable[int], act: Callable[[Booking], T]) -> list[T]:
    """What comes of each of these bookings (ids), which nobody else changes meanwhile; one that fails holds up no
    other.
    """
    done = []
    for pk in sorted(set(bookings)):
        try:
            with transaction.atomic():
                done.append(act(Booking.objects.select_for_update(no_key=True).get(pk=pk)))
        except Exception:
            logger.exception("The stays of booking %s could not be set right", pk)
    return done


# --- meters ----------------------------------------------------------------------------------------------------------


def _look(now: datetime) -> list[_Seen]:
    cases = facts.gather(None, now)
    ids = [case.meter.pk for case in cases]
    wants = commands.in_force(ids, now)
    states = MeterState.objects.defer(*_UNUSED).in_bulk(ids)
    statuses = online.statuses(now)
    prefetch_related_objects([want for want in wants.values() if _is_by_hand(want)], "by")
    return [
        _Seen(case, decide(case.facts, now), wants.get(pk), states.get(pk), statuses[pk])
        for pk, case in zip(ids, cases, strict=True)
        if case.meter.device.has_relay and (case.stays or commands.unswitchable(case.meter) is None)
    ]


_UNUSED = ("phase_power_w", "phase_voltage_v", "phase_current_a")


def _of_meter(seen: _Seen, now: datetime) -> Iterator[Problem]:
    case = seen.case
    if case.stays:
        kind, why, since = _for_guest(seen)
    else:
        kind, why, since = _for_nobody(seen, now)
    hold = seen.want.hold if seen.want else ""
    is_under_way = since is not None and now - since < SOON_ENOUGH and seen.online.is_online
    if kind is None or (is_under_way and not hold):
        return
    for stay in case.stays or (None,):
        yield Problem(kind, stay.pitch if stay else case.pitch, stay, case.meter, why, since, hold)


Finding = tuple[Kind | None, str | Promise, datetime | None]
NOTHING: Finding = (None, "", None)


def _for_guest(seen: _Seen) -> Finding:
    """Somebody is here: it should be on, unless a person or a used-up package says otherwise."""
    if seen.decision.state is False or _was_cut_for_them(seen):
        return NOTHING
    since = seen.want.since if seen.want else None
    if seen.relay is not True:
        return Kind.DARK, _cause(seen), since
    if not seen.online.is_online:
        return Kind.SILENT, online.REASONS[seen.online.reason], seen.state.relay_at if seen.state else None
    return NOTHING


def _was_cut_for_them(seen: _Seen) -> bool:
    """A person switched it off while these guests were here: not for those who came before them."""
    want = seen.want
    if want is None or want.state or want.source not in PERSONS:
        return False
    known = (stay.noted_at or stay.began_at for stay in seen.case.stays)
    return all(at is None or want.created_at >= at for at in known)


def _for_nobody(seen: _Seen, now: datetime) -> Finding:
    """Nobody is here: on only where somebody wants it, a person not for ever; where it is left as it is, it matters
    once it is used.
    """
    rule, want, state = seen.case.facts.rule, seen.want, seen.state
    if state is None or not state.relay or rule is None or not rule.follows_bookings:
        return NOTHING
    if want and not want.state:
        return Kind.LIT, _cause(seen), want.since
    if seen.case.facts.policies - {Pitch.Policy.AUTOMATIC}:
        return NOTHING
    if want:
        is_old = now - want.created_at >= BY_HAND
        return (Kind.LIT, _by_hand(want), want.created_at) if _is_by_hand(want) and is_old else NOTHING
    if (state.power_w or 0) < LEAST_W:
        return NOTHING
    return Kind.LIT, format_lazy(_("{power} W are used"), power=f"{state.power_w:.0f}"), state.relay_at


def _is_by_hand(want: Want) -> bool:
    return want.state and want.source in PERSONS


def _by_hand(want: Want) -> Promise:
    """Who switched it on, and when."""
    at = timezone.localtime(want.created_at, timezone.get_default_timezone())
    moment = formats.date_format(at, "SHORT_DATETIME_FORMAT")
    if want.by is None:
        return format_lazy(_("it was switched on by hand, {moment}"), moment=moment)
    person = want.by.get_full_name() or want.by.get_username()
    return format_lazy(_("it was switched on by hand by {person}, {moment}"), person=person, moment=moment)


def _cause(seen: _Seen) -> str | Promise:
    """Why the relay is not as wanted, as far as it is known."""
    want = seen.want
    if want is None:
        return seen.decision.words
    if want.source in PERSONS and not want.state and seen.case.stays:
        return _("it was switched off by hand before this guest came")
    if want.hold:
        return Want.Hold(want.hold).label
    return _("it is being switched") if seen.online.is_online else online.REASONS[seen.online.reason]


# --- stays -----------------------------------------------------------------------------------------------------------


def _here() -> list[Stay]:
    found = Stay.objects.filter(status=Stay.Status.IN_HOUSE, position__isnull=False)
    return list(found.select_related("pitch", "booking"))


def _without_meter(here: Iterable[Stay]) -> Iterator[Problem]:
    having = set(StayMeter.objects.filter(period__upper_inf=True).values_list("stay_id", flat=True))
    for stay in here:
        if stay.pk not in having:
            why = Stay.Unclear(stay.unclear).label if stay.unclear else _("no outlet has been chosen")
            yield Problem(Kind.NO_METER, stay.pitch, stay, None, why, stay.began_at)


def _of_lines() -> Iterator[Problem]:
    for line in _open_lines().select_related("stay__pitch", "stay__booking", "meter__device").order_by("pk"):
        stay = line.stay
        yield Problem(Kind.OPEN_LINE, stay.pitch, stay, line.meter, Stay.Status(stay.status).label, stay.ended_at)


def _open_lines() -> QuerySet[StayMeter]:
    """Those whose guest is not here."""
    return StayMeter.objects.filter(period__upper_inf=True).exclude(stay__status=Stay.Status.IN_HOUSE)


def _close_lines(now: datetime) -> int:
    """Ends them; whoever was checked in meanwhile keeps his."""

    def close(booking: Booking) -> int:
        parties = {line.stay for line in _open_lines().filter(stay__booking=booking).select_related("stay")}
        return sum(len(ledger.end_all(stay, now, CLOSED_BY[Stay.Status(stay.status)])) for stay in parties)

    return sum(_each(_open_lines().values_list("stay__booking", flat=True), close))


def _overdue(here: Iterable[Stay], now: datetime) -> Iterator[Problem]:
    for stay in here:
        leaves = facts.leaving(stay)
        if leaves and leaves <= now:
            yield Problem(Kind.OVERDUE, stay.pitch, stay, None, "", leaves)
