"""What django-q2 runs for this app: each a line, may run late or twice."""

from datetime import UTC, timedelta

from django.utils import timezone

from meters import commands, partitions, requests, snapshots


def make_partitions() -> None:
    partitions.ensure_ahead()


def reindex_the_day_before_yesterday() -> None:
    partitions.reindex((timezone.now() - timedelta(days=2)).astimezone(UTC).date())


def close_overdue_commands() -> None:
    commands.close_overdue(timezone.now())
    commands.end_expired(timezone.now())
    requests.close_overdue(timezone.now())


def settle_snapshots() -> None:
    snapshots.settle_due(timezone.now())
