"""The simulated area has the shapes of real traffic, so that it cannot drift from what Zigbee2MQTT 2.14.1 sends.

Compared with ../shared/captures/area2.txt: keys and JSON types of every kind of message, QoS and retain.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from django.conf import settings

from meters.simulation import configuration, faults, site
from meters.simulation.agenda import Agenda
from meters.simulation.instance import Instance

CAPTURE = settings.BASE_DIR.parent / "shared" / "captures" / "area2.txt"
BASE = "zigbee2mqtt_area2"
ADDRESS = re.compile(r"0x[0-9a-f]{16}")
NOT_IN_THE_CAPTURED_MODELS = {("indicator_mode", "string"), ("power_outage_memory", "string")}
RESPONSES = ("health_check", "coordinator_check", "backup", "permit_join", "device/rename", "device/remove", "restart")

pytestmark = pytest.mark.skipif(
    not CAPTURE.exists(), reason=f"the real traffic is not in this checkout: no {CAPTURE.name} in ../shared/captures"
)

type_of_shape = set[tuple[str, str]]


@dataclass(frozen=True)
class Seen:
    kind: str
    payload: str
    qos: int
    retain: bool


# --- both sides -----------------------------------------------------------------------------------------------


@cache
def captured() -> tuple[Seen, ...]:
    lines = CAPTURE.read_text().splitlines()
    return tuple(_captured([line for line in lines if not line.startswith("#")]))


def _captured(lines: Iterable[str]) -> Iterator[Seen]:
    for line in lines:
        retain, qos, topic, *payload = line.split(" ", 3)
        kind = kind_of(topic)
        if kind:
            yield Seen(kind, "".join(payload), int(qos), retain == "1")


@cache
def simulated() -> tuple[Seen, ...]:
    """The story of the capture told again: start, commands, requests, a dead device, leaving and joining, a restart."""
    area = next(a for a in site.plan(80) if a.base_topic == BASE)
    instance = Instance(area, Agenda(1_795_449_600.0), configuration=configuration.of(BASE))
    names = [device.name for device in area.devices]
    instance.start()
    told = turned(instance, 125)
    faults.control(instance, names[3], {"cmd": "offline"})
    for topic, payload in story(names):
        instance.receive(f"{BASE}/{topic}", payload)
        told += turned(instance, 15)
    faults.control(instance, names[4], {"cmd": "leave"})
    faults.control(instance, names[4], {"cmd": "join"})
    told += turned(instance, 300)
    instance.receive(f"{BASE}/bridge/request/restart", '{"transaction":"x1"}')
    told += turned(instance, 125)
    instance.stop()
    return tuple(told + turned(instance, 0))


def story(names: list[str]) -> list[tuple[str, str]]:
    return [
        (f"{names[0]}/set", '{"state":"OFF"}'),
        (f"{names[0]}/get", '{"state":""}'),
        (f"{names[3]}/set", '{"state":"OFF"}'),
        ("bridge/request/health_check", '{"transaction":"h1"}'),
        ("bridge/request/coordinator_check", '{"transaction":"c1"}'),
        ("bridge/request/backup", '{"transaction":"b1"}'),
        ("bridge/request/permit_join", '{"time":20,"transaction":"p1"}'),
        ("bridge/request/device/rename", json.dumps({"from": names[1], "to": "vent", "transaction": "r1"})),
        ("bridge/request/device/remove", json.dumps({"id": names[2], "transaction": "d1"})),
    ]


def turned(instance: Instance, seconds: float) -> list[Seen]:
    instance.agenda.run_until(instance.agenda.now + seconds)
    return [Seen(kind_of(p.topic), p.payload, p.qos, p.retain) for p in instance.take()]


def kind_of(topic: str) -> str:
    """What a topic is for, whatever the device is called; empty for what others publish."""
    below = topic.removeprefix(f"{BASE}/")
    if below.startswith("bridge/request/") or below.endswith(("/set", "/get")):
        return ""
    if below.startswith("bridge/"):
        return below
    return "NAME/availability" if below.endswith("/availability") else "NAME"


def shape(value: Any, path: str = "") -> type_of_shape:
    """Every path in a JSON value with the type found there; addresses and list places are all alike."""
    if isinstance(value, dict):
        inner = [shape(v, f"{path}.{ADDRESS.sub('ADDRESS', k)}".lstrip(".")) for k, v in value.items()]
        return {(path, "object")}.union(*inner)
    if isinstance(value, list):
        return {(path, "list")}.union(*(shape(item, f"{path}[]") for item in value))
    names = {bool: "boolean", int: "number", float: "number", str: "string", type(None): "null"}
    return {(path, names[type(value)])}


def shape_of(seen: Iterable[Seen], kind: str, **having: str) -> type_of_shape:
    """The shapes of all messages of a kind together, without those whose text was cut from the capture."""
    found: type_of_shape = set()
    for message in seen:
        if message.kind == kind and message.payload and "characters cut>" not in message.payload:
            value = json.loads(message.payload)
            if all(value.get(key) == wanted for key, wanted in having.items()):
                found |= shape(value)
    return found


def outside(found: type_of_shape, *prefixes: str) -> type_of_shape:
    return {(path, kind) for path, kind in found if not path.startswith(prefixes)}


# --- comparisons ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", ["bridge/state", "bridge/groups", "bridge/extensions", "bridge/converters", "bridge/logging"]
)
def test_plain_topics_have_the_same_shape(kind: str) -> None:
    assert shape_of(simulated(), kind) == shape_of(captured(), kind) != set()


def test_availability_has_the_same_text() -> None:
    texts = [{s.payload for s in side if s.kind == "NAME/availability"} for side in (simulated(), captured())]

    assert texts[0] == texts[1] == {'{"state":"online"}', '{"state":"offline"}', ""}


def test_health_has_the_same_shape_and_order_of_keys() -> None:
    ours, theirs = (
        list(json.loads(next(s.payload for s in side if s.kind == "bridge/health")))
        for side in (simulated(), captured())
    )

    assert shape_of(simulated(), "bridge/health") == shape_of(captured(), "bridge/health")
    assert ours == theirs


def test_info_has_the_same_shape_but_for_the_adapter() -> None:
    other = ("coordinator.meta", "config_schema", "permit_join_end")

    assert outside(shape_of(simulated(), "bridge/info"), *other) == outside(shape_of(captured(), "bridge/info"), *other)


def test_info_tells_when_joining_ends() -> None:
    """Only a capture of an open network has it: a number."""
    assert ("permit_join_end", "number") in shape_of(simulated(), "bridge/info")


def test_devices_have_the_same_shape_but_for_what_the_model_exposes() -> None:
    inside = ("[].definition.exposes[]", "[].definition.options[]")
    ours, theirs = (shape_of(side, "bridge/devices") for side in (simulated(), captured()))

    assert outside(ours, *inside) == outside(theirs, *inside)
    assert ours <= theirs


def test_coordinator_has_the_same_keys_as_the_real_one() -> None:
    assert _device(simulated(), "Coordinator") == _device(captured(), "Coordinator")


def test_a_router_has_the_same_keys_as_a_real_one() -> None:
    assert _device(simulated(), "Router") == _device(captured(), "Router")


def _device(side: Iterable[Seen], kind: str) -> set[str]:
    payload = next(s.payload for s in side if s.kind == "bridge/devices")
    return set(next(entry for entry in json.loads(payload) if entry["type"] == kind))


def test_states_have_keys_and_types_of_real_states() -> None:
    ours = shape_of(simulated(), "NAME")

    assert ours <= shape_of(captured(), "NAME") | NOT_IN_THE_CAPTURED_MODELS
    wanted = ("power", "current", "voltage", "energy", "linkquality")
    assert {(name, "number") for name in wanted} | {("state", "string"), ("last_seen", "string")} <= ours


def test_last_seen_is_written_alike() -> None:
    pattern = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
    texts = [
        json.loads(s.payload)["last_seen"]
        for side in (simulated(), captured())
        for s in side
        if s.kind == "NAME" and s.payload.startswith('{"') and "last_seen" in s.payload
    ]

    assert all(pattern.fullmatch(text) for text in texts)


def test_keys_are_sorted_and_unspaced_as_zigbee2mqtt_writes_them() -> None:
    for side in (simulated(), captured()):
        payload = next(s.payload for s in side if s.kind == "NAME" and "power" in s.payload)
        assert payload == json.dumps(json.loads(payload), sort_keys=True, separators=(",", ":"))


@pytest.mark.parametrize("event", ["device_joined", "device_leave"])
def test_events_have_the_same_shape(event: str) -> None:
    ours, theirs = (shape_of(side, "bridge/event", type=event) for side in (simulated(), captured()))

    assert ours == theirs != set()


def test_an_interview_has_the_same_shape_but_for_what_the_model_exposes() -> None:
    inside = ("data.definition.exposes[]", "data.definition.options[]")
    ours, theirs = (shape_of(side, "bridge/event", type="device_interview") for side in (simulated(), captured()))

    assert outside(ours, *inside) == outside(theirs, *inside)


@pytest.mark.parametrize("name", RESPONSES)
def test_responses_have_the_same_shape(name: str) -> None:
    kind = f"bridge/response/{name}"

    assert shape_of(simulated(), kind) == shape_of(captured(), kind) != set()


def test_qos_is_the_same_for_each_kind() -> None:
    """Z2M says goodbye at QoS 0 and all else of bridge/state at QoS 1."""
    ours, theirs = ({(s.kind, s.qos) for s in side} for side in (simulated(), captured()))

    assert ours == theirs


def test_what_a_new_subscriber_gets_is_retained() -> None:
    """Live forwards come with retain 0, so only the snapshot tells; it had no health yet."""
    snapshot = {s.kind for s in captured() if s.retain}
    ours = {s.kind for s in simulated() if s.retain and s.payload}

    assert ours == snapshot | {"bridge/health"}


def test_error_lines_are_written_alike() -> None:
    start = "z2m: Publish 'set' 'state' to 'NAME' failed: 'Error: ZCL command ADDRESS/1 genOnOff.off({}, {\"timeout\""
    for side in (simulated(), captured()):
        lines = [json.loads(s.payload)["message"] for s in side if s.kind == "bridge/logging"]
        failed = next(line for line in lines if line.startswith("z2m: Publish"))
        assert ADDRESS.sub("ADDRESS", re.sub(r"to '[^']+'", "to 'NAME'", failed)).startswith(start)


def test_pings_that_fail_are_written_alike() -> None:
    def words(side: Iterable[Seen]) -> str:
        lines = [json.loads(s.payload)["message"] for s in side if s.kind == "bridge/logging"]
        failed = next(line for line in lines if "Failed to ping" in line)
        return ADDRESS.sub("ADDRESS", re.sub(r"'[^']+'", "NAME", failed, count=1)).split(" failed (")[0]

    assert words(simulated()) == words(captured())
