"""Power follows the bookings: what policy.py decides becomes leases of meters/commands, and pitches that are
occupied are told to meters/pitches.py. Late or twice does no harm.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone, translation

from bookings.power import facts
from bookings.power.facts import Case, reason_of
from bookings.power.policy import Decision, decide
from meters import commands, pitches
from meters.models import Source

AT_ONCE = 20
"""So many meters are changed before others get their turn: a check-in does not wait for a change of the rules."""
LOCK = "bookings.follow"


def apply(meter_ids: Collection[int] | None, now: datetime) -> int:
    """What should be of these meters (None: of all) is wanted of them; returns of how many something else was wanted.

    What stays as it is costs a constant number of queries. Not within a transaction: others must see each step.
    """
    _tell_occupied(meter_ids, now)
    due = list(meter_ids or ())
    if meter_ids is None or len(due) > AT_ONCE:
        due = [case.meter.pk for case in _renew(facts.gather(meter_ids, now), now)]
    changed = 0
    for first in range(0, len(due), AT_ONCE):
        with _alone():  # what others decided meanwhile is looked at anew
            cases = _renew(facts.gather(due[first : first + AT_ONCE], now), now)
            for case in cases:
                _change(case, now)
            changed += len(cases)
    return changed


def soon(meter_ids: Iterable[int], now: datetime | None = None) -> None:
    """Apply what should be of these meters once the present transaction has committed; a failure there is logged, and
    made up for by the next minute's run. `now`: of the decision, where that is another than the clock's.
    """
    ids = sorted(set(meter_ids))
    if ids:
        transaction.on_commit(lambda: _apply_now(ids, now), robust=True)


def decisions(meter_ids: Collection[int] | None, now: datetime) -> dict[int, Decision]:
    """What should be of each of these meters (by id; None: of all), and why; whether or not its area acts."""
    return {case.meter.pk: decide(case.facts, now) for case in facts.gather(meter_ids, now)}


# --- inside ----------------------------------------------------------------------------------------------------------


def _apply_now(ids: list[int], now: datetime | None) -> None:
    apply(ids, now or timezone.now())


def _tell_occupied(meter_ids: Collection[int] | None, now: datetime) -> None:
    """Pitches without a meter are told of with all the others."""
    for pitch, until in facts.occupied(now, None if meter_ids is None else facts.places(meter_ids, now)):
        if pitch.occupied_until != until:
            pitches.set_occupied(pitch, until)


def _renew(cases: Iterable[Case], now: datetime) -> list[Case]:
    """Prolong the leases that stay as they are; returns the others, of which something else is to be wanted."""
    same: dict[str, list[int]] = {}
    due = []
    for case in cases:
        decision = decide(case.facts, now)
        if not _is_as_wanted(case, decision):
            due.append(case)
        elif decision.state is not None:
            same.setdefault(decision.source, []).append(case.meter.pk)
    for source, ids in same.items():
        commands.renew(source, ids, _lease(now))
    return due


def _change(case: Case, now: datetime) -> None:
    try:
        _replace(case, decide(case.facts, now), now)
    except commands.SwitchingError:  # gone or protected since it was read, or the lease of long ago is over
        for source in case.wants:
            commands.end(case.meter, source)


def _replace(case: Case, decision: Decision, now: datetime) -> None:
    """What is newly wanted comes before what ends: in between nothing else comes into force."""
    wanted = decision.source if _may_want(case, decision) else None
    with transaction.atomic():
        if wanted and _is_fresh(case, decision):
            commands.end(case.meter, wanted)
        if wanted and decision.state is not None:
            commands.want(case.meter, wanted, decision.state, reason(decision), until=_lease(now))
        for other in case.wants.keys() - {wanted}:
            commands.end(case.meter, other)
        if case.is_formers:
            commands.end(case.meter, Source.GUEST)


def _is_as_wanted(case: Case, decision: Decision) -> bool:
    if case.is_formers:
        return False
    if not _may_want(case, decision):
        return not case.wants
    want = case.wants.get(decision.source)
    return want is not None and len(case.wants) == 1 and want.state == decision.state and not _is_fresh(case, decision)


def _is_fresh(case: Case, decision: Decision) -> bool:
    """On for somebody else than before: decided anew, also where the power went off by itself meanwhile."""
    want = case.wants.get(decision.source)
    return bool(want and want.state and decision.state and decision.booking and want.reason != reason(decision))


def _may_want(case: Case, decision: Decision) -> bool:
    return decision.state is not None and commands.unswitchable(case.meter) is None


def _lease(now: datetime) -> datetime:
    return now + timedelta(minutes=settings.POLICY_LEASE_MIN)


def reason(decision: Decision) -> str:
    """As it is kept with what is wanted: of an ON whose it is, for the whole stay; in the language of the site."""
    if decision.state and decision.booking:
        return reason_of(decision.booking)
    with translation.override(settings.LANGUAGE_CODE):
        return str(decision.words)


@contextmanager
def _alone() -> Iterator[None]:
    """One at a time, in this and other processes: else an old look at the bookings could overtake a new one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtext(%s))", [LOCK])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(hashtext(%s))", [LOCK])
