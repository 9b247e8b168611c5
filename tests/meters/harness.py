"""Real processes for the tests of faults: services of our own, the worker, a Zigbee2MQTT that only talks.

Nothing sleeps for a fixed time: `until` waits for what must become true.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from campsite.embedded.postgres import Postgres
from campsite.embedded.processes import Process
from campsite.embedded.services import given
from campsite.embedded.state import State
from campsite.embedded.valkey import Valkey
from meters.simulation import definitions
from tests import migrated

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE_S = 60.0
POLL_S = 0.1  # a look costs some milliseconds here and in PostgreSQL, and six workers wait at once
T = TypeVar("T")
_numbers = count(1)


def until(find: Callable[[], T], what: str, timeout_s: float = PATIENCE_S, every_s: float = POLL_S) -> T:
    """The first true value of `find`. Raises AssertionError with the last one."""
    deadline = time.monotonic() + timeout_s
    while not (found := find()):
        assert time.monotonic() < deadline, f"not within {timeout_s:.0f} s: {what}; last seen: {found!r}"
        time.sleep(every_s)
    return found


ADVISORY = (
    "FROM pg_locks WHERE locktype = 'advisory' AND objid = %s "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
"""The advisory locks of this number in this database: other tests use the same server."""


class Services:
    """PostgreSQL and Valkey of the run: each test has a database of its own there, and the channels named after it."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="campsite-services-"))
        self.state = State(self.root)
        self._made: list[str] = []

    def start(self) -> None:
        """Both run already."""

    def stop(self) -> None:
        for name in self._made:
            migrated.drop(name)
        self._remove()

    @property
    def redis_url(self) -> str:
        return given("REDIS_URL")

    def new_database(self) -> str:
        """The URL of a fresh migrated database."""
        self._made.append(f"test_processes_{os.getpid()}_{next(_numbers)}")
        return migrated.copy(self._made[-1])

    def manage(self, *words: str, database_url: str, mqtt_url: str = "", **environment: str) -> Process:
        """`manage.py …` against these services; its output goes to a file of its own."""
        ours = {"DATABASE_URL": database_url, "REDIS_URL": self.redis_url, "MQTT_URL": mqtt_url}
        ours |= {"CHANNEL_PREFIX": channels(database_url), "SECRET_KEY": "x", "DEBUG": "0", "PRODUCTION": "0"}
        return self._run(words[0], ["manage.py", *words], ours | environment)

    def web(self, *, database_url: str, port: int, begun: bool = True, **environment: str) -> Process:
        """The web process as it is deployed. `begun`: wait until it answers."""
        ours = {"DATABASE_URL": database_url, "REDIS_URL": self.redis_url, "DATABASE_POOL": "1", "STATIC_IN_PLACE": "1"}
        ours |= {"CHANNEL_PREFIX": channels(database_url), "SECRET_KEY": "x", "DEBUG": "0", "PRODUCTION": "0"}
        words = ["-m", "uvicorn", "campsite.asgi:application", "--lifespan", "off", "--port", str(port)]
        process = self._run("web", words, ours | environment)
        if begun:
            process.wait_ready(lambda: is_listening(port), PATIENCE_S)
        return process

    def _run(self, name: str, words: Sequence[str], environment: Mapping[str, str]) -> Process:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
        log = self.state.log(f"{name}-{next(_numbers)}")
        return Process(name, [sys.executable, *words], log, environment={**kept, **environment}, directory=ROOT)

    def _remove(self) -> None:
        self.state.remove()
        shutil.rmtree(self.root, ignore_errors=True)


