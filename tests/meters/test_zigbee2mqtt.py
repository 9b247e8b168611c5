"""The contract with Zigbee2MQTT: what each message says, and what is refused by name."""

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from meters.zigbee2mqtt import (
    Availability,
    BridgeInfo,
    BridgeState,
    Event,
    Groups,
    Health,
    Ignored,
    Inventory,
    LogLine,
    Rejected,
    Response,
    State,
    bad_name,
    locate,
    parse,
)
from meters.zigbee2mqtt.freshness import fresh_properties, tells_last_seen

CAPTURE = Path(settings.BASE_DIR).parent / "shared" / "captures" / "area2.txt"


def state(payload: Any, rest: str = "101,2", names: frozenset[str] = frozenset()) -> State:
    told = parse(rest, payload if isinstance(payload, bytes) else json.dumps(payload).encode(), names)
    assert isinstance(told, State)
    return told


def refusal(payload: Any, rest: str = "101,2") -> str:
    with pytest.raises(Rejected) as caught:
        parse(rest, payload if isinstance(payload, bytes) else json.dumps(payload).encode())
    return caught.value.code


# --- topics


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("zigbee2mqtt/101,2", ("zigbee2mqtt", "101,2")),
        ("zigbee2mqtt_area2/bridge/state", ("zigbee2mqtt_area2", "bridge/state")),
        ("site/z2m/a/b", ("site/z2m", "a/b")),
        ("zigbee2mqtt_area9/x", None),
        ("zigbee2mqtt", None),
    ],
)
def test_a_topic_belongs_to_the_longest_base_topic(topic: str, expected: tuple[str, str] | None) -> None:
    assert locate(topic, ["zigbee2mqtt_area2", "zigbee2mqtt", "site/z2m", "site"]) == expected


@pytest.mark.parametrize("name", ["101,2", "Hytte 26", "repeater - plads 207 v hæk", "service/vaskehus", "a/b/c"])
def test_names_may_hold_spaces_commas_letters_of_any_language_and_slashes(name: str) -> None:
    assert state({"power": 1}, name).name == name
    assert parse(f"{name}/availability", b'{"state":"online"}') == Availability(name, True)


@pytest.mark.parametrize("rest", ["101,2/set", "101,2/get", "101,2/set/state", "a/b/set", "a" + "/set" * 16_000 + "\n"])
def test_commands_of_others_are_not_states(rest: str) -> None:
    assert parse(rest, b'{"state":"ON"}') == Ignored()


def test_a_device_named_like_a_command_is_resolved_by_its_whole_name() -> None:
    assert state({"power": 1}, "x/set", frozenset({"x/set"})).name == "x/set"


def test_a_device_named_like_a_topic_of_the_bridge_does_not_hide_it() -> None:
    names = frozenset({"bridge/state", "bridge/response/restart", "state", "bridge/lamp"})
    assert parse("bridge/state", b'{"state":"online"}', names) == BridgeState(True)
    assert isinstance(parse("bridge/response/restart", b"{}", names), Response)
    for name in ("state", "bridge/lamp"):
        assert state({"power": 1}, name, names).name == name


@pytest.mark.parametrize("name", ["x/set", "x/get", "x/availability", "bridge", "bridge 7", "a/set/b"])
def test_names_that_zigbee2mqtt_allows_and_cannot_work_with_are_known(name: str) -> None:
    assert bad_name(name)


@pytest.mark.parametrize("name", ["101,2", "set", "sæt/101", "availability"])
def test_good_names_are_not_blamed(name: str) -> None:
    assert bad_name(name) is None


def test_output_by_attribute_is_named() -> None:
    with pytest.raises(Rejected) as caught:
        parse("101,2/power", b"42", frozenset({"101,2"}))
    assert caught.value.code == "attribute_output"


@pytest.mark.parametrize("rest", ["bridge/definitions", "bridge/converters", "bridge/request/restart", "bridge/news"])
def test_what_is_not_for_us_is_ignored_unread(rest: str) -> None:
    assert parse(rest, b"\xff not even text") == Ignored()


# --- states


def test_a_state_tells_its_values_in_our_units() -> None:
    told = state(
        {
            "current": 0.22,
            "power": 25,
            "energy": 858.32,
            "state": "ON",
            "voltage": 231,
            "linkquality": 116,
            "power_outage_memory": "restore",
            "last_seen": "2026-07-01T10:15:02.000Z",
        }
    )
    assert (told.current_ma, told.power_w, told.counter_wh, told.voltage_dv) == (220, 25, 858_320, 2310)
    assert (told.relay, told.linkquality) == (True, 116)
    assert told.last_seen == datetime(2026, 7, 1, 10, 15, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    "last_seen", ["2026-07-01T10:15:02.000Z", "2026-07-01T12:15:02+02:00", 1782900902000, 1782900902000.0]
)
def test_all_formats_of_last_seen_are_the_same_moment(last_seen: str | float) -> None:
    assert state({"last_seen": last_seen}).last_seen == datetime(2026, 7, 1, 10, 15, 2, tzinfo=UTC)


