"""Our own processes and what they stand on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import redis as client
from django.conf import settings
from django.db.models import Count, Max, Min, Q
from django_q.models import Failure

from meters import emergency, online
from meters import partitions as tables
from meters.models import ReadingDay, WorkerState
from monitoring.findings import Fact, Finding, Severity
from monitoring.models import Forgetting

LOOKED_BACK = timedelta(hours=1)
REDIS_TIMEOUT_S = 2
MOST_DAYS = 7
OVERDUE = timedelta(days=3)
"""Nights in which old rows may have stayed: our machine may have been off."""
LITTLE, HARDLY_ANY = 0.10, 0.03
"""Of a disk that is left."""


def worker(now: datetime) -> Iterator[Finding]:
    """Of an MQTT worker that is away, of its broker, and of one that does not keep up, only the first is told."""
    state = WorkerState.objects.filter(pk="mqtt").first()
    if state is None or now - state.heartbeat_at >= online.WORKER_SILENCE:
        yield Finding("worker_silent", Severity.CRITICAL, since=state.heartbeat_at if state else None)
    elif state.connected_at is None:
        yield Finding("broker_away", Severity.CRITICAL, facts={"broker": state.broker})
    elif state.lag_s >= online.MOST_LAG_S:
        yield Finding("worker_lags", Severity.CRITICAL, facts={"seconds": round(state.lag_s), "queued": state.queued})


def background_jobs(now: datetime) -> Iterator[Finding]:
    """Seen from outside of the cluster: what is due is not run."""
    jobs, since = emergency.waiting_jobs(now)
    if jobs:
        yield Finding("jobs_wait", Severity.CRITICAL, facts={"jobs": jobs}, since=since)


def failed_jobs(now: datetime) -> Iterator[Finding]:
    """One finding a job, however often it failed."""
    failures = Failure.objects.filter(stopped__gte=now - LOOKED_BACK).values("func")
    for row in failures.annotate(times=Count("id"), last=Max("stopped")).order_by("func"):
        yield Finding("job_failed", Severity.WARNING, row["func"], {"job": row["func"], "times": row["times"]})


def not_forgotten(now: datetime) -> Iterator[Finding]:
    """The nightly job's own word of each kind of data: it goes on when one fails."""
    waits = ~Q(error="") | Q(at=None) | Q(at__lt=now - OVERDUE)
    found = Forgetting.objects.filter(waits).aggregate(kinds=Count("slug"), since=Min("at"))
    if found["kinds"]:
        yield Finding("not_forgotten", Severity.WARNING, facts={"kinds": found["kinds"]}, since=found["since"])


def redis(now: datetime) -> Iterator[Finding]:
    """Where it is away, boards poll."""
    if not settings.REDIS_URL:
        return
    try:
        with client.Redis.from_url(
            settings.REDIS_URL, socket_timeout=REDIS_TIMEOUT_S, socket_connect_timeout=REDIS_TIMEOUT_S
        ) as server:
            server.ping()
    except (client.RedisError, OSError) as failure:
        yield Finding("redis_away", Severity.WARNING, facts={"error": type(failure).__name__})


def partitions(now: datetime) -> Iterator[Finding]:
    """Readings of a day without its table cannot be stored."""
    tomorrow = (now + timedelta(days=1)).astimezone(UTC).date()
    if tomorrow not in tables.existing():
        yield Finding("partition_missing", Severity.CRITICAL, facts={"day": tomorrow.isoformat()})


def retention(now: datetime) -> Iterator[Finding]:
    """A day that may not go holds back all after it. One finding a day, of the oldest ones."""
    unproven = ReadingDay.objects.filter(looked_at__isnull=False, proven_at=None, forgotten_at=None)
    for day in unproven.order_by("day")[:MOST_DAYS]:
        facts: dict[str, Fact] = {"day": day.day.isoformat(), "raw_kwh": _kwh(day.raw_wh), "kwh": _kwh(day.hours_wh)}
        yield Finding("usage_unproven", Severity.WARNING, day.day.isoformat(), facts)


def _kwh(wh: int | None) -> float:
    return round((wh or 0) / 1000, 3)


def disk(now: datetime) -> Iterator[Finding]:
    """The disks that stand in WATCHED_DISKS: folders of the database, of backups, of ourselves."""
    for folder in settings.WATCHED_DISKS:
        usage = shutil.disk_usage(folder)
        left = usage.free / usage.total
        if left < LITTLE:
            severity = Severity.CRITICAL if left < HARDLY_ANY else Severity.WARNING
            facts = {"folder": folder, "percent": round(100 * left), "free_gb": round(usage.free / 1e9, 1)}
            yield Finding("disk_full", severity, folder, facts)
