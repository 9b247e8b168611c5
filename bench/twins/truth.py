"""What is compared, and what a difference is. Pure: the clock is handed in, times are of time.time().

A difference is *explained* while nobody has told the product otherwise yet, and the product promises no more: a meter
may be called online until `online_until`; a value is as old as the device's last report. Once Zigbee2MQTT has told the
truth, GRACE_S is all the time there is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from bench.twins.radios import Plug, Wire, Word

GRACE_S = 10.0
"""From Zigbee2MQTT's word to the board: a batch, a tick, a busy machine."""
POWER_W, POWER_PART = 12.0, 0.10
"""By so much the simulated load may wander from one report to the next."""
STEP_KWH = 0.02
ZERO_HELD_S = 12.0
ASKED_WITHIN_S, ASKED_AGAIN_S = 90.0, 690.0
"""Where positions may have changed unheard all meters of an area are asked, one a second; who was ill is asked again
after ten minutes."""
DEADLINE_S = 15 * 60.0
DONE_WITHIN_S = 150.0
"""A command to a device that is well has ended by then: three attempts take two minutes."""


class Finding(NamedTuple):
    """`why`: what explains it; empty: nothing does, it is a fault."""

    subject: str
    what: str
    said: Any
    is_: Any
    why: str = ""


@dataclass
class Device:
    """A device as the script has treated it. `home`: the network that it has joined; `since`: when it last became
    reachable, or ceased to be; `has_left`: it left, and Zigbee2MQTT was told."""

    ieee: str
    kind: str
    home: str | None
    mode: str = "ok"
    since: float = 0.0
    has_left: bool = False
    plug: Plug | None = None
    pressed_at: float = 0.0
    is_unheard: bool = False
    """It was off the air when it was pressed last."""
    ailments: list[tuple[float, float]] = field(default_factory=list)
    well_since: float = 0.0
    ills: int = 0

    def fall_ill(self, now: float) -> None:
        """Something is wrong with it, its Zigbee2MQTT or the broker: commands may fail."""
        if not self.ills:
            self.ailments.append((now, float("inf")))
        self.ills += 1
        self.well_since = float("inf")

    def get_well(self, now: float) -> None:
        self.ills -= 1
        if not self.ills:
            self.ailments[-1] = (self.ailments[-1][0], now)
            self.well_since = now

    def was_ill(self, begin: float, end: float) -> bool:
        return any(begin < to and since < end for since, to in self.ailments)


@dataclass
class Used:
    """What a device used since the first counter that was told, by looks at the radio."""

    looks: list[tuple[float, float]] = field(default_factory=list)
    before_kwh: float = 0.0
    first_raw: float = 0.0
    set_back_at: float = 0.0

    def look(self, plug: Plug) -> None:
        self.looks.append((plug.at, self.before_kwh + (plug.raw - self.first_raw) / 100))

    def set_back(self, plug: Plug, raw: int) -> None:
        """From `plug` on it counts from `raw`."""
        self.look(plug)
        self.before_kwh, self.first_raw, self.set_back_at = self.looks[-1][1], raw, plug.at

    def around(self, at: float, told: int) -> tuple[float, float]:
        """kWh by then, from the look before to the look after; a fall is believed after three counters (`told`)."""
        before = [kwh for looked_at, kwh in self.looks if looked_at <= at - 1]
        after = [kwh for looked_at, kwh in self.looks if looked_at >= at + 1]
        least = before[-1] if before else 0.0
        if told < 3 and self.set_back_at:
            least = min(least, self.before_kwh)
        return least, (after[0] if after else self.looks[-1][1])


@dataclass(frozen=True)
class Bridge:
    """A Zigbee2MQTT: whether it runs, since when that is so, and what it said last."""

    is_up: bool
    since: float
    said: Word
    permit: Word


# --- areas -----------------------------------------------------------------------------------------------------------


def area(base: str, said: Mapping[str, Any] | None, bridge: Bridge, is_linked: bool, now: float) -> Iterator[Finding]:
    """`is_linked`: the worker says that it hears the broker."""
    if said is None:
        yield Finding(base, "area", None, "there")
        return
    is_ = "online" if bridge.is_up else "offline"
    if said["bridge"] != is_:
        is_told = bridge.said.value == is_ and now - bridge.said.at > GRACE_S
        yield Finding(base, "bridge", said["bridge"], is_, "" if is_linked and is_told else "not told yet")
    if bridge.permit.at and said["permit_join"] != bridge.permit.value:
        why = "just told" if now - bridge.permit.at < GRACE_S else ""
        yield Finding(base, "permit_join", said["permit_join"], bridge.permit.value, why)


