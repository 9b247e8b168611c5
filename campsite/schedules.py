"""All periodic jobs, declared here and brought into django-q2's table after each migration.

What runs once a day has its hour by the campsite's clock (`at`), at night; never between two and three, which a change
of the clock leaves out or doubles. django-q2 keeps the hour over such changes, and runs once what it missed.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

from django.apps import AppConfig
from django.utils import timezone
from django_q.models import Schedule

from monitoring import backup

SCHEDULES: dict[str, dict[str, Any]] = {
    # Two weeks are made ahead, so that days of a dead cluster are no harm; the worker makes today's itself.
    "Make the next days' partitions": {"func": "meters.tasks.make_partitions", "schedule_type": Schedule.HOURLY},
    "Sum up the days' use": {"func": "meters.tasks.sum_up_days", "schedule_type": Schedule.DAILY, "at": time(3, 15)},
    "Pack the readings of closed days": {
        "func": "meters.tasks.pack_readings",
        "schedule_type": Schedule.DAILY,
        "at": time(4),
    },
    "Forget readings whose hours are proven": {
        "func": "meters.tasks.forget_readings",
        "schedule_type": Schedule.DAILY,
        "at": time(4, 10),
    },
    "Forget hours that their days hold": {
        "func": "meters.tasks.forget_hours",
        "schedule_type": Schedule.DAILY,
        "at": time(4, 20),
    },
    # The worker does it sooner; without a worker it is done all the same.
    "Close overdue commands": {"func": "meters.tasks.close_overdue_commands", "schedule_type": Schedule.MINUTES},
    # Each is worked on as it comes; this takes what was left lying, or failed.
    "Work on events from Sirvoy that were left": {
        "func": "bookings.tasks.sweep_inbox",
        "schedule_type": Schedule.MINUTES,
    },
    "Let stays follow the calendar": {"func": "bookings.tasks.advance_stays", "schedule_type": Schedule.MINUTES},
    "Let power follow the bookings": {"func": "bookings.tasks.apply_power", "schedule_type": Schedule.MINUTES},
    "Compare every stay with Sirvoy anew": {
        "func": "bookings.tasks.compare_stays",
        "schedule_type": Schedule.DAILY,
        "at": time(3, 30),
    },
    "Settle snapshots of meters' energy": {
        "func": "meters.tasks.settle_snapshots",
        "schedule_type": Schedule.MINUTES,
    },
    "Tell guests whose packages run low": {"func": "bookings.tasks.watch_packages", "schedule_type": Schedule.MINUTES},
    "Mail their links to guests who came": {"func": "bookings.tasks.greet_guests", "schedule_type": Schedule.MINUTES},
    "Erase guests who left long ago": {
        "func": "bookings.tasks.erase_departed_guests",
        "schedule_type": Schedule.DAILY,
        "at": time(4, 30),
    },
    "Look whether all is well": {"func": "monitoring.tasks.check_site", "schedule_type": Schedule.MINUTES},
    # Beside it, so that a message that takes its time holds up no look.
    "Tell what is wrong": {"func": "monitoring.tasks.tell_alerts", "schedule_type": Schedule.MINUTES},
    # Each night it is looked whether one is due: one that failed is tried again.
    "Try whether a backup can be brought back": {
        "func": "monitoring.tasks.drill_restore",
        "schedule_type": Schedule.DAILY,
        "at": time(5, 45),
        "kwargs": repr({"q_options": {"timeout": backup.LONGEST_S}}),
    },
    # After all that puts tables in order, which would wait for it. It may take longer than any other job.
    "Back up": {
        "func": "monitoring.tasks.back_up",
        "schedule_type": Schedule.DAILY,
        "at": time(5, 15),
        "kwargs": repr({"q_options": {"timeout": backup.LONGEST_S}}),
    },
    # All but guests (above) and what meters measured: monitoring/retention/table.py.
    "Forget what is old": {
        "func": "monitoring.tasks.forget_what_is_old",
        "schedule_type": Schedule.DAILY,
        "at": time(5),
    },
}


def sync(sender: AppConfig | None = None, **_: Any) -> None:
    """Make the table hold exactly these schedules; when each runs next stays, unless it is not at its hour."""
    Schedule.objects.exclude(name__in=SCHEDULES).delete()
    for name, told in SCHEDULES.items():
        columns = {key: value for key, value in told.items() if key != "at"}
        made, _is_new = Schedule.objects.update_or_create(name=name, defaults={**columns, "repeats": -1})
        if "at" in told and not _is_at(made.next_run, told["at"]):
            Schedule.objects.filter(pk=made.pk).update(next_run=_next(told["at"], timezone.now()))


def _is_at(moment: datetime | None, at: time) -> bool:
    return moment is not None and timezone.localtime(moment, timezone.get_default_timezone()).time() == at


def _next(at: time, now: datetime) -> datetime:
    """The first such moment after `now`, by the campsite's clock."""
    zone = timezone.get_default_timezone()
    today = datetime.combine(now.astimezone(zone).date(), at, zone)
    return today if today > now else today + timedelta(days=1)  # the same hour of tomorrow
