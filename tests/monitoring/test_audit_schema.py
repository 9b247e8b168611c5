"""The profile beside the schema that Zigbee2MQTT itself checks its configuration with."""

import json
from pathlib import Path
from typing import Any

import pytest

from monitoring.audit import profile

pytestmark = pytest.mark.twin


@pytest.mark.parametrize("setting", profile.SETTINGS, ids=lambda setting: setting.code)
def test_each_setting_of_the_profile_is_one_that_zigbee2mqtt_knows_and_needs_a_restart_where_it_says_so(
    twin_dir: Path, setting: profile.Setting
) -> None:
    schema = json.loads((twin_dir / "node_modules/zigbee2mqtt/dist/util/settings.schema.json").read_text())
    first, *others = setting.path
    node: dict[str, Any] = schema["definitions"]["device"] if first == "device_options" else schema["properties"][first]
    restart = bool(node.get("requiresRestart"))
    for key in others:
        if "additionalProperties" in node and key not in node.get("properties", {}):  # a name of a part of its log
            break
        node = node["properties"][key]
        restart = restart or bool(node.get("requiresRestart"))
    assert setting.restart is restart
    assert "enum" not in node or setting.wanted in node["enum"] or first == "advanced"
    if isinstance(setting.fits, profile.Between):
        assert setting.fits.low >= node.get("minimum", 0)
