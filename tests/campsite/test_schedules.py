"""Periodic jobs are declared in code; the table follows."""

import pytest
from django.utils.module_loading import import_string
from django_q.models import Schedule

from campsite import schedules

pytestmark = pytest.mark.django_db


def test_the_table_holds_what_is_declared_and_each_job_exists() -> None:
    assert set(Schedule.objects.values_list("name", flat=True)) == set(schedules.SCHEDULES)
    for schedule in Schedule.objects.all():
        import_string(schedule.func)()


def test_what_is_no_longer_declared_goes_and_the_next_run_stays() -> None:
    kept = Schedule.objects.first()
    assert kept is not None
    Schedule.objects.create(name="old", func="x.y")
    schedules.sync()
    assert not Schedule.objects.filter(name="old").exists()
    assert Schedule.objects.get(pk=kept.pk).next_run == kept.next_run
