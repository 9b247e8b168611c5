"""One Zigbee2MQTT seen from inside: its devices, its state cache, and how a publication is put together.

Z2M's lib/controller.ts publishEntityState, lib/state.ts and lib/mqtt.ts, as far as a consumer notices them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from random import Random
from typing import Any

from meters.simulation import configuration as configurations
from meters.simulation import definitions, meter
from meters.simulation.agenda import Agenda
from meters.simulation.configuration import Configuration
from meters.simulation.load import CAMPSITE_ZONE, unit
from meters.simulation.meter import Meter
from meters.simulation.site import SimulatedArea, SimulatedDevice

MAINS = "Mains (single phase)"


@dataclass(frozen=True, slots=True)
class Publication:
    """One message to the broker."""

    topic: str
    payload: str
    qos: int = 0
    retain: bool = False


@dataclass(slots=True)
class Device:
    """A device as Z2M knows it. Times are epoch seconds; `linkquality` is None until it is heard in this run."""

    spec: SimulatedDevice
    name: str
    meter: Meter
    last_seen: float
    cached: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    joined: bool = True
    interviewing: bool = False
    linkquality: int | None = None
    available: bool | None = None
    busy_until: float = 0.0
    reportings: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    messages: int = 0
    first_message_at: float = 0.0
    leave_count: int = 0

    @property
    def ieee(self) -> str:
        return self.spec.ieee_address

    @property
    def network_address(self) -> int:
        return 0x1000 + self.spec.seed % 0xE000

    @property
    def answers(self) -> bool:
        return self.joined and self.meter.mode not in ("offline", "deaf")

    @property
    def is_meter(self) -> bool:
        return self.spec.kind != "repeater"


class Network:
    """The devices of one instance and everything that it publishes. `outbox` is emptied by whoever turns the agenda."""

    def __init__(self, area: SimulatedArea, configuration: Configuration, agenda: Agenda) -> None:
        self.area = area
        self.base = area.base_topic
        self.configuration = configuration
        self.agenda = agenda
        self.random = Random(self.base)  # noqa: S311 dice, not secrets
        self.devices = {spec.ieee_address: new_device(spec, agenda.now) for spec in area.devices}
        for device in self.devices.values():
            self._remember(device)
        self.outbox: list[Publication] = []
        self.running = False
        self.run = 0
        self.started_at = agenda.now
        self.restart_required = False
        self.permit_join_until: float | None = None
        self.published = 0
        self.received = 0
        self.on_heard: Callable[[Device], None] = lambda device: None
        self._last_logged = ""

    @property
    def now(self) -> float:
        return self.agenda.now

    def _remember(self, device: Device) -> None:
        """Fill the cache as Z2M's state.json would have it: what the device said when it was last heard."""
        known: dict[str, Any] = {"linkquality": linkquality(device.spec.seed, self.random)}
        if device.is_meter:
            known = device.cached | device.meter.snapshot(self.now)
        device.cached = without(self.options_of(device).get("filtered_cache", ()), known)

    # --- who ----------------------------------------------------------------------------------------

    def joined(self) -> list[Device]:
        return [device for device in self.devices.values() if device.joined]

    def find(self, key: object) -> Device | None:
        """By address or by name, as Z2M resolves an id."""
        by_address = self.devices.get(str(key))
        if by_address:
            return by_address if by_address.joined else None
        return next((device for device in self.joined() if device.name == key), None)

    def is_configured(self, name: str) -> bool:
        """Whether configuration.yaml knows this name: a device that left keeps it, a removed one does not."""
        return any(device.name == name for device in self.devices.values())

    def options_of(self, device: Device) -> dict[str, Any]:
        return configurations.device_options(self.configuration) | device.options

    def later(self, delay_s: float, act: Callable[[], None]) -> None:
        """Act unless Z2M was stopped or restarted by then."""
        run = self.run
        self.agenda.after(delay_s, lambda: act() if self.running and self.run == run else None)

    # --- messages -----------------------------------------------------------------------------------

    def publish(self, topic: str, payload: str, *, qos: int = 0, retain: bool = False, logged: bool = True) -> None:
        """Publish below the base topic, repeated on bridge/logging where this Z2M does that."""
        if not self.running:
            return
        full = f"{self.base}/{topic}"
        if logged and self.configuration.log_mqtt:
            self.log("info", f"MQTT publish: topic '{full}', payload '{payload}'", "z2m:mqtt")
        self.published += 1
        self.outbox.append(Publication(full, payload, qos, retain))

    def log(self, level: str, message: str, namespace: str = "z2m") -> None:
        """One line on bridge/logging; never the same line twice in a row."""
        payload = dumps({"level": level, "message": f"{namespace}: {message}"})
        if self.configuration.is_logged(level) and payload != self._last_logged:
            self._last_logged = payload
            self.publish("bridge/logging", payload, logged=False)

    def publish_state(self, device: Device, update: dict[str, Any]) -> None:
        """The merged cache with this update, and what Z2M adds to it."""
        options = self.options_of(device)
        message = device.cached | update
        device.cached = without(options.get("filtered_cache", ()), message)
        if self.configuration.include_device_information:
            message["device"] = device_information(device)
        if self.configuration.last_seen != "disable":
            message["last_seen"] = self.formatted(device.last_seen)
        if device.linkquality is not None:
            message["linkquality"] = device.linkquality
        if self.configuration.homeassistant:
            message = dict.fromkeys(definitions.properties(device.spec.kind)) | message
        if message:
            self.publish(device.name, dumps(message), qos=options.get("qos", 0), retain=bool(options.get("retain")))

    def heard(self, device: Device, *, has_signal: bool = True) -> None:
        """A Zigbee message of any kind came from this device; an announcement carries no signal strength."""
        device.last_seen = self.now
        device.messages += 1
        if device.messages == 1:
            device.first_message_at = self.now
        if has_signal and (device.linkquality is None or self.random.random() < 0.1):
            device.linkquality = linkquality(device.spec.seed, self.random)
        self.on_heard(device)

    def formatted(self, at: float) -> str | int:
        """An epoch second in this area's format of last_seen."""
        match self.configuration.last_seen:
            case "epoch":
                return round(at * 1000)
            case "ISO_8601_local":
                return datetime.fromtimestamp(at, CAMPSITE_ZONE).isoformat(timespec="seconds")
        return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def forget_run(self) -> None:
        """What a restart of the process loses: counters, signal strengths and availability."""
        self.run += 1
        self.started_at = self.now
        self.published = self.received = 0
        self.permit_join_until = None
        self.restart_required = False
        for device in self.devices.values():
            device.messages = device.leave_count = 0
            device.linkquality = device.available = None
            device.busy_until = 0.0


