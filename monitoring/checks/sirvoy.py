"""The booking system: it still calls, and what it told is worked on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Count, Max, Min, Q

from bookings import tokens
from bookings.models import WebhookEvent
from monitoring.findings import Finding, Severity

LEFT_LYING = timedelta(minutes=10)
WEEK, WEEKS = timedelta(days=7), 3
USUAL_EVENTS = 8
"""So many events in each of the same hours of three weeks: by chance, none comes once in three thousand such times. In
winter it takes a week to see so many, and then nothing is said."""
CHECKED_AGAIN = WEEK
"""Sirvoy removes an address that fails for a week; how often it looks is nowhere said."""


def unworked_events(now: datetime) -> Iterator[Finding]:
    """Events that failed, or lie there: a guest's power may hang on each."""
    for status, code in ((WebhookEvent.Status.FAILED, "events_failed"), (WebhookEvent.Status.RECEIVED, "events_wait")):
        lying = WebhookEvent.objects.filter(status=status, received_at__lt=now - LEFT_LYING)
        found = lying.aggregate(events=Count("pk"), since=Min("received_at"))
        if found["events"]:
            yield Finding(code, Severity.WARNING, facts={"events": found["events"]}, since=found["since"])


def silence(now: datetime) -> Iterator[Finding]:
    """No event, where in the same hours of each of the last weeks there were several."""
    events = WebhookEvent.objects.filter(origin=WebhookEvent.Origin.WEBHOOK)
    last = events.aggregate(last=Max("received_at"))["last"]
    if last is None:
        return
    end = last + min(now - last, WEEK)
    before = {
        f"week_{n}": Count("pk", Q(received_at__gt=last - n * WEEK, received_at__lte=end - n * WEEK))
        for n in range(1, WEEKS + 1)
    }
    usual = min(events.filter(received_at__gt=last - WEEKS * WEEK, received_at__lte=last).aggregate(**before).values())
    if usual >= USUAL_EVENTS:
        facts = {"hours": round((now - last).total_seconds() / 3600), "events": usual}
        yield Finding("webhook_silent", Severity.WARNING, facts=facts, since=last)


def address_checks(now: datetime) -> Iterator[Finding]:
    """Sirvoy used to look whether our address answers, and does no more; nor do events come by it.

    Only of an address that it looked at again after a week: before, nobody knows that it does.
    """
    for token in tokens.valid():
        looked = token.last_get_at
        if looked is None or looked - token.created_at < CHECKED_AGAIN:
            continue
        seen = max(looked, token.last_event_at or looked)
        if now - seen > CHECKED_AGAIN:
            yield Finding("address_unchecked", Severity.NOTICE, str(token.pk), {"address": token.name}, seen)
