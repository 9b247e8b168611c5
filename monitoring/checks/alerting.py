"""Whether those on duty can be reached."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.conf import settings

from meters import outbound
from monitoring import alerts
from monitoring.findings import Finding, Severity
from monitoring.models import Alert, AlertRoute


def failing_routes(now: datetime) -> Iterator[Finding]:
    """Routes that were told in vain, and those whose address is missing or makes no sense: told to the others."""
    recent = Alert.objects.filter(told_at=None, attempts__gte=alerts.FAILS_AFTER, made_at__gt=now - alerts.GIVEN_UP)
    failing = set(recent.values_list("route__name", flat=True))
    for route in AlertRoute.objects.filter(is_active=True):
        url = settings.ALERT_URLS.get(route.name, "")
        if not (url and outbound.is_address(url)):
            yield Finding("route_unknown", Severity.WARNING, route.name, {"route": route.name})
        elif route.name in failing:
            yield Finding("route_fails", Severity.WARNING, route.name, {"route": route.name})
