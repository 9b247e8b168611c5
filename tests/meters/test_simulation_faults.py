"""Trouble in the simulation: who counts as away, and when; what each fault shows."""

import json

import pytest

from meters.simulation import configuration, faults, site
from meters.simulation.network import Publication
from tests.meters.test_simulation import SET_OFF, errors, quiet, run, send, started, states


def availability(publications: list[Publication]) -> list[tuple[str, str]]:
    return [
        (p.topic.split("/")[-2], json.loads(p.payload)["state"])
        for p in publications
        if p.topic.endswith("/availability") and p.payload
    ]


def test_a_silent_device_goes_offline_after_the_timeout_and_comes_back_at_once() -> None:
    instance = started("101", "102", "103", timeout_min=2)
    faults.control(instance, "101", {"cmd": "offline"})

    before = availability(run(instance, 115))
    away = availability(run(instance, 60))
    faults.control(instance, "101", {"cmd": "ok"})
    back = run(instance, 61)

    assert before == []
    assert away == [("101", "offline")]
    assert availability(back) == [("101", "online")]


def test_a_device_that_came_back_is_asked_for_its_state() -> None:
    instance = started(filtered_cache=configuration.MEASUREMENTS)
    faults.control(instance, "101", {"cmd": "offline"})
    run(instance, 240)
    instance.reports._next_counter.clear()
    instance.reports._next_counter[site.ieee_address("101")] = float("inf")
    faults.control(instance, "101", {"cmd": "ok"})

    assert "state" in [key for state in states(run(instance, 70)) for key in state]


def test_an_announcement_is_an_event_and_the_state_is_read_once() -> None:
    instance = started(filtered_cache=configuration.MEASUREMENTS)
    quiet(instance)

    faults.control(instance, "101", {"cmd": "announce"})
    faults.control(instance, "101", {"cmd": "announce"})
    found = run(instance, 10)

    assert [json.loads(p.payload)["type"] for p in found if p.topic.endswith("event")] == ["device_announce"] * 2
    assert [state.get("state") for state in states(found)] == [None, None, "ON"]


def test_an_announcement_before_any_frame_is_fresh_without_linkquality() -> None:
    """So a missing linkquality alone does not prove that a message is from the cache (seen with the real Z2M)."""
    instance = started(last_seen="epoch")

    faults.control(instance, "101", {"cmd": "announce"})

    first = states(instance.take())[0]
    assert "linkquality" not in first
    assert first["last_seen"] == round(instance.agenda.now * 1000)


def test_a_device_that_left_keeps_its_name_and_one_that_was_removed_does_not() -> None:
    instance = started("101", "102", "103")
    quiet(instance)
    faults.control(instance, "101", {"cmd": "leave"})
    send(instance, "bridge/request/device/remove", '{"id":"102"}')

    refused = send(instance, "bridge/request/device/rename", '{"from":"103","to":"101"}')
    taken = send(instance, "bridge/request/device/rename", '{"from":"103","to":"102"}')

    assert '"status":"error"' in next(p.payload for p in refused if "response" in p.topic)
    assert '"status":"ok"' in next(p.payload for p in taken if "response" in p.topic)


def test_a_join_shows_its_interview() -> None:
    instance = started()
    quiet(instance)
    faults.control(instance, "101", {"cmd": "leave"})
    instance.take()

    faults.control(instance, "101", {"cmd": "join"})
    found = run(instance, 5)

    lists = [json.loads(p.payload)[1] for p in found if p.topic.endswith("bridge/devices")]
    progress = [entry["interview_state"] for entry in lists]
    assert progress == ["IN_PROGRESS", "IN_PROGRESS", "SUCCESSFUL", "SUCCESSFUL"]


def test_mass_loss_shows_one_by_one() -> None:
    names = [str(number) for number in range(101, 121)]
    instance = started(*names, timeout_min=2)
    faults.control(instance, "all", {"cmd": "mass_loss", "share": 1.0})

    soon = availability(run(instance, 180))
    later = availability(run(instance, 600))

    assert 1 <= len(soon) <= 6
    assert len(soon) + len(later) == 20


def test_pinging_pauses_where_it_is_configured() -> None:
    counts = []
    for limit in (0, 1):
        instance = started(pause_on_backoff_gt=limit, log_level="warning")
        faults.control(instance, "101", {"cmd": "offline"})
        found = run(instance, 2 * 3600)
        counts.append(sum("Failed to ping" in line for line in errors(found)))

    assert counts[1] == 2 < counts[0]


def test_a_deaf_device_stays_online() -> None:
    instance = started()
    faults.control(instance, "101", {"cmd": "deaf"})

    assert availability(run(instance, 900)) == []


def test_a_leave_says_no_offline() -> None:
    instance = started()
    quiet(instance)

    faults.control(instance, "101", {"cmd": "leave"})
    found = run(instance, 600)

    events = [json.loads(p.payload) for p in found if p.topic.endswith("bridge/event")]
    assert events == [
        {"data": {"friendly_name": "101", "ieee_address": site.ieee_address("101")}, "type": "device_leave"}
    ]
    assert availability(found) == []


def test_a_replacement_takes_the_name_with_a_new_address_and_counter() -> None:
    instance = started()

    faults.control(instance, "101", {"cmd": "replace"})
    found = run(instance, 10)

    device = instance.network.find("101")
    assert device is not None
    assert device.ieee != site.ieee_address("101")
    assert device.meter.counter_kwh < 1
    kinds = [json.loads(p.payload)["type"] for p in found if p.topic.endswith("bridge/event")]
    assert kinds == ["device_leave", "device_joined", "device_interview", "device_interview"]


def test_a_counter_that_fell_is_told_at_once() -> None:
    instance = started()
    quiet(instance)

    faults.control(instance, "101", {"cmd": "counter_reset"})

    assert states(run(instance, 1))[-1]["energy"] == 0


def test_an_override_lies() -> None:
    instance = started()
    faults.control(instance, "101", {"cmd": "override", "attrs": {"rmsVoltage": 47}})

    assert states(run(instance, 61))[2]["voltage"] == 47


def test_a_welded_relay_says_off_and_takes_no_power_but_current_and_energy_flow_on() -> None:
    instance = started()
    quiet(instance)
    device = instance.network.find("101")
    assert device is not None
    device.meter.draw(1000, instance.agenda.now)
    faults.control(instance, "101", {"cmd": "weld"})
    before_kwh = device.meter.counter_kwh

    found = states(send(instance, "101/set", SET_OFF))
    run(instance, 3600)
    device.meter.count(instance.agenda.now)

    assert found[-1]["state"] == "OFF"
    assert found[-1]["power"] == 0
    assert found[-1]["current"] > 4
    assert device.meter.counter_kwh - before_kwh == pytest.approx(1.0, abs=0.01)


def test_an_unknown_fault_is_named() -> None:
    with pytest.raises(faults.UnknownFault, match="unknown cmd explode"):
        faults.control(started(), "101", {"cmd": "explode"})
