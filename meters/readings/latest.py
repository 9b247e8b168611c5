"""The latest value of each quantity of a meter: how a report changes it. Pure.

A value that is sure to be fresh takes the report's time; one that may be a cache's repeat counts only when it changed.
Per value newer-or-equal wins: an acknowledgement repeats the old state and then tells the new one with the same time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

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
PROPERTIES |= {"counter_wh": "energy", "linkquality": ""}
"""How Zigbee2MQTT names what a state tells; the link's quality is always fresh."""


class Report(NamedTuple):
    """A live state of a known meter, measured at `measured_at`.

    `counts` is False where it is not certain which meter spoke: its energy is then left to a later report.
    """

    known: Known
    state: State
    measured_at: datetime
    counts: bool = True

    @property
    def meter_id(self) -> int:
        if self.known.meter_id is None:
            raise ValueError(f"{self.known.ieee_address} is no meter")
        return self.known.meter_id


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

    @classmethod
    def of(
        cls, meter_id: int, at: datetime, state: State, power_w: int | None, is_point: bool, is_new: bool | None
    ) -> Row:
        """What the first message of a moment tells."""
        wh, ma, dv = state.counter_wh, state.current_ma, state.voltage_dv
        return cls(meter_id, at, wh, power_w, ma, None, dv, state.linkquality, state.relay, is_point, is_new)

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


def hear(latest: Latest, at: datetime) -> bool | None:
    """Note a sign of life and learn the usual gap: an estimate of the median that moves by 5 % with each report.

    Whether a report of this moment is the first one, since what was heard has its row; None: it came late, and may be.
    """
    before = latest.heard_at
    if before is not None and at <= before:
        return False if at == before else None
    if before is not None and at > before + SAME_REPORT:
        estimate = latest.gap_s or FIRST_GAP_S
        latest.gap_s = estimate * GAP_STEP if (at - before).total_seconds() > estimate else estimate / GAP_STEP
    latest.heard_at = at
    return True


def take(latest: Latest, reports: Sequence[Report]) -> list[int | None]:
    """Bring `latest` up to a meter's reports, in the order of their times; returns the power in W that each told, or
    the sum of its phases."""
    if any(report.known.phases for report in reports):
        return [_take_one(latest, report) for report in reports]
    _take_values(latest, reports)
    return [report.state.power_w for report in reports]


def _take_one(latest: Latest, report: Report) -> int | None:
    _take_values(latest, [report])
    known, state, at, _ = report
    return _take_phases(latest, known, state, at) if known.phases else state.power_w


def _take_values(latest: Latest, reports: Sequence[Report]) -> None:
    for name, prop in PROPERTIES.items():
        for value, at, fresh in reversed(_newest(reports, name, prop)):
            _set(latest, name, value, at, fresh)


def _newest(reports: Sequence[Report], name: str, prop: str) -> list[tuple[int | bool, datetime, bool]]:
    """The values of a property with time and whether they are fresh, backwards: what is before a fresh one is over."""
    found = []
    for known, state, at, _ in reversed(reports):
        if (value := getattr(state, name)) is not None:
            fresh = not prop or prop in known.fresh
            found.append((value, at, fresh))
            if fresh:
                break
    return found


def counter_point(counter: Counter, known: Known, state: State, at: datetime) -> Point | None:
    """The report's counter value where it is news: sure to be fresh, or other than the value seen before."""
    if state.counter_wh is None:
        return None
    if "energy" not in known.fresh:
        seen = counter.pending[-1] if counter.pending else counter.last
        if seen is not None and seen.wh == state.counter_wh and seen.at <= at:
            return None
    return Point(at, state.counter_wh)


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
