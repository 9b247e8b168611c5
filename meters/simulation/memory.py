"""What outlives a restart: counters, relays, names and Z2M's cache, in one JSON file that is replaced atomically."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from meters.simulation import network as networks
from meters.simulation.instance import Instance
from meters.simulation.network import Device
from meters.simulation.site import SimulatedDevice

logger = logging.getLogger(__name__)

VERSION = 1


def save(path: Path, instances: Iterable[Instance]) -> None:
    """Write everything. Areas and devices that are not part of this run are kept as they were."""
    kept = _read(path)
    for instance in instances:
        now = instance.agenda.now
        running = {ieee: _saved(device, now) for ieee, device in instance.network.devices.items()}
        kept[instance.base_topic] = kept.get(instance.base_topic, {}) | running
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps({"version": VERSION, "areas": kept}, ensure_ascii=False))
    temporary.replace(path)


def load(path: Path, instances: Iterable[Instance]) -> None:
    """Give the planned devices their past back, and bring back those that replaced others."""
    kept = _read(path)
    for instance in instances:
        planned = instance.network.devices
        for saved in kept.get(instance.base_topic, {}).values():
            spec = SimulatedDevice(**saved["spec"])
            device = planned.get(spec.ieee_address)
            if device is None and saved["joined"] and _takes_a_place(spec, planned):
                device = planned[spec.ieee_address] = networks.new_device(spec, instance.agenda.now)
            if device is not None:
                _restore(device, saved)


def _takes_a_place(spec: SimulatedDevice, planned: dict[str, Device]) -> bool:
    """A successor belongs to this run where the device whose name it took does."""
    return any(device.spec.name == spec.name for device in planned.values())


def _saved(device: Device, now: float) -> dict[str, Any]:
    device.meter.count(now)
    return {
        "spec": asdict(device.spec),
        "name": device.name,
        "joined": device.joined,
        "last_seen": device.last_seen,
        "cached": device.cached,
        "options": device.options,
        "relay": device.meter.relay,
        "counter_kwh": device.meter.counter_kwh,
        "counted_at": device.meter.counted_at,
        "reported_kwh": device.meter.reported_kwh,
    }


def _restore(device: Device, saved: dict[str, Any]) -> None:
    """The meter went on counting while nobody looked: its counter catches up when it is next read.

    A real Zigbee2MQTT would have gone on hearing it too: only we were away. So it was heard as long ago as it was then.
    """
    away_s = max(0.0, device.meter.counted_at - saved["counted_at"])
    device.name = saved["name"]
    device.joined = saved["joined"]
    device.last_seen = saved["last_seen"] + away_s
    device.cached = saved["cached"]
    device.options = saved["options"]
    device.meter.relay = saved["relay"]
    device.meter.counter_kwh = saved["counter_kwh"]
    device.meter.counted_at = min(saved["counted_at"], device.meter.counted_at)
    device.meter.reported_kwh = saved["reported_kwh"]


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """By base topic and address; empty where there is nothing that we can read."""
    try:
        saved = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError:
        saved = {}
    if saved.get("version") != VERSION:
        logger.warning("%s is damaged or of another version; the simulation starts afresh", path)
        return {}
    areas: dict[str, dict[str, Any]] = saved["areas"]
    return areas