class OwnServices(Services):
    """PostgreSQL and Valkey that a test may stop and start again."""

    def __init__(self, *, durable: bool = False) -> None:
        super().__init__()
        self.postgres = Postgres(self.state, durable=durable)
        self.valkey = Valkey(self.state)

    def start(self) -> None:
        self.postgres.start()
        self.valkey.start()
        if given("DATABASE_URL"):
            migrated.bring(self.postgres.url)
        else:  # a bench: there is no run that has migrated
            self.manage("migrate", "-v0", database_url=self.postgres.url).wait_success(120)

    def stop(self) -> None:
        self.valkey.stop()
        self.postgres.stop()
        self._remove()

    @property
    def redis_url(self) -> str:
        return self.valkey.url

    def new_database(self) -> str:
        name = f"campsite_{next(_numbers)}"
        with self.postgres._connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE campsite OWNER campsite")
        return f"{self.postgres.url.rpartition('/')[0]}/{name}"


def channels(database_url: str) -> str:
    """The prefix of the channels of those who use this database."""
    return database_url.rpartition("/")[2]


def login(database_url: str) -> dict[str, Any]:
    """What psycopg wants to know. In the URLs of our settings a socket's folder is a part of the path."""
    parts = urlsplit(database_url)
    place, _, name = unquote(parts.path).rpartition("/")
    return {
        "host": parts.hostname or place.removeprefix("/"),
        "port": parts.port or 5432,
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "dbname": name,
    }


@contextmanager
def speaking_to(database_url: str) -> Iterator[None]:
    """This process's Django uses that database meanwhile."""
    from django.contrib.contenttypes.models import ContentType
    from django.db import connection

    before, told = dict(connection.settings_dict), login(database_url)
    connection.close()
    names = {"NAME": "dbname", "HOST": "host", "PORT": "port", "USER": "user", "PASSWORD": "password"}
    connection.settings_dict |= {ours: told[theirs] for ours, theirs in names.items()}
    ContentType.objects.clear_cache()  # another database numbers them otherwise
    try:
        yield
    finally:
        connection.close()
        _close_beside_a_loop()
        connection.settings_dict.clear()
        connection.settings_dict.update(before)
        ContentType.objects.clear_cache()


def _close_beside_a_loop() -> None:
    """Where a loop runs in this thread, as Playwright's does, Django has another connection. It outlives that loop, and
    whoever is next to run one would be handed it."""
    from django.db import connection

    async def close() -> None:
        if connection.connection:
            connection.connection.close()
            connection.connection = None

    loop = asyncio.new_event_loop()  # asyncio.run would leave this thread without one
    loop.run_until_complete(close())
    loop.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Workers:
    """Starts `manage.py mqtt_worker` as often as it is asked to, and leaves none behind."""

    def __init__(self, services: Services, database_url: str, mqtt_url: str) -> None:
        self._services, self._database_url, self._mqtt_url = services, database_url, mqtt_url
        self.started: list[Process] = []

    def start(self, begun: bool = True, areas: str = "", **environment: str) -> Process:
        """`begun`: wait until it leads. `areas`: it takes these alone. `environment`: settings of this worker's own."""
        words = ["--areas", areas] if areas else []
        worker = self._services.manage(
            "mqtt_worker", *words, database_url=self._database_url, mqtt_url=self._mqtt_url, **environment
        )
        self.started.append(worker)
        if begun:
            until(lambda: says(worker, "Connected to the MQTT broker"), f"the worker's beginning; see {worker.log}")
        return worker

    def end_all(self) -> None:
        for worker in self.started:
            worker.kill()


def says(process: Process, text: str) -> int:
    """How often its log says it."""
    return process.log.read_text(errors="replace").count(text)


def kill(process: Process) -> None:
    process.popen.send_signal(signal.SIGKILL)
    process.popen.wait()


def terminate(process: Process, timeout_s: float = PATIENCE_S) -> int:
    """SIGTERM; the exit code."""
    process.popen.send_signal(signal.SIGTERM)
    return process.popen.wait(timeout_s)


# --- a Zigbee2MQTT that only talks -----------------------------------------------------------------------------------

