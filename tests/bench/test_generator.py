"""What the generator would write to a broker's socket, read as the protocol's specification says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from bench.generator import Generator, Site
from bench.generator.connection import Chunk, Connection
from bench.generator.packets import packet, text
from meters import zigbee2mqtt
from meters.zigbee2mqtt import State

SITE = Site(areas=3, meters=10, seed=7)
DAY_S = 86_400


def generator(**options: Any) -> Generator:
    return Generator("mqtt://127.0.0.1:1", SITE, **{"step_s": 30, **options})


def messages(written: bytes) -> Iterator[tuple[int, str, int, bytes]]:
    """First byte, topic, packet id and payload of each PUBLISH."""
    while written:
        length = shift = 0
        at = 1
        while True:
            byte = written[at]
            length |= (byte & 127) << shift
            shift, at = shift + 7, at + 1
            if byte < 128:
                break
        body, rest = written[at : at + length], written[at + length :]
        assert len(body) == length
        topic = int.from_bytes(body[:2]) + 2
        yield written[0], body[2:topic].decode(), int.from_bytes(body[topic : topic + 2]), body[topic + 2 :]
        written = rest


def sent(generator: Generator, count: int) -> list[tuple[int, str, int, bytes]]:
    dealt = generator.prepare(count)
    return [each for chunks in dealt for chunk in chunks for each in messages(b"".join(chunk.packets))]


def states(found: list[tuple[int, str, int, bytes]]) -> list[State]:
    told = []
    for _, topic, _, payload in found:
        base, _, name = topic.partition("/")
        state = zigbee2mqtt.parse(name, payload)
        assert isinstance(state, State), (base, state)
        told.append(state)
    return told


def test_every_packet_is_a_publish_of_qos_1_with_an_id_of_its_own() -> None:
    found = sent(generator(), 1000)
    assert {first for first, *_ in found} == {0x32}
    assert sorted(number for _, _, number, _ in found) == list(range(2, 1002))
    assert len({topic for _, topic, _, _ in found}) == SITE.meters


def test_what_a_meter_tells_is_read_by_our_parser_as_it_was_meant() -> None:
    made = generator()
    for number, state in enumerate(states(sent(made, 1000))):
        meter = number % SITE.meters
        assert state.ieee_address == SITE.ieee(meter)
        assert state.name == SITE.name(meter)
        assert state.last_seen
        at_ms = round(state.last_seen.timestamp() * 1000)
        assert at_ms == made.begin_ms + 30_000 * number // SITE.meters
        assert state.counter_wh == made.counter_wh(meter, at_ms)
        assert state.power_w == SITE.power_w(meter, at_ms)
        assert (state.relay, state.is_from_cache) == (True, False)
        assert state.current_ma == pytest.approx(1000 * state.power_w / 230, abs=6)


def test_a_counter_rises_by_what_its_meter_drew() -> None:
    for meter in range(SITE.meters):
        a_day_wh = SITE.counter_wh(meter, 1000 * DAY_S) - SITE.counter_wh(meter, 0)
        assert a_day_wh == pytest.approx(24 * SITE.mean_w(meter), abs=10)
        assert abs(SITE.power_w(meter, 12_345_678) - SITE.mean_w(meter)) <= 50


def test_no_packets_length_depends_on_its_values() -> None:
    lengths: dict[str, set[int]] = {}
    now_ms = round(1000 * time.time())
    for days_ago in range(0, 100):
        made = generator(start_ms=now_ms - (3 + days_ago) * 86_412_345, hours_ago=1 + days_ago / 7)
        for _, topic, _, payload in sent(made, SITE.meters):
            lengths.setdefault(topic, set()).add(len(payload))
    assert {len(each) for each in lengths.values()} == {1}


def test_a_grouped_report_is_four_messages_with_one_last_seen_and_a_quantity_each() -> None:
    told = states(sent(generator(grouped=True), 40))
    for report in zip(*[iter(told)] * 4, strict=True):
        assert len({(each.ieee_address, each.last_seen) for each in report}) == 1
        quantities = [(s.voltage_dv, s.current_ma, s.power_w, s.counter_wh) for s in report]
        assert all(sum(value is not None for value in each) == 1 for each in quantities)
        assert all(any(each[place] for each in quantities) for place in range(4))


def test_an_area_stays_on_one_connection() -> None:
    by_connection: list[set[str]] = [set(), set()]
    for dealt in generator(connections=2).prepare(300):
        for place, chunk in enumerate(dealt):
            by_connection[place] |= {topic.partition("/")[0] for _, topic, _, _ in messages(b"".join(chunk.packets))}
    assert by_connection == [{"bench_0", "bench_2"}, {"bench_1"}]


def test_a_meter_never_tells_one_time_twice_when_it_tells_the_time_of_sending() -> None:
    made = generator(step_s=0)
    times = [told for dealt in made._chunks(2000, 0.0) for chunk in dealt for told in chunk.told]
    assert len(set(times)) == len(times) == 2000


def test_readings_of_the_future_are_not_made() -> None:
    with pytest.raises(ValueError, match="the future"):
        generator(hours_ago=0.01).prepare(1000)


def test_the_announcement_says_what_makes_every_value_fresh() -> None:
    told = SITE.announcement(1)
    info = zigbee2mqtt.parse("bridge/info", told["bench_1/bridge/info"].encode())
    inventory = zigbee2mqtt.parse("bridge/devices", told["bench_1/bridge/devices"].encode())
    assert isinstance(info, zigbee2mqtt.BridgeInfo)
    assert isinstance(inventory, zigbee2mqtt.Inventory)
    from meters.zigbee2mqtt import freshness

    values = {"state", "power", "current", "voltage", "energy"}
    assert freshness.fresh_properties(info.configuration, SITE.ieee(1), values) == values
    assert freshness.tells_last_seen(info.configuration)
    assert [each.ieee_address for each in inventory.devices] == [SITE.ieee(meter) for meter in (1, 4, 7)]
    assert all(each.measures and each.has_relay for each in inventory.devices)
    assert not inventory.refused


class Wire:
    """A socket that has already been told what the broker will answer."""

    def __init__(self, *heard: bytes) -> None:
        self.heard = list(heard)

    def recv(self, _most: int) -> bytes:
        return self.heard.pop(0)


def test_a_chunk_is_acknowledged_when_all_its_packets_are_however_the_answers_are_cut() -> None:
    connection = Connection("mqtt://127.0.0.1:1", "tried")
    for count in (2, 3):
        packets = [packet(0x32, text("a") + connection.identify() + b"{}") for _ in range(count)]
        connection.give(Chunk(packets, [(count, 0)]))
    answers = b"".join(b"\x40\x02" + bytes([0, number]) for number in range(5))
    connection.socket = Wire(answers[:7], answers[7:15], answers[15:])  # type: ignore[assignment]
    assert [[chunk.told for chunk in connection.read()] for _ in range(3)] == [[], [[(2, 0)]], [[(3, 0)]]]
    assert connection.under_way == 0
