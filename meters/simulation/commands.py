"""How an instance obeys B/<name>/set and B/<name>/get. Z2M's lib/extension/publish.ts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from meters.simulation.load import unit
from meters.simulation.network import Device, Network, dumps
from meters.simulation.reports import Reports

TOPIC = re.compile(r"(?!bridge)(.+?)/(get|set)(?:/(.+))?")
FAIL_S = 8.0
DEAF_S = 10.0
BARE_STATES = frozenset({"on", "off", "toggle", "open", "close", "stop", "lock", "unlock"})
SETTINGS = {"power_outage_memory": ("on", "off", "restore"), "indicator_mode": ("off", "on_off", "off_on")}
CLUSTERS = {
    "genOnOff": ("onOff",),
    "haElectricalMeasurement": ("activePower", "rmsCurrent", "rmsVoltage"),
    "seMetering": ("currentSummDelivered",),
}
ZCL_OPTIONS = (
    '{"timeout":10000,"disableResponse":false,"disableRecovery":false,"disableDefaultResponse":%s,'
    '"direction":0,"reservedBits":0,"writeUndiv":false}'
)


class Commands:
    """One command at a time per device; each takes as long as the radio does."""

    def __init__(self, network: Network, reports: Reports) -> None:
        self.network = network
        self.reports = reports

    def receive(self, topic: str, payload: str) -> None:
        """Act on a message below the base topic, where it is a command."""
        match = TOPIC.fullmatch(topic)
        if not match:
            return
        name, kind, attribute = match.groups()
        device = self.network.find(name)
        if device is None:
            self._error(f"Entity '{name}' is unknown")
            return
        message = _parsed(payload, attribute)
        if message is None:
            self._error("Invalid message 'undefined', skipping...")
        else:
            self._run(device, kind, message)

    def read_state(self, device: Device) -> None:
        """Z2M's own read after a device came back."""
        if device.spec.kind == "meter":
            self._send(device, lambda: self.reports.attributes(device, ["onOff"]), lambda error: None)

    # --- set and get ------------------------------------------------------------------------------------

    def _run(self, device: Device, kind: str, message: dict[str, Any]) -> None:
        off = isinstance(message.get("state"), str) and message["state"].lower() == "off"
        for key in sorted(message, key=lambda key: (key == "state") == off):
            self._one(device, kind, key, message[key])

    def _one(self, device: Device, kind: str, key: str, value: Any) -> None:
        if key == "state" and device.is_meter:
            self._state(device, kind, value)
        elif key == "read" and kind == "set" and isinstance(value, dict):
            self._read(device, value)
        elif key in SETTINGS and device.spec.kind == "meter":
            self._setting(device, kind, key, value)
        else:
            self._error(f"No converter available for '{key}' on '{device.name}': ({dumps(value)})")

    def _state(self, device: Device, kind: str, value: Any) -> None:
        if kind == "set":
            self._switch(device, str(value).lower())
        elif device.spec.kind == "three_phase":
            self._error(f"No converter available for 'get' 'state' ({value})")
        else:
            failed = self._failed(device, "get", "state", 'genOnOff.read(["onOff"], %s)')
            self._send(device, lambda: self.reports.attributes(device, ["onOff"]), failed)

    def _switch(self, device: Device, wanted: str) -> None:
        if wanted not in ("on", "off", "toggle"):
            text = f"Error: '{wanted}' not allowed, choose between: toggle,off,on"
            self._error(f"Publish 'set' 'state' to '{device.name}' failed: '{text}'")
            return
        failed = self._failed(device, "set", "state", f"genOnOff.{wanted}({{}}, %s)")
        self._send(device, lambda: self._switched(device, wanted), failed)

    def _switched(self, device: Device, wanted: str) -> None:
        """The acknowledgement shows the old state, then comes the echo with the same last_seen, then the device."""
        known = device.cached.get("state")
        self.reports.nothing(device)
        echo = {"OFF": "ON", "ON": "OFF"}.get(str(known)) if wanted == "toggle" else wanted.upper()
        if echo and self.network.options_of(device).get("optimistic", True):
            self.network.publish_state(device, {"state": echo})
        self.reports.obey(device, not device.meter.relay if wanted == "toggle" else wanted == "on")

    def _read(self, device: Device, value: dict[str, Any]) -> None:
        """A generic read: the device answers in one frame with its present values."""
        cluster, attributes = value.get("cluster"), value.get("attributes") or []
        failed = self._failed(device, "set", "read", f"{cluster}.read({json.dumps(attributes)}, %s)")
        known = [name for name in attributes if name in CLUSTERS.get(str(cluster), ())]
        if device.spec.kind == "meter" and known and len(known) == len(attributes):
            self._send(device, lambda: self.reports.attributes(device, known), failed)
        else:
            self._send(device, lambda: failed("Status 'UNSUPPORTED_ATTRIBUTE'"), failed)

    def _setting(self, device: Device, kind: str, key: str, value: Any) -> None:
        failed = self._failed(device, kind, key, f"genOnOff.{'write' if kind == 'set' else 'read'}({{}}, %s)")
        if kind == "set" and value not in SETTINGS[key]:
            choices = ",".join(SETTINGS[key])
            text = f"Error: '{value}' not allowed, choose between: {choices}"
            self._error(f"Publish 'set' '{key}' to '{device.name}' failed: '{text}'")
        else:
            update = {key: value} if kind == "set" else {key: device.cached.get(key)}
            self._send(device, lambda: self._set(device, update), failed)

    def _set(self, device: Device, update: dict[str, Any]) -> None:
        self.reports.nothing(device)
        self.network.publish_state(device, update)

    # --- the radio --------------------------------------------------------------------------------------

    def _send(self, device: Device, answered: Callable[[], None], failed: Callable[[str], None]) -> None:
        """Answer after the radio's time, or fail after the adapter's."""
        start = max(self.network.now, device.busy_until)
        took = 0.03 + 0.08 * unit(device.spec.seed, 40)
        device.busy_until = start + {"offline": FAIL_S, "deaf": DEAF_S}.get(device.meter.mode, took)
        self.network.later(
            device.busy_until - self.network.now,
            lambda: answered() if device.answers else failed(_adapter_error(device)),
        )

    def _failed(self, device: Device, kind: str, key: str, command: str) -> Callable[[str], None]:
        options = ZCL_OPTIONS % ("false" if key == "state" and kind == "set" else "true")

        def fail(error: str) -> None:
            call = f"ZCL command {device.ieee}/1 {command.replace('%s', options)}"
            self._error(f"Publish '{kind}' '{key}' to '{device.name}' failed: 'Error: {call} failed ({error})'")

        return fail

    def _error(self, message: str) -> None:
        self.network.log("error", message)


def _adapter_error(device: Device) -> str:
    if device.meter.mode == "deaf":
        waited = {"sender": device.network_address, "clusterId": 6, "commandIdentifier": 11}
        return f"{json.dumps(waited, separators=(',', ':'))} timed out after 10000ms"
    return f"Delivery failed for '{device.network_address}'."


def _parsed(payload: str, attribute: str | None) -> dict[str, Any] | None:
    """The message as an object: JSON, a bare word for state, or the value of the topic's attribute."""
    try:
        value = json.loads(payload)
    except ValueError:
        value = payload
        if attribute is None:
            return {"state": payload} if payload.lower() in BARE_STATES else None
    if attribute is not None:
        return {attribute: value}
    return value if isinstance(value, dict) else None