FILTERED = ["^state$", "^power$", "^current$", "^voltage$", "^energy$"]
COORDINATOR = {"ieee_address": "0x00124b0000000000", "friendly_name": "Coordinator", "type": "Coordinator"}
BINDING = {"cluster": "haElectricalMeasurement", "target": {"endpoint": 1, "ieee_address": "0x0", "type": "endpoint"}}
WH = 10
"""The counter's rise from one reading to the next: one step of its resolution."""


class Talker:
    """Publishes at QoS 1 and knows what the broker took. What it cannot send now, it sends later."""

    def __init__(self, url: str, will: tuple[str, str] | None = None) -> None:
        parts = urlsplit(url)
        self.published = self.taken = 0
        self._lock = threading.Lock()
        self.client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"talker-{next(_numbers)}-{os.getpid()}")
        self.client.username_pw_set(unquote(parts.username or ""), unquote(parts.password or ""))
        self.client.max_inflight_messages_set(1000)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_publish = self._count
        if will:
            self.client.will_set(*will, qos=1, retain=True)
        self.client.connect(parts.hostname or "", parts.port or 1883, keepalive=30)
        self.client.loop_start()
        until(self.client.is_connected, "the talker's connection")

    def _count(self, *_: object) -> None:
        with self._lock:
            self.taken += 1

    def say(self, topic: str, payload: Any, *, retain: bool = False, qos: int = 1) -> None:
        text = payload if isinstance(payload, str | bytes) else json.dumps(payload)
        self.published += 1
        self.client.publish(topic, text, qos, retain)

    def flush(self) -> None:
        """Wait until the broker took everything."""
        until(lambda: self.taken >= self.published, f"the broker to take {self.published} messages")

    def stop(self) -> None:
        """Say good-bye: no will."""
        self.client.disconnect()
        self.client.loop_stop()

    def cut(self) -> None:
        """Lose the connection as a power cut would: the broker publishes the will."""
        self.client._sock_close()
        self.client.loop_stop()


