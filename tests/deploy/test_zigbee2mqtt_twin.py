"""Two real Zigbee2MQTTs as deploy/areas.py configures them, on the broker as it is deployed, each by its own user.

Zigbee2MQTT, converters and their MQTT are the shipped ones; only the radio adapter is simulated (../shared/twin).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from meters import commands, live, requests
from meters.models import Area, AreaState, Command, Listing, Meter, MeterState
from monitoring import audit
from monitoring.audit import Verdict
from monitoring.backup import zigbee2mqtt
from monitoring.backup.manifest import Piece
from monitoring.checks import audit as check
from tests.deploy.broker import CampsiteBroker, Somebody
from tests.meters import harness
from tests.meters.conftest import services as services
from tests.meters.harness import Services, Twin, Workers, free_port, says, until

pytestmark = [pytest.mark.services, pytest.mark.twin, pytest.mark.mosquitto]
BASES = {"north": "zigbee2mqtt", "south": "zigbee2mqtt_area2"}
DEVICES = 2


class Site:
    """The broker, a worker, and the two of INVENTORY with their own passwords."""

    def __init__(self, services: Services, directory: Path, root: Path, database_url: str) -> None:
        self._services, self._directory = services, directory
        self.broker = CampsiteBroker(root / "broker")
        self.data = root / "zigbee2mqtt"
        self.broker.make("--zigbee2mqtt", str(self.data))
        self.workers = Workers(services, database_url, self.broker.url())
        self.twins: dict[str, Twin] = {}

    def begin(self) -> None:
        self.broker.start()
        for slug, base in BASES.items():
            Area.objects.create(
                name=slug, slug=slug, base_topic=base, in_service=True, control="act", expected_channel=None
            )
        self.worker = self.workers.start(COMMAND_ANSWER_S="5")
        for slug, base in BASES.items():
            self._frontend_elsewhere(slug)
            words = ("--every", "2", "--data", str(self.data / slug))
            self.twins[slug] = Twin(
                self._directory, self._services, self.broker.url(f"zigbee2mqtt_{slug}"), base, DEVICES, *words
            )
        until(lambda: Listing.objects.count() == 2 * DEVICES, "both inventories")
        until(lambda: len(online()) == 2 * DEVICES, "all to be online")

    def _frontend_elsewhere(self, slug: str) -> None:
        """In containers each has its port 8080."""
        path = self.data / slug / "configuration.yaml"
        path.write_text(path.read_text().replace("port: 8080", f"port: {free_port()}"))

    def end(self) -> None:
        for twin in self.twins.values():
            twin.close()
        self.workers.end_all()
        self.broker.stop()


@pytest.fixture
def site(services: Services, twin_dir: Path, tmp_path: Path, django_db_blocker: Any) -> Iterator[Site]:
    database_url = services.new_database()
    with django_db_blocker.unblock(), harness.speaking_to(database_url):
        found = Site(services, twin_dir, tmp_path, database_url)
        try:
            found.begin()
            yield found
        finally:
            found.end()


def online() -> list[str]:
    return [meter["name"] for meter in live.snapshot()["meters"] if meter["online"] == "online"]


def bridges() -> dict[str, str]:
    return dict(AreaState.objects.values_list("area__slug", "bridge"))


def switch(area: str, state: bool) -> None:
    """A person's click, until it is proven."""
    meter = Meter.objects.filter(device__area__slug=area).earliest("pk")
    commands.order([meter], state, "a test")
    until(lambda: Command.objects.filter(meter=meter).latest("pk").status == "confirmed", f"{area} to be switched")
    assert MeterState.objects.get(meter=meter).relay is state


def deviations() -> set[str]:
    told = audit.gather(timezone.now())
    return {
        rule.rule.code
        for facts in told.areas
        for rule in audit.of_area(facts, told)
        if rule.look.verdict is Verdict.WRONG
    }


def test_both_are_heard_switched_and_backed_up_and_neither_hears_of_the_other(site: Site) -> None:
    spy = Somebody(site.broker, "zigbee2mqtt_north")
    spy.listen("#")
    assert list(check.configurations(timezone.now())) == []
    assert deviations() == {"reporting"}  # of the plugs: not a matter of configuration.yaml
    for area in BASES:
        switch(area, False)
        switch(area, True)
    made = {piece.name: piece for piece in zigbee2mqtt.collect() if isinstance(piece, Piece)}
    assert {area: piece.facts["devices"] for area, piece in made.items()} == {"north": DEVICES, "south": DEVICES}
    spy.hears_of("zigbee2mqtt/bridge/response/backup")
    assert {topic.partition("/")[0] for topic, _ in spy.heard} == {"zigbee2mqtt"}
    spy.leave()

    ours = Somebody(site.broker, "campsite")
    ours.say("zigbee2mqtt/bridge/request/converter/save", json.dumps({"name": "x.js", "code": "module.exports = {}"}))
    ours.listen("zigbee2mqtt/bridge/response/#")
    ours.say("zigbee2mqtt/bridge/request/health_check", "{}")
    until(lambda: [topic for topic, _ in ours.heard], "its answer")
    assert {topic for topic, _ in ours.heard} == {"zigbee2mqtt/bridge/response/health_check"}
    assert not list((site.data / "north").glob("external_converters/*"))
    ours.leave()


def test_a_standby_broker_without_any_memory_takes_over_the_address_of_both(site: Site, tmp_path: Path) -> None:
    """What Zigbee2MQTT 2.14 tells it by itself is that it runs, and what happens from then on: no more is needed."""
    site.broker.kill()
    until(lambda: online() == [], "the board to know that it knows nothing")
    site.broker = site.broker.standby(tmp_path / "standby")
    site.broker.start()
    until(lambda: says(site.worker, "Connected to") == 2, "the worker to be back")
    until(lambda: len(online()) == 2 * DEVICES, "all to be online again")
    assert bridges() == {"north": "online", "south": "online"}
    for area in BASES:
        switch(area, False)
    newcomer = Somebody(site.broker, "campsite")
    newcomer.listen("zigbee2mqtt/bridge/#")
    newcomer.listen("end")
    assert "zigbee2mqtt/bridge/state" in dict(newcomer.heard)
    assert "zigbee2mqtt/bridge/devices" not in dict(newcomer.heard)  # until something joins, or it is restarted
    requests.ask(Area.objects.get(slug="north"), "restart", {})
    newcomer.hears_of("zigbee2mqtt/bridge/devices")
    newcomer.leave()
