"""Whether those on duty can be reached."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.conf import settings

from meters import outbound
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
