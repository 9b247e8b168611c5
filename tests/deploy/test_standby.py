"""The broker is lost, and a second one takes over its address: with nothing of its memory, or with an old copy of it.

Both are Mosquitto as it is deployed; the worker is a real process.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from campsite.embedded.processes import Process
from meters import commands, live
from meters.models import Area, AreaState, Command, Meter
from tests.deploy.broker import CampsiteBroker
from tests.meters import harness
from tests.meters.conftest import services as services
from tests.meters.harness import Fleet, Listener, ObeyingFleet, Services, Workers, says, until

pytestmark = [pytest.mark.services, pytest.mark.mosquitto]
WITNESS = {"witness": "topic read #"}


class Site:
    """A broker, a worker, an area that obeys (north), and one whose readings are counted (south)."""

    def __init__(self, services: Services, root: Path, database_url: str) -> None:
        self.root = root
        self.broker = CampsiteBroker(root / "first", rules=WITNESS)
        self.broker.start()
        self.workers = Workers(services, database_url, self.broker.url())
        self.worker: Process
        self.witness = Listener(self.broker.url("witness"))
        self.north = ObeyingFleet(self.broker.url("zigbee2mqtt_north"), "zigbee2mqtt", 2)
        self.south = Fleet(self.broker.url("zigbee2mqtt_south"), "zigbee2mqtt_area2", 10)
        self.south.talker.client.on_connect = lambda *_: self.south.online()  # as Zigbee2MQTT does

    def begin(self) -> None:
        for fleet, slug in ((self.north, "north"), (self.south, "south")):
            Area.objects.create(name=slug, slug=slug, base_topic=fleet.base, control="act", in_service=True)
        self.start_worker()
        self.north.appear()
        self.south.appear()
        until(lambda: Meter.objects.count() == 12, "the meters")
        self.north.hear()
        until(lambda: online() == ["online", "online"], "the north to be online")

    def start_worker(self) -> None:
        self.worker = self.workers.start()

    def take_over(self, memory: Path | None = None) -> None:
        """The first one is gone; another is there."""
        self.broker = self.broker.standby(self.root / "second", memory=memory)
        self.broker.start()
        until(lambda: says(self.worker, "Connected to") == 2, "the worker to be back")

    def wait_heard(self) -> None:
        clients = [self.north.ear.client, self.north.talker.client, self.south.talker.client, self.witness.client]
        until(lambda: all(client.is_connected() for client in clients), "all others to be back")

    def sets(self) -> list[str]:
        return [sent.state for sent in self.witness.switched("zigbee2mqtt")]

    def end(self) -> None:
        self.north.stop()
        self.south.talker.stop()
        self.witness.stop()
        self.workers.end_all()
        self.broker.stop()


@pytest.fixture
def site(services: Services, tmp_path: Path, django_db_blocker: Any) -> Iterator[Site]:
    database_url = services.new_database()
    with django_db_blocker.unblock(), harness.speaking_to(database_url):
        found = Site(services, tmp_path, database_url)
        try:
            found.begin()
            yield found
        finally:
            found.end()


def online() -> list[str]:
    """How the board calls the meters of the north."""
    told = live.snapshot()
    north = next(area["id"] for area in told["areas"] if area["base_topic"] == "zigbee2mqtt")
    return [meter["online"] for meter in told["meters"] if meter["area"] == north]


def is_connected() -> bool:
    return bool(live.snapshot()["worker"]["connected"])


def bridge(slug: str) -> str:
    return AreaState.objects.get(area__slug=slug).bridge


def meter(site: Site, number: int) -> Meter:
    return Meter.objects.get(device__ieee_address=site.north.ieee(number))


def status(site: Site, number: int) -> str:
    return Command.objects.filter(meter=meter(site, number)).latest("pk").status


def test_without_any_memory_the_next_readings_come_and_no_command_is_sent_twice(site: Site) -> None:
    """One order is under way when the first broker dies, one is given while there is none."""
    north, south = site.north, site.south
    south.report(100)
    south.wait_stored()
    north.modes[0] = "held"
    commands.order([meter(site, 0)], False, "a test")
    until(lambda: north.held, "the order to be under way")
    site.broker.kill()
    until(lambda: not is_connected(), "the board to say that nothing is heard")
    assert online() == ["unknown", "unknown"]
    commands.order([meter(site, 1)], False, "a test")
    site.take_over()
    site.wait_heard()
    north.release()
    for number in (0, 1):
        until(lambda number=number: status(site, number) == "confirmed", f"order {number} to be proven")  # type: ignore[misc]
    south.report(100)
    south.wait_stored()
    south.check()
    assert north.relay == [False, False]
    assert site.sets() == ["OFF", "OFF"]
    assert (bridge("north"), bridge("south")) == ("online", "online")


def test_an_old_copy_of_its_memory_doubles_nothing_and_believes_no_dead_zigbee2mqtt(site: Site) -> None:
    """The copy holds messages that were stored since, and the word of a Zigbee2MQTT that died with the first broker."""
    north, south = site.north, site.south
    harness.terminate(site.worker)  # what the north said is acknowledged
    south.report(300)
    south.talker.flush()
    memory = site.broker.remember(site.root / "copy")
    site.start_worker()
    south.wait_stored()
    site.broker.kill()
    north.talker.cut()  # it dies, too: nobody is left who could tell its last will
    north.ear.stop()
    site.take_over(memory)
    assert bridge("north") == "online"  # as the copy tells, for half a minute
    south.report(50)
    south.wait_stored()
    south.check()
    until(lambda: bridge("north") == "unknown", "the dead one to be doubted", 90)
    assert online() == ["unknown", "unknown"]
    assert bridge("south") == "online"
