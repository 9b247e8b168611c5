"""Our own processes and what they stand on."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import redis as client
from django.conf import settings
from django.db.models import Count, Max, Min, Q
from django_q.models import Failure

from meters import emergency, online
from meters import partitions as tables
from meters.models import Area, ReadingDay, WorkerState
from monitoring.findings import Fact, Finding, Severity, key
from monitoring.models import Forgetting

LOOKED_BACK = timedelta(hours=1)
REDIS_TIMEOUT_S = 2
MOST_DAYS = 7
OVERDUE = timedelta(days=3)
"""Nights in which old rows may have stayed: our machine may have been off."""
LITTLE, HARDLY_ANY = 0.10, 0.03
"""Of a disk that is left."""


def worker(now: datetime) -> Iterator[Finding]:
    """Of an MQTT worker that is away, of its broker, and of one that does not keep up, only the first is told. Where
    each takes some areas, those of one are named; that all are away is one finding, of which each one's is a part.
    """
    workers = online.workers()
    alive = [each for each in workers if now - each.heartbeat_at < online.WORKER_SILENCE]
    connected = [each for each in alive if each.connected_at]
    part_of = ""
    if not alive:
        since = max((each.heartbeat_at for each in workers), default=None)
        yield Finding("worker_silent", Severity.CRITICAL, since=since)
        part_of = key("worker_silent")
    elif not connected:
        yield Finding("broker_away", Severity.CRITICAL, facts={"broker": alive[0].broker})
        part_of = key("broker_away")
    yield from _of_shards(workers, part_of, now)
    for each in connected:
        if each.lag_s >= online.MOST_LAG_S:
            facts: dict[str, Fact] = {"seconds": round(each.lag_s), "queued": each.queued}
            yield Finding("worker_lags", Severity.CRITICAL, each.shard, facts)
    yield from _untaken(workers)


def _of_shards(workers: Iterable[WorkerState], part_of: str, now: datetime) -> Iterator[Finding]:
    """One that has no area in service any more is missed by nobody."""
    shards = [each for each in workers if each.areas is not None and not online.is_connected(each, now)]
    names = dict(Area.objects.filter(in_service=True).values_list("pk", "name")) if shards else {}
    for each in shards:
        if theirs := ", ".join(sorted(names[area] for area in each.areas or () if area in names)):
            is_silent = now - each.heartbeat_at >= online.WORKER_SILENCE
            code, since = ("shard_silent", each.heartbeat_at) if is_silent else ("shard_deaf", None)
            facts: dict[str, Fact] = {"worker": each.shard, "areas": theirs}
            yield Finding(code, Severity.CRITICAL, each.shard, facts, since, part_of)


def _untaken(workers: Sequence[WorkerState]) -> Iterator[Finding]:
    """Areas in service that stand in no worker's list, where workers have lists."""
    if not workers or any(each.areas is None for each in workers):
        return
    taken = {area for each in workers for area in each.areas or ()}
    for area in Area.objects.filter(in_service=True).exclude(pk__in=taken):
        yield Finding("area_untaken", Severity.CRITICAL, area.slug, {"area": area.name, "slug": area.slug})


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
