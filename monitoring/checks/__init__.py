"""What is looked at each minute. A check is a small function that reads, and yields what is wrong at a moment.

A check that fails is a finding itself: the others go on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime

from monitoring.checks import (
    alerting,
    areas,
    audit,
    backup,
    broker,
    database,
    logins,
    meters,
    neighbours,
    ourselves,
    radio,
    sirvoy,
    switching,
)
from monitoring.findings import RANK, Finding, Severity

logger = logging.getLogger(__name__)
Check = Callable[[datetime], Iterable[Finding]]

ALL: tuple[Check, ...] = (
    ourselves.worker,
    ourselves.background_jobs,
    ourselves.failed_jobs,
    ourselves.not_forgotten,
    ourselves.redis,
    ourselves.partitions,
    ourselves.retention,
    ourselves.disk,
    database.growth,
    database.clock,
    database.clocks_of_areas,
    areas.bridges,
    areas.silent_meters,
    areas.ping_cascades,
    areas.open_networks,
    areas.retained_commands,
    areas.health_reports,
    areas.channels,
    areas.waiting_restarts,
    radio.chattering,
    radio.chattering_others,
    radio.storms,
    radio.queues,
    radio.restarts,
    radio.rejoining,
    radio.weak_links,
    meters.frozen,
    meters.current_while_off,
    meters.load_gone,
    meters.counters,
    meters.vacant_use,
    switching.off_plan,
    switching.failing_commands,
    switching.disobeying,
    switching.stopped,
    audit.configurations,
    sirvoy.unworked_events,
    sirvoy.silence,
    sirvoy.address_checks,
    backup.unset,
    backup.overdue,
    backup.failures,
    backup.drills,
    alerting.failing_routes,
    alerting.nobody_on_duty,
    logins.attacked,
    # The last: the moment of the look would grow old while these wait.
    broker.round_trip,
    neighbours.probes,
    neighbours.certificates,
)


def run(now: datetime, checks: Iterable[Check] = ALL) -> list[Finding]:
    """All that is wrong at `now`, worst first."""
    found = [finding for check in checks for finding in _run(check, now)]
    return sorted(found, key=lambda finding: (RANK[finding.severity], finding.key))


def _run(check: Check, now: datetime) -> list[Finding]:
    name = f"{check.__module__.rpartition('.')[2]}.{check.__name__}"
    try:
        return [replace(finding, check=name) for finding in check(now)]
    except Exception as failure:
        logger.exception("the check %s failed", name)
        return [Finding("check_failed", Severity.WARNING, name, {"check": name, "error": type(failure).__name__})]
