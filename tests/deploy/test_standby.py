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
from tests.meters.harness import Listener, ObeyingFleet, Services, Workers, says, until

pytestmark = [pytest.mark.services, pytest.mark.mosquitto]
RATE = 100
WITNESS = {"witness": "topic read #"}


class Site:
    """A broker, a worker, and an area that obeys."""

    def __init__(self, services: Services, root: Path, database_url: str) -> None:
        self.root = root
        self.broker = CampsiteBroker(root / "first", rules=WITNESS)
        self.broker.start()
        self.workers = Workers(services, database_url, self.broker.url())
        self.worker: Process
        self.fleet: ObeyingFleet
        self.witness: Listener

    def begin(self) -> None:
        Area.objects.create(name="north", slug="north", base_topic="zigbee2mqtt", control="act", in_service=True)
        self.witness = Listener(self.broker.url("witness"))
        self.fleet = ObeyingFleet(self.broker.url("zigbee2mqtt_north"), "zigbee2mqtt", 10)
        self.worker = self.workers.start(COMMAND_ANSWER_S="5")
        self.fleet.appear()
        until(lambda: Meter.objects.count() == 10, "the meters")
        self.fleet.hear()
        until(lambda: online() == {"online"}, "all to be online")

    def take_over(self, memory: Path | None = None) -> None:
        """The first one is gone; another is there."""
        self.broker = self.broker.standby(self.root / "second", memory=memory)
        self.broker.start()

    def sets(self) -> list[str]:
        return [sent.state for sent in self.witness.switched("zigbee2mqtt")]

    def end(self) -> None:
        if hasattr(self, "fleet"):
            self.fleet.stop()
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


def online() -> set[str]:
    return {meter["online"] for meter in live.snapshot()["meters"]}


def is_connected() -> bool:
    return bool(live.snapshot()["worker"]["connected"])


def newest(number: int) -> Command:
    return Command.objects.filter(meter__device__friendly_name=f"{100 + number},{1 + number % 3}").latest("pk")


def order(number: int, state: bool) -> None:
    meter = Meter.objects.get(device__friendly_name=f"{100 + number},{1 + number % 3}")
    commands.order([meter], state, "a test")


def test_in_mid_flow_nothing_is_lost_and_no_command_is_sent_twice(site: Site) -> None:
    """One order is under way when the first broker dies, one is given while there is none."""
    fleet = site.fleet
    fleet.run(RATE)
    until(lambda: fleet.stored() > RATE, "readings")
    fleet.modes[0] = "held"
    order(0, False)
    until(lambda: fleet.held, "the order to be under way")
    site.broker.kill()
    until(lambda: not is_connected(), "the board to say that nothing is heard")
    assert online() == {"unknown"}
    order(1, False)
    site.take_over()
    until(lambda: says(site.worker, "Connected to") == 2, "the worker to be back")
    until(lambda: all(c.is_connected() for c in (fleet.ear.client, fleet.talker.client)), "the area to be back")
    fleet.release()
    for number in (0, 1):
        until(lambda number=number: newest(number).status == "confirmed", f"order {number} to be proven")  # type: ignore[misc]
    fleet.rest()
    fleet.wait_stored()
    fleet.check()
    assert fleet.relay[:3] == [False, False, True]
    assert site.sets() == ["OFF"] * 2
    assert AreaState.objects.get().bridge == "online"


def test_an_old_copy_of_its_memory_doubles_nothing_and_believes_no_dead_zigbee2mqtt(site: Site) -> None:
    """The copy holds messages that were stored since, and the word of a Zigbee2MQTT that died with the first broker."""
    fleet = site.fleet
    harness.kill(site.worker)
    fleet.report(300)
    fleet.talker.flush()
    memory = site.broker.remember(site.root / "copy")
    site.worker = site.workers.start(COMMAND_ANSWER_S="5")
    fleet.wait_stored()
    site.broker.kill()
    fleet.talker.cut()  # it dies, too: nobody is left who could tell its last will
    fleet.ear.stop()
    site.take_over(memory)
    until(lambda: says(site.worker, "Connected to") == 2, "the worker to be back")
    until(lambda: AreaState.objects.get().bridge == "unknown", "the dead one to be doubted", 90)
    assert online() == {"unknown"}
    fleet.check()
