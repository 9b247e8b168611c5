"""Who is told of an incident: once when it began, again while nobody looks after it, once when it is over.

The only module that writes Alert. A row first, the message afterwards: what two looks, two processes or a restart plan
twice is one row. What a route could not be told is tried again; a route that fails is a finding of the others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Max, Q
from django.utils import timezone, translation
from django.utils.translation import gettext

from meters import outbound
from monitoring import incidents
from monitoring.findings import RANK, Severity
from monitoring.models import Alert, AlertRoute, Incident

TRY_AGAIN = (timedelta(minutes=5), timedelta(minutes=5), timedelta(minutes=30))
"""After the first attempt, the second, and each one more; also where a process died in the middle of one."""
FAILS_AFTER = 3
"""Attempts at one alert."""
GIVEN_UP = timedelta(hours=24)
MOST_LINES = 10

Kind = Alert.Kind


def plan(now: datetime) -> None:
    """Make the rows of what is to be told. What ended before anybody was told of it is told to nobody."""
    with transaction.atomic():
        untold = Alert.objects.filter(told_at=None, due_at__lte=now)  # a later time: somebody is telling it just now
        untold.filter(incident__closed_at__isnull=False).exclude(kind=Kind.CLOSED).delete()
        open_now = incidents.open_now()
        for route in AlertRoute.objects.filter(is_active=True):
            _plan_open(route, open_now, now)
            _plan_closed(route, now)


def tell_due(now: datetime) -> None:
    """Tell each route what is due, all of it in one message. No transaction is open meanwhile."""
    due: dict[AlertRoute, list[Alert]] = defaultdict(list)
    waiting = Alert.objects.filter(told_at=None, due_at__lte=now, made_at__gt=now - GIVEN_UP, route__is_active=True)
    still_true = waiting.filter(Q(kind=Kind.CLOSED) | Q(incident__closed_at=None))
    for alert in still_true.select_related("route", "incident").order_by("pk"):
        if is_awake(alert.route, now):
            due[alert.route].append(alert)
    for route, alerts in due.items():
        claimed = [alert for alert in alerts if _claim(alert, now)]
        if claimed and _tell(route, claimed):
            Alert.objects.filter(pk__in=[alert.pk for alert in claimed]).update(told_at=now)


def is_awake(route: AlertRoute, now: datetime) -> bool:
    """Whether it is a time at which this route may be told something; hours may reach over midnight."""
    if route.from_time is None or route.to_time is None:
        return True
    clock = timezone.localtime(now, timezone.get_default_timezone()).time()
    if route.from_time <= route.to_time:
        return route.from_time <= clock < route.to_time
    return clock >= route.from_time or clock < route.to_time


def test(route: AlertRoute) -> bool:
    """Whether a message gets through to this route now."""
    with translation.override(route.language):
        return _send(route, gettext("A test"), gettext("If you read this, alerts of this kind reach you."))


def _plan_open(route: AlertRoute, open_now: Iterable[Incident], now: datetime) -> None:
    told = Alert.objects.filter(route=route).exclude(kind=Kind.CLOSED).values("incident")
    waiting = Count("pk", filter=Q(told_at=None))
    before = {row["incident"]: row for row in told.annotate(at=Max("told_at"), made=Count("pk"), waiting=waiting)}
    for incident in open_now:
        if RANK[Severity(incident.severity)] > RANK[Severity(route.severity)]:
            continue
        last = before.get(incident.pk)
        if last is None:
            _make(route, incident, Kind.OPENED, 0, now)
        elif not last["waiting"] and _is_to_be_repeated(route, incident, last["at"], now):
            _make(route, incident, Kind.AGAIN, last["made"], now)


def _is_to_be_repeated(route: AlertRoute, incident: Incident, told_at: datetime, now: datetime) -> bool:
    rest = timedelta(minutes=route.repeat_after_min)
    return bool(rest) and incident.seen_at is None and now - told_at >= rest


def _plan_closed(route: AlertRoute, now: datetime) -> None:
    """Who was told that it began is told that it is over."""
    told = Alert.objects.filter(route=route, told_at__isnull=False).exclude(kind=Kind.CLOSED)
    closed = Incident.objects.filter(closed_at__isnull=False, pk__in=told.values("incident"))
    for incident in closed.exclude(alerts__route=route, alerts__kind=Kind.CLOSED):
        _make(route, incident, Kind.CLOSED, 0, now)


def _make(route: AlertRoute, incident: Incident, kind: str, number: int, now: datetime) -> None:
    row = Alert(route=route, incident=incident, kind=kind, number=number, made_at=now, due_at=now)
    Alert.objects.bulk_create([row], ignore_conflicts=True)


def _claim(alert: Alert, now: datetime) -> bool:
    """Whether it is ours to tell: until it is told, its next time is set."""
    wait = TRY_AGAIN[min(alert.attempts, len(TRY_AGAIN) - 1)]
    mine = Alert.objects.filter(pk=alert.pk, told_at=None, due_at=alert.due_at)
    return bool(mine.update(attempts=alert.attempts + 1, due_at=now + wait))


def _tell(route: AlertRoute, alerts: list[Alert]) -> bool:
    with translation.override(route.language):
        lines = [_line(alert) for alert in alerts[:MOST_LINES]]
        if len(alerts) > MOST_LINES:
            lines.append(gettext("… and %(count)d more") % {"count": len(alerts) - MOST_LINES})
        return _send(route, alerts[0].incident.what if len(alerts) == 1 else _title(alerts), "\n\n".join(lines))


def _title(alerts: list[Alert]) -> str:
    worst = min((Severity(alert.incident.severity) for alert in alerts), key=lambda severity: RANK[severity])
    return gettext("%(count)d things, the worst: %(severity)s") % {"count": len(alerts), "severity": worst.label}


def _line(alert: Alert) -> str:
    incident = alert.incident
    since = timezone.localtime(incident.since, timezone.get_default_timezone()).strftime("%d.%m. %H:%M")
    if alert.kind == Kind.CLOSED:
        return gettext("Over: %(what)s (since %(since)s)") % {"what": incident.what, "since": since}
    begin = Severity(incident.severity).label.capitalize()
    again = f" · {gettext('nobody looks after it yet')}" if alert.kind == Kind.AGAIN else ""
    return f"{begin}: {incident.what} ({gettext('since %(since)s') % {'since': since}}){again}\n→ {incident.todo}"


def _send(route: AlertRoute, title: str, text: str) -> bool:
    """False, too, where the settings know no address of this name."""
    url = settings.ALERT_URLS.get(route.name, "")
    return bool(url) and outbound.tell(url, f"{settings.SITE_NAME}: {title}", text)