def test_null_and_absent_are_unknown() -> None:
    assert state({"power": None, "energy": None, "state": None, "last_seen": None, "linkquality": None}) == state({})


def test_a_publish_without_link_quality_comes_from_the_cache() -> None:
    assert state({"power": 5}).is_from_cache
    assert state({"power": 5, "linkquality": None}).is_from_cache
    assert not state({"power": 5, "linkquality": 0}).is_from_cache


def test_the_device_may_say_who_it_is() -> None:
    assert state({"device": {"ieeeAddr": "0xA4C138D630000001"}}).ieee_address == "0xa4c138d630000001"


def test_phases_are_told_by_property() -> None:
    told = state(
        {"power_a": 10, "voltage_b": 230.4, "current_c": 1.5, "power_factor_a": "n/a", "power_on_behavior": "on"}
    )
    assert told.phases == {"power_a": 10, "voltage_b": 2304, "current_c": 1500}


def test_a_cleared_topic_says_nothing() -> None:
    assert parse("101,2", b"") == Ignored()
    assert parse("101,2/availability", b"") == Ignored()
    assert parse("bridge/state", b"") == Ignored()


NO_ADDRESSES = ["0xa4c1_38d63000000", "0xa4c138d6300000 \n", "0x" + "١" * 16, "0xa4c138d63000000x"]
"""Python would read the first three as numbers."""


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"\xff\xfe", "not_utf8"),
        (b"{", "not_json"),
        (b'{"power": NaN}', "not_json"),
        (b"42", "not_an_object"),
        (b"[]", "not_an_object"),
        ({"power": "25"}, "wrong_type"),
        ({"power": True}, "wrong_type"),
        ({"power": [1]}, "wrong_type"),
        ({"state": "TOGGLE"}, "wrong_type"),
        ({"state": 1}, "wrong_type"),
        ({"state": {}}, "wrong_type"),
        ({"power": 2**31}, "out_of_range"),
        ({"power": -(2**40)}, "out_of_range"),
        (b'{"power": 1e400}', "not_json"),
        ({"voltage": 3276.8}, "out_of_range"),
        ({"voltage": -1}, "out_of_range"),
        ({"voltage": 1e308}, "out_of_range"),
        ({"current": 2_147_484}, "out_of_range"),
        ({"energy": 2_147_484}, "out_of_range"),
        ({"energy": -0.01}, "out_of_range"),
        ({"linkquality": 256}, "out_of_range"),
        ({"last_seen": "yesterday"}, "bad_time"),
        ({"last_seen": "2026-07-01T10:15:02"}, "bad_time"),
        ({"last_seen": 1e30}, "bad_time"),
        ({"last_seen": True}, "bad_time"),
        ({"last_seen": "9999-12-31T23:59:59Z"}, "bad_time"),
        ({"last_seen": 253_402_300_799_000}, "bad_time"),
        ({"device": {"ieeeAddr": "0x1"}}, "bad_ieee_address"),
        *(({"device": {"ieeeAddr": each}}, "bad_ieee_address") for each in NO_ADDRESSES),
        (b"[" * 100_000, "not_json"),
    ],
)
def test_bad_states_are_refused_by_name(payload: Any, code: str) -> None:
    assert refusal(payload) == code


def test_a_name_with_nul_or_without_end_is_refused() -> None:
    assert refusal({}, "a\0b") == "bad_name"
    assert refusal({}, "x" * 300) == "bad_name"


def test_eight_megabytes_are_too_much() -> None:
    assert refusal(b" " * (8 * 1024 * 1024 + 1)) == "too_big"


@pytest.mark.parametrize(
    ("payload", "online"),
    [(b'{"state":"online"}', True), (b'{"state":"offline"}', False), (b"online", True), (b"offline", False)],
)
def test_availability_and_bridge_state_come_as_json_or_as_legacy_text(payload: bytes, online: bool) -> None:
    assert parse("101,2/availability", payload) == Availability("101,2", online)
    assert parse("bridge/state", payload) == BridgeState(online)


@pytest.mark.parametrize("payload", [b"maybe", b'{"state":"maybe"}', b"{}", b"1"])
def test_any_other_word_is_no_availability(payload: bytes) -> None:
    assert refusal(payload, "101,2/availability") in ("wrong_type", "not_json", "not_an_object")