class Fleet:
    """An area with numbered readings: each (meter, last_seen) once, each counter 10 Wh above the one before."""

    def __init__(self, url: str, base: str = "z2m", meters: int = 50, *, step_s: int = 30, hours_ago: int = 6) -> None:
        self.base, self.meters, self.step = base, meters, timedelta(seconds=step_s)
        self.start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=hours_ago)
        self.sent = [0] * meters
        self.talker = Talker(url, (f"{base}/bridge/state", '{"state":"offline"}'))
        self._next = 0
        self._running: threading.Thread | None = None
        self._stopping = threading.Event()

    # --- what it tells of itself

    def ieee(self, meter: int) -> str:
        return f"0xa4c138{sum(self.base.encode()):04x}{meter + 1:06x}"

    def name(self, meter: int) -> str:
        return f"{100 + meter},{1 + meter % 3}"

    def appear(self, **config: Any) -> None:
        """Retained: online, its configuration, its inventory."""
        self.online()
        self.talker.say(f"{self.base}/bridge/info", info(**config), retain=True)
        self.list_devices()
        self.talker.flush()

    def list_devices(self) -> None:
        devices = [listed(self.ieee(meter), self.name(meter)) for meter in range(self.meters)]
        self.talker.say(f"{self.base}/bridge/devices", [COORDINATOR, *devices], retain=True)

    def online(self) -> None:
        self.talker.say(f"{self.base}/bridge/state", {"state": "online"}, retain=True)

    # --- readings

    def reading(self, meter: int, number: int, **more: Any) -> dict[str, Any]:
        told = {
            "state": "ON",
            "power": 1200,
            "voltage": 231,
            "current": 5.2,
            "energy": round(100 + number * WH / 1000, 2),
            "linkquality": 120,
            "last_seen": (self.start + number * self.step).isoformat().replace("+00:00", "Z"),
            "device": {"ieeeAddr": self.ieee(meter), "friendlyName": self.name(meter), "type": "Router"},
        }
        return told | more

    def report(self, readings: int, **more: Any) -> None:
        """The next `readings` numbered readings, meter by meter in turn."""
        for _ in range(readings):
            meter = self._next % self.meters
            self.talker.say(f"{self.base}/{self.name(meter)}", self.reading(meter, self.sent[meter], **more))
            self.sent[meter] += 1
            self._next += 1

    def run(self, per_second: int) -> None:
        """Report so many readings a second, in a thread, until `rest`."""
        self._stopping.clear()
        self._running = threading.Thread(target=self._report_for_ever, args=[per_second], daemon=True)
        self._running.start()

    def _report_for_ever(self, per_second: int) -> None:
        began, done = time.monotonic(), 0
        while not self._stopping.wait(0.02):
            due = int((time.monotonic() - began) * per_second) - done
            self.report(due)
            done += due

    def rest(self) -> None:
        """Report no more; the broker has taken everything when it returns."""
        self._stopping.set()
        if self._running:
            self._running.join()
        self.talker.flush()

    @property
    def total(self) -> int:
        return sum(self.sent)

    # --- what must be in the tables

    def stored(self) -> int:
        from meters.models import Reading

        return Reading.objects.filter(meter__device__area__base_topic=self.base).count()

    def wait_stored(self, timeout_s: float = 3 * PATIENCE_S) -> None:
        """A broker may take its time to deliver again what was not acknowledged: iotcore 50 s on an idle machine."""
        try:
            until(lambda: self.stored() >= self.total, f"{self.total} readings of {self.base} to be stored", timeout_s)
        except AssertionError as late:
            raise AssertionError(f"{late}; stored: {self.stored()}") from None

    def check(self) -> None:
        """Every reading stored exactly once; the energy, the epochs and the hours are what the counters rose."""
        from django.db.models import Count, Max, Min, Sum

        from meters.models import HourlyUsage, Meter, QuarantinedReading, Reading

        meters = {m.device.ieee_address: m for m in Meter.objects.select_related("device", "state")}
        mine = {meters[self.ieee(i)].pk: self.sent[i] for i in range(self.meters) if self.sent[i]}
        times = (
            Reading.objects.filter(meter__in=mine)
            .values("meter")
            .annotate(
                Count("measured_at"), Min("measured_at"), Max("measured_at"), Min("counter_wh"), Max("counter_wh")
            )
        )
        found = {
            row["meter"]: (
                row["measured_at__count"],
                (row["measured_at__min"], row["measured_at__max"]),
                (row["counter_wh__min"], row["counter_wh__max"]),
            )
            for row in times
        }
        wanted = {
            meter: (n, (self.start, self.start + (n - 1) * self.step), (100_000, 100_000 + (n - 1) * WH))
            for meter, n in mine.items()
        }
        assert found == wanted
        rises = {meter: (n - 1) * WH for meter, n in mine.items()}
        energy = {m.pk: round(m.state.energy_kwh * 1000) for m in meters.values() if m.pk in mine}
        hours = HourlyUsage.objects.filter(meter__in=mine).values_list("meter").annotate(Sum("energy_wh"))
        assert energy == rises
        assert dict(hours) == rises
        assert not QuarantinedReading.objects.filter(meter__in=mine).exists()


def info(**config: Any) -> dict[str, Any]:
    """bridge/info of the recommended configuration."""
    advanced = {"last_seen": "ISO_8601", "output": "json", "cache_state": True}
    recommended = {"advanced": advanced, "device_options": {"filtered_cache": FILTERED, "qos": 1}}
    return {
        "version": "2.14.1",
        "coordinator": {"ieee_address": "0x00124b0000000000", "type": "ZStack3x0"},
        "network": {"channel": 15, "pan_id": 6754},
        "permit_join": False,
        "restart_required": False,
        "config": recommended | config,
    }


