"""Six Zigbee2MQTTs that only talk, as fast as a broker takes it: `python -m bench.generator --count 100000`.

QoS 1 over raw sockets: a packet is one bytes formatting of a template, so that the load costs little beside what is
measured. The broker's acknowledgements are counted, and what it acknowledged is told (`Generator.ledger`).
`last_seen` is when it was sent, in milliseconds, or with `step_s` so long after the one before, from `hours_ago` on.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import socket
import struct
import sys
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from urllib.parse import unquote, urlsplit

from meters.simulation import configuration
from tests.meters import harness

PUBLISH, PUBACK, RETAIN, AGAIN = 0x32, b"\x40\x02", 0x01, 0x08
WINDOW = 30_000
"""Messages of a connection on their way at once; there are 65,535 packet ids."""
CHUNK = 300
PAUSE_S = 0.002
_numbers = count(1)
STALLED_S = 15.0
WHOLE = ("current", "device", "energy", "last_seen", "linkquality", "power", "state", "voltage")
PARTS = [("device", "last_seen", "linkquality", each) for each in ("voltage", "current", "power", "energy")]
"""A report as four messages with one `last_seen`, each with what was just received, as `filtered_cache` leaves it."""
FIELDS = {
    "current": b'"current":%(current).2f',
    "energy": b'"energy":%(energy).2f',
    "last_seen": b'"last_seen":"%(last_seen)b"',
    "linkquality": b'"linkquality":%(linkquality)d',
    "power": b'"power":%(power)d',
    "state": b'"state":"ON"',
    "voltage": b'"voltage":%(voltage)d',
}
"""Each as long for every value that there is: the length of a packet stands before it."""
WIDEST = {b"current": 9.0, b"energy": 1000.0, b"last_seen": b"2026-01-01T00:00:00.000Z"}
WIDEST |= {b"linkquality": 100, b"power": 1000, b"voltage": 230, b"id": b"\0\0"}


# --- the site --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Site:
    """`meters` in all areas together, dealt in turn. What a meter tells depends on nothing but itself and the time."""

    areas: int = 6
    meters: int = 300
    seed: int = 1
    prefix: str = "bench"

    def base(self, area: int) -> str:
        return f"{self.prefix}_{area}"

    def area_of(self, meter: int) -> int:
        return meter % self.areas

    def ieee(self, meter: int) -> str:
        return f"0xa4c138{self.seed % 0x10000:04x}{meter + 1:06x}"

    def name(self, meter: int) -> str:
        return f"{101 + meter // 3},{1 + meter % 3}"

    def topic(self, meter: int) -> str:
        return f"{self.base(self.area_of(meter))}/{self.name(meter)}"

    def mean_w(self, meter: int) -> int:
        return 1250 + (meter * 7919 + self.seed * 104729) % 900

    def power_w(self, meter: int, at_ms: int) -> int:
        return self.mean_w(meter) + (at_ms // 1000 + meter) % 101 - 50

    def counter_wh(self, meter: int, ms: int) -> int:
        """So many milliseconds after its start; it steps by 0.01 kWh."""
        return 1_000_000 + meter % 1000 * 1000 + 10 * (self.mean_w(meter) * ms // 36_000_000)

    def announcement(self, area: int) -> dict[str, str]:
        """What is retained, by topic: online, configured as docs/zigbee2mqtt.md recommends, with all its devices."""
        mine = [meter for meter in range(self.meters) if self.area_of(meter) == area]
        devices = [harness.COORDINATOR, *(harness.listed(self.ieee(meter), self.name(meter)) for meter in mine)]
        mqtt = {"base_topic": self.base(area), "include_device_information": True, "version": 4}
        options = configuration.device_options(configuration.RECOMMENDED)
        told = {
            "state": {"state": "online"},
            "info": harness.info(mqtt=mqtt, device_options=options),
            "devices": devices,
        }
        return {f"{self.base(area)}/bridge/{name}": json.dumps(each) for name, each in told.items()}


def register(site: Site) -> None:
    """The areas' rows, and the worker is told. Needs Django; the meters come with the announcement."""
    from meters import notify
    from meters.models import Area

    bases = [site.base(area) for area in range(site.areas)]
    Area.objects.bulk_create(Area(name=base, slug=base, base_topic=base, in_service=True) for base in bases)
    notify.touch()


