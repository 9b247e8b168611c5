"""The configuration that deploy/areas.py makes for a Zigbee2MQTT, held against our own audit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from meters.models import Area, AreaState
from monitoring.audit import AreaFacts, profile
from monitoring.audit.settings import value_of
from tests.deploy.broker import DEPLOY, INVENTORY, areas

SITE = INVENTORY.format(broker="mqtts://nas.local:8883", homeassistant="yes")


def made(folder: Path, inventory: str = SITE) -> dict[str, dict[str, Any]]:
    """Short name → what was written there."""
    (folder / "areas.ini").write_text(inventory)
    words = ["--inventory", folder / "areas.ini", "--secrets", folder / "secrets", "--zigbee2mqtt", folder / "data"]
    assert areas.main([str(word) for word in words]) == 0
    return {
        path.parent.name: yaml.safe_load(path.read_text()) for path in (folder / "data").glob("*/configuration.yaml")
    }


@pytest.mark.parametrize("setting", profile.SETTINGS, ids=lambda setting: setting.code)
def test_each_setting_of_the_profile_stands_in_it(tmp_path: Path, setting: profile.Setting) -> None:
    told = made(tmp_path)["south"]
    value = value_of(setting, AreaFacts(Area(), AreaState(info_at="now", configuration=told)))
    assert setting.fits.fits(value), value


def test_each_area_has_what_the_inventory_says_and_a_network_of_its_own(tmp_path: Path) -> None:
    told = made(tmp_path)
    assert [told[slug]["mqtt"]["base_topic"] for slug in ("north", "south")] == ["zigbee2mqtt", "zigbee2mqtt_area2"]
    assert [told[slug]["mqtt"]["user"] for slug in ("north", "south")] == ["zigbee2mqtt_north", "zigbee2mqtt_south"]
    assert [told[slug]["advanced"]["channel"] for slug in ("north", "south")] == [11, 15]
    assert [told[slug]["advanced"]["pan_id"] for slug in ("north", "south")] == [0x1A01, 0x1A02]
    assert {told[slug]["advanced"]["network_key"] for slug in told} == {"GENERATE"}
    assert told["south"]["serial"] == {"port": "tcp://192.0.2.12:6638", "adapter": "zstack"}
    assert told["south"]["homeassistant"] == {"enabled": True}
    assert told["south"]["mqtt"]["server"] == "mqtts://nas.local:8883"


def test_its_password_stands_in_a_file_of_its_own(tmp_path: Path) -> None:
    told = made(tmp_path)["north"]
    (secrets,) = (tmp_path / "data" / "north").glob("secret.yaml")
    password = (tmp_path / "secrets" / "mqtt_zigbee2mqtt_north").read_text()
    assert yaml.safe_load(secrets.read_text())["password"] == password
    assert password not in yaml.safe_dump(told)
    assert secrets.stat().st_mode & 0o077 == 0


def test_a_configuration_that_is_there_and_its_secrets_are_never_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It holds the network's key: without it every meter would have to join anew."""
    own = tmp_path / "data" / "north"
    own.mkdir(parents=True)
    (own / "configuration.yaml").write_text("advanced: {network_key: '!secret.yaml network_key'}\n")
    (own / "secret.yaml").write_text("network_key: [1, 2, 3]\n")
    before = {path.name: path.read_text() for path in own.iterdir()}
    made(tmp_path)
    assert {path.name: path.read_text() for path in own.iterdir()} == before
    assert "north: its secret.yaml has another password" in capsys.readouterr().out


def test_the_authority_of_the_broker_lies_where_its_configuration_looks_for_it(tmp_path: Path) -> None:
    inventory = SITE.replace("[site]", "[site]\nca = /app/data/ca.crt")
    (tmp_path / "areas.ini").write_text(inventory)
    words = f"--inventory {tmp_path}/areas.ini --secrets {tmp_path}/secrets --mosquitto {tmp_path}/mosquitto"
    assert areas.main([*words.split(), "--tls", "nas.local", "--zigbee2mqtt", str(tmp_path / "data")]) == 0
    told = yaml.safe_load((tmp_path / "data" / "north" / "configuration.yaml").read_text())
    assert told["mqtt"]["ca"] == "/app/data/ca.crt"
    ours = (tmp_path / "mosquitto" / "tls" / "ca.crt").read_text()
    assert (tmp_path / "data" / "north" / "ca.crt").read_text() == ours


def test_nothing_of_the_template_stays_unfilled(tmp_path: Path) -> None:
    made(tmp_path)
    assert "@" in (DEPLOY / "zigbee2mqtt" / "configuration.yaml").read_text()
    assert "@" not in (tmp_path / "data" / "north" / "configuration.yaml").read_text()
