"""The real Zigbee2MQTTs, the radios behind them, and what they said: what *is*, beside what the product says.

A radio of the twin knows the devices that it is started with. Here each knows every device of the site, those of others
as not joined: so a device can leave one network and join another, with its counter.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from campsite.embedded.processes import Process
from tests.meters.harness import FILTERED, Listener, Talker, kill, until

MIX = ("plug", "plug", "plug", "din", "poll")
CONFIGURATION = {
    "device_options": {"filtered_cache": FILTERED, "qos": 1},
    "mqtt": {"include_device_information": True},
    "advanced": {"log_namespaced_levels": {"z2m:mqtt": "warning"}},
}
AVAILABILITY_MIN = 2
FAILS_MS = 8000
FOREIGN_ADDRESSES = 0x6000
"""Network addresses of devices that may come from elsewhere; a network's own begin at 0x1000."""
REPLY_S = 4.0


class Silent(Exception):
    """The radio did not answer."""


@dataclass
class Plug:
    """A device as its radio tells: the truth."""

    on: bool
    watts: float
    raw: int
    mode: str
    at: float


# --- what is said on the wire ----------------------------------------------------------------------------------------


@dataclass
class Word:
    """A value as Zigbee2MQTT told it last, and when, of time.time()."""

    value: Any = None
    at: float = 0.0


@dataclass
class Wire:
    """What Zigbee2MQTT told of a device: by the area's base topic, and its values wherever it was heard last."""

    names: dict[str, str] = field(default_factory=dict)
    availability: dict[str, Word] = field(default_factory=lambda: defaultdict(Word))
    heard: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    values: dict[str, Word] = field(default_factory=lambda: defaultdict(Word))
    counters: list[tuple[float, float]] = field(default_factory=list)


class Ear:
    """Hears all that Zigbee2MQTTs and radios say, independently of the product."""

    def __init__(self, url: str, bases: Iterable[str]) -> None:
        self.devices: dict[str, Wire] = defaultdict(Wire)
        self.bridges: dict[str, Word] = {base: Word() for base in bases}
        self.permits: dict[str, Word] = defaultdict(Word)
        self.replies: dict[tuple[str, str], tuple[float, dict[str, Any]]] = {}
        self.refused: list[str] = []
        self._listener = Listener(url, act=self._hear)

    def stop(self) -> None:
        self._listener.stop()

    def _hear(self, topic: str, payload: bytes) -> None:
        self._listener.heard.clear()
        self._listener.heard_at.clear()
        base, _, rest = topic.partition("/")
        if base == "sim":
            base, _, identity = rest.partition("/")
            if identity == "reply":
                told = json.loads(payload)
                self.replies[base, told["id"]] = time.time(), told
            return
        if not payload or base not in self.bridges:
            return
        if rest.endswith("/availability"):
            self._available(base, rest.removesuffix("/availability"), json.loads(payload)["state"])
        elif rest.startswith("bridge/"):
            self._bridge(base, rest.removeprefix("bridge/"), payload)
        elif not rest.endswith(("/set", "/get")):
            self._state(base, json.loads(payload))

    def _available(self, base: str, name: str, word: str) -> None:
        for wire in self.devices.values():
            if wire.names.get(base) == name:
                wire.availability[base] = Word(word, time.time())

    def _bridge(self, base: str, rest: str, payload: bytes) -> None:
        if rest == "state":
            self.bridges[base] = Word(json.loads(payload)["state"], time.time())
        elif rest == "info":
            self.permits[base] = Word(json.loads(payload)["permit_join"], time.time())
        elif rest == "devices":
            listed = {each["ieee_address"]: each["friendly_name"] for each in json.loads(payload)}
            for wire in self.devices.values():
                wire.names.pop(base, None)
            for ieee, name in listed.items():
                self.devices[ieee].names[base] = name
        elif rest.startswith("response/") and json.loads(payload)["status"] != "ok":
            self.refused.append(f"{base} {rest}: {json.loads(payload).get('error')}")

    def _state(self, base: str, told: dict[str, Any]) -> None:
        """Without `linkquality` it is a start's repeat of what was known."""
        if "linkquality" not in told or "device" not in told:
            return
        wire, now = self.devices[told["device"]["ieeeAddr"]], time.time()
        wire.heard[base] = now
        for name in ("state", "power", "energy"):
            if told.get(name) is not None:
                wire.values[name] = Word(told[name], now)
        if told.get("energy") is not None:
            wire.counters.append((now, told["energy"]))


# --- a Zigbee2MQTT and its radio -------------------------------------------------------------------------------------


