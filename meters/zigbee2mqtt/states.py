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
RELAY = {"ON": True, "OFF": False, None: None}


def parse_state(name: str, payload: bytes) -> State | Ignored:
    """A device's (or a group's) state. An empty payload clears the topic after a rename: Ignored."""
    if not payload:
        return Ignored()
    values = decode_object(payload)
    relay = values.get("state")
    if not isinstance(relay, str | None) or relay not in RELAY:
        raise Rejected("wrong_type", f"state is {str(relay)[:60]!r}")
    return State(
        name=name_of(name, "the topic"),
        ieee_address=_ieee_address(values.get("device")),
        last_seen=moment(values.get("last_seen")),
        linkquality=scaled(values, "linkquality", 1, 0, 255),
        relay=RELAY[relay],
        power_w=scaled(values, "power", 1, -INT, INT),
        voltage_dv=scaled(values, "voltage", 10, 0, SMALLINT),
        current_ma=scaled(values, "current", 1000, 0, INT),
        counter_wh=scaled(values, "energy", 1000, 0, INT),
        phases=_phases(values),
        outage_memory=_outage_memory(values),
        is_updating=_is_updating(values.get("update")),
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


def _outage_memory(values: Mapping[str, Any]) -> str:
    """What the relay does when power returns: Tuya's own setting, or Zigbee's where a device has only that."""
    told = values.get("power_outage_memory") or values.get("power_on_behavior")
    return OUTAGE_MEMORY.get(told, "") if isinstance(told, str) else ""


def _ieee_address(device: Any) -> str | None:
    """Of `mqtt.include_device_information`."""
    return ieee_of(device.get("ieeeAddr")) if isinstance(device, Mapping) else None


def _is_updating(update: Any) -> bool:
    """Of `update: {"state": "updating", "progress": …}`."""
    return isinstance(update, Mapping) and update.get("state") == "updating"


def _phases(values: Mapping[str, Any]) -> dict[str, int]:
    """Candidates for phases; which of them are phases, the device's `exposes` tell. Others may be of any type."""
    found = {}
    for key, value in values.items():
        if (
            key.startswith(PHASED)
            and (match := PHASE.match(key))
            and isinstance(value, int | float)
            and not isinstance(value, bool)
        ):
            scaled_value = round(value * FACTOR[match[1]]) if abs(value) < INT / 1000 else None
            if scaled_value is not None and (match[1] != "voltage" or 0 <= scaled_value <= SMALLINT):
                found[key] = scaled_value
    return found
