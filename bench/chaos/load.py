"""Zigbee2MQTTs that publish under load, and the ledger of what they said: what the broker took, and what it may have.

Half of the areas tell of now, the others of hours ago, half a minute a report, so that hours and days are crossed.
Their meters obey: what each relay did, and when, is noted.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from tests.meters.harness import ObeyingFleet, Talker

LIVE, PAST = ("north", "south"), ("east", "west")
AREAS = (*LIVE, *PAST)
PAST_H = 20
LONGEST_STEP_S = 30.0
SPLIT = 0.3
"""So often a report comes as two messages with one time, as Zigbee2MQTT sends it."""
PULSE_W = 100
PULSES = 800
"""The watts of the meter that is looked at on pages: each of its reports has others, so that a page's age shows."""


class Said(NamedTuple):
    """One message: whose, measured when, its values in the columns' units; when it was published (time.time())."""

    ieee: str
    at: datetime
    values: dict[str, int | bool]
    sent_at: float


class Ledger:
    """Of all areas. `taken`: acknowledged by the broker, so that it must be stored; what is not, may be. `given_up`:
    acknowledged by a broker that was killed before it had written it down.
    """

    def __init__(self) -> None:
        self.said: list[Said] = []
        self.taken: set[int] = set()
        self.given_up: set[int] = set()
        self.lock = threading.Lock()

    def note(self, topic: str, told: dict[str, Any]) -> int | None:
        """The place of this message; None where it is no report of a meter."""
        if "last_seen" not in told or "device" not in told:
            return None
        at = datetime.fromisoformat(told["last_seen"])
        with self.lock:
            self.said.append(Said(told["device"]["ieeeAddr"], at, values(told), time.time()))
            return len(self.said) - 1

    def take(self, place: int) -> None:
        with self.lock:
            self.taken.add(place)

    def give_up(self, since: float, is_stored: Callable[[Said], bool]) -> None:
        """What was sent since this moment (of time.time()) and is not stored may be lost."""
        with self.lock:
            recent = {place for place in self.taken if self.said[place].sent_at >= since}
            gone = {place for place in recent if not is_stored(self.said[place])}
            self.taken -= gone
            self.given_up |= gone


def values(told: dict[str, Any]) -> dict[str, int | bool]:
    """A report's values as the table of readings holds them."""
    found: dict[str, int | bool] = {}
    for name, column, factor in (
        ("energy", "counter_wh", 1000),
        ("power", "power_w", 1),
        ("current", "current_ma", 1000),
        ("voltage", "voltage_dv", 10),
        ("linkquality", "linkquality", 1),
    ):
        if name in told:
            found[column] = round(told[name] * factor)
    return found | ({"relay": told["state"] == "ON"} if "state" in told else {})


class Publisher(Talker):
    """A Talker that tells the ledger what it says, and what of it the broker took. It sends again until it did."""

    def __init__(self, ledger: Ledger, url: str, will: tuple[str, str]) -> None:
        self._ledger = ledger
        self._under_way: dict[int, int | None] = {}
        self._early: set[int] = set()
        self._mids = threading.Lock()
        super().__init__(url, will)

    def say(self, topic: str, payload: Any, *, retain: bool = False, qos: int = 1) -> None:
        place = self._ledger.note(topic, payload) if isinstance(payload, dict) else None
        text = payload if isinstance(payload, str | bytes) else json.dumps(payload)
        self.published += 1
        mid = self.client.publish(topic, text, qos, retain).mid
        with self._mids:  # the acknowledgement may have come first
            if mid not in self._early:
                self._under_way[mid] = place
                return
            self._early.discard(mid)
        self._take(place)

    def _count(self, *told: Any) -> None:
        super()._count()
        mid = told[2]
        with self._mids:
            if mid not in self._under_way:
                self._early.add(mid)
                return
            place = self._under_way.pop(mid)
        self._take(place)

    def _take(self, place: int | None) -> None:
        if place is not None:
            self._ledger.take(place)


@dataclass(frozen=True)
class Move:
    """A relay was told to be so; `moved`: it was otherwise."""

    ieee: str
    state: bool
    moved: bool
    at: float


