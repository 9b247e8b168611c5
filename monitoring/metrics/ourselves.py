"""What is told of our own processes: the worker and what it takes in, background jobs, the database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import Count, Min, Q, Sum
from django_q.models import Failure, OrmQ, Schedule

from meters import online, partitions
from meters.emergency import JOBS_LATE
from meters.models import MeterState, WorkerState
from monitoring.checks.ourselves import LOOKED_BACK
from monitoring.metrics.areas import JOULES_A_KWH
from monitoring.metrics.families import Metric, counter, gauge


def worker(now: datetime) -> Iterator[Metric]:
    """Where it is dead, nobody knows how much waits. Where each worker takes some areas, `shard` says which it is."""
    workers = online.workers()
    labels = ("shard",) if any(each.areas is not None for each in workers) else ()

    def rows(told: Callable[[WorkerState], Any], of: Iterable[WorkerState] = workers) -> list[tuple[Any, ...]]:
        return [(*([each.shard] if labels else []), told(each)) for each in of]

    alive = [each for each in workers if now - each.heartbeat_at < online.WORKER_SILENCE]
    text = "Whether the MQTT worker gives signs of life."
    yield gauge("campsite_worker_up", text, rows(lambda each: each in alive) or [(False,)], labels)
    text = "Whether the worker is connected to the broker."
    is_connected = rows(lambda each: online.is_connected(each, now)) or [(False,)]
    yield gauge("campsite_broker_connected", text, is_connected, labels)
    if not workers:
        return
    text = "The MQTT worker's last sign of life; it gives one every second."
    yield gauge("campsite_worker_heartbeat_timestamp_seconds", text, rows(lambda each: each.heartbeat_at), labels)
    text = "When the MQTT worker started."
    yield gauge("campsite_worker_start_timestamp_seconds", text, rows(lambda each: each.started_at), labels)
    text = "MQTT messages received since it started."
    yield counter("campsite_ingest_received_messages", text, rows(lambda each: each.received), labels)
    text = "MQTT messages stored since it started."
    yield counter("campsite_ingest_stored_messages", text, rows(lambda each: each.stored), labels)
    text = "MQTT messages that made no sense."
    yield counter("campsite_ingest_rejected_messages", text, rows(lambda each: each.rejected), labels)
    if alive:
        text = "Messages that wait to be stored."
        yield gauge("campsite_ingest_queue_messages", text, rows(lambda each: each.queued, alive), labels)
        text = "Age of the oldest message that waits."
        yield gauge("campsite_ingest_lag_seconds", text, rows(lambda each: each.lag_s, alive), labels)


def jobs(now: datetime) -> Iterator[Metric]:
    due = Schedule.objects.aggregate(first=Min("next_run"), late=Count("pk", filter=Q(next_run__lt=now - JOBS_LATE)))
    text = "When the first of the scheduled jobs is due. Long past: the background jobs (qcluster) do not run."
    yield gauge("campsite_jobs_next_run_timestamp_seconds", text, [(due["first"],)])
    yield gauge("campsite_jobs_late", "Scheduled jobs that are minutes overdue.", [(due["late"],)])
    yield gauge("campsite_jobs_queued", "Jobs handed out and not yet finished.", [(OrmQ.objects.count(),)])
    failed = Failure.objects.filter(stopped__gte=now - LOOKED_BACK).count()
    yield gauge("campsite_jobs_failed_last_hour", "Runs of jobs that failed within the last hour.", [(failed,)])


def database(now: datetime) -> Iterator[Metric]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        (size,) = cursor.fetchone()
    yield gauge("campsite_database_size_bytes", "What the database takes on its disk.", [(size,)])
    ahead = sum(day > now.astimezone(UTC).date() for day in partitions.existing())
    text = "Coming days whose table for readings is there; 0: tomorrow's readings cannot be stored."
    yield gauge("campsite_reading_partitions_ahead", text, [(ahead,)])
    used = MeterState.objects.filter(counter_at__isnull=False).aggregate(kwh=Sum("energy_kwh"))["kwh"]
    text = "What all meters have used since they are known."
    yield counter("campsite_energy_joules", text, [(used and used * JOULES_A_KWH,)])