# --- the bridge


def numeric(name: str, unit: str, access: int = 1) -> dict[str, Any]:
    return {"type": "numeric", "name": name, "property": name, "unit": unit, "access": access}


SWITCH = {"type": "switch", "features": [{"type": "binary", "name": "state", "property": "state", "access": 7}]}


def listed(*exposes: dict[str, Any], **entry: Any) -> dict[str, Any]:
    return {
        "ieee_address": "0xa4c138d630000001",
        "friendly_name": "101,2",
        "type": "Router",
        "definition": {"model": "TO-Q-SY1-JZT", "vendor": "Tongou", "exposes": list(exposes)},
        **entry,
    }


def inventory(*entries: Any) -> Inventory:
    told = parse("bridge/devices", json.dumps([{"type": "Coordinator"}, *entries]).encode())
    assert isinstance(told, Inventory)
    return told


def test_a_single_phase_meter_is_known_by_what_it_exposes() -> None:
    device = inventory(listed(SWITCH, numeric("power", "W"), numeric("energy", "kWh"))).devices[0]
    assert (device.measures, device.has_relay, device.phases) == (True, True, ())


@pytest.mark.parametrize(
    ("properties", "phases"),
    [
        (["power_a", "power_b", "power_c"], ("a", "b", "c")),
        (["power_X", "power_Y", "power_Z"], ("X", "Y", "Z")),
        (["power", "power_phase_b", "power_phase_c"], ("", "phase_b", "phase_c")),
        (["power"], ()),
    ],
)
def test_phases_are_read_from_exposes(properties: list[str], phases: tuple[str, ...]) -> None:
    exposes = [numeric(name, "W") for name in properties]
    assert inventory(listed(*exposes)).devices[0].phases == phases


def test_thresholds_and_factors_are_no_measurements() -> None:
    exposes = [numeric("power_threshold", "kW", 3), numeric("current_threshold", "A", 3), numeric("power_factor", "%")]
    device = inventory(listed(*exposes)).devices[0]
    assert not device.measures
    assert device.phases == ()


def test_the_coordinator_is_no_device_and_a_repeater_measures_nothing() -> None:
    told = inventory(
        {"type": "Coordinator", "ieee_address": "0x00124b00d63091d2"}, listed(numeric("linkquality", "lqi"))
    )
    assert [device.measures for device in told.devices] == [False]


def test_one_bad_entry_never_hides_the_others() -> None:
    told = inventory(listed(), 7, listed(ieee_address="0x1"), listed(friendly_name=None), listed(friendly_name="a\0"))
    assert len(told.devices) == 1
    assert [error.code for error in told.refused] == ["not_an_object", "bad_ieee_address", "bad_name", "bad_name"]
    assert told.unreadable == {"0xa4c138d630000001"}


@pytest.mark.parametrize("name", ["+", "#", "a/#", "101\n2", "\x1b[2J", "a\x9f", "x" * 251, "", 7, ["a"]])
def test_a_name_to_which_nothing_can_be_published_is_refused(name: Any) -> None:
    assert [error.code for error in inventory(listed(friendly_name=name)).refused] == ["bad_name"]


def test_a_name_that_two_devices_have_is_the_first_ones() -> None:
    told = inventory(listed(), listed(ieee_address="0xa4c138d630000002"))
    assert [device.ieee_address for device in told.devices] == ["0xa4c138d630000001"]
    assert [error.code for error in told.refused] == ["name_taken"]


def test_more_devices_than_any_network_holds_are_refused() -> None:
    assert refusal([{"type": "Router"}] * 1001, "bridge/devices") == "too_many"


def test_a_list_without_its_coordinator_is_not_whole() -> None:
    assert refusal([], "bridge/devices") == refusal([listed()], "bridge/devices") == "no_coordinator"


def test_an_inventory_of_two_megabytes_is_read() -> None:
    entries = [
        listed(numeric("power", "W"), description="x" * 7000, ieee_address=f"0x{i:016x}", friendly_name=str(i))
        for i in range(300)
    ]
    assert len(inventory(*entries).devices) == 300


