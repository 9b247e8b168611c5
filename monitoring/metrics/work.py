"""What is told of what was done: commands, events from Sirvoy, incidents, alerts.

Old rows are forgotten, so that the number of all would fall. What is counted here is counted since midnight (UTC): such
a counter only rises, and then begins anew, which Prometheus knows from restarts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Count, DurationField, ExpressionWrapper, F, Max, Q, Sum

from bookings.models import WebhookEvent, WebhookToken
from meters.models import Command, Want
from monitoring import incidents
from monitoring.findings import Severity
from monitoring.metrics.families import Metric, counter, gauge, histogram
from monitoring.models import AlertRoute

BUCKETS_S = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 900)
FINISHED = [status for status in Command.Status if status not in Command.OPEN]
UNFINISHED = (WebhookEvent.Status.RECEIVED, WebhookEvent.Status.FAILED)


def _midnight(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def commands(now: datetime) -> Iterator[Metric]:
    since = _midnight(now)
    ended = Command.objects.filter(finished_at__gte=since).order_by().values_list("status", "automatic")
    counts = {(status, automatic): count for status, automatic, count in ended.annotate(count=Count("pk"))}
    text = "Commands that ended since midnight (UTC), by how; automatic: not a person's."
    rows = [(s.value, str(a).lower(), counts.get((s, a), 0)) for s in FINISHED for a in (False, True)]
    yield counter("campsite_commands", text, rows, ["outcome", "automatic"])
    yield _durations(since)
    waiting = dict(_by(Command.objects.filter(status__in=Command.OPEN), "status"))
    text = "Commands that have not ended yet."
    yield gauge("campsite_commands_open", text, [(s.value, waiting.get(s, 0)) for s in Command.OPEN], ["status"])
    held = dict(_by(Want.objects.filter(ended_at=None).exclude(hold=""), "hold"))
    text = "Meters that are not as wanted while nothing is done about it, by why."
    holds = [(hold.value, held.get(hold, 0)) for hold in Want.Hold if hold]
    yield gauge("campsite_wants_held", text, holds, ["hold"])


def _durations(since: datetime) -> Metric:
    took = ExpressionWrapper(F("confirmed_at") - F("created_at"), DurationField())
    below = {f"b{i}": Count("pk", filter=Q(took__lte=timedelta(seconds=s))) for i, s in enumerate(BUCKETS_S)}
    done = Command.objects.filter(status=Command.Status.CONFIRMED, finished_at__gte=since, confirmed_at__isnull=False)
    told = done.annotate(took=took).aggregate(total=Sum("took"), all=Count("pk"), **below)
    counts = {float(bound): told[f"b{i}"] for i, bound in enumerate(BUCKETS_S)} | {float("inf"): told["all"]}
    text = "From the wish to the relay's proof, of the commands confirmed since midnight (UTC)."
    return histogram("campsite_command_duration_seconds", text, counts, (told["total"] or timedelta()).total_seconds())


def webhook(now: datetime) -> Iterator[Metric]:
    valid = WebhookToken.objects.filter(revoked_at=None).aggregate(event=Max("last_event_at"), get=Max("last_get_at"))
    yield gauge("campsite_webhook_last_event_timestamp_seconds", "Sirvoy's last event.", [(valid["event"],)])
    text = "When Sirvoy last checked that the webhook's address answers."
    yield gauge("campsite_webhook_last_check_timestamp_seconds", text, [(valid["get"],)])
    received = WebhookEvent.objects.filter(received_at__gte=_midnight(now)).count()
    yield counter("campsite_webhook_events_received", "Events received since midnight (UTC).", [(received,)])
    last_day = dict(_by(WebhookEvent.objects.filter(received_at__gte=now - timedelta(days=1)), "status"))
    text = "Events received within the last 24 hours, by what became of them."
    rows = [(status.value, last_day.get(status, 0)) for status in WebhookEvent.Status]
    yield gauge("campsite_webhook_events_last_day", text, rows, ["status"])
    lying = dict(_by(WebhookEvent.objects.filter(status__in=UNFINISHED), "status"))
    text = "Events that are not worked on yet, or could not be, however old."
    unfinished = [(status.value, lying.get(status, 0)) for status in UNFINISHED]
    yield gauge("campsite_webhook_events_unfinished", text, unfinished, ["status"])


def incidents_open(now: datetime) -> Iterator[Metric]:
    """As staff see them: what another one explains does not count."""
    found = incidents.open_now()
    counts = Counter(incident.severity for incident in found)
    text = "Open incidents, without those that another one explains."
    yield gauge("campsite_incidents_open", text, [(s.value, counts[s]) for s in Severity], ["severity"])
    codes = Counter((incident.code, incident.severity) for incident in found)
    text = "The same by kind (docs/runbook.md has a paragraph of each); only kinds of which one is open."
    rows = [(code, severity, count) for (code, severity), count in sorted(codes.items())]
    yield gauge("campsite_incidents_open_by_code", text, rows, ["code", "severity"])
    text = "Open incidents that nobody looks after."
    yield gauge("campsite_incidents_unattended", text, [(sum(incident.seen_at is None for incident in found),)])


def alert_routes(now: datetime) -> Iterator[Metric]:
    waiting = Count("alerts", filter=Q(alerts__told_at=None))
    routes = AlertRoute.objects.filter(is_active=True).annotate(waiting=waiting).order_by("name")
    told = list(routes.values_list("name", "waiting", "state__failures"))
    text = "Alerts that this route has not been told yet; some wait for its hours."
    yield gauge("campsite_alerts_waiting", text, [(name, waiting) for name, waiting, _failures in told], ["route"])
    text = "Attempts in a row that did not get through to this route."
    yield gauge("campsite_alert_route_failures", text, [(name, failed or 0) for name, _, failed in told], ["route"])


def _by(rows: Any, field: str) -> Any:
    """(value of the field, how many rows have it)."""
    return rows.order_by().values_list(field).annotate(count=Count("pk"))
