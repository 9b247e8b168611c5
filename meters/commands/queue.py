"""The rows of Command: made, claimed, sent, proven, failed, closed. Each change is one conditional UPDATE."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Value, When

from meters.commands.rules import LEASED
from meters.models import Area, AutomaticStop, Command, Installation, Order, Pitch, Want

ATTEMPTS = 3
LATE = timedelta(minutes=2)
"""So long after its time an attempt is closed by others: the worker that made it is gone."""
Status, Failure, Load = Command.Status, Command.Failure, Command.Load
GIVEN_UP = {"status": Status.FAILED, "failure": Failure.UNANSWERED}
UNREAD = Q(status=Status.CONFIRMED, state=False, load="")
"""OFFs of which is not known yet whether current still flows."""
STOPPED = AutomaticStop.objects.filter(ended_at=None)
NEWEST = "SELECT * FROM meters_command o WHERE o.meter_id = m.id ORDER BY o.id DESC LIMIT 1"
"""SQL: the newest command of the meter m."""


def answer_time(attempts: int = 1) -> timedelta:
    """How long after an attempt was claimed the next one may follow: twice as long each time."""
    return timedelta(seconds=settings.COMMAND_ANSWER_S * 2 ** max(0, attempts - 1))


# --- making and unmaking ---------------------------------------------------------------------------------------------


def lock(which: Q) -> None:
    """Within a transaction: these of the commands that are not through, in an order that everybody keeps.

    Whoever changes commands and wants locks the commands first, the ingest and the verbs alike.
    """
    live = Command.objects.filter(which, Q(finished_at=None) | UNREAD)
    list(live.select_for_update(no_key=True).order_by("pk").values_list("pk"))


def make(
    wants: Sequence[Want],
    now: datetime,
    *,
    automatic: bool,
    order: Order | None = None,
    decided_at: datetime | None = None,
) -> list[Command]:
    """A command for each of these wants; what was open for their meters must have been overtaken before.

    `decided_at`: when it was decided, where that was not now; the deadline counts from then.
    """
    return Command.objects.bulk_create(
        Command(
            meter_id=want.meter_id,
            want=want,
            order=order,
            state=want.state,
            automatic=automatic,
            created_at=now,
            expires_at=_deadline(want, decided_at or now),
        )
        for want in wants
    )


def waits_until(now: datetime) -> datetime:
    """So long what is ordered at this moment waits for its meter; after that it is never sent."""
    return now + timedelta(seconds=settings.COMMAND_DEADLINE_S)


def _deadline(want: Want, now: datetime) -> datetime:
    """A lease will be renewed before its end, or else be refused when its command is claimed."""
    deadline = waits_until(now)
    return min(deadline, want.until) if want.until and want.source not in LEASED else deadline


def overtake(meter_ids: Iterable[int], now: datetime) -> None:
    """What is open for these meters is overtaken; what was sent cannot be called back, but is followed no more."""
    meters = list(meter_ids)
    _open().filter(meter__in=meters).update(status=Status.SUPERSEDED, finished_at=now)
    Command.objects.filter(UNREAD, meter__in=meters).update(load=Load.UNKNOWN, load_at=now)


def adopt(want: Want, order: Order | None, now: datetime, automatic: bool) -> bool:
    """Whether the attempt under way serves this new want too: the same is not sent twice. It counts as its first."""
    under_way = _open().filter(meter=want.meter_id, state=want.state, claimed_at__isnull=False)
    told = {"want": want, "order": order or F("order"), "automatic": automatic, "expires_at": _deadline(want, now)}
    return bool(under_way.update(attempts=1, **told))


def cancel(commands: Iterable[int], now: datetime) -> list[int]:
    """Cancel those of these commands (ids) that are not under way; returns which."""
    waiting = _waiting().filter(pk__in=list(commands))
    ids = list(waiting.select_for_update().order_by("pk").values_list("pk", flat=True))
    Command.objects.filter(pk__in=ids).update(status=Status.CANCELLED, finished_at=now)
    return ids


def cancel_automatic(now: datetime) -> list[int]:
    """Cancel everything automatic that is not under way; returns the meters' ids."""
    waiting = _waiting().filter(automatic=True)
    meters = list(waiting.values_list("meter_id", flat=True))
    waiting.update(status=Status.CANCELLED, finished_at=now)
    return meters