# --- packets ---------------------------------------------------------------------------------------------------------


def text(told: str | bytes) -> bytes:
    encoded = told.encode() if isinstance(told, str) else told
    return struct.pack("!H", len(encoded)) + encoded


def packet(kind: int, body: bytes) -> bytes:
    """With its length before it, seven bits a byte."""
    left, length = len(body), bytearray()
    while left > 127:
        length.append(left % 128 | 128)
        left //= 128
    return bytes([kind, *length, left]) + body


def template(site: Site, meter: int, names: tuple[str, ...]) -> bytes:
    """A PUBLISH packet in which the values are still to be filled in."""
    device = {
        "applicationVersion": 80,
        "dateCode": "",
        "friendlyName": site.name(meter),
        "hardwareVersion": 1,
        "ieeeAddr": site.ieee(meter),
        "manufacturerID": 4417,
        "manufacturerName": "_TZ3000_qeuvnohg",
        "model": "TO-Q-SY1-JZT",
        "networkAddress": 4096 + meter,
        "powerSource": "Mains (single phase)",
        "stackVersion": 0,
        "type": "Router",
        "zclVersion": 3,
    }
    fields = FIELDS | {"device": b'"device":' + json.dumps(device, separators=(",", ":")).encode()}
    body = text(site.topic(meter)) + b"%(id)b{" + b",".join(fields[name] for name in names) + b"}"
    head = packet(PUBLISH, body % WIDEST)[: -len(body % WIDEST)]
    return head.replace(b"%", b"%%") + body


IDS = [struct.pack("!H", number + 1) for number in range(0xFFFF)]


