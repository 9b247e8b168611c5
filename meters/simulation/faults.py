"""Trouble on command: JSON on sim/<base>/<id>, the answer on sim/<base>/reply. The twin's protocol and some more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from meters.simulation import backup
from meters.simulation import network as networks
from meters.simulation.instance import Instance
from meters.simulation.meter import ELECTRICAL, MODES
from meters.simulation.network import Device
from meters.simulation.site import ieee_address

NAMED_AFTER_S = 3.0


class UnknownFault(Exception):
    """There is no such fault, device or value."""


def control(instance: Instance, target: str, message: dict[str, Any]) -> dict[str, Any]:
    """Do it and say to whom. `target`: index, address, name with / as _, `all` or `adapter`."""
    if target == "adapter":
        return _adapter(instance, str(message.get("cmd")))
    chosen = _chosen(instance, target)
    if message.get("cmd") == "mass_loss":
        chosen = _share(instance, chosen, float(message.get("share", 1.0)))
        message = {"cmd": "offline"}
    act = _FAULTS.get(str(message.get("cmd")))
    if act is None:
        raise UnknownFault(f"unknown cmd {message.get('cmd')}; known: {', '.join(sorted(_FAULTS))}")
    for device in chosen:
        act(instance, device, message)
    return {"matched": len(chosen), "devices": [_description(instance, device) for device in chosen[:5]]}


def _adapter(instance: Instance, command: str) -> dict[str, Any]:
    acts: dict[str, Callable[[], None]] = {
        "disconnect": instance.lose_adapter,
        "kill": instance.kill,
        "start": instance.start,
        "stop": instance.stop,
        **{f"backup_{mode}": partial(instance.requests.back_up, mode) for mode in backup.MODES},
    }
    if command not in acts:
        raise UnknownFault(f"unknown cmd {command}; known: {', '.join(acts)}")
    acts[command]()
    return {"ok": True}


def _chosen(instance: Instance, target: str) -> list[Device]:
    devices = list(instance.network.devices.values())
    if target == "all":
        return [device for device in devices if device.joined]
    named = [device for device in devices if target in (device.ieee, device.name, device.name.replace("/", "_"))]
    if not named and target.isdecimal():
        named = devices[int(target) :][:1]
    return sorted(named, key=lambda device: not device.joined)[:1]


def _share(instance: Instance, devices: list[Device], share: float) -> list[Device]:
    count = round(len(devices) * min(max(share, 0.0), 1.0))
    return instance.network.random.sample(devices, count)


def _description(instance: Instance, device: Device) -> dict[str, Any]:
    now, physics = instance.agenda.now, device.meter
    physics.count(now)
    return {
        "ieee": device.ieee,
        "name": device.name,
        "mode": physics.mode,
        "on": physics.relay,
        "watts": round(physics.power_w(now)),
        "raw_energy": int(physics.counter_kwh * 100),
    }


# --- one device -------------------------------------------------------------------------------------


def _mode(instance: Instance, device: Device, message: dict[str, Any]) -> None:
    device.meter.fail(next(mode for mode in MODES if mode == message["cmd"]), instance.agenda.now)


def _press(instance: Instance, device: Device, message: dict[str, Any]) -> None:
    instance.reports.move(device, bool(message.get("on", not device.meter.relay)))


def _load(instance: Instance, device: Device, message: dict[str, Any]) -> None:
    watts = message.get("watts")
    device.meter.draw(None if watts is None else float(watts), instance.agenda.now)


def _energy(instance: Instance, device: Device, message: dict[str, Any]) -> None:
    device.meter.set_counter(float(message.get("raw", 0)) / 100, instance.agenda.now)
    if device.answers:
        instance.reports.counter(device)


def _override(instance: Instance, device: Device, message: dict[str, Any]) -> None:
    device.meter.override = {str(name): float(raw) for name, raw in message.get("attrs", {}).items()}


def _report(instance: Instance, device: Device, message: dict[str, Any]) -> None:
    if device.meter.mode == "offline":
        return
    for name in message.get("attrs", ELECTRICAL):
        instance.reports.attributes(device, [name])


def _announce(instance: Instance, device: Device, message: dict[str, Any]) -> None:
    instance.reports.announce(device)
    instance.availability.announced(device)


def _leave(instance: Instance, device: Device, message: dict[str, Any]) -> None:
    instance.availability.forget(device)
    instance.reports.leave(device)


def _join(instance: Instance, device: Device, message: dict[str, Any]) -> None:
    instance.reports.join(device)


def _rename(instance: Instance, device: Device, message: dict[str, Any]) -> None:
    """Somebody renames it in Z2M's own pages."""
    instance.requests.rename(device, str(message["to"]))
    instance.availability.publish(device, force=True)


def _replace(instance: Instance, device: Device, message: dict[str, Any]) -> None:
    """The old one leaves and is forgotten; a new one joins under its address and is given the name."""
    name = device.name
    _leave(instance, device, message)
    device.name = device.ieee
    address = ieee_address(f"{device.ieee}/successor")
    successor = networks.new_device(replace(device.spec, ieee_address=address), instance.agenda.now)
    successor.name = address
    successor.meter.counter_kwh = 0.0
    instance.reports.join(successor)
    instance.reports.follow(successor)
    instance.agenda.after(NAMED_AFTER_S, lambda: _rename(instance, successor, {"to": name}))


def _look(instance: Instance, device: Device, message: dict[str, Any]) -> None:
    """Nothing happens; the answer describes the device."""


_FAULTS: dict[str, Callable[[Instance, Device, dict[str, Any]], None]] = {
    **dict.fromkeys(MODES, _mode),
    "announce": _announce,
    "counter_reset": _energy,
    "energy": _energy,
    "get": _look,
    "join": _join,
    "leave": _leave,
    "load": _load,
    "override": _override,
    "press": _press,
    "rename": _rename,
    "replace": _replace,
    "report": _report,
}
