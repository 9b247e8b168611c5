"""What django-q2 runs for this app: each a line, may run late or twice."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from meters import areas, commands, partitions, requests, retention, snapshots
from meters.readings import days

HEALTH_KEPT = timedelta(days=14)


def make_partitions() -> None:
    partitions.ensure_ahead()


def sum_up_days() -> None:
    days.sum_up(timezone.now())


def pack_readings() -> None:
    retention.pack(timezone.now())


def forget_readings() -> None:
    retention.forget_readings(timezone.now())


def forget_hours() -> None:
    retention.forget_hours(timezone.now())


def prune_health() -> None:
    areas.prune_health(timezone.now() - HEALTH_KEPT)


def close_overdue_commands() -> None:
    commands.close_overdue(timezone.now())
    commands.end_expired(timezone.now())
    requests.close_overdue(timezone.now())


def settle_snapshots() -> None:
    snapshots.settle_due(timezone.now())


def prune_commands() -> None:
    before = timezone.now() - timedelta(days=settings.COMMANDS_KEPT_DAYS)
    commands.prune(before)
    requests.prune(before)
