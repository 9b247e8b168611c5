"""The simulated Zigbee2MQTT obeys, fails and answers requests as the real one does."""

import base64
import io
import json
import zipfile
from typing import Any

import pytest

from meters.simulation import backup, configuration, faults, site
from meters.simulation.agenda import Agenda
from meters.simulation.configuration import Configuration
from meters.simulation.instance import Instance
from meters.simulation.network import Publication
from tests.meters.test_simulation import NOW, SET_OFF, area, below, errors, quiet, run, send, started, states

# --- commands -----------------------------------------------------------------------------------------------


def test_acknowledgement_shows_the_old_state_then_the_echo_then_the_relay_then_power() -> None:
    instance = started()
    quiet(instance)
    device = instance.network.find("101")
    assert device is not None
    device.meter.draw(500, instance.agenda.now)

    found = states(send(instance, "101/set", SET_OFF))

    assert [state["state"] for state in found] == ["ON", "OFF", "OFF", "OFF", "OFF"]
    assert found[0]["last_seen"] == found[1]["last_seen"] < found[2]["last_seen"] < found[3]["last_seen"]
    assert found[3]["current"] == 0
    assert found[4]["power"] == 0


def test_without_last_seen_there_is_no_message_for_the_acknowledgement() -> None:
    instance = started(last_seen="disable")
    quiet(instance)

    assert states(send(instance, "101/set", SET_OFF))[0]["state"] == "OFF"


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("101/set", SET_OFF),
        ("101/set", "OFF"),
        ("101/set", "TOGGLE"),
        ("101/set/state", "OFF"),
        (f"{site.ieee_address('101')}/set", SET_OFF),
    ],
)
def test_every_way_to_say_off_switches_off(topic: str, payload: str) -> None:
    instance = started()
    quiet(instance)

    found = states(send(instance, topic, payload))

    assert found[-1]["state"] == "OFF"
    assert not instance.network.devices[site.ieee_address("101")].meter.relay


def test_a_name_with_a_slash_is_understood() -> None:
    instance = started("service/vaskehus")
    quiet(instance)

    assert states(send(instance, "service/vaskehus/set", SET_OFF), "vaskehus")[-1]["state"] == "OFF"


def test_toggle_has_no_echo_where_the_state_is_not_cached() -> None:
    instance = started(filtered_cache=configuration.MEASUREMENTS)
    quiet(instance)

    found = states(send(instance, "101/set", "TOGGLE", seconds=1))

    assert [state.get("state") for state in found] == [None, "OFF"]


@pytest.mark.parametrize("mode", ["stuck", "refuse"])
def test_a_relay_that_does_not_move_echoes_all_the_same(mode: str) -> None:
    instance = started()
    quiet(instance)
    faults.control(instance, "101", {"cmd": mode})

    echoed = states(send(instance, "101/set", SET_OFF))
    read = states(send(instance, "101/get", '{"state":""}'))

    assert [state["state"] for state in echoed] == ["ON", "OFF"]
    assert [state["state"] for state in read] == ["ON"]


@pytest.mark.parametrize(("mode", "text"), [("offline", "Delivery failed for"), ("deaf", "timed out after 10000ms")])
def test_a_command_that_fails_is_only_an_error_line(mode: str, text: str) -> None:
    instance = started()
    quiet(instance)
    faults.control(instance, "101", {"cmd": mode})

    found = send(instance, "101/set", SET_OFF, seconds=15)

    assert states(found) == []
    assert errors(found)[0].startswith("z2m: Publish 'set' 'state' to '101' failed: 'Error: ZCL command 0x")
    assert text in errors(found)[0]


def test_a_read_brings_fresh_values_in_one_message() -> None:
    instance = started(filtered_cache=configuration.MEASUREMENTS)
    quiet(instance)
    asked = '{"read":{"cluster":"haElectricalMeasurement","attributes":["activePower","rmsCurrent"]}}'

    found = states(send(instance, "101/set", asked))

    assert [state.keys() & {"power", "current", "voltage", "energy"} for state in found] == [{"power", "current"}]


@pytest.mark.parametrize(
    ("topic", "payload", "line"),
    [
        ("101/get", '{"energy":""}', "z2m: No converter available for 'energy' on '101': (\"\")"),
        ("nobody/set", "ON", "z2m: Entity 'nobody' is unknown"),
        ("101/set", "nonsense", "z2m: Invalid message 'undefined', skipping..."),
        (
            "101/set",
            '{"state":"BLA"}',
            "z2m: Publish 'set' 'state' to '101' failed: 'Error: 'bla' not allowed, choose between: toggle,off,on'",
        ),
    ],
)
def test_what_cannot_be_done_is_the_true_error_line(topic: str, payload: str, line: str) -> None:
    instance = started()
    quiet(instance)

    assert errors(send(instance, topic, payload)) == [line]


def test_a_transaction_in_a_set_is_an_error_and_the_command_runs() -> None:
    instance = started()
    quiet(instance)

    found = send(instance, "101/set", '{"state":"OFF","transaction":"x"}')

    assert errors(found) == ["z2m: No converter available for 'transaction' on '101': (\"x\")"]
    assert states(found)[-1]["state"] == "OFF"


def test_publications_are_repeated_on_logging_where_the_level_says_so() -> None:
    instance = Instance(area("101"), Agenda(NOW), configuration=Configuration(log_mqtt=True))
    instance.start()
    publications = run(instance, 61)

    place = below(publications).index("101")
    echo = json.loads(publications[place - 1].payload)["message"]

    assert echo.startswith("z2m:mqtt: MQTT publish: topic 'zigbee2mqtt_area2/101', payload '{")