def new_device(spec: SimulatedDevice, now: float) -> Device:
    """A device that was last heard up to 100 s ago and of which no measurement is known."""
    physics = meter.new(spec, now)
    cached: dict[str, Any] = {}
    if spec.kind == "meter":
        cached = {"indicator_mode": "off_on", "power_outage_memory": "restore"}
    return Device(spec, spec.name, physics, last_seen=now - 100 * unit(spec.seed, 32), cached=cached)


def linkquality(seed: int, dice: Random) -> int:
    """20-200, mostly the same for the same place."""
    return max(20, min(200, int(40 + 140 * unit(seed, 33) + dice.uniform(-12, 12))))


def without(patterns: tuple[str, ...] | list[str], message: dict[str, Any]) -> dict[str, Any]:
    """What stays in the cache: properties that no filter matches as a whole."""
    if not patterns:
        return dict(message)
    filters = _compiled(tuple(patterns))
    return {name: value for name, value in message.items() if not any(f.search(name) for f in filters)}


@cache
def _compiled(patterns: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(f"^{pattern}$") for pattern in patterns)


def device_information(device: Device) -> dict[str, Any]:
    """`device` in a state, as mqtt.include_device_information adds it."""
    repeater = device.spec.kind == "repeater"
    return {
        "applicationVersion": 80,
        "dateCode": "",
        "friendlyName": device.name,
        "hardwareVersion": 1,
        "ieeeAddr": device.ieee,
        "manufacturerID": 4447 if repeater else 4417,
        "manufacturerName": manufacturer(device),
        "model": definitions.of(device.spec.kind)["model"],
        "networkAddress": device.network_address,
        "powerSource": MAINS,
        "stackVersion": 0,
        "type": "Router",
        "zclVersion": 3,
    }


def manufacturer(device: Device) -> str:
    names = {"meter": "_TZ3000_qeuvnohg", "three_phase": "_TZE204_wbhaespm", "repeater": "AEOTEC"}
    return names[device.spec.kind]


def dumps(value: object) -> str:
    """JSON as Z2M writes it: keys sorted, no blanks."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
