"""The stop: while one is open, nothing is switched automatically, anywhere."""

from __future__ import annotations

from datetime import datetime, timedelta

from auditlog.models import LogEntry
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from meters import notify
from meters.commands import queue
from meters.commands.errors import AlreadyStopped, NotStopped
from meters.commands.rules import person
from meters.installations import Person
from meters.models import AutomaticStop, Command

HOUR = timedelta(hours=1)


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
    """Let the software switch by itself again. Raises NotStopped."""
    now = timezone.now()
    with transaction.atomic():
        stop = AutomaticStop.objects.select_for_update().filter(ended_at=None).first()
        if stop is None:
            raise NotStopped
        stop.ended_at, stop.ended_by = now, person(by)
        stop.save(update_fields=["ended_at", "ended_by"])
        _note(stop, LogEntry.Action.UPDATE, {"ended": ["None", now.isoformat()]}, by)
        notify.wake()
        notify.touch()
    return stop


def offs_left(now: datetime) -> int:
    """How many automatic switch-offs this hour still allows; it counts from the last stop's end."""
    ended = AutomaticStop.objects.filter(ended_at__gt=now - HOUR).order_by("-ended_at").first()
    since = ended.ended_at if ended else now - HOUR
    done = Command.objects.filter(automatic=True, state=False, created_at__gt=since).count()
    return max(0, int(settings.AUTOMATIC_OFFS_AN_HOUR) - done)


def _note(stop: AutomaticStop, action: int, changes: dict[str, list[str]], by: Person) -> None:
    LogEntry.objects.log_create(stop, action=action, changes=changes, actor=person(by))
