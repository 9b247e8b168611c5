"""MQTT as bytes: what arrives in any pieces is the same messages."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters import packets

HEAD = packets.PUBLISH


def packed(topic: bytes, payload: bytes, qos: int = 1, retained: bool = False, packet_id: int = 7) -> bytes:
    """A PUBLISH packet, by MQTT 3.1.1, 2.2.3 and 3.3."""
    body = len(topic).to_bytes(2) + topic + (packet_id.to_bytes(2) if qos else b"") + payload
    length, left = bytearray(), len(body)
    while left > 127:
        length.append(left % 128 | 128)
        left //= 128
    return bytes([HEAD | qos << 1 | retained, *length, left]) + body


def received(chunks: list[bytes]) -> list[tuple[bytes, bytes, int, bool, int]]:
    buffer, found = bytearray(), []
    for chunk in chunks:
        buffer += chunk
        for first, body in packets.cut(buffer):
            topic, *more = packets.publish(first, body)
            found.append((bytes(topic), *more))
    assert not buffer
    return found


@given(
    st.lists(
        st.tuples(
            st.binary(min_size=1, max_size=40),
            st.binary(max_size=300),
            st.integers(0, 1),
            st.booleans(),
            st.integers(1, 65_535),
        ),
        max_size=5,
    ),
    st.lists(st.integers(0, 2_000)),
)
def test_messages_that_are_split_anywhere_arrive_whole(
    told: list[tuple[bytes, bytes, int, bool, int]], splits: list[int]
) -> None:
    stream = b"".join(packed(*each) for each in told)
    places = sorted({0, len(stream), *(place for place in splits if place < len(stream))})
    chunks = [stream[a:b] for a, b in pairwise(places)]
    wanted = [(topic, payload, qos, kept, number if qos else 0) for topic, payload, qos, kept, number in told]
    assert received(chunks) == wanted


def test_messages_that_arrive_byte_by_byte_are_the_same() -> None:
    stream = packed(b"a/b", b"x" * 20_000, retained=True) + packed(b"c", b"", qos=0)
    assert received([bytes([byte]) for byte in stream]) == [
        (b"a/b", b"x" * 20_000, 1, True, 7),
        (b"c", b"", 0, False, 0),
    ]


@pytest.mark.parametrize("size", [0, 121, 122, 123, 16_377, 16_378, 2_097_145, 2_097_146])
def test_lengths_of_one_to_four_bytes_are_understood(size: int) -> None:
    assert received([packed(b"a", b"x" * size)]) == [(b"a", b"x" * size, 1, False, 7)]


def test_what_is_not_yet_whole_waits_and_the_whole_ones_before_it_do_not() -> None:
    second = packed(b"b", b"x" * 500)
    buffer = bytearray(packed(b"a", b"1") + second[:-1])
    assert len(packets.cut(buffer)) == 1
    assert buffer == second[:-1]


def test_a_length_without_an_end_is_no_mqtt() -> None:
    with pytest.raises(packets.Malformed):
        packets.cut(bytearray(b"\x32\xff\xff\xff\xff\x01"))


@pytest.mark.parametrize(
    ("first", "body"),
    [
        (HEAD | 2, b""),
        (HEAD | 2, b"\x00"),
        (HEAD | 2, b"\x00\x00\x00\x01x"),
        (HEAD | 2, b"\x00\x09abc"),
        (HEAD | 2, b"\x00\x01a\x00"),
        (HEAD, b"\xff\xffa"),
        (HEAD | 4, b"\x00\x01a\x00\x01x"),
        (HEAD | 6, b"\x00\x01a\x00\x01x"),
    ],
)
def test_a_message_that_does_not_fit_its_packet_is_no_mqtt(first: int, body: bytes) -> None:
    with pytest.raises(packets.Malformed):
        packets.publish(first, bytearray(body))


def test_an_acknowledgement_is_four_bytes_a_message() -> None:
    assert packets.acknowledge([1, 65_535]) == b"\x40\x02\x00\x01\x40\x02\xff\xff"
    assert packets.acknowledge([]) == b""
