"""What a broker sends: our own reader hears the same as a plain decoder and as paho's own, in whatever pieces it comes.

Where paho would go on and we end the connection, QoS 2 that we never subscribed at, nothing is compared.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from itertools import pairwise
from random import Random
from typing import Any
from urllib.parse import urlsplit
from zlib import crc32

import paho.mqtt.client as paho

from meters import mqtt, packets

NOBODY = urlsplit("mqtt://127.0.0.1:1")
SHORT = 20_000
"""Longer ones are for the time that our own takes."""
MOST_PIECES = 100
Told = list[tuple[bytes, bytes, int, bool, int]]
"""Topic, payload, QoS, whether it was retained, packet id of each message."""
Kind = Callable[..., paho.Client]


class Wire:
    """A socket to which a broker wrote these pieces. What is written to it goes nowhere."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self.pieces = deque(filter(None, pieces))

    def recv(self, most: int) -> bytes:
        if not self.pieces:
            raise BlockingIOError
        piece = self.pieces.popleft()
        if len(piece) > most:
            self.pieces.appendleft(piece[most:])
        return piece[:most]

    def send(self, written: bytes) -> int:
        return len(written)

    def close(self) -> None:
        self.pieces.clear()


def holds(body: bytes) -> None:
    """The same packets and the same rest; the same messages and the same end as with paho's own reader."""
    chance = Random(crc32(body))
    told, is_over = heard(_ours, in_pieces(body, chance))
    if len(body) > SHORT:
        return
    places, is_mqtt = plainly_cut(body)
    _is_cut_alike(body, places, is_mqtt, chance)
    unasked = [begin for begin, _, _ in places if body[begin] & 0xF4 == packets.PUBLISH | 4]
    known, known_over = heard(_pahos, [body[: unasked[0]] if unasked else body])
    assert is_over == (known_over or bool(unasked) or not is_mqtt)
    assert told == (known if is_mqtt else known[: len(told)]), "they came in one piece with what is no MQTT"


def plainly_cut(body: bytes) -> tuple[list[tuple[int, int, int]], bool]:
    """Where each whole packet begins, where its content does, and where it ends, by MQTT 3.1.1, 2.2; whether it all may
    be MQTT."""
    places, begin = [], 0
    while True:
        length = 0
        for place, byte in enumerate(body[begin + 1 : begin + 5]):
            length += byte % 128 * 128**place
            if byte < 128:
                break
        else:
            return places, len(body) < begin + 5
        content = begin + 2 + place
        if content + length > len(body):
            return places, True
        places.append((begin, content, content + length))
        begin = content + length


def in_pieces(body: bytes, chance: Random) -> list[bytes]:
    most = max(chance.choice([1, 2, 3, 20, 1000, 1 + len(body)]), len(body) // MOST_PIECES)
    ends = [0]
    while ends[-1] < len(body):
        ends.append(ends[-1] + chance.randint(1, most))
    return [body[begin:end] for begin, end in pairwise(ends)]


def heard(kind: Callable[[Told], Kind], pieces: Sequence[bytes]) -> tuple[Told, bool]:
    """What a client of that kind hears of a broker, and whether it gave the connection up."""
    told: Told = []
    client, wire = mqtt._speaker(NOBODY, "fuzz", kind(told), manual_ack=True), Wire(pieces)
    client._host, client._port, client._sock = "127.0.0.1", 1, wire
    while wire.pieces and client._sock is wire:
        client.loop_read()
    return told, client._sock is not wire


# --- inside ----------------------------------------------------------------------------------------------------------


def _is_cut_alike(body: bytes, places: list[tuple[int, int, int]], is_mqtt: bool, chance: Random) -> None:
    buffer, found = bytearray(), []
    try:
        for piece in in_pieces(body, chance):
            buffer += piece
            found += [(first, bytes(content)) for first, content in packets.cut(buffer)]
    except packets.Malformed:
        assert not is_mqtt
    else:
        assert is_mqtt
        assert buffer == body[places[-1][2] if places else 0 :]
    plain = [(body[begin], body[content:end]) for begin, content, end in places]
    assert found == (plain if is_mqtt else plain[: len(found)])


def _ours(told: Told) -> Kind:
    def heard(some: Iterable[packets.Packet]) -> None:
        for first, body in some:
            topic, *more = packets.publish(first, body)
            told.append((bytes(topic), *more))

    return partial(mqtt._Reader, heard)


def _pahos(told: Told) -> Kind:
    def client(**options: Any) -> paho.Client:
        made = _Pahos(**options)
        made.on_message = lambda _c, _u, m: told.append((m._topic, m.payload, m.qos, m.retain, m.mid))
        return made

    return client


class _Pahos(paho.Client):
    def loop_read(self, max_packets: int = 1) -> Any:
        with suppress(OSError):  # it connects anew right there if told to speak an older protocol: its thread ends
            return super().loop_read(max_packets)
