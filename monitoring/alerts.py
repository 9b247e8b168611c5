"""Who is told of an incident: once when it began, again while nobody looks after it, once when it is over.

The only module that writes Alert and RouteState. A row first, the message afterwards: what two looks, two processes or
a restart plan twice is one row. What a route could not be told is tried again for as long as it is true; a route that
fails is a finding of the others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Case, Count, F, Max, Min, Q, QuerySet, When
from django.db.models.functions import Coalesce
from django.utils import timezone, translation
from django.utils.translation import gettext

from meters import outbound
from monitoring import incidents, messages, routes
from monitoring.findings import RANK
from monitoring.models import Alert, AlertRoute, Incident, RouteState

TRY_AGAIN = (timedelta(minutes=5), timedelta(minutes=5), timedelta(minutes=30))
"""After the first attempt, the second, and each one more; also where a process died in the middle of one."""
GIVEN_UP = timedelta(hours=48)
"""That something is over is told within this time or never."""

BY_RANK = Case(*(When(severity=each, then=rank) for each, rank in RANK.items()))

Kind = Alert.Kind


def plan(now: datetime) -> None:
    """Make the rows of what is to be told, and drop those that are true no more."""
    to_tell = incidents.to_tell(now)
    with transaction.atomic():
        _as_if_now(timezone.now())
        _drop(Alert.objects.filter(_untrue(now)), now)
        for route in AlertRoute.objects.filter(is_active=True).prefetch_related("areas"):
            areas = {area.pk for area in route.areas.all()}
            wanted = [each for each in to_tell if routes.is_for(route, areas, each)]
            unwanted = {each.pk for each in to_tell} - {each.pk for each in wanted}
            _drop(Alert.objects.filter(route=route, incident__in=unwanted).exclude(kind=Kind.CLOSED), now)
            _plan_open(route, wanted, now)
            _plan_closed(route, now)


def tell_due(now: datetime) -> None:
    """Tell each route what is due, all of it in one message. No transaction is open meanwhile."""
    due: dict[AlertRoute, list[Alert]] = defaultdict(list)
    waiting = Alert.objects.filter(_free(now), due_at__lte=now, route__is_active=True).exclude(_untrue(now))
    to_tell = {incident.pk for incident in incidents.to_tell(now)}
    for alert in waiting.select_related("route", "incident").order_by("pk"):
        is_true = alert.kind == Kind.CLOSED or alert.incident_id in to_tell
        if is_true and routes.is_awake(alert.route, _severity(alert), now):
            due[alert.route].append(alert)
    for route, alerts in due.items():
        claimed = [alert for alert in alerts if _claim(alert, now)]
        if claimed and _tell(route, claimed, now):
            Alert.objects.filter(pk__in=[alert.pk for alert in claimed]).update(told_at=now)


def test(route: AlertRoute) -> bool:
    """Whether a message gets through to this route now."""
    with translation.override(route.language):
        text = gettext("If you read this, alerts of this kind reach you.")
        return _send(route, gettext("A test"), text, timezone.now())


def has_address(route: AlertRoute) -> bool:
    return bool(settings.ALERT_URLS.get(route.name))


def of_incident(incident: Incident) -> QuerySet[Alert]:
    """What was told of it, and is to be told."""
    return Alert.objects.filter(incident=incident).select_related("route").order_by("made_at", "pk")


# --- planning --------------------------------------------------------------------------------------------------------


def _free(now: datetime) -> Q:
    """Not told, and not being told just now: who tells sets a later time first."""
    return Q(told_at=None) & (Q(due_at__lte=now) | Q(attempts=0))


def _untrue(now: datetime) -> Q:
    """What ended before anybody was told of it is told to nobody, nor that nobody looks after it once somebody does."""
    begins = ~Q(kind=Kind.CLOSED)
    return (
        (begins & Q(incident__closed_at__isnull=False))
        | (Q(kind=Kind.AGAIN) & Q(incident__seen_at__gte=F("made_at")))
        | (begins & Q(route__after_min__gt=0, incident__seen_at__isnull=False))
        | (Q(kind=Kind.CLOSED) & Q(incident__closed_at__lte=now - GIVEN_UP))
    )


def _as_if_now(now: datetime) -> None:
    """A clock that was ahead, and was set back, shall not hold back anything until that time comes."""
    Alert.objects.filter(told_at=None, made_at__gt=now).update(made_at=now, due_at=now)
    Alert.objects.filter(told_at__gt=now).update(told_at=now)


def _drop(alerts: QuerySet[Alert], now: datetime) -> None:
    """Asked of each row once more while it is deleted: somebody may have begun to tell it."""
    Alert.objects.filter(_free(now), pk__in=list(alerts.filter(_free(now)).values_list("pk", flat=True))).delete()


def _plan_open(route: AlertRoute, wanted: Collection[Incident], now: datetime) -> None:
    of_open = Alert.objects.filter(route=route, incident__closed_at=None).exclude(kind=Kind.CLOSED)
    waiting = {alert.incident_id: alert for alert in of_open.filter(told_at=None)}
    before = of_open.filter(told_at__isnull=False).order_by().values_list("incident")
    told = {
        incident: routes.Told(times, last, worst)
        for incident, times, last, worst in before.annotate(n=Count("pk"), last=Max("told_at"), worst=Min(BY_RANK))
    }
    new = []
    for incident in wanted:
        if incident.pk in waiting:
            _move(waiting[incident.pk], route, incident)
        elif kind := routes.next_kind(route, incident, told.get(incident.pk), now):
            number = told[incident.pk].times if incident.pk in told else 0
            new.append(_new(route, incident, kind, number, incident.severity, now))
    Alert.objects.bulk_create(new, ignore_conflicts=True)


def _move(alert: Alert, route: AlertRoute, incident: Incident) -> None:
    """What waits for the day's message is told at once when it has become critical; and that hour may have changed."""
    due_at = routes.due(route, incident.severity, alert.made_at)
    if not alert.attempts and alert.due_at != due_at:
        Alert.objects.filter(pk=alert.pk, told_at=None, attempts=0).update(due_at=due_at)