# --- requests -----------------------------------------------------------------------------------------------


def response(publications: list[Publication], name: str) -> dict[str, Any]:
    found = [p.payload for p in publications if p.topic.endswith(f"bridge/response/{name}")]
    answer: dict[str, Any] = json.loads(found[0])
    return answer


def test_a_rename_has_the_exact_sequence_of_messages() -> None:
    instance = started("101", "102")
    quiet(instance)

    found = send(instance, "bridge/request/device/rename", '{"from":"101","to":"x 1","transaction":"r1"}')

    assert [(t, p.payload == "", p.retain, p.qos) for t, p in zip(below(found), found, strict=True)] == [
        ("101", True, True, 0),
        ("101/availability", True, True, 1),
        ("bridge/devices", False, True, 0),
        ("bridge/info", False, True, 0),
        ("x 1", False, False, 0),
        ("bridge/response/device/rename", False, False, 0),
        ("x 1/availability", False, True, 1),
    ]
    assert response(found, "device/rename") == {
        "data": {"from": "101", "homeassistant_rename": False, "to": "x 1"},
        "status": "ok",
        "transaction": "r1",
    }


@pytest.mark.parametrize(
    ("source", "target", "error"),
    [
        ("nix", "b", "Device 'nix' does not exist"),
        ("101", "102", "friendly_name '102' is already in use"),
        ("101", "a/1", "Friendly name cannot end with a \"/DIGIT\" ('a/1')"),
        ("101", "a+b", "MQTT wildcard (+ and #) not allowed in friendly_name ('a+b')"),
    ],
)
def test_an_impossible_rename_is_refused(source: str, target: str, error: str) -> None:
    instance = started("101", "102")
    payload = json.dumps({"from": source, "to": target, "transaction": "o"})

    found = send(instance, "bridge/request/device/rename", payload)

    answer = response(found, "device/rename")
    assert answer == {"data": {}, "error": error, "status": "error", "transaction": "o"}


def test_an_unknown_request_gets_no_answer() -> None:
    instance = started()
    quiet(instance)

    assert send(instance, "bridge/request/nonsense", "{}") == []


def test_a_removed_device_keeps_its_retained_availability() -> None:
    instance = started("101", "102")
    quiet(instance)

    found = send(instance, "bridge/request/device/remove", '{"id":"101"}')

    assert below(found) == [
        "101",
        "bridge/groups",
        "bridge/devices",
        "bridge/definitions",
        "bridge/response/device/remove",
    ]
    assert errors(send(instance, "101/set", "ON")) == ["z2m: Entity '101' is unknown"]


def test_joining_is_open_for_as_long_as_asked() -> None:
    instance = started()

    found = send(instance, "bridge/request/permit_join", '{"time":20}', seconds=1)
    later = run(instance, 25)

    opened, closed = ([json.loads(p.payload) for p in f if p.topic.endswith("bridge/info")] for f in (found, later))
    assert opened[0]["permit_join"]
    assert opened[0]["permit_join_end"] == pytest.approx((NOW + 21) * 1000, abs=100)
    assert not closed[0]["permit_join"]
    assert "permit_join_end" not in closed[0]


def test_a_restart_answers_goes_and_comes_back() -> None:
    instance = started()
    quiet(instance)

    found = send(instance, "bridge/request/restart", "{}", seconds=3)

    bridge = [json.loads(p.payload)["state"] for p in found if p.topic.endswith("bridge/state")]
    assert below(found)[0] == "bridge/response/restart"
    assert bridge == ["offline", "online"]


def test_a_backup_holds_the_four_files() -> None:
    found = send(started(), "bridge/request/backup", "{}")

    packed = base64.b64decode(response(found, "backup")["data"]["zip"])
    names = zipfile.ZipFile(io.BytesIO(packed)).namelist()
    assert sorted(names) == ["configuration.yaml", "coordinator_backup.json", "database.db", "state.json"]


def test_backups_fail_as_they_are_told_to() -> None:
    instance = started()
    answers = {}
    for mode in backup.MODES:
        faults.control(instance, "adapter", {"cmd": f"backup_{mode}"})
        told = [p for p in send(instance, "bridge/request/backup", "{}") if p.topic.endswith("response/backup")]
        answers[mode] = json.loads(told[0].payload) if told else None

    assert answers["silent"] is None
    assert answers["refused"]["status"] == "error"
    assert answers["ok"]["data"]["zip"].startswith(answers["broken"]["data"]["zip"])
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(base64.b64decode(answers["broken"]["data"]["zip"])))


def test_finer_reporting_of_the_counter_is_obeyed() -> None:
    instance = started(filtered_cache=configuration.MEASUREMENTS)
    wanted = {
        "id": "101",
        "endpoint": 1,
        "cluster": "seMetering",
        "attribute": "currentSummDelivered",
        "minimum_report_interval": 60,
        "maximum_report_interval": 600,
        "reportable_change": 10,
    }

    found = send(instance, "bridge/request/device/reporting/configure", json.dumps(wanted))
    counters = [s for s in states(run(instance, 3600)) if "energy" in s]

    assert response(found, "device/reporting/configure")["status"] == "ok"
    assert len(counters) >= 5


def test_options_are_changed_while_it_runs() -> None:
    instance = started()
    changed = '{"options":{"availability":{"active":{"pause_on_backoff_gt":15}}}}'

    found = send(instance, "bridge/request/options", changed)

    info = next(json.loads(p.payload) for p in found if p.topic.endswith("bridge/info"))
    assert info["config"]["availability"]["active"]["pause_on_backoff_gt"] == 15
    assert response(found, "options")["data"] == {"restart_required": True}
