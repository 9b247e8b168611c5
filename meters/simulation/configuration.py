"""How each Zigbee2MQTT is configured. Areas differ on purpose: recommended, default, epoch, local time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Literal

from meters.simulation.site import SimulatedArea

MEASUREMENTS = ("^power$", "^current$", "^voltage$", "^energy$", "^state$")
LEVELS = ("error", "warning", "info", "debug")


@dataclass(frozen=True, slots=True)
class Configuration:
    """What of configuration.yaml a consumer notices. Defaults are Z2M's own, times in the unit of the option's name."""

    last_seen: Literal["disable", "ISO_8601", "ISO_8601_local", "epoch"] = "ISO_8601"
    filtered_cache: tuple[str, ...] = ()
    qos: int = 0
    include_device_information: bool = False
    homeassistant: bool = False
    pause_on_backoff_gt: float = 0
    timeout_min: float = 2
    max_jitter_ms: int = 2000
    health_interval_min: float = 1
    log_level: str = "info"
    log_mqtt: bool = True
    enable_external_js: bool = True
    bundled: bool = False
    """Not an option of Z2M: voltage, current and power come in one frame (polled) instead of one each (reported)."""

    def is_logged(self, level: str) -> bool:
        return LEVELS.index(level) <= LEVELS.index(self.log_level)


RECOMMENDED = Configuration(
    filtered_cache=MEASUREMENTS,
    qos=1,
    include_device_information=True,
    pause_on_backoff_gt=15,
    log_mqtt=False,
    enable_external_js=False,
)
OF_BASE_TOPIC = {
    "zigbee2mqtt": RECOMMENDED,
    "zigbee2mqtt_area2": Configuration(),
    "zigbee2mqtt_area3": RECOMMENDED,
    "zigbee2mqtt_area4": Configuration(
        last_seen="epoch", pause_on_backoff_gt=15, log_level="warning", bundled=True, homeassistant=True
    ),
    "zigbee2mqtt_3p": Configuration(last_seen="ISO_8601_local", log_level="warning"),
}


def of(base_topic: str) -> Configuration:
    return OF_BASE_TOPIC.get(base_topic, Configuration(pause_on_backoff_gt=15, log_level="warning"))


def published(area: SimulatedArea, configuration: Configuration, devices: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """`config` of bridge/info: the whole configuration.yaml without network key and passwords."""
    return {
        "advanced": _advanced(area, configuration),
        "availability": {
            "active": {
                "backoff": True,
                "max_jitter": configuration.max_jitter_ms,
                "pause_on_backoff_gt": configuration.pause_on_backoff_gt,
                "timeout": configuration.timeout_min,
            },
            "enabled": True,
            "passive": {"timeout": 1500},
        },
        "blocklist": [],
        "device_options": device_options(configuration),
        "devices": devices,
        "groups": {},
        "health": {"interval": configuration.health_interval_min, "reset_on_check": False},
        "homeassistant": _homeassistant(configuration),
        "mqtt": _mqtt(area, configuration),
        "passlist": [],
        "serial": {"adapter": "ember", "disable_led": False, "port": "tcp://192.0.2.10:6638"},
        "version": 5,
    } | _unremarkable()


def device_options(configuration: Configuration) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if configuration.filtered_cache:
        options["filtered_cache"] = list(configuration.filtered_cache)
    if configuration.qos:
        options["qos"] = configuration.qos
    return options


def pan_id(base_topic: str) -> int:
    return 0x1000 + int.from_bytes(hashlib.sha256(base_topic.encode()).digest()[4:6]) % 0xE000


def extended_pan_id(base_topic: str) -> list[int]:
    return list(hashlib.sha256(base_topic.encode()).digest()[8:16])


def _advanced(area: SimulatedArea, configuration: Configuration) -> dict[str, Any]:
    return {
        "cache_state": True,
        "cache_state_persistent": True,
        "cache_state_send_on_startup": True,
        "channel": area.channel,
        "elapsed": False,
        "enable_external_js": configuration.enable_external_js,
        "ext_pan_id": extended_pan_id(area.base_topic),
        "last_seen": configuration.last_seen,
        "log_console_json": False,
        "log_debug_namespace_ignore": "",
        "log_debug_to_mqtt_frontend": False,
        "log_directories_to_keep": 10,
        "log_directory": f"/app/data/{area.base_topic}/log/%TIMESTAMP%",
        "log_file": "log.log",
        "log_level": configuration.log_level,
        "log_namespaced_levels": {} if configuration.log_mqtt else {"z2m:mqtt": "warning"},
        "log_output": ["console"],
        "log_rotation": True,
        "log_symlink_current": False,
        "log_syslog": {},
        "output": "json",
        "pan_id": pan_id(area.base_topic),
        "timestamp_format": "YYYY-MM-DD HH:mm:ss",
    }


def _homeassistant(configuration: Configuration) -> dict[str, Any]:
    return {
        "discovery_topic": "homeassistant",
        "enabled": configuration.homeassistant,
        "experimental_event_entities": False,
        "legacy_action_sensor": False,
        "status_topic": "homeassistant/status",
    }


def _mqtt(area: SimulatedArea, configuration: Configuration) -> dict[str, Any]:
    return {
        "base_topic": area.base_topic,
        "force_disable_retain": False,
        "include_device_information": configuration.include_device_information,
        "keepalive": 60,
        "maximum_packet_size": 1048576,
        "reject_unauthorized": True,
        "server": "mqtt://mosquitto:1883",
        "version": 4,
    }


def _unremarkable() -> dict[str, Any]:
    colors = {"coordinator": "#e04e5d", "enddevice": "#fff8ce", "router": "#4ea3e0"}
    font = {"coordinator": "#ffffff", "enddevice": "#000000", "router": "#ffffff"}
    line = {"active": "#009900", "inactive": "#994444"}
    return {
        "frontend": {"base_url": "/", "enabled": False, "package": "zigbee2mqtt-windfront", "port": 8080},
        "map_options": {"graphviz": {"colors": {"fill": colors, "font": font, "line": line}}},
        "ota": {
            "default_maximum_data_size": 50,
            "disable_automatic_update_check": False,
            "image_block_request_timeout": 150000,
            "image_block_response_delay": 250,
            "update_check_interval": 1440,
        },
    }