class Encoder:
    """A report's packets: one, or four with `grouped`."""

    def __init__(self, site: Site, *, grouped: bool, start_ms: int) -> None:
        self._site, self._start_ms = site, start_ms
        self.parts = PARTS if grouped else [WHOLE]
        self._templates = [[template(site, meter, names) for names in self.parts] for meter in range(site.meters)]
        self._second, self._second_text = -1, b""

    def report(self, meter: int, at_ms: int, identify: Callable[[], bytes]) -> list[bytes]:
        power_w = self._site.power_w(meter, at_ms)
        values = {
            b"current": power_w / 230,
            b"energy": self._site.counter_wh(meter, at_ms - self._start_ms) / 1000,
            b"last_seen": self._time(at_ms),
            b"linkquality": 100 + (at_ms // 1000 + meter) % 155,
            b"power": power_w,
            b"voltage": 226 + (at_ms // 1000 + meter) % 9,
        }
        packets = []
        for each in self._templates[meter]:
            values[b"id"] = identify()
            packets.append(each % values)
        return packets

    def _time(self, at_ms: int) -> bytes:
        second, ms = divmod(at_ms, 1000)
        if second != self._second:
            self._second, self._second_text = (
                second,
                f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}".encode(),
            )
        return b"%b.%03dZ" % (self._second_text, ms)


# --- the road to the broker ------------------------------------------------------------------------------------------


@dataclass
class Chunk:
    packets: list[bytes]
    told: list[tuple[int, int]]
    """(meter, last_seen in ms) of each report in it."""


@dataclass
class Connection:
    """What it was given it keeps until the broker has acknowledged it; on a new connection that is sent again."""

    url: str
    client_id: str
    socket: socket.socket | None = None
    kept: deque[Chunk] = field(default_factory=deque)
    waiting: deque[bytes] = field(default_factory=deque)
    under_way: int = 0
    moved_at: float = 0.0
    _number: int = 0
    _acknowledged_of_first: int = 0
    _rest: bytes = b""

    def identify(self) -> bytes:
        self._number += 1
        return IDS[self._number % len(IDS)]

    def open(self, timeout_s: float = 10.0) -> None:
        """Raises OSError."""
        parts = urlsplit(self.url)
        made = socket.create_connection((parts.hostname or "", parts.port or 1883), timeout_s)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        flags = 0x02 | (0xC0 if user else 0)  # a clean session
        body = text("MQTT") + bytes([4, flags]) + struct.pack("!H", 60) + text(self.client_id)
        made.sendall(packet(0x10, body + (text(user) + text(password) if user else b"")))
        answer = made.recv(4)
        if answer != b"\x20\x02\x00\x00":
            made.close()
            raise ConnectionRefusedError(f"the broker answered {answer!r}")
        made.setblocking(False)
        self.socket, self.moved_at = made, time.monotonic()
        self._rest, self.waiting = b"", deque()
        left = [each for chunk in self.kept for each in chunk.packets][self._acknowledged_of_first :]
        if left:
            self.waiting.append(b"".join(bytes([each[0] | AGAIN]) + each[1:] for each in left))

    def close(self) -> None:
        if self.socket:
            self.socket.setblocking(True)
            self.socket.settimeout(5)
            try:
                self.socket.sendall(b"\xe0\x00")
            except OSError:
                pass
            self.drop()

    def drop(self) -> None:
        if self.socket:
            self.socket.close()
        self.socket = None

    def give(self, chunk: Chunk) -> None:
        if not self.kept:
            self.moved_at = time.monotonic()
        self.kept.append(chunk)
        self.under_way += len(chunk.packets)
        self.waiting.append(b"".join(chunk.packets))

    def write(self) -> None:
        assert self.socket
        while self.waiting:
            try:
                sent = self.socket.send(self.waiting[0])
            except BlockingIOError:
                return
            self.moved_at = time.monotonic()
            if sent < len(self.waiting[0]):
                self.waiting[0] = self.waiting[0][sent:]
                return
            self.waiting.popleft()

    def read(self) -> list[Chunk]:
        """What the broker has acknowledged whole; they come in order."""
        assert self.socket
        heard = self.socket.recv(1 << 18)
        if not heard:
            raise ConnectionResetError("the broker has closed the connection")
        self._rest += heard
        count = len(self._rest) // 4
        assert self._rest.startswith(PUBACK), self._rest[:4]
        self._rest = self._rest[4 * count :]
        self.moved_at = time.monotonic()
        self.under_way -= count
        self._acknowledged_of_first += count
        done = []
        while self.kept and self._acknowledged_of_first >= len(self.kept[0].packets):
            done.append(self.kept.popleft())
            self._acknowledged_of_first -= len(done[-1].packets)
        return done


# --- the generator ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sent:
    """In messages that the broker acknowledged; `seconds` from the first byte to the last acknowledgement."""

    messages: int
    seconds: float
    cpu_s: float

    @property
    def per_s(self) -> float:
        return self.messages / self.seconds


class Generator:
    """`ledger`: meter and last_seen in ms in turn, of what the broker has acknowledged; empty without `keep`.

    `patient`: a lost broker is waited for, and what it had not acknowledged is sent again. `stopping` ends `send`.
    """

    def __init__(
        self,
        url: str,
        site: Site,
        *,
        connections: int = 1,
        grouped: bool = False,
        step_s: float = 0.0,
        hours_ago: float = 48.0,
        keep: bool = True,
        patient: bool = False,
        start_ms: int | None = None,
    ) -> None:
        self.site, self.step_ms, self._keep, self._patient = site, round(1000 * step_s), keep, patient
        self.begin_ms = round(1000 * (time.time() - (3600 * hours_ago if step_s else 0)))
        self.start_ms = self.begin_ms if start_ms is None else start_ms
        self.ledger, self.stopping = array("q"), False
        self._url, self._reports = url, 0
        self._last_ms = [0] * site.meters
        self._encoder = Encoder(site, grouped=grouped, start_ms=self.start_ms)
        self._connections = [self._connection(number) for number in range(connections)]

    def announce(self) -> None:
        """What is retained, acknowledged when it returns."""
        connection = self._connection(0)
        topics = {k: told for area in range(self.site.areas) for k, told in self.site.announcement(area).items()}
        bodies = [text(topic) + connection.identify() + payload.encode() for topic, payload in topics.items()]
        chunk = Chunk([packet(PUBLISH | RETAIN, body) for body in bodies], [])
        mine, self._connections = self._connections, [connection]
        try:
            self._run(iter([[chunk]]), 0.0)
        finally:
            self._connections = mine

    def prepare(self, messages: int) -> list[list[Chunk]]:
        """Encoded ahead, for `send`; only with step_s: else the time of sending is told."""
        if not self.step_ms:
            raise ValueError("without step_s a message is encoded when it is sent")
        return list(self._chunks(messages, 0.0))

    def send(self, messages: int = 0, per_s: float = 0.0, prepared: list[list[Chunk]] | None = None) -> Sent:
        """So many messages (whole reports), as fast as the broker takes them or so many a second; 0: until `stopping`.

        Returns when all are acknowledged. Raises OSError when the broker is lost and the generator is not patient.
        """
        return self._run(iter(prepared) if prepared else self._chunks(messages, per_s), per_s)

    def counter_wh(self, meter: int, at_ms: int) -> int:
        """What the counter showed in the report of that last_seen."""
        return self.site.counter_wh(meter, at_ms - self.start_ms)

    # --- what is sent

    def _connection(self, number: int) -> Connection:
        return Connection(self._url, f"generator-{os.getpid()}-{next(_numbers)}-{number}")

    def _chunks(self, messages: int, per_s: float) -> Iterator[list[Chunk]]:
        """Dealt to the connections: an area has one. Paced, few at a time: each tells the time of its sending."""
        parts = len(self._encoder.parts)
        size = max(1, round((per_s * PAUSE_S if per_s else CHUNK) / parts))
        left = -(-messages // parts) if messages else sys.maxsize
        while left and not self.stopping:
            yield self._chunk(min(size, left))
            left -= min(size, left)

    def _chunk(self, reports: int) -> list[Chunk]:
        dealt = [Chunk([], []) for _ in self._connections]
        now_ms = round(1000 * time.time())
        for number in range(self._reports, self._reports + reports):
            meter = number % self.site.meters
            at_ms = self._moment(number, meter, now_ms)
            place = self.site.area_of(meter) % len(dealt)
            dealt[place].packets += self._encoder.report(meter, at_ms, self._connections[place].identify)
            dealt[place].told.append((meter, at_ms))
        self._reports += reports
        return dealt

    def _moment(self, number: int, meter: int, now_ms: int) -> int:
        """Never twice the same of a meter, never of the future."""
        if self.step_ms:
            at_ms = self.begin_ms + self.step_ms * number // self.site.meters
            if at_ms > now_ms:
                raise ValueError("so many reports, so far apart, reach the future; begin more hours ago")
            return at_ms
        self._last_ms[meter] = max(now_ms, self._last_ms[meter] + 1)
        return self._last_ms[meter]

    # --- sending

    def _run(self, chunks: Iterator[list[Chunk]], per_s: float) -> Sent:
        for each in self._connections:
            each.open()
        began, cpu = time.monotonic(), time.process_time()
        try:
            given = self._pump(chunks, per_s, began)
        finally:
            for each in self._connections:
                each.close()
        acknowledged = given - sum(each.under_way for each in self._connections)
        return Sent(acknowledged, time.monotonic() - began, time.process_time() - cpu)

    def _pump(self, chunks: Iterator[list[Chunk]], per_s: float, began: float) -> int:
        """Returns how many messages were given to the connections."""
        given, is_over = 0, False
        while not is_over or any(each.kept for each in self._connections):
            due_s = max(0.0, began + given / per_s - time.monotonic()) if per_s else 0.0
            if is_over or not self._has_room():
                self._turn(1.0)
            elif due_s:
                self._turn(due_s)
            else:
                dealt = next(chunks, [])
                is_over = not dealt
                given += self._give(dealt)
                self._turn(0.0)
        return given

    def _give(self, dealt: list[Chunk]) -> int:
        for connection, chunk in zip(self._connections, dealt, strict=False):
            if chunk.packets:
                connection.give(chunk)
        return sum(len(chunk.packets) for chunk in dealt)

    def _has_room(self) -> bool:
        return all(each.socket and each.under_way < WINDOW and len(each.waiting) < 50 for each in self._connections)

    def _turn(self, wait_s: float) -> None:
        """Write and read what can be."""
        sockets = [each.socket for each in self._connections if each.socket]
        full = [each.socket for each in self._connections if each.socket and each.waiting]
        readable, writable, _ = select.select(sockets, full, [], wait_s if sockets else 0.2)
        for each in self._connections:
            try:
                self._step(each, readable, writable)
            except OSError:
                each.drop()
                if not self._patient:
                    raise

    def _step(self, each: Connection, readable: list[socket.socket], writable: list[socket.socket]) -> None:
        if each.socket is None:
            each.open(timeout_s=2.0)
            return
        if each.socket in writable:
            each.write()
        if each.socket in readable:
            self._note(each.read())
        if each.kept and time.monotonic() - each.moved_at > STALLED_S:
            raise TimeoutError("the broker acknowledges nothing any more")

    def _note(self, done: list[Chunk]) -> None:
        if self._keep:
            for chunk in done:
                for told in chunk.told:
                    self.ledger.extend(told)


# --- as a process ----------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", nargs="?", default=os.environ.get("MQTT_URL"), help="of the broker; else MQTT_URL")
    parser.add_argument("--areas", type=int, default=6)
    parser.add_argument("--meters", type=int, default=300, help="in all areas together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--prefix", default="bench", help="of the base topics: bench_0, bench_1, …")
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--grouped", action="store_true", help="a report as four messages with one last_seen")
    parser.add_argument("--count", type=int, default=0, help="messages; 0: until SIGTERM or Ctrl-C")
    parser.add_argument("--per-s", type=float, default=0.0, help="0: as fast as the broker takes them")
    parser.add_argument("--step-s", type=float, default=0.0, help="from report to report of a meter; 0: told as sent")
    parser.add_argument("--hours-ago", type=float, default=48.0, help="with --step-s: when the first was measured")
    parser.add_argument("--start-ms", type=int, help="when the counters began: to go on where another one was")
    parser.add_argument("--patient", action="store_true", help="wait for a lost broker")
    parser.add_argument("--announce", choices=["first", "only", "no"], default="first", help="what is retained")
    parser.add_argument("--ledger", help="a file: address, last_seen in ms, Wh of each report acknowledged")
    told = parser.parse_args()
    site = Site(told.areas, told.meters, told.seed, told.prefix)
    options = {name: getattr(told, name) for name in ("connections", "grouped", "step_s", "hours_ago", "start_ms")}
    generator = Generator(told.url, site, keep=bool(told.ledger), patient=told.patient, **options)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: setattr(generator, "stopping", True))
    if told.announce != "no":
        generator.announce()
    if told.announce != "only":
        sent = generator.send(told.count, told.per_s, generator.prepare(told.count) if _is_ahead(told) else None)
        print(json.dumps({"messages": sent.messages, "seconds": sent.seconds, "cpu_s": sent.cpu_s}), flush=True)
    if told.ledger:
        write(generator, Path(told.ledger))


def _is_ahead(told: argparse.Namespace) -> bool:
    return bool(told.step_s and told.count and not told.per_s)


def write(generator: Generator, path: Path) -> None:
    pairs = zip(generator.ledger[::2], generator.ledger[1::2], strict=True)
    with path.open("w") as file:
        file.writelines(f"{generator.site.ieee(m)} {at} {generator.counter_wh(m, at)}\n" for m, at in pairs)


if __name__ == "__main__":
    main()
