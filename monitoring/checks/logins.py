"""Whether somebody tries out passwords of staff. Reads what django-axes keeps."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from axes.models import AccessFailureLog
from django.db.models import Count, Min

from monitoring.findings import Finding, Severity

WITHIN = timedelta(hours=1)
MANY = 20
"""A person who forgot his password is held after five."""


def attacked(now: datetime) -> Iterator[Finding]:
    told = AccessFailureLog.objects.filter(attempt_time__gt=now - WITHIN).aggregate(
        tries=Count("pk"),
        names=Count("username", distinct=True),
        addresses=Count("ip_address", distinct=True),
        since=Min("attempt_time"),
    )
    if told["tries"] >= MANY:
        since = told.pop("since")
        yield Finding("logins_attacked", Severity.WARNING, facts=told, since=since)