def forget_open(now: datetime) -> int:
    """End all that is not through, whoever ordered it; returns how many. For a database that was brought back: what is
    under way there was ordered, and may have been done, long ago.
    """
    Command.objects.filter(UNREAD).update(load=Load.UNKNOWN, load_at=now)
    return _open().update(status=Status.CANCELLED, finished_at=now)


# --- the worker's road -----------------------------------------------------------------------------------------------


def claim(command_id: int, area_id: int, now: datetime) -> bool:
    """Take a waiting command before it is published; False where somebody was faster or it is no longer wanted."""
    wanted = Q(want__ended_at=None) & (Q(want__until=None) | Q(want__until__gt=now))
    mine = _waiting().filter(wanted, pk=command_id, expires_at__gt=now).exclude(pk__in=_forbidden(now).values("pk"))
    return bool(
        Command.objects.filter(pk__in=mine.values("pk"), status=Status.QUEUED, claimed_at=None).update(
            claimed_at=now,
            area=area_id,
            attempts=F("attempts") + 1,
            not_before=None,
            sent_at=None,
            acknowledged_at=None,
            asked_at=None,
            read_state=None,
        )
    )


def unclaim(command_id: int, claimed_at: datetime) -> None:
    """It was certainly not published: as if it had never been claimed."""
    Command.objects.filter(pk=command_id, claimed_at=claimed_at).update(claimed_at=None, attempts=F("attempts") - 1)


def note_sent(command_id: int, claimed_at: datetime, at: datetime) -> None:
    """It was published; its echo may have come first."""
    Command.objects.filter(pk=command_id, claimed_at=claimed_at).update(
        sent_at=at, status=Case(When(status=Status.QUEUED, then=Value(Status.SENT)), default=F("status"))
    )


def note_asked(command_id: int, claimed_at: datetime, at: datetime | None) -> None:
    """The meter's position is asked for at `at`: noted before it is published, and taken back where it was not."""
    _under_way(command_id, claimed_at).update(asked_at=at, read_state=None)


def note_load_asked(command_id: int, at: datetime | None) -> None:
    Command.objects.filter(pk=command_id, status=Status.CONFIRMED).update(load_asked_at=at)


def acknowledge(command_id: int, claimed_at: datetime, at: datetime) -> bool:
    """Zigbee2MQTT echoed the wanted state: the meter took the command, which proves little."""
    return bool(
        _under_way(command_id, claimed_at)
        .exclude(status=Status.ACKNOWLEDGED)
        .update(status=Status.ACKNOWLEDGED, acknowledged_at=at)
    )


def note_read(command_id: int, claimed_at: datetime, state: bool) -> None:
    """What the meter told last since it was asked."""
    _under_way(command_id, claimed_at).update(read_state=state)


def confirm(command_id: int, claimed_at: datetime, at: datetime) -> bool:
    """The meter itself told the wanted position after it was asked."""
    done = _under_way(command_id, claimed_at).update(
        status=Status.CONFIRMED, confirmed_at=at, finished_at=at, failure="", detail=""
    )
    if done:
        Want.objects.filter(commands=command_id, fulfilled_at=None).update(fulfilled_at=at)
        Want.objects.filter(commands=command_id).exclude(hold="").update(hold="", hold_at=None)
    return bool(done)


def settle_load(command_id: int, load: str, at: datetime, detail: str = "") -> bool:
    """Whether current still flows after an OFF; where it does, the OFF has failed after all."""
    pending = Command.objects.filter(pk=command_id, status=Status.CONFIRMED, load="")
    if load != Load.FLOWING:
        return bool(pending.update(load=load, load_at=at))
    done = pending.update(load=load, load_at=at, status=Status.FAILED, failure=Failure.LOAD, detail=detail[:300])
    if done:
        Want.objects.filter(commands=command_id).update(fulfilled_at=None, hold=Want.Hold.LOAD, hold_at=at)
    return bool(done)


