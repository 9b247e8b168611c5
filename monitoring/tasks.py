"""What django-q2 runs for this app: each a line, may run late or twice."""

from django.utils import timezone
from django_q.tasks import async_task

from monitoring import alerts, checks, deadman, incidents, maintenance
from monitoring.backup import asking


def check_site() -> None:
    now = timezone.now()
    found = checks.run(now)
    incidents.take(found, now)
    alerts.plan(now)
    async_task("monitoring.tasks.tell_alerts")  # at once, beside the looks; what fails is tried again each minute
    deadman.sign_of_life(incidents.not_snoozed(maintenance.unplanned(found, now), now))


def tell_alerts() -> None:
    alerts.tell_due(timezone.now())


def prune_incidents() -> None:
    incidents.prune(timezone.now())


def back_up() -> None:
    asking.make_nightly()


def back_up_for(by_id: int | None, asked_at: str) -> None:
    asking.make_asked(by_id, asked_at)
