"""The types that Zigbee2MQTT's messages become."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple


class Rejected(Exception):
    """A message that cannot be used. `code` is for machines, `detail` for people."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Ignored:
    """A message that is not for us: commands, requests, definitions, cleared topics."""


@dataclass(frozen=True, slots=True)
class BridgeState:
    """`bridge/state`; offline also as the last will."""

    online: bool


@dataclass(frozen=True, slots=True)
class BridgeInfo:
    """`bridge/info` without the configuration's schema and secrets."""

    version: str
    coordinator: Mapping[str, Any]
    channel: int | None
    permit_join: bool | None
    permit_join_until: datetime | None
    restart_required: bool | None
    configuration: Mapping[str, Any]
    network: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ListedDevice:
    """A line of `bridge/devices`, the coordinator excepted.

    `measures`: it tells power or energy. `phases`: the suffixes of its phases' properties, e.g. ("a", "b", "c"); ""
    stands for the bare property. Empty for a single-phase device. `supported`: whether Zigbee2MQTT knows the model.
    `reportings`: what it was told to report, each with its endpoint and intervals, as Zigbee2MQTT names them.
    """

    ieee_address: str
    friendly_name: str
    type: str
    measures: bool
    has_relay: bool
    phases: tuple[str, ...]
    vendor: str
    model: str
    model_id: str
    manufacturer: str
    software_build: str
    interview_state: str
    disabled: bool
    relay_readable: bool = True
    supported: bool | None = None
    reportings: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Inventory:
    """`bridge/devices`: always the whole list.

    `refused`: why entries could not be read; `unreadable`: the addresses of those, which are listed all the same.
    """

    devices: tuple[ListedDevice, ...]
    refused: tuple[Rejected, ...] = ()
    unreadable: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Groups:
    """`bridge/groups`: names that are no devices, each with how many members the group has."""

    sizes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Event:
    """`bridge/event`: device_joined, device_announce (it got power), device_leave, device_interview (with a status)."""

    type: str
    ieee_address: str
    friendly_name: str
    status: str


@dataclass(frozen=True, slots=True)
class LogLine:
    """`bridge/logging`; failures of commands show only here."""

    level: str
    text: str


@dataclass(frozen=True, slots=True)
class Health:
    """`bridge/health`. Counters are since the start of that Zigbee2MQTT; a silent device is missing from `devices`."""

    generated_at: datetime
    uptime_s: int | None
    mqtt_queued: int | None
    mqtt_published: int | None
    mqtt_received: int | None
    memory_percent: float | None
    load_1min: float | None
    devices: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Response:
    """`bridge/response/<request>`. `data` of a backup holds the network key: never log or sample it."""

    request: str
    transaction: str
    error: str
    data: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class Availability:
    """`<name>/availability`."""

    name: str
    online: bool


class State(NamedTuple):
    """A device's state. Null and absent are both None: not told.

    Units as in the readings table: W, 0.1 V, mA, Wh. `phases` maps a property such as `power_a` to W, 0.1 V or mA by
    its first word. `last_seen` is the device's last Zigbee message of any kind, None where Zigbee2MQTT does not tell.
    `outage_memory`: what the relay does when power returns: on, off or restore; empty where it is not told.
    `is_updating`: its firmware is being replaced. A tuple: of these there are the most, and a frozen dataclass takes
    three times as long to make.
    """

    name: str
    ieee_address: str | None
    last_seen: datetime | None
    linkquality: int | None
    relay: bool | None
    power_w: int | None
    voltage_dv: int | None
    current_ma: int | None
    counter_wh: int | None
    phases: Mapping[str, int]
    outage_memory: str = ""
    is_updating: bool = False

    @property
    def is_from_cache(self) -> bool:
        """Zigbee2MQTT's start-up publishes carry no link quality: nothing was heard from the device."""
        return self.linkquality is None


Message = (
    Ignored | BridgeState | BridgeInfo | Inventory | Groups | Event | LogLine | Health | Response | Availability | State
)
