"""States of devices and their availability."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from meters.zigbee2mqtt.messages import Availability, Ignored, Rejected, State
from meters.zigbee2mqtt.values import INT, SMALLINT, decode_object, ieee_of, moment, name_of, scaled

PHASE = re.compile(r"^(power|voltage|current)_(\w{1,12})$")
PHASED = ("power_", "voltage_", "current_")
FACTOR = {"power": 1, "voltage": 10, "current": 1000}
OUTAGE_MEMORY = {"on": "on", "off": "off", "restore": "restore", "previous": "restore"}
RELAY = {"ON": True, "OFF": False}


def parse_state(name: str, payload: bytes) -> State | Ignored:
    """A device's (or a group's) state. An empty payload clears the topic after a rename: Ignored."""
    if not payload:
        return Ignored()
    values = decode_object(payload)
    return State(  # in the order of its fields: to name each takes half a µs
        name_of(name, "the topic"),
        _ieee_address(values.get("device")),
        moment(values.get("last_seen")),
        scaled(values, "linkquality", 1, 0, 255),
        _relay(values.get("state")),
        scaled(values, "power", 1, -INT, INT),
        scaled(values, "voltage", 10, 0, SMALLINT),
        scaled(values, "current", 1000, 0, INT),
        scaled(values, "energy", 1000, 0, INT),
        _phases(values),
        _outage_memory(values),
        _is_updating(values.get("update")),
    )


def parse_availability(name: str, payload: bytes) -> Availability | Ignored:
    """JSON, or the plain text of Zigbee2MQTT 1.x. Empty: the device was renamed or removed."""
    if not payload:
        return Ignored()
    return Availability(name_of(name, "the topic"), online_of(payload))


def online_of(payload: bytes) -> bool:
    word = payload if payload in (b"online", b"offline") else decode_object(payload).get("state")
    match word:
        case b"online" | "online":
            return True
        case b"offline" | "offline":
            return False
    raise Rejected("wrong_type", f"state is {str(word)[:60]!r}")


def _relay(told: Any) -> bool | None:
    relay = RELAY.get(told) if isinstance(told, str) else None
    if relay is None and told is not None:
        raise Rejected("wrong_type", f"state is {str(told)[:60]!r}")
    return relay


def _outage_memory(values: Mapping[str, Any]) -> str:
    """What the relay does when power returns: Tuya's own setting, or Zigbee's where a device has only that."""
    told = values.get("power_outage_memory") or values.get("power_on_behavior")
    return OUTAGE_MEMORY.get(told, "") if isinstance(told, str) else ""


def _ieee_address(device: Any) -> str | None:
    """Of `mqtt.include_device_information`."""
    return ieee_of(device.get("ieeeAddr")) if isinstance(device, dict) else None


def _is_updating(update: Any) -> bool:
    """Of `update: {"state": "updating", "progress": …}`."""
    return isinstance(update, dict) and update.get("state") == "updating"


def _phases(values: Mapping[str, Any]) -> dict[str, int]:
    """Candidates for phases; which of them are phases, the device's `exposes` tell. Others may be of any type."""
    found = {}
    for key in [key for key in values if "_" in key and key.startswith(PHASED)]:
        value, match = values[key], PHASE.match(key)
        if match and isinstance(value, int | float) and not isinstance(value, bool):
            scaled_value = round(value * FACTOR[match[1]]) if abs(value) < INT / 1000 else None
            if scaled_value is not None and (match[1] != "voltage" or 0 <= scaled_value <= SMALLINT):
                found[key] = scaled_value
    return found
