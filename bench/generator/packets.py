"""MQTT 3.1.1 packets, encoded ahead but for what changes from report to report.

By https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/mqtt-v3.1.1.html, sections 2.2 and 3.3.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from datetime import UTC, datetime

from bench.generator.site import Site

PUBLISH, PUBACK, RETAIN, AGAIN = 0x32, b"\x40\x02", 0x01, 0x08
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
