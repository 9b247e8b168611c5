"""What the audit log is told of somebody's log-in."""

from __future__ import annotations

from auditlog.models import LogEntry
from django.contrib.auth.models import User

from meters.people import Person, person


def note(user: User, what: str, by: Person) -> None:
    """`what`: a code of meters.admin.history.LOG_INS, which has the words."""
    LogEntry.objects.log_create(user, action=LogEntry.Action.UPDATE, changes={"log_in": ["", what]}, actor=person(by))
