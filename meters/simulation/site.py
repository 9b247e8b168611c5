"""The plan of the simulated campsite: which areas and devices there are. Plain data, the same at every start."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

type_of_device = Literal["meter", "three_phase", "repeater"]
type_of_pitch = Literal["touring", "seasonal", "cabin", "service"]

METERS = 258
"""Meters of the whole site as it was in December 2025."""
SIZES = (79, 47, 77, 54)
REPEATER_SPOTS: dict[int, tuple[str, ...]] = {
    3: ("plads 207 v hæk", "plads 231"),
    4: ("bålplads", "plads 318", "hytte 40 gavl", "indkørsel", "skraldegård"),
    5: ("plads 401", "plads 420 mast", "hundeskov"),
}
FEWEST_PER_AREA = 3
OFFICES = frozenset({"Kontor", "vaskeplads", "service/vaskehus"})


@dataclass(frozen=True, slots=True)
class SimulatedDevice:
    """One Zigbee device. `pitch_number` is the pitch that its name speaks of, empty for a repeater."""

    ieee_address: str
    name: str
    kind: type_of_device
    pitch_kind: type_of_pitch
    pitch_number: str
    occupied: bool

    @property
    def seed(self) -> int:
        return int(self.ieee_address, 16)


@dataclass(frozen=True, slots=True)
class SimulatedArea:
    """One Zigbee2MQTT instance. `in_service` is False while the area is being commissioned."""

    slug: str
    name: str
    base_topic: str
    channel: int
    in_service: bool
    devices: tuple[SimulatedDevice, ...]


def plan(meters: int = METERS) -> list[SimulatedArea]:
    """The areas of a campsite with about this many meters: areas 1-4 shrink in proportion, the others stay."""
    share = max(meters - 1, 0) / (METERS - 1)
    return [
        *(_area(number, _meters(number, share) + _repeaters(number, share)) for number in (1, 2, 3, 4)),
        _area(5, _repeaters(5, 1.0)),
        _area(6, ()),
        SimulatedArea("3p", "Trefaset", "zigbee2mqtt_3p", 11, False, (_three_phase(),)),
    ]


def base_topic(number: int) -> str:
    return "zigbee2mqtt" if number == 1 else f"zigbee2mqtt_area{number}"


def ieee_address(text: str) -> str:
    """A Tuya-like address that is always the same for the same text."""
    return f"0xa4c138{hashlib.sha256(text.encode()).hexdigest()[:10]}"


def _area(number: int, devices: tuple[SimulatedDevice, ...]) -> SimulatedArea:
    return SimulatedArea(
        slug=f"omraade-{number}",
        name=f"Område {number}",
        base_topic=base_topic(number),
        channel=20 if number == 2 else 11,
        in_service=number <= 4,
        devices=devices,
    )


def _meters(number: int, share: float) -> tuple[SimulatedDevice, ...]:
    size = SIZES[number - 1]
    count = max(FEWEST_PER_AREA, round(size * share))
    names = {1: _touring_1, 2: _seasonal_2, 3: _touring_3, 4: _cabins_4}[number]()
    return tuple(_meter(base_topic(number), name) for name in islice(names, count))


def _meter(base: str, name: str) -> SimulatedDevice:
    address = ieee_address(f"{base}/{name}")
    kind = _pitch_kind(name)
    likely = {"touring": 70, "seasonal": 55, "cabin": 80, "service": 100}[kind]
    return SimulatedDevice(
        ieee_address=address,
        name=name,
        kind="meter",
        pitch_kind=kind,
        pitch_number=name.split(",")[0],
        occupied=int(address, 16) % 100 < likely,
    )


def _pitch_kind(name: str) -> type_of_pitch:
    if name in OFFICES:
        return "service"
    if name.lower().startswith("hytte"):
        return "cabin"
    return "seasonal" if name[0] in "FX" else "touring"


def _repeaters(number: int, share: float) -> tuple[SimulatedDevice, ...]:
    spots = REPEATER_SPOTS.get(number, ())
    count = max(1, round(len(spots) * share))
    return tuple(_repeater(number, spot) for spot in spots[:count])


def _repeater(number: int, spot: str) -> SimulatedDevice:
    address = ieee_address(f"{base_topic(number)}/repeater {spot}")
    return SimulatedDevice(address, f"repeater - {spot}", "repeater", "service", "", True)


def _three_phase() -> SimulatedDevice:
    address = ieee_address("zigbee2mqtt_3p/Hovedtavle test")
    return SimulatedDevice(address, "Hovedtavle test", "three_phase", "service", "Hovedtavle test", True)


def _touring_1() -> Iterator[str]:
    yield from ("101", "101,2", "Kontor", "vaskeplads", "service/vaskehus")
    for stand in range(102, 200):
        yield str(stand)
        if stand % 4 == 1:
            yield f"{stand},2"


def _seasonal_2() -> Iterator[str]:
    yield "X1"
    yield from (f"F{number}" for number in range(1, 47))


def _touring_3() -> Iterator[str]:
    yield from ("201", "201,2")
    yield from (f"F{number}" for number in range(47, 73))
    yield from (str(stand) for stand in range(202, 300))


def _cabins_4() -> Iterator[str]:
    for number in range(26, 43):
        yield f"hytte {number}" if number in (35, 38) else f"Hytte {number}"
    yield from (str(stand) for stand in range(301, 400))