def listed(ieee_address: str, name: str, **more: Any) -> dict[str, Any]:
    """A line of bridge/devices: a switched single-phase meter, as long as Zigbee2MQTT's own."""
    line = {
        "ieee_address": ieee_address,
        "friendly_name": name,
        "type": "Router",
        "network_address": 4711,
        "supported": True,
        "disabled": False,
        "interview_state": "SUCCESSFUL",
        "manufacturer": "_TZ3000_qeuvnohg",
        "model_id": "TS011F",
        "power_source": "Mains (single phase)",
        "definition": definitions.of("meter"),
        "endpoints": {"1": {"bindings": [BINDING] * 6, "clusters": {"input": ["genOnOff"] * 20, "output": []}}},
    }
    return line | more


# --- a Zigbee2MQTT that obeys ----------------------------------------------------------------------------------------

COMPLAINTS = {
    "deaf": '{"sender":4711,"clusterId":6,"commandIdentifier":11} timed out after 10000ms',
    "unreachable": "Delivery failed for '4711'.",
}
AMPERES, WATTS = 5.2, 1200


class ObeyingFleet(Fleet):
    """A Fleet whose meters do what `/set` and `/get` tell them, by name or by address, as fast as they hear it.

    `modes` by meter: stuck (echoed, the relay stays: refused commands look the same), welded (the relay moves, current
    flows on), deaf and unreachable (an error line), silent (nothing at all), held (kept in `held` until `release`).
    `same_as`: its meters are those of another area, heard here too.
    """

    def __init__(
        self, url: str, base: str, meters: int = 1, *, on: bool = True, same_as: ObeyingFleet | None = None
    ) -> None:
        super().__init__(url, base, meters)
        self.relay = [on] * meters
        self.modes: dict[int, str] = {}
        self.held: list[tuple[int, str, dict[str, Any]]] = []
        self._number: int = same_as._number if same_as else next(_numbers)
        self._new_names: dict[int, str] = {}
        self.ear = Listener(url, f"{base}/#", self._obey)
        self.talker.client.on_connect = lambda *_: (
            self.online()
        )  # all that Zigbee2MQTT repeats to a broker that is back

    def ieee(self, meter: int) -> str:
        return f"0xa4c13877{self._number:04x}{meter + 1:04x}"

    def name(self, meter: int) -> str:
        return self._new_names.get(meter) or super().name(meter)

    def stop(self) -> None:
        self.ear.stop()
        self.talker.stop()

    # --- what happens to it

    def appear(self, **config: Any) -> None:
        super().appear(**config)
        self.hear()

    def hear(self) -> None:
        """Every meter is heard with its position."""
        for meter in range(self.meters):
            self.tell(meter, state=self._word(meter))
        self.talker.flush()

    def tell(self, meter: int, **values: Any) -> None:
        """A message of this meter, heard just now, with these values alone."""
        told = {"linkquality": 120, "last_seen": datetime.now(UTC).isoformat()} | values
        device = {"ieeeAddr": self.ieee(meter), "friendlyName": self.name(meter), "type": "Router"}
        self.talker.say(f"{self.base}/{self.name(meter)}", told | {"device": device})

    def press(self, meter: int, on: bool) -> None:
        """Somebody's hand, or the breaker."""
        self.relay[meter] = on
        self.tell(meter, state=self._word(meter))

    def announce(self, meter: int) -> None:
        """It got power: Zigbee2MQTT says so, and reads its position."""
        about = {"friendly_name": self.name(meter), "ieee_address": self.ieee(meter)}
        self.talker.say(f"{self.base}/bridge/event", {"type": "device_announce", "data": about})
        self.tell(meter, state=self._word(meter))

    def be_available(self, meter: int, available: bool) -> None:
        """What is off the air answers nothing either."""
        if available:
            self.modes = {each: mode for each, mode in self.modes.items() if (each, mode) != (meter, "silent")}
        else:
            self.modes.setdefault(meter, "silent")
        state = {"state": "online" if available else "offline"}
        self.talker.say(f"{self.base}/{self.name(meter)}/availability", state, retain=True)

    def rename(self, meter: int, name: str) -> None:
        self._new_names[meter] = name
        self.list_devices()

    def leave(self) -> None:
        """Zigbee2MQTT ends: what it is told from now on is lost."""
        self.talker.say(f"{self.base}/bridge/state", {"state": "offline"}, retain=True)
        self.modes = dict.fromkeys(range(self.meters), "silent")

    def come_back(self) -> None:
        self.modes.clear()
        self.online()
        self.hear()

    # --- what it does

    def release(self) -> None:
        """Do now what was held."""
        held, self.held = self.held, []
        self.modes = {meter: mode for meter, mode in self.modes.items() if mode != "held"}
        for meter, kind, asked in held:
            self._do(meter, kind, asked)

    def _obey(self, topic: str, payload: bytes) -> None:
        name, _, kind = topic.removeprefix(f"{self.base}/").rpartition("/")
        if kind not in ("set", "get") or not payload:
            return
        meter = next((m for m in range(self.meters) if name in (self.ieee(m), self.name(m))), None)
        if meter is None:
            self._complain(f"Entity '{name}' is unknown")
        elif self.modes.get(meter) == "held":
            self.held.append((meter, kind, json.loads(payload)))
        else:
            self._do(meter, kind, json.loads(payload))

    def _do(self, meter: int, kind: str, asked: dict[str, Any]) -> None:
        mode = self.modes.get(meter, "")
        if mode == "silent":
            return
        if mode in COMPLAINTS:
            error = f"Error: ZCL command {self.ieee(meter)}/1 genOnOff.x({{}}, {{}}) failed ({COMPLAINTS[mode]})"
            self._complain(f"Publish '{kind}' '{next(iter(asked))}' to '{self.name(meter)}' failed: '{error}'")
        elif kind == "get":
            self.tell(meter, state=self._word(meter))
        elif "read" in asked:
            self.tell(meter, current=self._amperes(meter))
        else:
            self._switch(meter, asked["state"])

    def _switch(self, meter: int, wanted: str) -> None:
        """The acknowledgement, the echo, and what the device does then, if it does."""
        self.tell(meter)
        self.tell(meter, state=wanted)
        if self.modes.get(meter) == "stuck":
            return
        self.relay[meter] = wanted == "ON"
        self.tell(meter, state=self._word(meter))
        self.tell(meter, current=self._amperes(meter), power=WATTS if self.relay[meter] else 0)

    def _complain(self, text: str) -> None:
        self.talker.say(f"{self.base}/bridge/logging", {"level": "error", "message": f"z2m: {text}"})

    def _word(self, meter: int) -> str:
        return "ON" if self.relay[meter] else "OFF"

    def _amperes(self, meter: int) -> float:
        return AMPERES if self.relay[meter] or self.modes.get(meter) == "welded" else 0.0


