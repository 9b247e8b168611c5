"""Backups of Zigbee2MQTTs for the tests: a good one, and whatever a test makes of it."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

KEY = [77, 100, 65, 50, 127, 125, 207, 169, 38, 163, 188, 89, 161, 128, 94, 51]
PASSWORD = "correct-horse"
ADDRESS = "0xa4c138d6300000{:02x}"
COORDINATOR = {"id": 1, "type": "Coordinator", "ieeeAddr": "0x00124b00d63091d2"}


def device(number: int, **told: Any) -> dict[str, Any]:
    """A line of database.db."""
    reporting = {"cluster": 1794, "attrId": 0, "minRepIntval": 5, "maxRepIntval": 3600, "repChange": 257}
    endpoints = {"1": {"configuredReportings": [reporting], "clusters": {"genBasic": {"attributes": {"a": 1}}}}}
    named = {"ieeeAddr": ADDRESS.format(number), "modelId": "TS011F", "manufName": "_TZ3000_x", "lastSeen": 1}
    return {"id": number + 1, "type": "Router", "endpoints": endpoints} | named | told


def configuration(devices: int = 2, **told: Any) -> dict[str, Any]:
    names = {ADDRESS.format(n): {"friendly_name": f"10{n}"} for n in range(1, devices + 1)}
    mqtt = {"base_topic": "z2m", "server": "mqtt://broker:1883", "user": "z2m", "password": PASSWORD}
    advanced = {"network_key": KEY, "pan_id": 6754, "ext_pan_id": [1, 2, 3, 4, 5, 6, 7, 8], "channel": 15}
    return {"version": 5, "mqtt": mqtt, "advanced": advanced, "devices": names} | told


def files(devices: int = 2, **config: Any) -> dict[str, bytes]:
    """What is in the zip; `config` goes into configuration.yaml."""
    lines = [COORDINATOR, *(device(number) for number in range(1, devices + 1))]
    return {
        "configuration.yaml": json.dumps(configuration(devices, **config)).encode(),
        "database.db": "\n".join(map(json.dumps, lines)).encode(),
        "coordinator_backup.json": json.dumps({"network_key": {"key": bytes(KEY).hex()}}).encode(),
        "state.json": b"{}",
    }


def packed(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()
