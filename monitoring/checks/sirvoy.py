"""The booking system: what it told is worked on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Count, Min

from bookings.models import WebhookEvent
from monitoring.findings import Finding, Severity

LEFT_LYING = timedelta(minutes=10)


def unworked_events(now: datetime) -> Iterator[Finding]:
    """Events that failed, or lie there: a guest's power may hang on each."""
    for status, code in ((WebhookEvent.Status.FAILED, "events_failed"), (WebhookEvent.Status.RECEIVED, "events_wait")):
        lying = WebhookEvent.objects.filter(status=status, received_at__lt=now - LEFT_LYING)
        found = lying.aggregate(events=Count("pk"), since=Min("received_at"))
        if found["events"]:
            yield Finding(code, Severity.WARNING, facts={"events": found["events"]}, since=found["since"])