# --- a meter ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A device as it is, as Zigbee2MQTT told it, and as the product says it to be."""

    device: Device
    used: Used
    wire: Wire
    bridge: Bridge | None
    said: Mapping[str, Any]
    is_linked: bool
    every_s: float
    now: float

    @property
    def is_reachable(self) -> bool:
        return self.bridge is not None and self.bridge.is_up and self.device.mode != "offline"

    @property
    def since(self) -> float:
        """Since when it is, or is not."""
        return max(self.device.since, self.bridge.since if self.bridge else 0.0)

    def is_past(self, at: float) -> bool:
        return self.now - at > GRACE_S

    def find(self) -> Iterator[Finding]:
        yield from self._identity()
        yield from self._online()
        if self.said["online"] == "online" and self.is_reachable and self.device.plug:
            yield from self._relay(self.device.plug)
            yield from self._power(self.device.plug)
        if self.wire.counters and self.used.looks:
            yield from self._energy()

    @property
    def values(self) -> int:
        """How many it compares: listed, area, name, online, counter, energy; relay, power, age of power."""
        return 9 if self.said["online"] == "online" and self.is_reachable else 6

    def _finding(self, what: str, said: Any, is_: Any, why: str = "") -> Finding:
        return Finding(self.device.ieee, what, said, is_, why)

    def _identity(self) -> Iterator[Finding]:
        device, said, names = self.device, self.said, self.wire.names
        if said["removed"] is bool(names):
            yield self._finding("listed", not said["removed"], sorted(names))
        if device.home is None or device.home not in names:
            return
        if said["base"] != device.home:
            heard_at = self.wire.heard.get(device.home, 0.0)
            is_told = heard_at > device.since and self.is_past(heard_at)
            yield self._finding("area", said["base"], device.home, "" if is_told else "not heard there yet")
        elif said["name"] != names[device.home]:
            yield self._finding("name", said["name"], names[device.home])

    def _online(self) -> Iterator[Finding]:
        said, bridge = self.said, self.bridge
        if (said["online"] == "online") is self.is_reachable:
            return
        if not self.is_reachable:
            is_ = "gone" if bridge is None else "off the air" if bridge.is_up else "its Zigbee2MQTT is dead"
            yield self._finding("online", "online", is_, self._why_not_missed())
        else:
            yield self._finding("online", f"{said['online']} ({said['reason']})", "online", self._why_not_heard())

    def _why_not_missed(self) -> str:
        if not self.is_past(self.since):
            return "just now"
        if self.device.has_left or (self.bridge and not self.bridge.is_up):
            return ""
        if self.said["heard_at"] / 1000 > self.since + GRACE_S:
            return ""  # something was taken for a sign of life that is none
        word = self.wire.availability[self.said["base"] or ""]
        if word.value == "offline" and word.at > self.since and self.is_past(word.at):
            return ""
        return "not missed yet" if self.now * 1000 < self.said["online_until"] else ""

    def _why_not_heard(self) -> str:
        if not self.is_linked or not self.is_past(self.since):
            return "no link to the broker" if not self.is_linked else "just now"
        if self.bridge and not self.is_past(self.bridge.said.at):
            return "just now"
        heard_at, word = (
            self.wire.heard.get(self.device.home or "", 0.0),
            self.wire.availability[self.device.home or ""],
        )
        if word.value == "offline" and word.at > heard_at:
            return "Zigbee2MQTT says so"
        return "" if heard_at > self.since and self.is_past(heard_at) else "not heard yet"

    def _relay(self, plug: Plug) -> Iterator[Finding]:
        if self.said["relay"] is plug.on:
            return
        word, command = self.wire.values["state"], self.said["command"] or {}
        if command.get("status") in ("sent", "acknowledged") and command["state"] is plug.on:
            why = "a command is under way"
        elif (word.value == "ON") is plug.on and word.at > self.device.pressed_at:
            why = "" if self.is_past(word.at) else "just told"
        elif self.device.is_unheard:
            why = "pressed while it was off the air"
        else:
            begin = max(self.device.pressed_at, self.since)
            within_s = ASKED_AGAIN_S if self.device.was_ill(begin, self.now) else ASKED_WITHIN_S
            why = "" if self.now - begin > within_s else "not told by Zigbee2MQTT"
        yield self._finding("relay", self.said["relay"], plug.on, why)

    def _power(self, plug: Plug) -> Iterator[Finding]:
        word, usual_s = self.wire.values["power"], 1.1 * self.every_s + ZERO_HELD_S + GRACE_S
        can_tell = not (self.device.kind == "poll" and self.device.mode == "deaf")
        age_s = self.now - (self.said["power_at"] or 0) / 1000
        if can_tell and age_s > usual_s and self.now - self.since > usual_s:
            why = "not told by Zigbee2MQTT" if self.now - word.at > usual_s else ""
            yield self._finding("age of power", f"{age_s:.0f} s", f"at most {usual_s:.0f} s", why)
        power_w = self.said["power_w"]
        if power_w is not None and abs(power_w - plug.watts) > max(POWER_W, POWER_PART * plug.watts):
            is_late = word.value != power_w
            why = "not told by Zigbee2MQTT" if not is_late else "" if self.is_past(word.at) else "just told"
            yield self._finding("power", power_w, round(plug.watts), why)

    def _energy(self) -> Iterator[Finding]:
        """The counter is the last that was told; the billed energy is what was used until then."""
        (told_at, told), said = self.wire.counters[-1], self.said
        if said["counter_kwh"] is None or abs(said["counter_kwh"] - told) > 1e-6:
            yield self._finding("counter", said["counter_kwh"], told, "" if self.is_past(told_at) else "just told")
        if said["counter_kwh"] is None:
            return
        since = sum(at >= self.used.set_back_at for at, _ in self.wire.counters)
        least, most = self.used.around(said["counter_at"] / 1000, since)
        if not least - STEP_KWH <= said["energy_kwh"] <= most + STEP_KWH:
            yield self._finding("energy", said["energy_kwh"], f"{least:.2f} to {most:.2f}")