def test_info_tells_channel_and_configuration_without_secrets() -> None:
    info = {
        "version": "2.14.1",
        "network": {"channel": 15, "pan_id": 6754, "extended_pan_id": "0xdddddddddddddddd"},
        "permit_join": True,
        "permit_join_end": 1782900902000,
        "config": {
            "advanced": {"last_seen": "ISO_8601", "network_key": [1], "network_\0key": [1]},
            "mqtt": {"password": "p", "user": "u", "server": "mqtt://u:p@/w@nas"},
        },
        "config_schema": {"huge": True},
    }
    told = parse("bridge/info", json.dumps(info).encode())
    assert isinstance(told, BridgeInfo)
    assert (told.version, told.channel, told.permit_join) == ("2.14.1", 15, True)
    assert told.configuration == {"advanced": {"last_seen": "ISO_8601"}, "mqtt": {"server": "mqtt://…@nas"}}
    assert told.network == {"pan_id": "6754", "extended_pan_id": "0xdddddddddddddddd"}


def test_a_network_told_in_other_words_is_cut_and_refuses_no_info() -> None:
    told = parse("bridge/info", json.dumps({"network": {"pan_id": {"x": 1}, "extended_pan_id": "<" * 900}}).encode())
    assert isinstance(told, BridgeInfo)
    assert told.network == {"pan_id": "", "extended_pan_id": "<" * 40}


def test_what_a_device_was_told_to_report_is_read_and_nonsense_left_out() -> None:
    good = {"minimum_report_interval": 5, "maximum_report_interval": 3600, "reportable_change": 257}
    names = {"cluster": "seMetering", "attribute": "currentSummDelivered"}
    listed = [good | names, good | names | {"maximum_report_interval": "x"}, good, None, names]
    endpoints = {"1": {"configured_reportings": listed}, "²": {"configured_reportings": listed}, "2": []}
    entry = {"ieee_address": "0x1", "friendly_name": "a", "type": "Router", "endpoints": endpoints}
    (device,) = inventory(entry | {"ieee_address": f"0x{1:016x}"}).devices
    assert device.reportings == ({"endpoint": 1} | names | good,)
    many = entry | {"endpoints": {"1": {"configured_reportings": [good | names] * 999}}}
    assert len(inventory(many | {"ieee_address": f"0x{1:016x}"}).devices[0].reportings) == 30


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ({"power_outage_memory": "restore", "power_on_behavior": "on"}, "restore"),
        ({"power_on_behavior": "previous"}, "restore"),
        ({"power_outage_memory": "off"}, "off"),
        ({"power_outage_memory": ["on"]}, ""),
        ({}, ""),
    ],
)
def test_what_a_relay_does_when_power_returns_is_told_in_two_dialects(told: dict[str, object], meant: str) -> None:
    state = parse("101", json.dumps(told).encode())
    assert isinstance(state, State)
    assert state.outage_memory == meant


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("mqtt://user:pa@ss//word@broker:1883 and //x", "mqtt://…@broker:1883 and //x"),
        ("a//b c@d //e:f@g", "a//b c@d //…@g"),
        ("/" * 1_000_000, "/" * 1_000_000),
        ("//a" * 300_000, "//a" * 300_000),
    ],
)
def test_credentials_are_taken_out_of_any_text_in_no_time(told: str, kept: str) -> None:
    info = parse("bridge/info", json.dumps({"config": {"told": told}}).encode())
    assert isinstance(info, BridgeInfo)
    assert info.configuration["told"] == kept


def nested(levels: int, inner: Any = 1) -> Any:
    for _ in range(levels):
        inner = {"features": [inner]}
    return inner


@pytest.mark.parametrize("levels", [30, 300])
def test_what_is_nested_too_deeply_to_be_kept_is_refused(levels: int) -> None:
    assert refusal({"config": nested(levels)}, "bridge/info") == "too_deep"
    assert refusal({"status": "ok", "data": nested(levels)}, "bridge/response/options") == "too_deep"
    assert inventory(listed(nested(levels)), listed(friendly_name="b")).devices[1].friendly_name == "b"


def test_an_answer_of_which_no_question_can_be_found_by_its_mark_holds_no_nul() -> None:
    told = parse("bridge/response/permit_join", b'{"status":"ok","transaction":"a\\u0000b"}')
    assert isinstance(told, Response)
    assert told.transaction == "ab"


def test_a_backup_never_shows_in_a_log() -> None:
    told = parse("bridge/response/backup", b'{"data":{"zip":"SECRET"},"status":"ok","transaction":"b1"}')
    assert isinstance(told, Response)
    assert (told.request, told.transaction, told.error) == ("backup", "b1", "")
    assert "SECRET" not in repr(told)


def test_a_failed_response_gives_its_reason() -> None:
    told = parse("bridge/response/device/rename", b'{"data":{},"status":"error","error":"no such device"}')
    assert isinstance(told, Response)
    assert (told.request, told.error) == ("device/rename", "no such device")