# --- the real Zigbee2MQTT on a simulated radio -----------------------------------------------------------------------


class Sent(NamedTuple):
    """A `/set` as the broker handed it on: the device's address or name, ON or OFF, when (of time.time())."""

    device: str
    state: str
    at: float


class Listener:
    """Hears everything on the broker from now on, in order. `heard_at`: when, of time.time().

    `act` is called with topic and payload of each, in the network thread.
    """

    def __init__(
        self, url: str, wanted: str = "#", act: Callable[[str, bytes], None] = lambda topic, payload: None
    ) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.heard_at: list[float] = []
        self._wanted, self._act = wanted, act
        parts = urlsplit(url)
        self.client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"listener-{next(_numbers)}-{os.getpid()}")
        self.client.username_pw_set(unquote(parts.username or ""), unquote(parts.password or ""))
        ready = threading.Event()
        self.client.on_connect = self._subscribe
        self.client.on_subscribe = lambda *_: ready.set()
        self.client.on_message = self._hear
        self.client.reconnect_delay_set(1, 1)
        self.client.connect(parts.hostname or "", parts.port or 1883)
        self.client.loop_start()
        assert ready.wait(PATIENCE_S)

    def _subscribe(self, *_: object) -> None:
        self.client.subscribe(self._wanted)

    def _hear(self, _client: object, _user: object, message: paho.MQTTMessage) -> None:
        self.heard_at.append(time.time())
        self.heard.append((message.topic, bytes(message.payload)))
        self._act(message.topic, bytes(message.payload))

    def mark(self) -> int:
        return len(self.heard)

    def switched(self, base: str, mark: int = 0) -> list[Sent]:
        """Every `/set` of a relay's position in this area since the mark, whoever sent it."""
        found = []
        for (topic, payload), at in zip(self.heard[mark:], self.heard_at[mark:], strict=False):
            if not (topic.startswith(f"{base}/") and topic.endswith("/set")) or not payload.startswith(b'{"state"'):
                continue
            found.append(Sent(topic.removeprefix(f"{base}/").removesuffix("/set"), json.loads(payload)["state"], at))
        return found

    def since(self, mark: int, topic: str) -> list[bytes]:
        return [payload for heard, payload in self.heard[mark:] if heard == topic]

    def stop(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


class Twin:
    """One real Zigbee2MQTT. `control` reaches the simulated radio behind it."""

    def __init__(
        self, directory: Path, services: Services, url: str, base: str, devices: int, *options: str, **config: Any
    ) -> None:
        self.base, self.devices = base, devices
        self.listener, self.talker = Listener(url), Talker(url)
        self._services = services
        parts = urlsplit(url)
        self._words = ["node", str(directory / "run.mjs"), "--base", base, "--devices", str(devices), "--quiet"]
        self._words += [
            "--broker",
            f"mqtt://{parts.hostname}:{parts.port}",
            "--data",
            str(services.root / f"{base}-{next(_numbers)}"),
        ]
        self._words += [f"--user={unquote(parts.username or '')}", f"--password={unquote(parts.password or '')}"]
        self._words += ["--timeout", "1", "--jitter", "1000", "--health", "1", "--config", json.dumps(config), *options]
        self.process: Process | None = None
        self.start()

    def start(self) -> None:
        """Ready when it says that it is online."""
        mark = self.listener.mark()
        log = self._services.state.log(f"twin-{self.base}-{next(_numbers)}")
        self.process = Process("twin", self._words, log, environment=dict(os.environ))
        online = f"{self.base}/bridge/state"
        self.process.wait_ready(lambda: b'{"state":"online"}' in self.listener.since(mark, online), PATIENCE_S)

    @property
    def pid(self) -> int:
        """Of Zigbee2MQTT itself."""
        assert self.process
        found = re.search(r"zigbee2mqtt pid (\d+)", self.process.log.read_text())
        assert found
        return int(found[1])

    def end(self) -> None:
        if self.process:
            self.process.stop(timeout_s=10)

    def wait_ended(self) -> int | None:
        process = self.process
        assert process
        until(lambda: not process.is_alive(), f"{self.base} to end")
        return process.exit_code

    def control(self, device: int | str, **command: Any) -> dict[str, Any]:
        """Tell the radio; returns what it says of the (first) device."""
        mark = self.listener.mark()
        self.talker.say(f"sim/{self.base}/{device}", command)
        reply = until(lambda: self.listener.since(mark, f"sim/{self.base}/reply"), "the radio's reply")
        answer: dict[str, Any] = json.loads(reply[0])
        assert "error" not in answer, answer
        return answer["devices"][0] if answer.get("devices") else answer

    def request(self, what: str, **payload: Any) -> dict[str, Any]:
        """A bridge/request and its response."""
        mark = self.listener.mark()
        self.talker.say(f"{self.base}/bridge/request/{what}", payload)
        found = until(lambda: self.listener.since(mark, f"{self.base}/bridge/response/{what}"), f"an answer to {what}")
        answer: dict[str, Any] = json.loads(found[0])
        assert answer["status"] == "ok", answer
        return answer

    def close(self) -> None:
        self.end()
        self.listener.stop()
        self.talker.stop()
