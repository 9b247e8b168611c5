"""The physics of one metering device: relay, load, counter. It knows no Zigbee and no MQTT."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import floor
from typing import Literal, TypeAlias

from meters.simulation import load as loads
from meters.simulation.load import Load
from meters.simulation.site import SimulatedDevice

type_of_mode = Literal["ok", "offline", "deaf", "refuse", "stuck", "weld"]
MODES: tuple[type_of_mode, ...] = ("ok", "offline", "deaf", "refuse", "stuck", "weld")
PHASES = {"a": 0.40, "b": 0.35, "c": 0.25}
POWER_FACTOR = 0.95
ENERGY_STEP_KWH = 2.57
ENERGY_INTERVAL_S = 3600.0

Value: TypeAlias = int | float | str


@dataclass(slots=True)
class Meter:
    """`counter_kwh` holds the energy up to `counted_at` (epoch seconds); `override` holds raw values that lie."""

    load: Load
    phases: bool
    counter_kwh: float
    counted_at: float
    relay: bool
    mode: type_of_mode = "ok"
    fixed_load_w: float | None = None
    override: dict[str, float] = field(default_factory=dict)
    reported_kwh: float = 0.0
    energy_step_kwh: float = ENERGY_STEP_KWH
    energy_interval_s: float = ENERGY_INTERVAL_S

    # --- what happens to it --------------------------------------------------------------------------

    def count(self, now: float) -> None:
        """Add the energy that flowed since the counter was last looked at."""
        if self.conducts and now > self.counted_at:
            self.counter_kwh += self._flowed_kwh(now)
        self.counted_at = max(now, self.counted_at)

    def switch(self, relay: bool, now: float) -> bool:
        """Move the relay; False where it stood so already."""
        self.count(now)
        moved = relay != self.relay
        self.relay = relay
        return moved

    def fail(self, mode: type_of_mode, now: float) -> None:
        """Be in trouble of this kind from now on, or in none ("ok")."""
        self.count(now)
        self.mode = mode

    def draw(self, watts: float | None, now: float) -> None:
        """Fix the load while on, or hand it back to the pitch with None."""
        self.count(now)
        self.fixed_load_w = watts

    def set_counter(self, kwh: float, now: float) -> None:
        self.count(now)
        self.counter_kwh = kwh

    # --- what it shows -------------------------------------------------------------------------------

    @property
    def conducts(self) -> bool:
        """Whether current can flow: through a welded relay also where it says that it is off."""
        return self.relay or self.mode == "weld"

    def power_w(self, now: float) -> float:
        if not self.conducts:
            return 0.0
        return self.fixed_load_w if self.fixed_load_w is not None else loads.power_w(self.load, now)

    def snapshot(self, now: float) -> dict[str, Value]:
        """Everything it measures, as Z2M names it."""
        counted = {"energy": self.read("currentSummDelivered", now), "state": self.read("onOff", now)}
        if self.phases:
            return counted | {key: value for phase in PHASES for key, value in self.phase(phase, now).items()}
        return counted | {PROPERTIES[name]: self.read(name, now) for name in ELECTRICAL}

    def phase(self, phase: str, now: float) -> dict[str, Value]:
        watts = self.power_w(now) * PHASES[phase]
        volts = loads.voltage_v(self.load.seed + ord(phase), now, watts)
        return {
            f"voltage_{phase}": round(volts, 1),
            f"current_{phase}": plain(watts / volts, 3),
            f"power_{phase}": round(watts),
        }

    def read(self, attribute: str, now: float) -> Value:
        """One Zigbee attribute in Z2M's unit: W, A, V, kWh, ON or OFF."""
        raw = self.override.get(attribute)
        return _published(attribute, self._raw(attribute, now) if raw is None else raw)

    def _raw(self, attribute: str, now: float) -> float:
        watts = self.power_w(now)
        match attribute:
            case "activePower":
                return round(watts) if self.relay else 0  # Z2M makes it 0 while the relay says off; the current shows
            case "rmsVoltage":
                return round(loads.voltage_v(self.load.seed, now, watts))
            case "rmsCurrent":
                return round(1000 * watts / loads.voltage_v(self.load.seed, now, watts) / POWER_FACTOR)
            case "currentSummDelivered":
                self.count(now)
                return floor(self.counter_kwh * 100 + 1e-9)
            case "onOff":
                return int(self.relay)
        raise KeyError(attribute)

    def _flowed_kwh(self, now: float) -> float:
        if self.fixed_load_w is not None:
            return self.fixed_load_w * (now - self.counted_at) / 3_600_000
        return loads.energy_kwh(self.load, self.counted_at, now)


PROPERTIES = {
    "activePower": "power",
    "rmsCurrent": "current",
    "rmsVoltage": "voltage",
    "currentSummDelivered": "energy",
    "onOff": "state",
}
ELECTRICAL = ("rmsVoltage", "rmsCurrent", "activePower")


def new(device: SimulatedDevice, now: float) -> Meter:
    """A meter as the plan wants it: an old counter, most relays on where somebody lives, most off where nobody does."""
    dice = loads.unit(device.seed, 30)
    return Meter(
        load=Load(device.pitch_kind, device.seed, device.occupied and device.kind != "repeater"),
        phases=device.kind == "three_phase",
        counter_kwh=round(40 + 2400 * loads.unit(device.seed, 31), 2),
        counted_at=now,
        relay=dice < (0.97 if device.occupied else 0.3),
    )


def plain(value: float, digits: int) -> int | float:
    """A number as JavaScript prints it: no trailing .0."""
    rounded = round(value, digits)
    return int(rounded) if rounded == int(rounded) else rounded


def _published(attribute: str, raw: float) -> Value:
    match attribute:
        case "onOff":
            return "ON" if raw else "OFF"
        case "rmsCurrent":
            return plain(raw / 1000, 2)
        case "currentSummDelivered":
            return plain(raw / 100, 2)
    return plain(raw, 0)
