"""A part really goes away and comes back: people are told once that it did, and once that it is over.

The short form of `python -m bench.scenarios`, where nothing is hastened: here a minute between two looks is only told
to whoever keeps the incidents. That killed background jobs are told by the worker is tests/meters/test_faults.py's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

from campsite.embedded import mosquitto
from meters import online
from meters.models import WorkerState
from monitoring import alerts, checks, incidents
from monitoring.checks import ourselves
from monitoring.models import AlertRoute
from tests.conftest import Broker
from tests.meters import harness
from tests.meters.conftest import services
from tests.meters.harness import OwnServices, Workers, kill, until
from tests.meters.surroundings import with_own_services
from tests.sink import Sink

__all__ = ["services"]  # a fixture
pytestmark = pytest.mark.services
on_either = pytest.mark.parametrize("broker", ["mosquitto" if mosquitto.program() else "iotcore"], indirect=True)


@dataclass
class Site:
    """The worker, its broker, and whom alerts reach. `looks`: how many there were, a minute apart for the
    incidents, none of them in the future: a clock that was set back is another story.
    """

    services: OwnServices
    broker: Broker
    workers: Workers
    sink: Sink
    began: datetime = field(default_factory=lambda: timezone.now() - timedelta(hours=1))
    looks: int = 0

    def look(self, times: int) -> None:
        for _ in range(times):
            self.looks += 1
            now = self.began + self.looks * timedelta(minutes=1)
            incidents.take(checks.run(timezone.now(), [ourselves.worker, ourselves.redis]), now)
            alerts.plan(now)
            alerts.tell_due(now)

    def told(self) -> list[str]:
        return [str(told["message"]) for told in self.sink.told]


@pytest.fixture
def site(services: OwnServices, broker: Broker, django_db_blocker: Any) -> Iterator[Site]:
    database_url, sink = services.new_database(), Sink()
    workers = Workers(services, database_url, broker.url)
    own = override_settings(
        REDIS_URL=services.redis_url, ALERT_URLS={"on_duty": f"json://127.0.0.1:{sink.port}/"}, SITE_NAME="Site"
    )
    try:
        with django_db_blocker.unblock(), harness.speaking_to(database_url), own:
            AlertRoute.objects.create(name="on_duty", language="en")
            workers.start()
            until(lambda: list(ourselves.worker(timezone.now())) == [], "the worker to be well")
            yield Site(services, broker, workers, sink)
    finally:
        workers.end_all()
        sink.close()


def is_told_once(site: Site, sentence: str) -> None:
    """However often it is looked at."""
    site.look(1)
    assert site.told() == []
    site.look(4)
    (told,) = site.told()
    assert sentence in told


def is_over_once(site: Site, sentence: str) -> None:
    site.look(5)
    _began, over = site.told()
    assert over.startswith("Over: ")
    assert sentence in over


@on_either
@with_own_services
def test_a_killed_worker_is_told_once_and_its_return_once(site: Site) -> None:
    kill(site.workers.started[0])
    WorkerState.objects.update(heartbeat_at=timezone.now() - online.WORKER_SILENCE)  # as after so long
    is_told_once(site, "The MQTT worker gives no sign of life")
    site.workers.start()
    until(lambda: list(ourselves.worker(timezone.now())) == [], "the worker to be well")
    is_over_once(site, "The MQTT worker gives no sign of life")


@on_either
@with_own_services
def test_a_stopped_broker_is_told_once_and_its_return_once(site: Site) -> None:
    site.broker.stop()
    until(lambda: [found.code for found in ourselves.worker(timezone.now())] == ["broker_away"], "it to be missed")
    is_told_once(site, "The MQTT broker cannot be reached")
    site.broker.start()
    until(lambda: list(ourselves.worker(timezone.now())) == [], "the worker to be well")
    is_over_once(site, "The MQTT broker cannot be reached")


@on_either
@with_own_services
def test_a_stopped_redis_is_told_once_and_its_return_once(site: Site) -> None:
    site.services.valkey.stop()
    is_told_once(site, "Redis cannot be reached")
    site.services.valkey.start()
    is_over_once(site, "Redis cannot be reached")
