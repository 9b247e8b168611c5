"""What an instance says of itself on bridge/#: info, devices, health, events, answers."""

from __future__ import annotations

import json
from typing import Any

from meters.simulation import configuration as configurations
from meters.simulation import definitions
from meters.simulation.network import MAINS, Device, Network, dumps, manufacturer
from meters.simulation.site import ieee_address

TUYA_CLUSTERS = [
    "genIdentify",
    "genGroups",
    "genScenes",
    "genOnOff",
    "genBasic",
    "57344",
    "manuSpecificTuya3",
    "haElectricalMeasurement",
    "seMetering",
]
INPUT_CLUSTERS = {
    "meter": TUYA_CLUSTERS,
    "three_phase": ["genGroups", "genScenes", "manuSpecificTuya", "genBasic"],
    "repeater": ["genBasic", "genIdentify"],
}
OUTPUT_CLUSTERS = {"meter": ["genOta", "genTime"], "three_phase": ["genOta", "genTime"], "repeater": ["genOta"]}
REPORTED = (
    ("haElectricalMeasurement", "rmsVoltage", 5),
    ("haElectricalMeasurement", "rmsCurrent", 50),
    ("haElectricalMeasurement", "activePower", 10),
    ("seMetering", "currentSummDelivered", 257),
)
MODEL_IDS = {"meter": "TS011F", "three_phase": "TS0601", "repeater": "WG001-Z01"}


# --- publishing -------------------------------------------------------------------------------------


def publish_info(network: Network) -> None:
    network.publish("bridge/info", dumps(info(network)), retain=True, logged=False)


def publish_devices(network: Network) -> None:
    listed = [_coordinator(network), *(entry(network, device) for device in network.joined())]
    network.publish("bridge/devices", dumps(listed), retain=True, logged=False)


def publish_groups(network: Network) -> None:
    network.publish("bridge/groups", "[]", retain=True, logged=False)


def publish_definitions(network: Network) -> None:
    """Small here; the real one is 0.4-1.3 MB of cluster definitions."""
    small = {"actions": ["raw"], "clusters": {}, "custom_clusters": {}}
    network.publish("bridge/definitions", dumps(small), retain=True, logged=False)


def publish_state(network: Network, state: str, *, qos: int = 1) -> None:
    network.publish("bridge/state", json.dumps({"state": state}, separators=(",", ":")), qos=qos, retain=True)


def publish_event(network: Network, name: str, device: Device, **more: Any) -> None:
    about = {"friendly_name": device.name, "ieee_address": device.ieee} | more
    network.publish("bridge/event", dumps({"data": about, "type": name}))


def publish_health(network: Network) -> None:
    network.publish("bridge/health", json.dumps(health(network), separators=(",", ":")), qos=1, retain=True)


# --- shapes -----------------------------------------------------------------------------------------


def info(network: Network) -> dict[str, Any]:
    """bridge/info, without the 24 kB of config_schema."""
    base = network.base
    extended = bytes(configurations.extended_pan_id(base)).hex()
    found: dict[str, Any] = {
        "commit": "3c3d8c1a",
        "config": configurations.published(network.area, network.configuration, _configured(network)),
        "config_schema": {},
        "coordinator": {"ieee_address": coordinator_address(network), "meta": _firmware(), "type": "EmberZNet"},
        "log_level": network.configuration.log_level,
        "mqtt": {"server": "mqtt://mosquitto:1883", "version": 4},
        "network": {
            "channel": network.area.channel,
            "extended_pan_id": f"0x{extended}",
            "pan_id": configurations.pan_id(base),
        },
        "os": {"cpus": "Simulated (x2)", "memory_mb": 6144, "node_version": "v24.21.0", "version": "simulated"},
        "permit_join": network.permit_join_until is not None,
        "restart_required": network.restart_required,
        "version": "2.14.1",
        "zigbee_herdsman": {"version": "10.9.2"},
        "zigbee_herdsman_converters": {"version": "26.105.0"},
    }
    if network.permit_join_until is not None:
        found["permit_join_end"] = round(network.permit_join_until * 1000)
    return found