WORDS = {True: "on", False: "off", None: None}
ONLINE = {True: "online", False: "offline", None: "unknown"}
COMPARED_TWICE = 17
"""By `same`."""
PAGE = ("name", "area", "relay", "power_w", "energy_kwh", "counter_kwh", "wanted", "removed", "online")


def same(
    ieee: str, said: Mapping[str, Any], page: Mapping[str, Any], api: Mapping[str, Any], now: float
) -> Iterator[Finding]:
    """The open board tells the same of a meter as the page without a socket and the API did a moment before, unless the
    meter was heard in between."""
    pairs = {key: (said[key], page[key]) for key in PAGE}
    yield from _same(ieee, "page", said["heard_at"], page["heard_at"], pairs, now)
    pairs = {key: (said[key], api[key]) for key in ("name", "power_w", "energy_kwh", "counter_kwh")}
    pairs |= {key: (WORDS[said[key]], api[key]) for key in ("relay", "wanted")}
    pairs |= {"area": (said["base"], api["area"]), "online": (said["online"], ONLINE[api["online"]])}
    seen_at = round(datetime.fromisoformat(api["seen_at"]).timestamp() * 1000) if api["seen_at"] else None
    yield from _same(ieee, "API", said["heard_at"], seen_at, pairs, now)


def _same(
    ieee: str, other: str, heard_ms: int | None, there_ms: int | None, pairs: Mapping[str, tuple[Any, Any]], now: float
) -> Iterator[Finding]:
    ahead_ms = (heard_ms or 0) - (there_ms or 0)
    if ahead_ms < -1:
        why = "just heard" if now - (there_ms or 0) / 1000 < GRACE_S else ""
        yield Finding(ieee, f"board behind {other}", heard_ms, there_ms, why)
    elif ahead_ms <= 1:
        for what, (said, told) in pairs.items():
            if said != told:
                yield Finding(ieee, f"board beside {other}: {what}", said, told)


# --- a command -------------------------------------------------------------------------------------------------------


def command(told: Mapping[str, Any], device: Device, is_newest: bool, now: float) -> Iterator[Finding]:
    """`told`: as the API tells it, its times as seconds."""
    subject, words = f"command {told['id']} of {device.ieee}", f"{told['status']} {told['failure'] or ''}".strip()
    created, finished = told["created_at"], told["finished_at"]
    if finished is None:
        if now - created > DEADLINE_S + 60 + GRACE_S:
            yield Finding(subject, "end", words, f"{now - created:.0f} s old")
        elif now - max(created, device.well_since) > DONE_WITHIN_S:
            yield Finding(subject, "end", words, f"the device is well for {now - device.well_since:.0f} s")
    elif told["status"] in ("failed", "expired"):
        if not device.was_ill(created - 5, finished):
            yield Finding(subject, "status", words, "the device was well")
    elif told["status"] == "confirmed" and is_newest and (plug := device.plug):
        is_last_word = device.pressed_at < finished < plug.at
        if is_last_word and plug.on is not (told["state"] == "on"):
            yield Finding(subject, "status", words, f"the relay is {WORDS[plug.on]}")
