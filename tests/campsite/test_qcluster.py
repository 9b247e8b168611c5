"""qcluster's processes share what they were born with, however long they work."""

import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.management import get_commands
from django.utils import timezone
from django_q.models import Failure, OrmQ, Schedule, Success
from django_q.tasks import async_task

from bench.cpu import family
from bench.soak.samples import of_processes
from campsite.embedded.processes import Process
from campsite.schedules import SCHEDULES
from tests.meters.harness import Services, speaking_to, until

pytestmark = pytest.mark.services
MINUTES = [told["func"] for told in SCHEDULES.values() if told["schedule_type"] == Schedule.MINUTES]
PROCESSES = 7
MOST_MB = 12.0
"""For all of them together: one full collection of what is not frozen takes 35 MB."""


def test_it_is_ours_that_runs() -> None:
    assert get_commands()["qcluster"] == "campsite"


@pytest.fixture(scope="module")
def cluster(django_db_blocker: Any) -> Iterator[Process]:
    """No job is due meanwhile but what a test asks for."""
    services = Services()
    services.start()
    try:
        url = services.new_database()
        with django_db_blocker.unblock(), speaking_to(url):
            Schedule.objects.update(next_run=timezone.now() + timedelta(days=1))
            cluster = services.manage("qcluster", database_url=url, SECRET_KEY=settings.SECRET_KEY)
            try:
                until(lambda: len(family(cluster.pid)) == PROCESSES, "all of its processes", every_s=0.5)
                yield cluster
            finally:
                cluster.kill()
    finally:
        services.stop()


def do(jobs: list[str]) -> None:
    for job in jobs:
        async_task(job)
    until(lambda: not OrmQ.objects.exists(), "the jobs to be done", 120)


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux: what processes share is read from /proc")
def test_what_it_holds_does_not_grow_with_the_minutes_nor_when_garbage_is_looked_for(cluster: Process) -> None:
    def held_mb() -> float:
        return of_processes("qcluster", family(cluster.pid))["qcluster MB"]

    do(MINUTES * 5)
    early = held_mb()
    do(MINUTES * 5)
    assert held_mb() < early + MOST_MB
    do(["gc.collect"] * 9)
    assert held_mb() < early + MOST_MB


def test_a_worker_makes_way_for_a_new_one_and_no_job_is_lost(cluster: Process) -> None:
    before, count = set(family(cluster.pid)), settings.Q_CLUSTER["workers"] * settings.Q_CLUSTER["recycle"]
    do(["gc.get_count"] * count)
    until(lambda: Success.objects.filter(func="gc.get_count").count() == count, "each of them once")
    until(lambda: len(set(family(cluster.pid)) - before) > 1, "workers that were not there before", every_s=0.5)
    assert not Failure.objects.exists()
