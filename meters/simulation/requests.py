"""How an instance answers bridge/request/*. Z2M's lib/extension/bridge.ts; an unknown request gets no answer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from meters.simulation import backup, bridge
from meters.simulation.availability import Availability
from meters.simulation.network import Device, Network, dumps
from meters.simulation.reports import Reports

LONGEST_JOIN_S = 254
RESTART_AFTER_S = 0.5
OF_AVAILABILITY = {
    "pause_on_backoff_gt": "pause_on_backoff_gt",
    "timeout": "timeout_min",
    "max_jitter": "max_jitter_ms",
}
INTERVALS = ("minimum_report_interval", "maximum_report_interval", "reportable_change")


class RequestFailed(Exception):
    """The text that Z2M would answer."""


class NoAnswer(Exception):
    """It says nothing at all."""


class Requests:
    """Each handler returns the `data` of its response, or None where it answers later itself."""

    def __init__(
        self, network: Network, reports: Reports, availability: Availability, restart: Callable[[], None]
    ) -> None:
        self.network = network
        self.reports = reports
        self.availability = availability
        self._restart = restart
        self.backup_mode = "ok"
        self._handlers: dict[str, Callable[[Any], dict[str, Any]]] = {
            "backup": self._backup,
            "coordinator_check": lambda message: {"missing_routers": []},
            "device/configure": self._device_configure,
            "device/interview": self._device_interview,
            "device/options": self._device_options,
            "device/remove": self._device_remove,
            "device/rename": self._device_rename,
            "device/reporting/configure": self._reporting_configure,
            "health_check": lambda message: {"healthy": True},
            "options": self._options,
            "permit_join": self._permit_join,
            "restart": self._restart_soon,
        }
        self._afterwards: list[Callable[[], None]] = []

    def answer(self, name: str, payload: str) -> None:
        """Do what is asked and respond, with the transaction where the request had one."""
        handler = self._handlers.get(name.lower())
        if handler is None:
            return
        message = _parsed(payload)
        response: dict[str, Any]
        try:
            response = {"data": handler(message), "status": "ok"}
        except NoAnswer:
            return
        except RequestFailed as error:
            topic = f"{self.network.base}/bridge/request/{name}"
            self.network.log("error", f"Request '{topic}' failed with error: '{error}'")
            response = {"data": {}, "error": str(error), "status": "error"}
        if isinstance(message, dict) and "transaction" in message:
            response["transaction"] = message["transaction"]
        self.network.publish(f"bridge/response/{name}", dumps(response))
        self._finish()

    def _finish(self) -> None:
        after, self._afterwards = self._afterwards, []
        for act in after:
            act()

    # --- the instance -----------------------------------------------------------------------------------

    def _permit_join(self, message: Any) -> dict[str, Any]:
        seconds = _integer(message.get("time") if isinstance(message, dict) else message)
        if seconds > LONGEST_JOIN_S:
            raise RequestFailed("Cannot permit join for more than 254 seconds.")
        network = self.network
        words = "allowing new devices to join." if seconds else "disabling joining new devices."
        network.log("info", f"Zigbee: {words}")
        network.permit_join_until = network.now + seconds if seconds else None
        bridge.publish_info(network)
        if seconds:
            network.agenda.after(seconds, self._close_join)
        return {"time": seconds}

    def _close_join(self) -> None:
        until = self.network.permit_join_until
        if until is not None and until <= self.network.now:
            self.network.permit_join_until = None
            bridge.publish_info(self.network)

    def _options(self, message: Any) -> dict[str, Any]:
        options = message.get("options") if isinstance(message, dict) else None
        if not isinstance(options, dict):
            raise RequestFailed("Invalid payload")
        known, restart = _configured(options)
        self.network.configuration = replace(self.network.configuration, **known)
        self.network.restart_required = self.network.restart_required or restart
        text = "Changes require restart to take effect" if restart else "Successfully changed options"
        self.network.log("info", text)
        bridge.publish_info(self.network)
        return {"restart_required": self.network.restart_required}

    def _restart_soon(self, message: Any) -> dict[str, Any]:
        self.network.log("info", "Restarting Zigbee2MQTT")
        self.network.agenda.after(RESTART_AFTER_S, self._restart)
        return {}

    def back_up(self, mode: str) -> None:
        """From now on backups are answered so: one of backup.MODES."""
        self.backup_mode = mode

    def _backup(self, message: Any) -> dict[str, Any]:
        if self.backup_mode == "silent":
            raise NoAnswer
        if self.backup_mode == "refused":
            raise RequestFailed("EACCES: permission denied, open '/app/data/coordinator_backup.json.tmp'")
        packed = backup.packed(self.network)
        return {"zip": backup.cut(packed) if self.backup_mode == "broken" else packed}

    # --- devices ----------------------------------------------------------------------------------------

    def _device_rename(self, message: Any) -> dict[str, Any]:
        if not isinstance(message, dict) or "from" not in message or "to" not in message:
            raise RequestFailed("Invalid payload")
        device = self._device(message["from"])
        old, new = device.name, str(message["to"]).strip()
        self._check_name(new)
        self.rename(device, new)
        self._afterwards.append(lambda: self.availability.publish(device, force=True))
        return {"from": old, "homeassistant_rename": bool(message.get("homeassistant_rename")), "to": new}

    def rename(self, device: Device, name: str) -> None:
        """All that a rename publishes before its response; availability under the new name comes last of all."""
        network = self.network
        network.publish(device.name, "", retain=True)
        network.publish(f"{device.name}/availability", "", qos=1, retain=True)
        device.name = name
        bridge.publish_devices(network)
        bridge.publish_info(network)
        network.publish_state(device, {})

    def _check_name(self, name: str) -> None:
        """Z2M's validateFriendlyName; it lets through more than is good."""
        checks = (
            (not name, "friendly_name must be at least 1 char long"),
            (name.startswith("/") or name.endswith("/"), "friendly_name is not allowed to end or start with /"),
            (re.fullmatch(r".*/\d*", name), f"Friendly name cannot end with a \"/DIGIT\" ('{name}')"),
            ("#" in name or "+" in name, f"MQTT wildcard (+ and #) not allowed in friendly_name ('{name}')"),
            (self.network.is_configured(name), f"friendly_name '{name}' is already in use"),
        )
        for is_wrong, text in checks:
            if is_wrong:
                raise RequestFailed(text)

    def _device_remove(self, message: Any) -> dict[str, Any]:
        asked = message if isinstance(message, dict) else {"id": message}
        device = self._device(asked.get("id"))
        flags = {key: bool(asked.get(key)) for key in ("block", "force", "keep_config", "clear_cache")}
        words = ", ".join(f"{key.replace('_', ' ')}: {str(flag).lower()}" for key, flag in flags.items())
        network = self.network
        network.log("info", f"Removing device '{device.name}' ({words})")
        device.joined = False
        device.cached = {}
        self.availability.forget(device)
        network.publish(device.name, "", retain=True)
        network.log("info", f"Successfully removed device '{device.name}' ({words})")
        bridge.publish_groups(network)
        bridge.publish_devices(network)
        bridge.publish_definitions(network)
        if not flags["keep_config"]:
            device.name, device.options = device.ieee, {}
        return {"id": asked["id"]} | flags

    def _device_options(self, message: Any) -> dict[str, Any]:
        if not isinstance(message, dict) or "id" not in message or not isinstance(message.get("options"), dict):
            raise RequestFailed("Invalid payload")
        device, network = self._device(message["id"]), self.network
        before = network.options_of(device)
        device.options = device.options | {k: v for k, v in message["options"].items() if k != "friendly_name"}
        bridge.publish_info(network)
        network.log("info", f"Successfully changed config for device {message['id']}")
        self._afterwards.append(self._publish_lists)
        after = network.options_of(device)
        restart = network.restart_required
        return {"from": before, "id": message["id"], "restart_required": restart, "to": after}

    def _publish_lists(self) -> None:
        bridge.publish_devices(self.network)
        bridge.publish_info(self.network)
        bridge.publish_definitions(self.network)

    def _device_configure(self, message: Any) -> dict[str, Any]:
        device = self._reachable(_identifier(message))
        self.network.log("info", f"Configuring '{device.name}'")
        for _ in range(4):
            self.reports.nothing(device)
        self.network.log("info", f"Successfully configured '{device.name}' (definition v0.0.0)")
        bridge.publish_devices(self.network)
        self._afterwards.append(self._publish_lists)
        return {"id": _identifier(message)}

    def _device_interview(self, message: Any) -> dict[str, Any]:
        device = self._reachable(_identifier(message))
        self.network.log("info", f"Interviewing '{device.name}'")
        bridge.publish_devices(self.network)
        bridge.publish_event(self.network, "device_interview", device, status="started")
        for _ in range(4):
            self.reports.nothing(device)
        self.network.log("info", f"Successfully interviewed '{device.name}'")
        bridge.publish_devices(self.network)
        self._afterwards.append(lambda: self.reports.interviewed(device))
        return {"id": _identifier(message)}

    def _reporting_configure(self, message: Any) -> dict[str, Any]:
        needed = ("id", "endpoint", "cluster", "attribute", *INTERVALS[:2])
        if not isinstance(message, dict) or any(key not in message for key in needed):
            raise RequestFailed("Invalid payload")
        device = self._reachable(message["id"])
        intervals = {key: message.get(key) for key in INTERVALS}
        device.reportings[message["cluster"], message["attribute"]] = intervals
        if message["attribute"] == "currentSummDelivered":
            device.meter.energy_step_kwh = (message.get("reportable_change") or 1) / 100
            device.meter.energy_interval_s = float(message["maximum_report_interval"])
            self.reports.expect_counter(device)
        self.reports.nothing(device)
        bridge.publish_devices(self.network)
        return {key: message[key] for key in (*needed, "reportable_change") if key in message}

    def _device(self, key: object) -> Device:
        device = self.network.find(key)
        if device is None:
            raise RequestFailed(f"Device '{key}' does not exist")
        return device

    def _reachable(self, key: object) -> Device:
        device = self._device(key)
        if not device.answers:
            raise RequestFailed(f"Delivery failed for '{device.network_address}'.")
        return device


