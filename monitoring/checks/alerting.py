"""Whether those on duty can be reached."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time

from django.conf import settings

from meters import clock, outbound
from monitoring import routes
from monitoring.findings import Finding, Severity
from monitoring.models import AlertRoute, RouteState

FAILS_AFTER = 3
"""Attempts in a row."""


def failing_routes(now: datetime) -> Iterator[Finding]:
    """Routes that were told in vain, and those whose address is missing or makes no sense: told to the others. Whether
    one works again, its next message says, or its test button.
    """
    failing = dict(RouteState.objects.filter(failures__gte=FAILS_AFTER).values_list("route", "failing_since"))
    for route in AlertRoute.objects.filter(is_active=True):
        url = settings.ALERT_URLS.get(route.name, "")
        if not (url and outbound.is_address(url)):
            yield Finding("route_unknown", Severity.WARNING, route.name, {"route": route.name})
        elif route.pk in failing:
            yield Finding("route_fails", Severity.WARNING, route.name, {"route": route.name}, failing[route.pk])


def nobody_on_duty(now: datetime) -> Iterator[Finding]:
    """Hours of the day at which no route in use would be told of something critical."""
    in_use, today = list(AlertRoute.objects.filter(is_active=True)), clock.day_of(now)
    moments = [clock.moment(today, time(hour, 30)) for hour in range(24)]
    alone = [at for at in moments if not any(routes.is_awake(route, Severity.CRITICAL, at) for route in in_use)]
    if alone:
        yield Finding("nobody_on_duty", Severity.WARNING, facts={"hours": len(alone)})