def fail_attempt(command_id: int, claimed_at: datetime, failure: str, now: datetime, detail: str = "") -> bool:
    """This attempt did not succeed: the next waits its time, or the command has failed. False: no longer under way."""
    under_way = _under_way(command_id, claimed_at)
    command = under_way.select_related("want").first()
    if command is None:
        return False
    told = {"failure": failure, "detail": detail[:300]}
    if command.want.ended_at is not None or (command.automatic and STOPPED.exists()):
        return bool(under_way.update(status=Status.CANCELLED, finished_at=now, **told))
    if command.attempts >= ATTEMPTS:
        return bool(under_way.update(status=Status.FAILED, finished_at=now, **told))
    again = now if failure == Failure.MOVED else max(now, claimed_at + answer_time(command.attempts))
    return bool(under_way.update(status=Status.QUEUED, claimed_at=None, not_before=again, **told))


def call_by_name(command_id: int, claimed_at: datetime) -> bool:
    """A Zigbee2MQTT 1.x did not know the address, so that nothing was sent: try at once with the name."""
    return bool(
        _under_way(command_id, claimed_at)
        .filter(by_name=False)
        .update(by_name=True, status=Status.QUEUED, claimed_at=None, attempts=F("attempts") - 1)
    )


# --- the end ---------------------------------------------------------------------------------------------------------


def close_overdue(now: datetime) -> set[int]:
    """Close what ran out of time or may not be sent any more; returns the meters' ids. Idempotent.

    The worker calls it every other second, django-q2 each minute. An attempt under way is the worker's to judge; past
    the deadline, where the worker is gone for long, it ends here.
    """
    if not Command.objects.filter(finished_at=None).exists():
        return _close_unread(now)
    late = now - answer_time() - LATE
    ends = (
        (_waiting().filter(expires_at__lte=now), {"status": Status.EXPIRED}),
        (_waiting().exclude(want__ended_at=None), {"status": Status.CANCELLED}),
        (_forbidden(now), {"status": Status.CANCELLED}),
        (_waiting().filter(created_at__gt=now + LATE), {"status": Status.EXPIRED}),  # the clock was set back
        (_open().filter(claimed_at__lt=late, expires_at__lte=now), GIVEN_UP),
        (_open().filter(claimed_at__gt=now + LATE), GIVEN_UP),
    )
    meters = _close_unread(now)
    for ending, how in ends:
        if found := set(ending.values_list("meter_id", flat=True)):
            ending.update(finished_at=now, **how)
            meters |= found
    return meters


def _forbidden(now: datetime) -> QuerySet[Command]:
    """Automatic ones that may not go any more: stopped, the area only observes, or the pitch is protected now."""
    present = Installation.objects.filter(meter=OuterRef("meter"), period__contains=now)
    by_hand = Exists(present.filter(pitch__policy=Pitch.Policy.MANUAL))
    never_cut = Q(state=False) & Exists(present.filter(pitch__policy=Pitch.Policy.NEVER_CUT))
    acts = Q(meter__device__area__control=Area.Control.ACT)
    return _waiting().filter(automatic=True).filter(Exists(STOPPED) | ~acts | by_hand | never_cut)


def _close_unread(now: datetime) -> set[int]:
    """OFFs whose load nobody told in time."""
    unread = Command.objects.filter(UNREAD, confirmed_at__lt=now - LATE)
    meters = set(unread.values_list("meter_id", flat=True))
    if meters:
        unread.update(load=Load.UNKNOWN, load_at=now)
    return meters


def prune(before: datetime) -> int:
    """Forget commands, orders and wants that ended before then; returns how many commands."""
    count, _ = Command.objects.filter(finished_at__lt=before).delete()
    Want.objects.filter(ended_at__lt=before, commands=None).delete()
    Order.objects.filter(created_at__lt=before, commands=None).delete()
    return count


def _open() -> QuerySet[Command]:
    return Command.objects.filter(status__in=Command.OPEN)


def _waiting() -> QuerySet[Command]:
    """Not under way: never claimed, or between two attempts."""
    return Command.objects.filter(status=Status.QUEUED, claimed_at=None)


def _under_way(command_id: int, claimed_at: datetime) -> QuerySet[Command]:
    """This very attempt, unless it was overtaken or closed meanwhile."""
    return _open().filter(pk=command_id, claimed_at=claimed_at)