class Town(ObeyingFleet):
    """An area. `is_past`: it tells of hours ago. `moves`: what its relays were told. `pulses`: when the first meter
    told these watts last.
    """

    def __init__(
        self, url: str, base: str, meters: int, ledger: Ledger, dice: random.Random, past_step_s: float
    ) -> None:
        """`past_step_s`: seconds from one report of a meter to the next where it tells of the past; 0: it does not."""
        super().__init__(url, base, meters)
        self.is_past, self._past_step = past_step_s > 0, timedelta(seconds=past_step_s)
        self.moves: list[Move] = []
        self.pulses: dict[int, float] = {}
        self.start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=PAST_H)
        self._dice = dice
        self._wh = [100_000.0] * meters
        self._last: dict[int, datetime] = {}
        self.talker.stop()
        self.talker = Publisher(ledger, url, (f"{base}/bridge/state", '{"state":"offline"}'))
        self.talker.client.on_connect = lambda *_: self.online()

    def ieee(self, meter: int) -> str:
        return f"0xa4c138{sum(self.base.encode()):04x}{meter + 1:06x}"

    def name(self, meter: int) -> str:
        return f"{self.base}-{meter + 1}"

    def report_one(self, meter: int) -> None:
        """Its next report, whole or in two messages."""
        told = self.told(meter)
        topic = f"{self.base}/{self.name(meter)}"
        if self._dice.random() >= SPLIT:
            self.talker.say(topic, told)
            return
        for names in (("power", "current", "voltage"), ("energy", "state")):
            shared = ("linkquality", "last_seen", "device")
            self.talker.say(topic, {key: told[key] for key in (*names, *shared)})

    def told(self, meter: int) -> dict[str, Any]:
        """Counter and watts fit each other: what a breaker lets through."""
        now = self.start + self.sent[meter] * self._past_step if self.is_past else datetime.now(UTC)
        number, on = self.sent[meter], self.relay[meter]
        self.sent[meter] += 1
        watts = 500 + (meter * 211 + number * 97) % 2400
        if meter == 0 and not self.is_past:
            watts = PULSE_W + number % PULSES
            self.pulses[watts] = time.time()
        watts = watts if on else 0
        passed = now - self._last.get(meter, now)
        self._last[meter] = now
        self._wh[meter] += watts * passed.total_seconds() / 3600
        return {
            "state": self._word(meter),
            "power": watts,
            "voltage": 226 + number % 9,
            "current": round(watts / 230, 2),
            "energy": int(self._wh[meter] / 10) / 100,
            "linkquality": 60 + number % 90,
            "last_seen": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "device": {"ieeeAddr": self.ieee(meter), "friendlyName": self.name(meter), "type": "Router"},
        }

    def _switch(self, meter: int, wanted: str) -> None:
        on = wanted == "ON"
        self.moves.append(Move(self.ieee(meter), on, self.relay[meter] != on, time.time()))
        super()._switch(meter, wanted)


def past_step_s(meters: int, per_s: float, seconds: float) -> float:
    """So that the past is not used up: this many meters in all, and messages a second, for so long."""
    reports = per_s * (seconds + 600) / meters
    return min(LONGEST_STEP_S, (PAST_H - 1) * 3600 / reports)


class Load:
    """Reports of all meters in turn, `per_s` messages a second; the meters that pages look at each second."""

    def __init__(self, towns: Sequence[Town], per_s: float) -> None:
        self._towns, self.per_s = towns, per_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns once the broker has taken everything."""
        self._stopping.set()
        self._thread.join()
        for town in self._towns:
            town.talker.flush()

    def _run(self) -> None:
        turn = [(town, meter) for meter in range(max(t.meters for t in self._towns)) for town in self._towns]
        turn = [(town, meter) for town, meter in turn if meter < town.meters]
        lively = [town for town in self._towns if not town.is_past]
        began, done, pulse = time.monotonic(), 0, 0
        while not self._stopping.wait(0.02):
            passed = time.monotonic() - began
            for number in range(done, int(passed * self.per_s / (1 + SPLIT))):
                town, meter = turn[number % len(turn)]
                town.report_one(meter)
            done = max(done, int(passed * self.per_s / (1 + SPLIT)))
            if passed > pulse:
                pulse = int(passed) + 1
                for town in lively:
                    town.report_one(0)
