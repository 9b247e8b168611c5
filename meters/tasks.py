"""What django-q2 runs for this app: each a line, may run late or twice."""

from datetime import timedelta

from django.utils import timezone

from meters import areas, partitions

HEALTH_KEPT = timedelta(days=14)


def make_partitions() -> None:
    partitions.ensure_ahead()


def prune_health() -> None:
    areas.prune_health(timezone.now() - HEALTH_KEPT)
