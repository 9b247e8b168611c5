"""What is wanted of the meters: the only verbs that say what a relay should be. Each is one transaction, with its
entries in the audit log; the worker does what follows from it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from meters import notify
from meters.commands import allowed, audit, errors, queue
from meters.commands.rules import PERSONS, PRIORITIES, Wish
from meters.models import Command, Meter, Order, Source, Want
from meters.people import Person, person

IN_FORCE = """
    SELECT * FROM meters_want o
    WHERE o.meter_id = m.id AND o.ended_at IS NULL AND (o.until IS NULL OR o.until > %(now)s)
    ORDER BY o.priority DESC LIMIT 1
"""
"""SQL: as `in_force`, of the meter m."""

# --- verbs -----------------------------------------------------------------------------------------------------------


def want(
    meter: Meter, source: str, state: bool, reason: str = "", by: Person = None, until: datetime | None = None
) -> Want:
    """From now on `source` wants this meter on (True) or off, until `until` or until further notice.

    It replaces what this source wanted before. A person's want is pursued at once by a command (`want.commands`); what
    a machine wants is pursued by the worker where the area acts. A machine that repeats its want renews the lease.

    Raises NoRelay, Gone, BadTime; for staff NeedsReason where an occupied or protected pitch is cut without a reason;
    for machines Protected. A machine's want without an end is a BadTime too.
    """
    wish = Wish(source, state, reason.strip()[:250], by, until)
    now = timezone.now()
    with transaction.atomic():
        lock([meter.pk])
        allowed.check([meter], wish, now)
        return _want([meter], wish, now)[0]


def order(
    meters: Collection[Meter],
    state: bool,
    reason: str = "",
    by: Person = None,
    until: datetime | None = None,
    key: str = "",
) -> Order:
    """Staff want all of these meters on or off; those that cannot be switched (`allowed.unswitchable`) are left out.

    The same person's same `key` (any text) leads to the same order again: it is made once.

    Raises BadTime, NeedsReason, KeyUsed; where nothing is left NothingToSwitch, for a single meter its own reason.
    """
    wish = Wish(Source.STAFF, state, reason.strip()[:250], by, until)
    now = timezone.now()
    chosen = {meter.pk: meter for meter in meters if allowed.unswitchable(meter) is None}
    if not chosen:
        why = [allowed.unswitchable(meter) for meter in meters]
        raise (why[0] if len(why) == 1 else None) or errors.NothingToSwitch
    with transaction.atomic():
        lock(chosen)
        if key and (before := Order.objects.filter(by=person(by), key=key).first()):
            return _same(before, wish, chosen)
        allowed.check(chosen.values(), wish, now)
        if (made := _make_order(wish, key, now)) is None:
            return _same(Order.objects.get(by=person(by), key=key), wish, chosen)
        _want(list(chosen.values()), wish, now, made)
    return made


def again(meter: Meter, by: Person, reason: str = "", source: str = Source.STAFF) -> Command:
    """Try once more what is wanted of this meter, whoever wants it: a person's fresh decision, for that same want.
    `source`: who that person is, staff or the guest.

    The command is a person's: it goes in areas that observe, and while everything automatic is stopped. What is under
    way for the want is taken over and not sent twice.

    Raises NotManaged where nobody wants anything, NoRelay, Gone, and NeedsReason as `want` does for staff.
    """
    wish = Wish(source, False, reason.strip()[:250], by)
    now = timezone.now()
    with transaction.atomic():
        lock([meter.pk])
        ruling = in_force([meter.pk], now).get(meter.pk)
        if ruling is None:
            raise allowed.unswitchable(meter) or errors.NotManaged
        wish.state = ruling.state
        allowed.check([meter], wish, now)
        Want.objects.filter(pk=ruling.pk).exclude(hold="").update(hold="", hold_at=None)
        _pursue([ruling], wish, None, now)
        audit.note_again(ruling, wish, now)
        notify.wake([meter.pk])
        return Command.objects.filter(want=ruling).latest("pk")


def end(meter: Meter, source: str, by: Person = None, reason: str = "") -> Want | None:
    """This source wants nothing of the meter any more; what the next one wants comes into force. None: it wanted none.

    Where nobody wants anything the relay stays as it is, and is not managed.
    """
    return next(iter(end_all([meter], source, by, reason)), None)


def end_all(meters: Iterable[Meter], source: str, by: Person = None, reason: str = "") -> list[Want]:
    """As `end`, for many at once; returns the wants that were ended."""
    now = timezone.now()
    with transaction.atomic():
        ids = [meter.pk for meter in meters]
        lock(ids)
        ended = list(Want.objects.filter(meter__in=ids, source=source, ended_at=None))
        if ended:
            _end(ended, Want.End.ENDED, now, by, reason)
    return ended


def renew(source: str, meter_ids: Collection[int], until: datetime) -> int:
    """Prolong this source's open wants of these meters; returns how many. What is renewed is not noted anywhere."""
    return Want.objects.filter(source=source, meter__in=meter_ids, ended_at=None).update(until=until)


