"""The latest value of each quantity of a meter: how a report changes it. Pure.

A value that is sure to be fresh takes the report's time; one that may be a cache's repeat counts only when it changed.
Per value newer-or-equal wins: an acknowledgement repeats the old state and then tells the new one with the same time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from meters.directory import QUANTITIES, Known
from meters.readings.counters import Counter, Point
from meters.zigbee2mqtt import State

SAME_REPORT = timedelta(seconds=2)
"""One report comes as several messages within this time; what lies between two reports is the gap."""
GAP_STEP = 1.05
FIRST_GAP_S = 60.0


@dataclass
class Latest:
    """A row of MeterState in the readings' units: W, 0.1 V, mA, Wh. `at`: the time of each value by its name."""

    meter_id: int
    heard_at: datetime | None = None
    gap_s: float | None = None
    values: dict[str, int | bool | None] = field(default_factory=dict)
    at: dict[str, datetime] = field(default_factory=dict)
    phases: dict[str, list[int | None]] = field(default_factory=dict)
    counter: Counter = field(default_factory=Counter)
    energy_wh: int = 0


PROPERTIES = {"relay": "state", "power_w": "power", "voltage_dv": "voltage", "current_ma": "current"}


@dataclass(slots=True)
class Row:
    """A row of the readings table; None: not told. `is_new`: no row of this meter and moment was there before, where
    that is known already."""

    meter_id: int
    measured_at: datetime
    counter_wh: int | None = None
    power_w: int | None = None
    current_ma: int | None = None
    epoch: int | None = None
    voltage_dv: int | None = None
    linkquality: int | None = None
    relay: bool | None = None
    has_point: bool = False
    is_new: bool | None = True

    def merge(self, state: State, power_w: int | None, is_point: bool) -> None:
        """Attribute by attribute: what this message tells replaces, what it does not tell stays.

        One counter value a moment: that which was taken for news stays.
        """
        if state.current_ma is not None:  # each by its name: a loop with setattr takes three times as long
            self.current_ma = state.current_ma
        if state.voltage_dv is not None:
            self.voltage_dv = state.voltage_dv
        if state.linkquality is not None:
            self.linkquality = state.linkquality
        if state.relay is not None:
            self.relay = state.relay
        if state.counter_wh is not None and not self.has_point:
            self.counter_wh, self.has_point = state.counter_wh, is_point
        if power_w is not None:
            self.power_w = power_w


def take(latest: Latest, known: Known, state: State, at: datetime) -> int | None:
    """Bring `latest` up to a report measured at `at`; returns the power in W that it told, or the sum of its phases."""
    _hear(latest, at)
    for name, prop in PROPERTIES.items():
        _set(latest, name, getattr(state, name), at, prop in known.fresh)
    _set(latest, "linkquality", state.linkquality, at, fresh=True)
    _set(latest, "counter_wh", state.counter_wh, at, "energy" in known.fresh)
    return _take_phases(latest, known, state, at) if known.phases else state.power_w


def counter_point(latest: Latest, known: Known, state: State, at: datetime) -> Point | None:
    """The report's counter value where it is news: sure to be fresh, or other than the value seen before."""
    if state.counter_wh is None:
        return None
    counter = latest.counter
    seen = counter.pending[-1] if counter.pending else counter.last
    if "energy" not in known.fresh and seen is not None and seen.wh == state.counter_wh and seen.at <= at:
        return None
    return Point(at, state.counter_wh)


def is_news(latest: Latest, at: datetime) -> bool | None:
    """Whether a report of this moment is the first one; None: it came late, and may be. What was heard has its row."""
    if latest.heard_at is None or at > latest.heard_at:
        return True
    return False if at == latest.heard_at else None


def _hear(latest: Latest, at: datetime) -> None:
    """Note the sign of life and learn the usual gap: an estimate of the median that moves by 5 % with each report."""
    if latest.heard_at and at > latest.heard_at + SAME_REPORT:
        gap_s = (at - latest.heard_at).total_seconds()
        estimate = latest.gap_s or FIRST_GAP_S
        latest.gap_s = estimate * GAP_STEP if gap_s > estimate else estimate / GAP_STEP
    if latest.heard_at is None or at > latest.heard_at:
        latest.heard_at = at


def _set(latest: Latest, name: str, value: int | bool | None, at: datetime, fresh: bool) -> None:
    if value is None or (name in latest.at and at < latest.at[name]):
        return
    if fresh or latest.values.get(name) != value:
        latest.values[name] = value
        latest.at[name] = at


def _bare(state: State, prop: str) -> int | None:
    """The first phase of meters that do not name it."""
    return {"power": state.power_w, "voltage": state.voltage_dv, "current": state.current_ma}.get(prop)


def _take_phases(latest: Latest, known: Known, state: State, at: datetime) -> int | None:
    told = False
    for quantity in QUANTITIES:
        values = latest.phases.setdefault(quantity, [])
        values += [None] * (len(known.phases) - len(values))
        for i, prop in enumerate(known.phase_values(quantity)):
            value = state.phases.get(prop, _bare(state, prop))
            if value is None or at < latest.at.get("phases", at):
                continue
            told = told or quantity == "power"
            if prop in known.fresh or values[i] != value:
                values[i] = value
                latest.at["phases"] = at
    powers = [value for value in latest.phases["power"] if value is not None]
    if not told or len(powers) < len(known.phases):
        return None
    _set(latest, "power_w", sum(powers), at, known.fresh.issuperset(known.phase_values("power")))
    return sum(powers)
