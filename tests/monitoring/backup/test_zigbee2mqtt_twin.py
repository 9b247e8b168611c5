"""A real Zigbee2MQTT is lost with all that it had, and begins anew from its backup.

Zigbee2MQTT, converters and their MQTT are the shipped ones; only the radio adapter is simulated (../shared/twin).
"""

from __future__ import annotations

import base64
import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from meters import requests
from meters.models import Area, AreaState, BridgeRequest, Device, Listing, MeterState
from monitoring.backup import contents, history, zigbee2mqtt
from monitoring.backup.manifest import Piece
from tests.meters.commands.test_backups import texts
from tests.meters.conftest import services as services
from tests.meters.harness import Twin, until
from tests.meters.test_twin import World, report
from tests.meters.test_twin import world as world

pytestmark = [
    pytest.mark.services,
    pytest.mark.twin,
    pytest.mark.mosquitto,
    pytest.mark.parametrize("broker", ["mosquitto"], indirect=True),
]
DEVICES = 3


@pytest.fixture
def twin(world: World, settings: Any, tmp_path: Path) -> Twin:
    """Its devices are listed; it logs all that it publishes, as it does where nobody told it otherwise."""
    settings.BACKUP_HISTORY = str(tmp_path / "history")
    made = world.twin("shore", DEVICES, "--every", "0")
    Area.objects.update(in_service=True)
    world.workers.start()
    until(lambda: Listing.objects.count() == DEVICES, "the inventory")
    until(lambda: AreaState.objects.filter(bridge="online").exists(), "it to be online")
    return made


def data(twin: Twin) -> Path:
    return Path(twin._words[twin._words.index("--data") + 1])


def devices(twin: Twin, mark: int = 0) -> dict[str, str]:
    """Address → name, as it last listed them."""
    listed = json.loads(twin.listener.since(mark, f"{twin.base}/bridge/devices")[-1])
    return {each["ieee_address"]: each["friendly_name"] for each in listed}


def options(twin: Twin, mark: int = 0) -> dict[str, Any]:
    told = json.loads(twin.listener.since(mark, f"{twin.base}/bridge/info")[-1])
    found: dict[str, Any] = told["config"]["devices"]
    return found


def ours() -> set[tuple[Any, ...]]:
    return set(Listing.objects.values_list("pk", "device", "device__ieee_address", "friendly_name", "named_at"))


def asked(area: Area, request: str, payload: dict[str, Any]) -> None:
    made = requests.ask(area, request, payload)
    until(lambda: BridgeRequest.objects.filter(pk=made.pk, status="done").exists(), request)


def backup() -> Piece:
    (found,) = zigbee2mqtt.collect()
    assert isinstance(found, Piece), found
    return found


def test_a_zigbee2mqtt_that_lost_everything_comes_back_with_its_devices(twin: Twin, world: World) -> None:
    area, address = Area.objects.get(), Device.objects.get(friendly_name="plug_2").ieee_address
    first = backup()
    asked(area, "device/rename", {"from": address, "to": "plads 12,3 æøå"})
    asked(area, "device/options", {"id": address, "options": {"description": "behind the hedge"}})
    until(lambda: Listing.objects.filter(friendly_name="plads 12,3 æøå").exists(), "the new name")
    made = backup()
    before = devices(twin), options(twin), ours()

    twin.end()
    shutil.rmtree(data(twin))
    zipfile.ZipFile(io.BytesIO(made.content)).extractall(data(twin))
    mark = twin.listener.mark()
    twin.start()
    until(lambda: twin.listener.since(mark, f"{twin.base}/bridge/devices"), "its list of devices")
    until(lambda: AreaState.objects.filter(bridge="online").exists(), "it to be online again")
    assert (devices(twin, mark), options(twin, mark), ours()) == before
    back_at = timezone.now()
    report(twin, 1)
    heard = MeterState.objects.filter(meter__device__ieee_address=address, heard_at__gt=back_at)
    until(heard.exists, "the renamed meter to be heard again")

    check_facts(made, first)
    check_history(area)
    check_secrets(twin, world, made)


def check_facts(made: Piece, first: Piece) -> None:
    assert made.facts["version"] == "2.14.1"
    assert (made.facts["devices"], made.facts["listed"], made.facts["has_coordinator"]) == (DEVICES, DEVICES, True)
    assert (made.warnings, first.warnings) == ((), ())


def check_history(area: Area) -> None:
    newest, _first = history.changes(area, 10)
    head, rename, described = newest.text.splitlines()
    assert head.startswith("Asked of it from here")
    assert ("device/rename" in rename, "device/options" in described) == (True, True)
    assert "+  name: plads 12,3 æøå" in next(file.lines for file in newest.files if file.name == "devices.yaml")


def check_secrets(twin: Twin, world: World, made: Piece) -> None:
    """No table and no log of ours holds the network's key or the zip, although it went through all of them."""
    assert twin.listener.since(0, f"{twin.base}/bridge/logging")
    packed, found = base64.b64encode(made.content).decode(), contents.read(made.content)
    logs = "".join(worker.log.read_text(errors="replace") for worker in world.workers.started)
    key = bytes(found.configuration["advanced"]["network_key"])
    for secret in (key.hex(), ", ".join(map(str, key)), packed[:60], packed[-60:]):
        assert secret not in texts() + logs