def end_expired(now: datetime) -> set[int]:
    """End the wants whose time ran out; returns the meters' ids. Idempotent."""
    due = Want.objects.filter(ended_at=None, until__lte=now)
    meters = set(due.values_list("meter_id", flat=True))
    if not meters:
        return meters
    with transaction.atomic():
        lock(meters)
        _end(list(due), Want.End.EXPIRED, now)
    return meters


def cancel(command_ids: Iterable[int], by: Person) -> int:
    """Cancel those of these commands that are not under way, and what was wanted with them; returns how many.

    What the same source wanted before is in force again, as it was. What was sent cannot be called back; what the
    software does by itself is not cancelled one by one: the stop halts it all.
    """
    now = timezone.now()
    with transaction.atomic():
        asked = Command.objects.filter(pk__in=list(command_ids), automatic=False)
        lock(asked.values_list("meter_id", flat=True))
        cancelled = queue.cancel(asked.values_list("pk", flat=True), now)
        wants = list(Want.objects.filter(commands__in=cancelled, ended_at=None).select_related("replaces"))
        _end(wants, Want.End.CANCELLED, now, by)
        through = Order.objects.filter(commands__in=cancelled, cancelled_at=None)
        through.exclude(commands__status=Command.Status.QUEUED).update(cancelled_at=now)
    return len(cancelled)


# --- questions -------------------------------------------------------------------------------------------------------


def in_force(meter_ids: Iterable[int], now: datetime) -> dict[int, Want]:
    """What is wanted of each of these meters (by id): the open want of the highest source. Absent: not managed."""
    return {want.meter_id: want for want in of_all_sources(meter_ids, now)}  # the highest is the last


def of_all_sources(meter_ids: Iterable[int], now: datetime) -> QuerySet[Want]:
    """All that is wanted of these meters (by id) now, what the highest source wants last."""
    return Want.objects.filter(_lasting(now), meter__in=list(meter_ids), ended_at=None).order_by("priority")


# --- inside ----------------------------------------------------------------------------------------------------------


def _lasting(now: datetime) -> Q:
    return Q(until=None) | Q(until__gt=now)


