"""The stop: while one is open, nothing is switched automatically, anywhere."""

from __future__ import annotations

from datetime import datetime, timedelta

from auditlog.models import LogEntry
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from meters import notify
from meters.commands import queue
from meters.commands.errors import AlreadyStopped, NotStopped
from meters.models import AutomaticStop, Command, Want
from meters.people import Person, person

HOUR = timedelta(hours=1)
COUNTING_LOCK = 7_301_003


def current() -> AutomaticStop | None:
    """The stop in force."""
    return AutomaticStop.objects.select_related("by").filter(ended_at=None).first()


def press(by: Person, reason: str = "", cause: str = AutomaticStop.Cause.PERSON) -> AutomaticStop:
    """Halt everything automatic at once; what is not under way is cancelled. Raises AlreadyStopped."""
    now = timezone.now()
    with transaction.atomic():
        try:
            with transaction.atomic():
                made = AutomaticStop.objects.create(since=now, cause=cause, reason=reason[:250], by=person(by))
        except IntegrityError as open_one:
            raise AlreadyStopped from open_one
        _note(made, LogEntry.Action.CREATE, {"since": ["None", now.isoformat()], "reason": ["", reason]}, by)
        notify.wake(queue.cancel_automatic(now))
        notify.touch()
    return made


def release(by: Person) -> AutomaticStop:
    """Let the software switch by itself again, and at once what it held back meanwhile. Raises NotStopped."""
    now = timezone.now()
    with transaction.atomic():
        stop = AutomaticStop.objects.select_for_update().filter(ended_at=None).first()
        if stop is None:
            raise NotStopped
        held = Want.objects.filter(ended_at=None, state=False, hold=Want.Hold.STOPPED)
        stop.ended_at, stop.ended_by, stop.allowed = now, person(by), held.count()
        stop.save(update_fields=["ended_at", "ended_by", "allowed"])
        _note(stop, LogEntry.Action.UPDATE, {"ended": ["None", now.isoformat()]}, by)
        notify.wake()
        notify.touch()
    return stop


def count_alone() -> None:
    """Until this transaction ends, nobody else counts what is left of the switch-offs."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [COUNTING_LOCK])


def offs_left(now: datetime) -> int:
    """How many automatic switch-offs this hour still allows; it counts from the last stop's end.

    What a stop held back was seen by the person who released it, and does not count.
    """
    ended = AutomaticStop.objects.filter(ended_at__gt=now - HOUR).order_by("-ended_at").first()
    since = ended.ended_at if ended else now - HOUR
    sent = Q(attempts__gt=0) | Q(status__in=Command.OPEN)
    done = Command.objects.filter(sent, automatic=True, state=False, created_at__gt=since).count()
    return max(0, int(settings.AUTOMATIC_OFFS_AN_HOUR) + (ended.allowed if ended else 0) - done)


def _note(stop: AutomaticStop, action: int, changes: dict[str, list[str]], by: Person) -> None:
    LogEntry.objects.log_create(stop, action=action, changes=changes, actor=person(by))
