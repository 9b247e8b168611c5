"""What the worker tells by itself when nobody else can."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from django_q.models import OrmQ, Schedule

from meters import emergency
from meters.emergency import Emergency


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def voice(told: list[str], settings: Any) -> Emergency:
    settings.LANGUAGE_CODE = "en"
    settings.EMERGENCY_AFTER_S = 0
    return Emergency(told.append)


def test_it_is_told_once_and_once_that_it_is_over(voice: Emergency, told: list[str]) -> None:
    for is_wrong in (True, True, True, False, False):
        voice.see("database", is_wrong=is_wrong)
    assert [text[:27] for text in told] == ["The database cannot be reac", "The database answers again."]


def test_what_passes_by_is_not_told(voice: Emergency, told: list[str], settings: Any) -> None:
    settings.EMERGENCY_AFTER_S = 60
    for is_wrong in (True, False, True, True):
        voice.see("database", is_wrong=is_wrong)
    assert told == []


def test_each_thing_stands_for_itself(voice: Emergency, told: list[str]) -> None:
    voice.see("database", is_wrong=True)
    voice.see("jobs", is_wrong=True)
    voice.see("database", is_wrong=False)
    assert len(told) == 3


@pytest.mark.django_db
def test_jobs_that_wait_are_seen() -> None:
    now = timezone.now()
    Schedule.objects.update(next_run=now - timedelta(minutes=1))
    assert not emergency.are_jobs_waiting(now)
    Schedule.objects.filter(func="meters.tasks.settle_snapshots").update(next_run=now - timedelta(minutes=4))
    assert emergency.are_jobs_waiting(now)


@pytest.mark.django_db
def test_jobs_that_were_handed_out_and_that_nobody_takes_are_seen() -> None:
    """Whoever hands them out goes on; those who should do them hang."""
    now = timezone.now()
    Schedule.objects.update(next_run=now)
    OrmQ.objects.create(key="campsite", payload="", lock=now + timedelta(minutes=9))  # being done
    OrmQ.objects.create(key="campsite", payload="", lock=now - timedelta(minutes=1))
    assert not emergency.are_jobs_waiting(now)
    OrmQ.objects.create(key="campsite", payload="", lock=now - timedelta(minutes=4))
    assert emergency.waiting_jobs(now) == (1, now - timedelta(minutes=4))
    assert emergency.are_jobs_waiting(now)


@pytest.mark.django_db
def test_jobs_that_a_clock_ahead_has_put_off_are_due_when_it_is_set_back() -> None:
    now = timezone.now()
    Schedule.objects.update(next_run=now + timedelta(hours=1))
    each_minute = Schedule.objects.filter(schedule_type=Schedule.MINUTES)
    assert emergency.recall_jobs(now) == each_minute.count() > 0
    assert set(each_minute.values_list("next_run", flat=True)) == {now}
    others = Schedule.objects.exclude(schedule_type=Schedule.MINUTES)
    assert set(others.values_list("next_run", flat=True)) == {now + timedelta(hours=1)}
    assert emergency.recall_jobs(now) == 0