def lock(meter_ids: Iterable[int]) -> None:
    """Within a transaction: one change at a time for each meter; what is stored of it meanwhile does not wait."""
    ids = list(meter_ids)
    list(Meter.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk").values_list("pk"))
    queue.lock(Q(meter__in=ids))


def _want(meters: Sequence[Meter], wish: Wish, now: datetime, order: Order | None = None) -> list[Want]:
    ids = [meter.pk for meter in meters]
    before = in_force(ids, now)
    open_wants = {w.meter_id: w for w in Want.objects.filter(meter__in=ids, source=wish.source, ended_at=None)}
    same = [w for w in open_wants.values() if not wish.is_persons and w.state == wish.state]
    if same and wish.until:
        renew(wish.source, [w.meter_id for w in same], wish.until)
    replaced = [w for w in open_wants.values() if w not in same]
    Want.objects.filter(pk__in=[w.pk for w in replaced]).update(ended_at=now, end=Want.End.REPLACED)
    kept = {w.meter_id for w in same}
    made = Want.objects.bulk_create(
        _new(meter, wish, now, order, open_wants.get(meter.pk)) for meter in meters if meter.pk not in kept
    )
    after = in_force(ids, now)
    ruling = [w for w in made if after[w.meter_id].pk == w.pk]
    _pursue(ruling, wish, order, now)
    audit.note(made, before, after, wish, now)
    notify.wake(w.meter_id for w in made)
    return [*made, *same]


def _new(meter: Meter, wish: Wish, now: datetime, order: Order | None, replaces: Want | None) -> Want:
    return Want(
        meter=meter,
        source=wish.source,
        priority=PRIORITIES[Source(wish.source)],
        state=wish.state,
        reason=wish.reason,
        by=person(wish.by),
        until=wish.until,
        created_at=now,
        since=now,
        order=order,
        replaces=replaces,
    )


def _make_order(wish: Wish, key: str, now: datetime) -> Order | None:
    """None where the same key came for other meters at this very moment."""
    try:
        with transaction.atomic():
            return Order.objects.create(
                state=wish.state, reason=wish.reason, by=person(wish.by), until=wish.until, created_at=now, key=key
            )
    except IntegrityError:
        return None


def _same(before: Order, wish: Wish, meters: Collection[int]) -> Order:
    """The order that this key led to, where it asked for the same."""
    asked = set(Want.objects.filter(order=before).values_list("meter_id", flat=True))
    if (before.state, before.reason, before.until, asked) != (wish.state, wish.reason, wish.until, set(meters)):
        raise errors.KeyUsed
    return before


def _pursue(wants: Sequence[Want], wish: Wish, order: Order | None, now: datetime) -> None:
    """A person's want becomes a command; whatever was under way for another one is overtaken."""
    under_way = Command.objects.filter(
        meter__in=[w.meter_id for w in wants], status__in=Command.OPEN, state=wish.state, claimed_at__isnull=False
    )
    adopting = set(under_way.values_list("meter_id", flat=True))
    automatic = not wish.is_persons
    adopted = {w.meter_id for w in wants if w.meter_id in adopting and queue.adopt(w, order, now, automatic)}
    rest = [w for w in wants if w.meter_id not in adopted]
    queue.overtake([w.meter_id for w in rest], now)
    if wish.is_persons:
        queue.make(rest, now, automatic=False, order=order)


def _end(wants: Sequence[Want], how: str, now: datetime, by: Person = None, reason: str = "") -> None:
    ids = [w.meter_id for w in wants]
    before = in_force(ids, now)
    for w in sorted(wants, key=lambda w: w.priority):
        ruling = before.get(w.meter_id)
        if ruling is None or ruling.priority < w.priority:  # its time is over, but it ruled until now
            before[w.meter_id] = w
    ending = Want.objects.filter(pk__in=[w.pk for w in wants], ended_at=None)
    if how == Want.End.EXPIRED:
        ending = ending.filter(until__lte=now)  # some may have been renewed meanwhile
    ending.update(ended_at=now, end=how)
    queue.cancel(Command.objects.filter(want__in=wants).values_list("pk", flat=True), now)
    if how == Want.End.CANCELLED:
        again = [w.replaces.pk for w in wants if w.replaces and w.replaces.end == Want.End.REPLACED]
        Want.objects.filter(_lasting(now), pk__in=again).update(ended_at=None, end="")
        _resume(again, now)
    after = in_force(ids, now)
    fallen = [w.pk for m, w in after.items() if m in before and before[m].pk != w.pk]
    if how != Want.End.CANCELLED:  # what comes into force now is to be done, though it was done once
        Want.objects.filter(pk__in=fallen).update(since=now, fulfilled_at=None, hold="", hold_at=None)
    for source in {w.source for w in wants}:
        audit.note([w for w in wants if w.source == source], before, after, Wish(source, False, reason, by), now)
    notify.wake(ids)


def _resume(again: Sequence[int], now: datetime) -> None:
    """A person's want that is in force again, and was never carried out, is pursued again; an ON only while fresh."""
    fresh = now - timedelta(seconds=settings.COMMAND_DEADLINE_S)
    unfulfilled = Want.objects.filter(pk__in=again, ended_at=None, fulfilled_at=None, source__in=PERSONS)
    for want in unfulfilled.filter(Q(state=False) | Q(since__gt=fresh)).select_related("order"):
        if in_force([want.meter_id], now)[want.meter_id].pk == want.pk:
            decided_at = want.since if want.state else now
            queue.make([want], now, automatic=False, order=want.order, decided_at=decided_at)
