"""What a route wants to be told of, and when. Pure rules: nothing is read or written here."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from django.utils import timezone

from meters import clock
from monitoring.findings import RANK, Severity
from monitoring.models import Alert, AlertRoute, Incident

OF_ROUTES = ("route_fails", "route_unknown")
"""Their `about` is the route's name: it is told to the others."""

Kind = Alert.Kind


def is_for(route: AlertRoute, areas: Collection[int], incident: Incident) -> bool:
    """Whether it is told of such things. `areas`: those that are chosen for this route (by id)."""
    if RANK[Severity(incident.severity)] > RANK[Severity(route.severity)]:
        return False
    if incident.code in OF_ROUTES and incident.about == route.name:
        return False
    return not (areas or route.components) or incident.area_id in areas or incident.component in route.components


def is_in_turn(route: AlertRoute, incident: Incident, now: datetime) -> bool:
    """Whether its turn has come: at once, or when nobody has looked after it for so long."""
    if not route.after_min:
        return True
    if incident.seen_at or incident.shown_at is None:
        return False
    return now - incident.shown_at >= timedelta(minutes=route.after_min)


class Told(NamedTuple):
    """What a route was told of an incident that is open: how often, when last, and as how bad (RANK)."""

    times: int
    last: datetime
    worst: int


def next_kind(route: AlertRoute, incident: Incident, told: Told | None, now: datetime) -> str | None:
    """What it is to be told next, after it was told all this; None: nothing for now."""
    if told is None:
        return Kind.OPENED if is_in_turn(route, incident, now) else None
    if route.after_min and incident.seen_at:
        return None
    if RANK[Severity(incident.severity)] < told.worst:
        return Kind.WORSE
    if incident.shown_at and told.last < incident.shown_at:  # it was snoozed, worked on, or explained meanwhile
        return Kind.AGAIN
    rest = timedelta(minutes=route.repeat_after_min)
    return Kind.AGAIN if rest and incident.seen_at is None and now - told.last >= rest else None


def due(route: AlertRoute, severity: str, made_at: datetime) -> datetime:
    """When this route is told of what was planned at `made_at`: at once, or in its next message of the day."""
    if not route.digest or RANK[Severity(severity)] < RANK[Severity(route.digest)]:
        return made_at
    today = clock.day_of(made_at)
    moments = (clock.moment(today + timedelta(days=days), route.digest_at) for days in (0, 1))
    return next(moment for moment in moments if moment > made_at)


def is_awake(route: AlertRoute, severity: str, now: datetime) -> bool:
    """Whether it is a time at which this route may be told of this; hours may reach over midnight."""
    if route.from_time is None or route.to_time is None or (route.wakes and severity == Severity.CRITICAL):
        return True
    at = timezone.localtime(now, timezone.get_default_timezone()).time()
    if route.from_time <= route.to_time:
        return route.from_time <= at < route.to_time
    return at >= route.from_time or at < route.to_time
