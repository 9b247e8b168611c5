"""All periodic jobs, declared here and brought into django-q2's table after each migration."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django_q.models import Schedule

SCHEDULES: dict[str, dict[str, Any]] = {
    # Two weeks are made ahead, so that days of a dead cluster are no harm; the worker makes today's itself.
    "Make the next days' partitions": {"func": "meters.tasks.make_partitions", "schedule_type": Schedule.HOURLY},
    "Pack the readings of a closed day": {
        "func": "meters.tasks.reindex_the_day_before_yesterday",
        "schedule_type": Schedule.DAILY,
    },
    # The worker does it sooner; without a worker it is done all the same.
    "Close overdue commands": {"func": "meters.tasks.close_overdue_commands", "schedule_type": Schedule.MINUTES},
    "Forget old commands": {"func": "meters.tasks.prune_commands", "schedule_type": Schedule.DAILY},
    "Forget old health reports": {"func": "meters.tasks.prune_health", "schedule_type": Schedule.DAILY},
}


def sync(sender: AppConfig | None = None, **_: Any) -> None:
    """Make the table hold exactly these schedules; when each runs next stays."""
    Schedule.objects.exclude(name__in=SCHEDULES).delete()
    for name, told in SCHEDULES.items():
        Schedule.objects.update_or_create(name=name, defaults={**told, "repeats": -1})