def _parsed(payload: str) -> Any:
    try:
        return json.loads(payload)
    except ValueError:
        return payload


def _identifier(message: Any) -> Any:
    if not isinstance(message, dict) or "id" not in message:
        raise RequestFailed("Invalid payload")
    return message["id"]


def _integer(value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise RequestFailed("Invalid payload") from None


def _configured(options: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Those of the options that a consumer would notice, and whether the others need a restart."""
    advanced, active = options.get("advanced", {}), options.get("availability", {}).get("active", {})
    known = {key: advanced[key] for key in ("last_seen", "log_level", "enable_external_js") if key in advanced}
    if "log_namespaced_levels" in advanced:
        known["log_mqtt"] = advanced["log_namespaced_levels"].get("z2m:mqtt", "info") in ("info", "debug")
    known |= {name: active[key] for key, name in OF_AVAILABILITY.items() if key in active}
    device_options = options.get("device_options", {})
    if "filtered_cache" in device_options:
        known["filtered_cache"] = tuple(device_options["filtered_cache"])
    if "qos" in device_options:
        known["qos"] = device_options["qos"]
    if "include_device_information" in options.get("mqtt", {}):
        known["include_device_information"] = options["mqtt"]["include_device_information"]
    return known, _needs_restart(options)


def _needs_restart(options: dict[str, Any]) -> bool:
    """As settings.schema.json has it, of what is asked for here."""
    of_mqtt = options.get("mqtt", {}).keys() - {"include_device_information"}
    return bool({"availability", "serial", "health"} & options.keys() or of_mqtt) or (
        "enable_external_js" in options.get("advanced", {})
    )