def entry(network: Network, device: Device) -> dict[str, Any]:
    """One device in bridge/devices. What is not known is absent, not null."""
    described = {"description": device.options["description"]} if "description" in device.options else {}
    return described | {
        "date_code": "",
        "definition": definitions.of(device.spec.kind),
        "disabled": bool(device.options.get("disabled")),
        "endpoints": {"1": _endpoint(network, device)},
        "friendly_name": device.name,
        "ieee_address": device.ieee,
        **_interviewed(device.interviewing),
        "manufacturer": manufacturer(device),
        "model_id": MODEL_IDS[device.spec.kind],
        "network_address": device.network_address,
        "power_source": MAINS,
        "supported": True,
        "type": "Router",
    }


def health(network: Network) -> dict[str, Any]:
    """bridge/health: devices that were not heard in this run are missing."""
    memory_mb = 150 + network.random.random()
    return {
        "response_time": round(network.now * 1000),
        "os": {"load_average": [0.42, 0.37, 0.35], "memory_used_mb": 2484.63, "memory_percent": 40.44},
        "process": {
            "uptime_sec": int(network.now - network.started_at),
            "memory_used_mb": round(memory_mb, 2),
            "memory_percent": round(memory_mb / 61.44, 4),
        },
        "mqtt": {
            "connected": True,
            "queued": 0,
            "published": network.published,
            "received": network.received,
        },
        "devices": {d.ieee: _traffic(d, network.now) for d in network.devices.values() if d.messages},
    }


def _traffic(device: Device, now: float) -> dict[str, Any]:
    span = now - device.first_message_at
    return {
        "messages": device.messages,
        "messages_per_sec": round(device.messages / span, 4) if span > 0 else 0,
        "leave_count": device.leave_count,
        "network_address_changes": 0,
    }


def _configured(network: Network) -> dict[str, dict[str, Any]]:
    """Devices that left stay in configuration.yaml; removed ones have lost their name and are gone."""
    kept = [device for device in network.devices.values() if device.joined or device.name != device.ieee]
    return {device.ieee: {"friendly_name": device.name} | device.options for device in kept}


def coordinator_address(network: Network) -> str:
    return "0x00124b00" + ieee_address(f"{network.base}/coordinator")[-8:]


def _firmware() -> dict[str, Any]:
    revision = {"build": 0, "ezsp": 13, "major": 7, "minor": 4, "patch": 4, "revision": "7.4.4 [GA]"}
    return revision | {"special": 0, "type": 170}


def _interviewed(now: bool) -> dict[str, Any]:
    state = "IN_PROGRESS" if now else "SUCCESSFUL"
    return {"interview_completed": not now, "interview_state": state, "interviewing": now}


def _coordinator(network: Network) -> dict[str, Any]:
    nothing: dict[str, list[str]] = {"input": [], "output": []}
    return {
        "disabled": False,
        "endpoints": {"1": {"bindings": [], "clusters": nothing, "configured_reportings": [], "scenes": []}},
        "friendly_name": "Coordinator",
        "ieee_address": coordinator_address(network),
        **_interviewed(False),
        "network_address": 0,
        "supported": True,
        "type": "Coordinator",
    }


def _endpoint(network: Network, device: Device) -> dict[str, Any]:
    kind = device.spec.kind
    target = {"endpoint": 1, "ieee_address": coordinator_address(network), "type": "endpoint"}
    bound = ("genOnOff", "haElectricalMeasurement", "seMetering") if kind == "meter" else ()
    return {
        "bindings": [{"cluster": cluster, "target": target} for cluster in bound],
        "clusters": {"input": INPUT_CLUSTERS[kind], "output": OUTPUT_CLUSTERS[kind]},
        "configured_reportings": reportings(device),
        "scenes": [],
    }


def reportings(device: Device) -> list[dict[str, Any]]:
    if device.spec.kind != "meter":
        return []
    standard = {(cluster, attribute): _reporting(5, 3600, change) for cluster, attribute, change in REPORTED}
    merged = standard | device.reportings
    return [{"attribute": a, "cluster": c} | intervals for (c, a), intervals in merged.items()]


def _reporting(minimum_s: int, maximum_s: int, change: int) -> dict[str, Any]:
    return {
        "maximum_report_interval": maximum_s,
        "minimum_report_interval": minimum_s,
        "reportable_change": change,
    }
