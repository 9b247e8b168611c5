"""Whether something is being worked on: what is found of it then is noted, and not told."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from monitoring import components, whose
from monitoring.findings import Finding
from monitoring.models import MaintenanceWindow


def ongoing(now: datetime) -> list[MaintenanceWindow]:
    """One query."""
    return list(MaintenanceWindow.objects.filter(from_at__lte=now, to_at__gt=now).select_related("area", "by"))


def covers(window: MaintenanceWindow, area_id: int | None, component: str) -> bool:
    """Whether what is of this area (None: of none) and this part is worked on in this window."""
    if window.area_id:
        return window.area_id == area_id
    return not window.component or window.component == component


def is_planned(windows: Iterable[MaintenanceWindow], area_id: int | None, component: str) -> bool:
    return any(covers(window, area_id, component) for window in windows)


def unplanned(findings: Collection[Finding], now: datetime) -> list[Finding]:
    """What is wrong and not being worked on."""
    windows = ongoing(now)
    areas = whose.areas_of(findings) if windows else {}
    return [each for each in findings if not is_planned(windows, areas.get(each.key), components.of(each.code))]
