"""MQTT 3.1.1 as bytes: what came is cut into packets, what is acknowledged becomes packets. Pure."""

from __future__ import annotations

import struct
from collections.abc import Sequence

Packet = tuple[int, bytearray]
"""The first byte, and the body: what follows the length."""
PUBLISH, PUBACK = 0x30, 0x40
MOST_LENGTH_BYTES = 4


class Malformed(Exception):
    """What came is no MQTT: only a new connection helps."""


def is_publish(packet: Packet) -> bool:
    return packet[0] & 0xF0 == PUBLISH


def cut(received: bytearray) -> list[Packet]:
    """Take the whole packets off. What is not yet whole stays. Raises Malformed."""
    packets, begin, size = [], 0, len(received)
    while begin + 2 <= size:
        start, length = begin + 2, received[begin + 1]
        if length > 0x7F:
            start, length = _long(received, begin + 1)
        if start + length > size:
            break
        packets.append((received[begin], received[start : start + length]))
        begin = start + length
    del received[:begin]
    return packets


def _long(received: bytearray, at: int) -> tuple[int, int]:
    """Where the body starts and how long it is, of a packet whose length takes several bytes from `at` on."""
    length = 0
    for place, byte in enumerate(received[at : at + MOST_LENGTH_BYTES]):
        length |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return at + place + 1, length
    if at + MOST_LENGTH_BYTES <= len(received):
        raise Malformed("a length of more than four bytes")
    return at, len(received)  # more than there is: not yet whole


def publish(first: int, body: bytearray) -> tuple[bytearray, bytes, int, bool, int]:
    """Topic, payload, QoS, whether it was retained, packet id (0 at QoS 0) of a PUBLISH packet. Raises Malformed."""
    qos = first >> 1 & 3
    end = 2 + int.from_bytes(body[:2])
    begin = end + 2 if qos else end
    if not 2 < end <= begin <= len(body) or qos > 1:  # we subscribe at QoS 1 at most
        raise Malformed("a message without a topic, or of QoS 2")
    return body[2:end], bytes(body[begin:]), qos, bool(first & 1), int.from_bytes(body[end:begin])


def acknowledge(packet_ids: Sequence[int]) -> bytes:
    """One PUBACK each."""
    return struct.pack(f">{len(packet_ids)}I", *(PUBACK << 24 | 2 << 16 | packet_id for packet_id in packet_ids))
