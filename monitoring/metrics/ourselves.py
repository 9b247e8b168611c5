"""What is told of our own processes: the worker and what it takes in, background jobs, the database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

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
    """Where it is dead, nobody knows how much waits."""
    state = WorkerState.objects.filter(pk="mqtt").first()
    is_alive = state is not None and now - state.heartbeat_at < online.WORKER_SILENCE
    yield gauge("campsite_worker_up", "Whether the MQTT worker gives signs of life.", [(is_alive,)])
    is_connected = is_alive and state is not None and state.connected_at is not None
    yield gauge("campsite_broker_connected", "Whether the worker is connected to the broker.", [(is_connected,)])
    if state is None:
        return
    text = "The MQTT worker's last sign of life; it gives one every second."
    yield gauge("campsite_worker_heartbeat_timestamp_seconds", text, [(state.heartbeat_at,)])
    yield gauge("campsite_worker_start_timestamp_seconds", "When the MQTT worker started.", [(state.started_at,)])
    yield counter("campsite_ingest_received_messages", "MQTT messages received since it started.", [(state.received,)])
    yield counter("campsite_ingest_stored_messages", "MQTT messages stored since it started.", [(state.stored,)])
    yield counter("campsite_ingest_rejected_messages", "MQTT messages that made no sense.", [(state.rejected,)])
    if is_alive:
        yield gauge("campsite_ingest_queue_messages", "Messages that wait to be stored.", [(state.queued,)])
        yield gauge("campsite_ingest_lag_seconds", "Age of the oldest message that waits.", [(state.lag_s,)])


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
