"""The whole product under load while much of it fails, in short: script/chaos does the same for minutes and hours."""

from __future__ import annotations

from typing import Any

import pytest

from bench.chaos import acts, roads, verdict
from bench.chaos.run import Run
from bench.chaos.site import Durable, Site
from tests.meters import harness
from tests.meters.harness import OwnServices
from tests.meters.surroundings import services_and_broker

pytestmark = [pytest.mark.services, pytest.mark.mosquitto, pytest.mark.late]


@pytest.mark.timeout(600)  # a machine that does much else takes three minutes
def test_while_everything_fails_nothing_is_lost_or_doubled_or_switched_unasked(django_db_blocker: Any) -> None:
    happens = [
        acts.kill("worker"),
        acts.kill("web"),
        acts.kill("qcluster"),
        acts.pause("worker", 3),
        acts.restart_broker(1),
        acts.restart_postgres(1, immediately=True),
        acts.restart_valkey(1, keeps=False),
        acts.cut("worker", "broker", roads.LOST, 3),
        acts.cut("worker", "postgres", roads.RESET, 2),
    ]
    with services_and_broker("mosquitto", Durable) as (services, broker), django_db_blocker.unblock():
        assert isinstance(services, OwnServices)
        database_url = services.new_database()
        with harness.speaking_to(database_url):
            site = Site(services, broker, database_url, with_clock=False)
            run = Run(site, 1, 60, 20, acts.in_turn(happens, 1, 2), print)
            try:
                run.begin()
                run.go()
                run.rest()
                assert verdict.judge(run, is_long=False) == []
            finally:
                run.end()
            assert verdict.logs(run) == []
            assert run.people.asked
            assert len(run.ledger.taken) > 600
