"""A backup that somebody asked for is made once, in the background, and the night's by itself."""

from datetime import timedelta

import pytest
from django.conf import settings as configured
from django.utils import timezone
from django_q.models import OrmQ, Schedule
from django_q.scheduler import scheduler

from campsite import schedules
from monitoring import tasks
from monitoring.backup import LONGEST_S, asking, locks
from monitoring.models import BackupRun
from tests import make

pytestmark = pytest.mark.django_db(transaction=True)


def work_off() -> None:
    """As the cluster does, in order."""
    for queued in OrmQ.objects.order_by("pk"):
        task = queued.task
        getattr(tasks, task["func"].rpartition(".")[2])(*task["args"])


def test_a_double_click_makes_one_backup_and_names_who_asked():
    chief = make.superuser()
    asking.ask(chief)
    asking.ask(chief)
    work_off()
    run = BackupRun.objects.get()
    assert (run.status, run.origin, run.by) == ("done", "person", chief)
    asking.ask(chief)
    OrmQ.objects.order_by("pk").first().delete()
    OrmQ.objects.order_by("pk").first().delete()
    BackupRun.objects.update(started_at=timezone.now() - timedelta(minutes=1))
    work_off()
    assert BackupRun.objects.count() == 2


def test_who_asks_while_one_is_under_way_gets_that_one():
    with locks.held(locks.BACKUP):
        asking.ask(make.superuser())
        work_off()
    assert not BackupRun.objects.exists()


def test_the_night_makes_one_unless_none_is_set_up(settings):
    tasks.back_up()
    assert BackupRun.objects.get().origin == "schedule"
    settings.BACKUP_TARGETS = {}
    tasks.back_up()
    assert BackupRun.objects.count() == 1


def test_a_job_is_handed_out_again_only_when_the_longest_must_have_ended():
    assert configured.Q_CLUSTER["retry"] > LONGEST_S
    asking.ask(make.superuser())
    assert OrmQ.objects.get().task["timeout"] == LONGEST_S
    OrmQ.objects.all().delete()
    schedules.sync()
    Schedule.objects.exclude(func="monitoring.tasks.back_up").delete()
    Schedule.objects.update(next_run=timezone.now() - timedelta(minutes=1))
    scheduler()
    assert OrmQ.objects.get().task["timeout"] == LONGEST_S
