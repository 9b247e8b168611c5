"""What Prometheus is told at each scrape, read from the tables at that moment. Reads only.

Nothing is counted in this process: what the tables say is the same for any process, and after any restart. What is not
known is left out, not told as 0. No persons, no meters: labels are areas, routes, targets, and words of ours.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from datetime import datetime

from django.db import Error, connection, transaction

from monitoring.metrics import areas, backups, families, ourselves, work
from monitoring.metrics.families import Metric, gauge

logger = logging.getLogger(__name__)
Collector = Callable[[datetime], Iterable[Metric]]
TIMEOUT_MS = 3000
"""A statement may take so long: Prometheus waits 10 s for the whole page. After the first that failed all others do."""

ALL: dict[str, Collector] = {
    "areas": areas.collect,
    "worker": ourselves.worker,
    "jobs": ourselves.jobs,
    "database": ourselves.database,
    "commands": work.commands,
    "webhook": work.webhook,
    "incidents": work.incidents_open,
    "alerts": work.alert_routes,
    "backups": backups.collect,
}


def told(now: datetime) -> bytes:
    """The page. It is made without the database, too: then it says that, and nothing that nobody knows."""
    found: list[Metric] = []
    success: dict[str, bool] = {}
    took_s: dict[str, float] = {}
    is_up = True
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = {TIMEOUT_MS:d}")
            for name, collector in ALL.items():
                begun = time.perf_counter()
                metrics = _collected(name, collector, now)
                success[name], took_s[name] = metrics is not None, time.perf_counter() - begun
                found += metrics or []
    except Error:
        is_up = False
    return families.text([*_about(is_up, success, took_s), *found])


def _collected(name: str, collector: Collector, now: datetime) -> list[Metric] | None:
    """All of it or nothing: half of a family would be a lie."""
    try:
        return list(collector(now))
    except Exception:
        logger.exception("what is told of %s could not be collected", name)
        return None


def _about(is_up: bool, success: dict[str, bool], took_s: dict[str, float]) -> Iterable[Metric]:
    """Of this very page."""
    yield gauge("campsite_database_up", "Whether the database answered this scrape.", [(is_up,)])
    text = "Whether this part of the page could be collected."
    yield gauge("campsite_collector_success", text, success.items(), ["collector"])
    text = "How long it took to collect this part of the page."
    yield gauge("campsite_collector_duration_seconds", text, took_s.items(), ["collector"])
