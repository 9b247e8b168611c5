"""How much power a pitch draws at a moment. Pure functions of seed and time: the same minute always draws the same.

Power is constant within a slot of 30 s, so that energy is exactly the sum of power over time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from math import floor, sin
from zoneinfo import ZoneInfo

from meters.simulation.site import type_of_pitch

CAMPSITE_ZONE = ZoneInfo("Europe/Copenhagen")
SLOT_S = 30
BREAKER_W = 3600
LONGEST_EXACT_S = 6 * 3600
COARSE_STEP_S = 900
MASK = (1 << 64) - 1
COLD = (1.0, 1.0, 0.8, 0.5, 0.25, 0.1, 0.05, 0.05, 0.2, 0.45, 0.8, 1.0)
"""How much is heated, by month."""


@dataclass(frozen=True, slots=True)
class Load:
    """What stands on a pitch and draws power while its relay is on."""

    pitch_kind: type_of_pitch
    seed: int
    occupied: bool = True


@dataclass(frozen=True, slots=True)
class Moment:
    """A slot of time as the campsite's clock shows it: `hour` with its fraction, month 1-12."""

    slot: int
    day: int
    month: int
    hour: float


def unit(*parts: int) -> float:
    """A number in [0, 1) that depends on nothing but its arguments."""
    mixed = 0
    for part in parts:
        mixed = (mixed ^ part) + 0x9E3779B97F4A7C15 & MASK
        mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & MASK
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & MASK
        mixed ^= mixed >> 31
    return mixed / (MASK + 1)


def power_w(load: Load, at: float) -> float:
    """Watts at this epoch second."""
    if not load.occupied:
        return 0.0
    moment = _moment(floor(at / SLOT_S))
    appliances = {"touring": _touring, "seasonal": _seasonal, "cabin": _cabin, "service": _service}
    watts = appliances[load.pitch_kind](load.seed, moment)
    noise = 0.98 + 0.04 * unit(load.seed, moment.slot, 1)
    return min(watts * noise, BREAKER_W)


def energy_kwh(load: Load, start: float, end: float) -> float:
    """The integral of power between two epoch seconds; sampled coarsely where they are many hours apart."""
    step = SLOT_S if end - start <= LONGEST_EXACT_S else COARSE_STEP_S
    joules, at = 0.0, start
    while at < end:
        until = min(end, (floor(at / step) + 1) * step)
        joules += power_w(load, at) * (until - at)
        at = until
    return joules / 3_600_000


def voltage_v(seed: int, at: float, watts: float) -> float:
    """About 230 V: slow swing, noise, and the drop along the cable."""
    swing = 3 * sin(at / 900 + seed % 97) + 2 * unit(seed, int(at / 10), 2)
    return 230 + swing - watts / 1000


def _moment(slot: int) -> Moment:
    local = datetime.fromtimestamp(slot * SLOT_S, CAMPSITE_ZONE)
    hour = local.hour + local.minute / 60 + local.second / 3600
    return Moment(slot, local.toordinal(), local.month, hour)


# --- pitches ---------------------------------------------------------------------------------------


def _touring(seed: int, now: Moment) -> float:
    return (
        _standby(seed)
        + _fridge(seed, now)
        + _kettle(seed, now)
        + _lights(seed, now, 30)
        + _heater(seed, now, 1000)
        + _charger(seed, now)
    )


def _seasonal(seed: int, now: Moment) -> float:
    return _touring(seed, now) + _cooking(seed, now)


def _cabin(seed: int, now: Moment) -> float:
    return (
        2 * _standby(seed)
        + _fridge(seed, now)
        + _kettle(seed, now)
        + _cooking(seed, now)
        + _lights(seed, now, 80)
        + _heater(seed, now, 1800)
    )


def _service(seed: int, now: Moment) -> float:
    machine = 1900 * _happens(seed, now, 3, minutes=20, chance=0.35) * _between(now, 7, 22)
    office = 180 * _between(now, 8, 20)
    return 4 * _standby(seed) + _fridge(seed, now) + office + machine + _kettle(seed, now)


# --- appliances ------------------------------------------------------------------------------------


def _standby(seed: int) -> float:
    return 4 + 14 * unit(seed, 10)


def _fridge(seed: int, now: Moment) -> float:
    """A compressor: on for about 40 % of a cycle of 30-50 minutes."""
    cycle = int(60 + 40 * unit(seed, 11))
    phase = (now.slot + int(1000 * unit(seed, 12))) % cycle
    return 60 + 50 * unit(seed, 13) if phase < cycle * 0.4 else 0.0


def _kettle(seed: int, now: Moment) -> float:
    peak = _between(now, 7, 9.5) or _between(now, 12, 13) or _between(now, 15, 16) or _between(now, 19, 21)
    chance = 0.12 if peak else 0.01 * _between(now, 6, 23)
    return (1100 + 900 * unit(seed, 14)) * _happens(seed, now, 15, minutes=4, chance=chance)


def _cooking(seed: int, now: Moment) -> float:
    return 1300 * _happens(seed, now, 16, minutes=10, chance=0.4) * _between(now, 17, 19.5)


def _lights(seed: int, now: Moment, watts: float) -> float:
    return watts * (0.5 + unit(seed, now.day, 17)) * (_between(now, 17, 23.5) or _between(now, 6, 8))


def _heater(seed: int, now: Moment, watts: float) -> float:
    """An electric heater: its thermostat decides anew each ten minutes; warmer mornings and evenings wanted."""
    wanted = 0.9 if _between(now, 6, 9) or _between(now, 16, 23) else 0.5
    return watts * _happens(seed, now, 18, minutes=10, chance=wanted * COLD[now.month - 1])


def _charger(seed: int, now: Moment) -> float:
    """An e-bike on every third pitch in the evening, a car on every thirtieth on some nights."""
    bike = 130.0 if unit(seed, 19) < 0.3 and _between(now, 18, 22) else 0.0
    night = now.day - (now.hour < 6)
    car = unit(seed, 20) < 0.035 and unit(seed, night, 21) < 0.5 and (now.hour >= 21 or now.hour < 4)
    return bike + (2300.0 if car else 0.0)


def _between(now: Moment, start: float, end: float) -> float:
    return 1.0 if start <= now.hour < end else 0.0


def _happens(seed: int, now: Moment, salt: int, *, minutes: int, chance: float) -> float:
    """1.0 in those spans of so many minutes that the dice chose."""
    span = now.slot // (minutes * 60 // SLOT_S)
    return 1.0 if unit(seed, span, salt) < chance else 0.0