class Radio:
    """One Zigbee2MQTT in a folder of its own. Its devices live on while it is dead: `start` gives them back."""

    def __init__(
        self,
        directory: Path,
        root: Path,
        url: str,
        base: str,
        devices: int,
        every_s: int,
        ear: Ear,
        configuration: Mapping[str, Any] = CONFIGURATION,
    ) -> None:
        """`configuration`: beside what its starter writes; what stands in it counts."""
        self._configured = configuration
        self.base, self.data = base, root / base
        self.specs: list[dict[str, Any]] = []
        self.process: Process | None = None
        self.started_at = self.down_at = 0.0
        self.up_at: float | None = None
        """Since when it runs; None while it does not."""
        self.ghosts: set[str] = set()
        """Devices that went without a word: its Zigbee2MQTT still lists them, its radio must not revive them."""
        self.plugs: dict[str, Plug] = {}
        """Its devices as they were when it fell."""
        self._directory, self._url, self._every_s, self._ear = directory, urlsplit(url), every_s, ear
        self._foreign: list[dict[str, Any]] = []
        self.log, self._talker = root / f"{base}.log", Talker(url)
        self._make(devices)

    def _make(self, devices: int) -> None:
        """Let the twin's own starter make the folder, and nothing else."""
        words: list[str | Path] = ["node", self._directory / "run.mjs", "--base", self.base, "--data", self.data]
        words += ["--devices", str(devices), "--mix", ",".join(MIX), "--broker", self._broker, *self._credentials]
        words += ["--timeout", str(AVAILABILITY_MIN), "--jitter", "5000", "--config", json.dumps(self._configured)]
        starter = Process(self.base, words, self.log, environment=dict(os.environ))
        starter.wait_ready(lambda: self._configuration() is not None, 20)
        starter.kill()
        names = (self._configuration() or {})["devices"]
        rows = [json.loads(line) for line in (self.data / "database.db").read_text().splitlines()]
        self._coordinator = rows[0]["ieeeAddr"]
        self.specs = [
            {"ieee": row["ieeeAddr"], "nwk": row["nwkAddr"], "kind": MIX[number % len(MIX)]}
            | {"name": names[row["ieeeAddr"]]["friendly_name"]}
            for number, row in enumerate(rows[1:])
        ]

    def _configuration(self) -> dict[str, Any] | None:
        """Until Zigbee2MQTT itself has written it, it is JSON."""
        with suppress(OSError, ValueError):
            told: dict[str, Any] = json.loads((self.data / "configuration.yaml").read_text())
            return told
        return None

    @property
    def _broker(self) -> str:
        return f"mqtt://{self._url.hostname}:{self._url.port}"

    @property
    def _credentials(self) -> list[str]:
        return [f"--user={unquote(self._url.username or '')}", f"--password={unquote(self._url.password or '')}"]

    def knows(self, others: Iterable[Radio]) -> None:
        """Devices of these may come to it one day."""
        foreign = [spec for other in others if other is not self for spec in other.specs]
        self._foreign = [spec | {"nwk": FOREIGN_ADDRESSES + number} for number, spec in enumerate(foreign)]
        self._sim.write_text(json.dumps({spec["ieee"]: {"joined": False} for spec in self._foreign}))

    @property
    def _sim(self) -> Path:
        return self.data / "sim.json"

    # --- life

    def start(self) -> None:
        """It is up when it says so: see `is_up`."""
        options: dict[str, Any] = {
            "data": str(self.data),
            "coordinator": self._coordinator,
            "base": self.base,
            "broker": self._broker,
        }
        options |= {"user": unquote(self._url.username or ""), "password": unquote(self._url.password or "")}
        options |= {"every": self._every_s, "bundle": False, "failMs": FAILS_MS}
        environment = os.environ | {"ZIGBEE2MQTT_DATA": str(self.data)}
        environment["SIM_CONFIG"] = json.dumps({"opts": options, "specs": [*self.specs, *self._foreign]})
        own = self._directory / "node_modules/node/bin/node"
        words = [own if own.exists() else "node", self._directory / "boot.cjs"]
        self.started_at = time.time()
        self.process = Process(self.base, words, self.log, environment=environment, directory=self._directory)

    def has_come_up(self) -> bool:
        """Whether it has just said that it is online; from then on it is up."""
        said = self._ear.bridges[self.base]
        if self.is_alive and said.value == "online" and said.at > self.started_at:
            self.up_at = time.time()
        return self.up_at is not None

    def kill(self) -> None:
        if self.process:
            kill(self.process)

    def end(self) -> None:
        if self.process:
            self.process.stop(timeout_s=10)
        self._talker.stop()

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.is_alive()

    def give_back(self) -> None:
        """The devices as they were when it fell; only while it is dead."""
        kept = json.loads(self._sim.read_text())
        for ieee, plug in self.plugs.items():
            kept[ieee] = kept.get(ieee, {}) | {"joined": True, "on": plug.on, "energy": plug.raw + 0.5}
        for ieee in self.ghosts:
            kept[ieee] = kept.get(ieee, {}) | {"joined": False}
        self._sim.write_text(json.dumps(kept))

    # --- the radio

    def tell(self, device: str, **command: Any) -> dict[str, Any]:
        """Do this to a device (by address, or "all", "adapter"). Raises Silent."""
        for _ in range(3):
            asked_at = time.time()
            self._talker.say(f"sim/{self.base}/{device}", command)
            with suppress(AssertionError):
                until(lambda asked_at=asked_at: self._replied(device, asked_at), "a reply", REPLY_S)  # type: ignore[misc]
                return self._ear.replies[self.base, device][1]
        raise Silent(self.base)

    def look(self, devices: Iterable[str]) -> dict[str, Plug]:
        """How these are. Raises Silent."""
        asked, asked_at = list(devices), time.time()
        for device in asked:
            self._talker.say(f"sim/{self.base}/{device}", {"cmd": "get"})
        try:
            until(lambda: all(self._replied(device, asked_at) for device in asked), "replies", 2 * REPLY_S)
        except AssertionError:
            raise Silent(self.base) from None
        return dict(self._plugs(asked))

    def _plugs(self, asked: Iterable[str]) -> Iterator[tuple[str, Plug]]:
        for device in asked:
            at, told = self._ear.replies[self.base, device]
            plug = told["devices"][0]
            yield device, Plug(plug["on"], plug.get("watts") or 0, plug["raw_energy"], plug["mode"], at)

    def _replied(self, device: str, since: float) -> bool:
        return self._ear.replies.get((self.base, device), (0.0, {}))[0] >= since

    def poke(self, device: str, **command: Any) -> None:
        """The same, without waiting for its answer."""
        self._talker.say(f"sim/{self.base}/{device}", command)

    def request(self, what: str, **payload: Any) -> None:
        self._talker.say(f"{self.base}/bridge/request/{what}", payload)
