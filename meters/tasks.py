"""What django-q2 runs for this app: each a line, may run late or twice."""

from django.utils import timezone

from meters import commands, partitions, requests, retention, snapshots
from meters.readings import days


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


def close_overdue_commands() -> None:
    commands.close_overdue(timezone.now())
    commands.end_expired(timezone.now())
    requests.close_overdue(timezone.now())


def settle_snapshots() -> None:
    snapshots.settle_due(timezone.now())