def test_events_health_logging_and_groups_are_read() -> None:
    event = parse(
        "bridge/event", b'{"type":"device_leave","data":{"ieee_address":"0xa4c138d630000001","friendly_name":"a"}}'
    )
    assert event == Event("device_leave", "0xa4c138d630000001", "a", "")
    assert parse("bridge/logging", b'{"level":"error","message":"z2m: x"}') == LogLine("error", "z2m: x")
    assert parse("bridge/groups", b'[{"id":1,"friendly_name":"alle","members":[1,2]},7]') == Groups({"alle": 2})
    health = parse("bridge/health", b'{"response_time":1782900902000,"mqtt":{"queued":3}}')
    assert isinstance(health, Health)
    assert health.mqtt_queued == 3


# --- freshness


@pytest.mark.parametrize(
    ("configuration", "fresh"),
    [
        ({}, set()),
        ({"advanced": {"cache_state": False}}, {"power", "energy", "power_a"}),
        ({"device_options": {"filtered_cache": ["^power$", "energy"]}}, {"power", "energy"}),
        ({"device_options": {"filtered_cache": ["power.*"]}}, {"power", "power_a"}),
        (
            {"device_options": {"filtered_cache": ["power"]}, "devices": {"0x1": {"filtered_cache": ["energy"]}}},
            {"energy"},
        ),
        ({"device_options": {"filtered_cache": ["^(power|energy|voltage)(_.*)?$"]}}, {"power", "energy", "power_a"}),
        ({"device_options": {"filtered_cache": ["(", 7, "x" * 200]}}, set()),
        ({"device_options": {"filtered_cache": "power"}, "devices": []}, set()),
    ],
)
def test_what_is_fresh_follows_from_the_configuration(configuration: dict[str, Any], fresh: set[str]) -> None:
    assert fresh_properties(configuration, "0x1", ["power", "energy", "power_a"]) == fresh


@pytest.mark.parametrize(
    "pattern", [r"((\w+)+)+!", r"(\w*){1,30}!", r"\w*" * 30 + "!", r"(|\w)" * 19 + "!", r"\w?" * 33]
)
def test_a_pattern_that_would_take_for_ever_is_not_tried(pattern: str) -> None:
    configuration = {"device_options": {"filtered_cache": [pattern, "power"] * 1000}}
    assert fresh_properties(configuration, "0x1", ["power", "current_abcdefghijkl"]) == {"power"}


def test_times_are_approximate_where_last_seen_is_off() -> None:
    assert tells_last_seen({"advanced": {"last_seen": "epoch"}})
    assert not tells_last_seen({"advanced": {"last_seen": "disable"}})
    assert not tells_last_seen({})


# --- nothing breaks it

values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=12), inner, max_size=5)),
    max_leaves=12,
)
bridge = [f"bridge/{kind}" for kind in ("state", "info", "devices", "groups", "event", "logging", "health")]
topics = st.sampled_from(["101,2", "a/availability", "bridge/response/backup", *bridge])
keys = ["state", "power", "energy", "last_seen", "linkquality", "device", "config", "network", "data", "definition"]


@given(topics, st.one_of(st.binary(max_size=60), st.dictionaries(st.sampled_from(keys), values), st.lists(values)))
def test_any_payload_is_read_or_refused_by_name(rest: str, payload: Any) -> None:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    with suppress(Rejected):
        parse(rest, body, frozenset())


# --- the real thing


def captured() -> Iterator[tuple[bool, str, bytes]]:
    with CAPTURE.open(encoding="utf-8") as lines:
        for line in lines:
            if not line.startswith("#"):
                retained, _, topic, *payload = line.rstrip("\n").split(" ", 3)
                yield retained == "1", topic.removeprefix("zigbee2mqtt_area2/"), "".join(payload).encode()


@pytest.mark.skipif(not CAPTURE.exists(), reason="needs the recorded traffic ../shared/captures/area2.txt")
def test_every_message_of_the_recorded_traffic_is_understood() -> None:
    told = [parse(rest, payload) for _, rest, payload in captured()]
    kinds = {type(message) for message in told}
    assert {State, Availability, BridgeState, BridgeInfo, Inventory, Groups, Event, LogLine, Health, Response} <= kinds
    assert sum(isinstance(message, State) and message.is_from_cache for message in told) == 19


def test_whether_a_device_is_known_to_zigbee2mqtt_is_read() -> None:
    (device,) = inventory(listed(supported=False)).devices
    assert device.supported is False


def test_a_device_says_that_its_firmware_is_being_replaced() -> None:
    told = [parse("a", json.dumps({"update": update}).encode()) for update in ({"state": "updating"}, {}, None, "no")]
    assert [isinstance(state, State) and state.is_updating for state in told] == [True, False, False, False]
