"""What an instance would need to begin anew, as the zip that bridge/request/backup answers with."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from typing import Any

from meters.simulation import bridge
from meters.simulation.network import Device, Network, dumps, manufacturer

MODES = ("ok", "silent", "refused", "broken")
"""silent: no answer at all; refused: an error; broken: a zip that was cut."""
CLUSTERS = {"seMetering": 1794, "haElectricalMeasurement": 2820, "genOnOff": 6}
ATTRIBUTES = {"currentSummDelivered": 0, "rmsVoltage": 1285, "rmsCurrent": 1288, "activePower": 1291, "onOff": 0}


def packed(network: Network) -> str:
    """Base64 of the zip: the four files that a real one sends."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in _files(network).items():
            archive.writestr(name, text)
    return base64.b64encode(packed.getvalue()).decode()


def cut(packed: str) -> str:
    """The first half of it, whole letters of base64."""
    return packed[: len(packed) // 8 * 4]


def _files(network: Network) -> dict[str, str]:
    lines = [_coordinator(network), *(_line(network, device, id_) for id_, device in enumerate(network.joined(), 2))]
    return {
        "configuration.yaml": json.dumps(_configuration(network), indent=2, ensure_ascii=False),  # JSON is YAML
        "database.db": "\n".join(map(dumps, lines)) + "\n",
        "coordinator_backup.json": json.dumps(_antenna(network), indent=2),
        "state.json": json.dumps({device.ieee: device.cached for device in network.joined()}),
    }


def _key(network: Network) -> bytes:
    """Of nothing that is there."""
    return hashlib.sha256(f"{network.base}/key".encode()).digest()[:16]


def _configuration(network: Network) -> dict[str, Any]:
    told: dict[str, Any] = bridge.info(network)["config"]
    told["advanced"] |= {"network_key": list(_key(network))}
    told["mqtt"] |= {"user": "zigbee2mqtt", "password": f"of-{network.base}"}
    return told


def _coordinator(network: Network) -> dict[str, Any]:
    address = bridge.coordinator_address(network)
    endpoint = {"profId": 260, "epId": 1, "clusters": {}, "binds": [], "configuredReportings": []}
    of_all = {"id": 1, "type": "Coordinator", "nwkAddr": 0, "ieeeAddr": address, "epList": [1]}
    return of_all | {"endpoints": {"1": endpoint}, "interviewCompleted": True, "meta": {}}


def _line(network: Network, device: Device, id_: int) -> dict[str, Any]:
    """As zigbee-herdsman keeps a device."""
    endpoint = {"profId": 260, "epId": 1, "clusters": {}, "binds": []}
    return {
        "id": id_,
        "type": "Router",
        "ieeeAddr": device.ieee,
        "nwkAddr": device.network_address,
        "manufName": manufacturer(device),
        "modelId": bridge.MODEL_IDS[device.spec.kind],
        "epList": [1],
        "endpoints": {"1": endpoint | {"configuredReportings": [_report(each) for each in bridge.reportings(device)]}},
        "interviewCompleted": not device.interviewing,
        "meta": {},
        "lastSeen": round(device.last_seen * 1000),
    }


def _report(listed: dict[str, Any]) -> dict[str, Any]:
    return {
        "cluster": CLUSTERS.get(listed["cluster"], listed["cluster"]),
        "attrId": ATTRIBUTES.get(listed["attribute"], listed["attribute"]),
        "minRepIntval": listed["minimum_report_interval"],
        "maxRepIntval": listed["maximum_report_interval"],
        "repChange": listed["reportable_change"],
    }


def _antenna(network: Network) -> dict[str, Any]:
    """The coordinator's own memory, in zigpy's open format."""
    told = bridge.info(network)["network"]
    return {
        "metadata": {"format": "zigpy/open-coordinator-backup", "version": 1, "source": "simulated"},
        "coordinator_ieee": bridge.coordinator_address(network).removeprefix("0x"),
        "pan_id": f"{told['pan_id']:04x}",
        "extended_pan_id": told["extended_pan_id"].removeprefix("0x"),
        "channel": told["channel"],
        "network_key": {"key": _key(network).hex(), "sequence_number": 0, "frame_counter": round(network.now)},
        "devices": [
            {"nwk_address": f"{device.network_address:04x}", "ieee_address": device.ieee.removeprefix("0x")}
            for device in network.joined()
        ],
    }
