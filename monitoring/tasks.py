"""What django-q2 runs for this app: each a line, may run late or twice."""

from django.utils import timezone

from monitoring import alerts, checks, incidents


def check_site() -> None:
    now = timezone.now()
    incidents.take(checks.run(now), now)
    alerts.plan(now)


def tell_alerts() -> None:
    alerts.tell_due(timezone.now())


def prune_incidents() -> None:
    incidents.prune(timezone.now())
