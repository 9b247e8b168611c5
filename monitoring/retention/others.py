"""Forgets what is old in tables of Django, django-q2, django-auditlog and django-axes, which are nobody's of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from auditlog.models import LogEntry
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.conf import settings
from django.contrib.admin.models import LogEntry as AdminEntry
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.models import Min, Q, QuerySet
from django_q.models import Failure

from meters.forgetting import forget

HUNG = Q(content_type__app_label="meters", content_type__model="installation")
OF_MONEY = Q(content_type__app_label="bookings") | HUNG
"""Entries that explain an account: bookings, stays, tariffs, charges; and which meter hung where."""

SAY = "SELECT set_config('campsite.audit_log', %s, true)"


def audit_of_money() -> QuerySet[LogEntry]:
    found: QuerySet[LogEntry] = LogEntry.objects.filter(OF_MONEY)
    return found


def audit_else() -> QuerySet[LogEntry]:
    found: QuerySet[LogEntry] = LogEntry.objects.exclude(OF_MONEY)
    return found


@contextmanager
def forgetting() -> Iterator[None]:
    """Within this part of a transaction entries of the audit log may go: its triggers refuse that to all others."""
    with connection.cursor() as cursor:
        cursor.execute(SAY, ["forget"])
        yield
        cursor.execute(SAY, [""])


def prune_audit_of_money(before: datetime) -> int:
    return forget(audit_of_money().filter(timestamp__lt=before), forgetting)


def prune_audit(before: datetime) -> int:
    """All other entries of the audit log, and the admin's own short list of what each of the staff did."""
    gone = forget(audit_else().filter(timestamp__lt=before), forgetting)
    return gone + forget(AdminEntry.objects.filter(action_time__lt=before))


def prune_failures(before: datetime) -> int:
    """Jobs that failed. Of those that went well django-q2 keeps the newest by itself (save_limit)."""
    return forget(Failure.objects.filter(stopped__lt=before))


def prune_sessions(before: datetime) -> int:
    """Log-ins that were last renewed before then."""
    age = timedelta(seconds=settings.SESSION_COOKIE_AGE)
    return forget(Session.objects.filter(expire_date__lt=before + age))


def oldest_session() -> datetime | None:
    first = Session.objects.order_by("expire_date").values_list("expire_date", flat=True).first()
    return first - timedelta(seconds=settings.SESSION_COOKIE_AGE) if first else None


TRIES = (AccessLog, AccessFailureLog, AccessAttempt)


def prune_tries(before: datetime) -> int:
    """Log-ins, wrong tries, and counts of these, which django-axes itself forgets only when somebody tries anew."""
    return sum(forget(model.objects.filter(attempt_time__lt=before)) for model in TRIES)


def oldest_try() -> datetime | None:
    found = (model.objects.aggregate(first=Min("attempt_time"))["first"] for model in TRIES)
    return min(filter(None, found), default=None)