def _plan_closed(route: AlertRoute, now: datetime) -> None:
    """Who was told that it began is told that it is over."""
    told = Alert.objects.filter(route=route, told_at__isnull=False).exclude(kind=Kind.CLOSED)
    closed = Incident.objects.filter(closed_at__gt=now - GIVEN_UP, pk__in=told.values("incident"))
    untold = closed.exclude(pk__in=Alert.objects.filter(route=route, kind=Kind.CLOSED).values("incident"))
    new = [_new(route, each, Kind.CLOSED, 0, each.worst or each.severity, now) for each in untold]
    Alert.objects.bulk_create(new, ignore_conflicts=True)


def _new(route: AlertRoute, incident: Incident, kind: str, number: int, severity: str, now: datetime) -> Alert:
    due_at = routes.due(route, severity, now)
    told = {"kind": kind, "number": number, "severity": severity, "made_at": now, "due_at": due_at}
    return Alert(route=route, incident=incident, **told)


# --- telling ---------------------------------------------------------------------------------------------------------


def _severity(alert: Alert) -> str:
    """That a critical thing is over is told as soon as it was itself."""
    return alert.severity if alert.kind == Kind.CLOSED else alert.incident.severity


def _claim(alert: Alert, now: datetime) -> bool:
    """Whether it is ours to tell: until it is told, its next time is set."""
    wait = TRY_AGAIN[min(alert.attempts, len(TRY_AGAIN) - 1)]
    mine = Alert.objects.filter(pk=alert.pk, told_at=None, due_at=alert.due_at)
    return bool(mine.update(attempts=alert.attempts + 1, due_at=now + wait, severity=_severity(alert)))


def _tell(route: AlertRoute, alerts: list[Alert], now: datetime) -> bool:
    with translation.override(route.language):
        return _send(route, messages.title(alerts), messages.text(alerts), now)


def _send(route: AlertRoute, title: str, text: str, now: datetime) -> bool:
    """False, too, where the settings know no address of this name."""
    url = settings.ALERT_URLS.get(route.name, "")
    is_told = bool(url) and outbound.tell(url, f"{settings.SITE_NAME}: {title}", text)
    RouteState.objects.get_or_create(route=route)
    state = RouteState.objects.filter(route=route)
    if is_told:
        state.update(told_at=now, failures=0, failing_since=None)
    else:
        state.update(failures=F("failures") + 1, failing_since=Coalesce("failing_since", now))
    return is_told
