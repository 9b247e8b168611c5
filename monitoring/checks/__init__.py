"""What is looked at each minute. A check is a small function that reads, and yields what is wrong at a moment.

A check that fails is a finding itself: the others go on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime

from monitoring.checks import alerting, areas, audit, ourselves, sirvoy
from monitoring.findings import RANK, Finding, Severity

logger = logging.getLogger(__name__)
Check = Callable[[datetime], Iterable[Finding]]

ALL: tuple[Check, ...] = (
    ourselves.worker,
    ourselves.background_jobs,
    ourselves.failed_jobs,
    ourselves.redis,
    ourselves.partitions,
    ourselves.disk,
    areas.bridges,
    areas.silent_meters,
    areas.ping_cascades,
    areas.open_networks,
    areas.retained_commands,
    areas.health_reports,
    audit.configurations,
    sirvoy.unworked_events,
    alerting.failing_routes,
)


def run(now: datetime, checks: Iterable[Check] = ALL) -> list[Finding]:
    """All that is wrong at `now`, worst first."""
    found = [finding for check in checks for finding in _run(check, now)]
    return sorted(found, key=lambda finding: (RANK[finding.severity], finding.key))


def _run(check: Check, now: datetime) -> list[Finding]:
    name = f"{check.__module__.rpartition('.')[2]}.{check.__name__}"
    try:
        return list(check(now))
    except Exception as failure:
        logger.exception("the check %s failed", name)
        return [Finding("check_failed", Severity.WARNING, name, {"check": name, "error": type(failure).__name__})]
