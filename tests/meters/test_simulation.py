"""The simulated campsite keeps Zigbee2MQTT's manners: plan, physics, states, start. The clock is turned by hand."""

import json
from typing import Any

import pytest

from meters.simulation import configuration, load, site
from meters.simulation.agenda import Agenda
from meters.simulation.configuration import Configuration
from meters.simulation.instance import Instance
from meters.simulation.load import Load
from meters.simulation.network import Publication, without

NOW = 1_795_449_600.0  # 23 November 2026, 17:00 on the campsite
SET_OFF = '{"state":"OFF"}'


def area(*names: str, kind: site.type_of_device = "meter", base: str = "zigbee2mqtt_area2") -> site.SimulatedArea:
    devices = tuple(site.SimulatedDevice(site.ieee_address(name), name, kind, "touring", name, True) for name in names)
    return site.SimulatedArea("test", "Test", base, 20, True, devices)


def started(
    *names: str, kind: site.type_of_device = "meter", base: str = "zigbee2mqtt_area2", **options: Any
) -> Instance:
    """An instance that has said everything that it says at its start; all relays are on."""
    settled = Configuration(**{"log_mqtt": False, "log_level": "error"} | options)
    instance = Instance(area(*(names or ("101",)), kind=kind, base=base), Agenda(NOW), configuration=settled)
    for device in instance.network.devices.values():
        device.meter.relay = True
    instance.start()
    run(instance, 1)
    instance.take()
    return instance


def run(instance: Instance, seconds: float) -> list[Publication]:
    instance.agenda.run_until(instance.agenda.now + seconds)
    return instance.take()


def send(instance: Instance, topic: str, payload: str, seconds: float = 5.0) -> list[Publication]:
    instance.receive(f"{instance.base_topic}/{topic}", payload)
    return run(instance, seconds)


def below(publications: list[Publication]) -> list[str]:
    return [publication.topic.split("/", 1)[1] for publication in publications]


def states(publications: list[Publication], name: str = "101") -> list[dict[str, Any]]:
    return [json.loads(p.payload) for p in publications if p.topic.endswith(f"/{name}") and p.payload]


def errors(publications: list[Publication]) -> list[str]:
    return [json.loads(p.payload)["message"] for p in publications if p.topic.endswith("bridge/logging")]


def quiet(instance: Instance) -> None:
    """No reports by itself: only what a test asks for."""
    for device in instance.network.devices.values():
        instance.reports._next_counter[device.ieee] = float("inf")
    instance.reports.measurements = lambda device: None  # type: ignore[method-assign]


# --- the plan -----------------------------------------------------------------------------------------


def test_plan_is_the_campsite_of_december_2025() -> None:
    areas = site.plan()

    assert [len(a.devices) for a in areas] == [79, 47, 79, 59, 3, 0, 1]
    assert [a.base_topic for a in areas][1] == "zigbee2mqtt_area2"
    assert [a.in_service for a in areas] == [True, True, True, True, False, False, False]


def test_plan_has_the_names_that_staff_gave() -> None:
    names = {device.name for a in site.plan() for device in a.devices}

    assert {"101,2", "F72", "Hytte 26", "hytte 35", "X1", "Kontor", "repeater - plads 207 v hæk"} <= names
    assert "service/vaskehus" in names


def test_plan_shrinks_in_proportion_and_keeps_addresses() -> None:
    small, large = site.plan(40), site.plan()

    assert all(len(a.devices) >= 3 for a in small[:4])
    assert sum(d.kind == "meter" for a in small for d in a.devices) == pytest.approx(39, abs=3)
    assert small[0].devices == large[0].devices[: len(small[0].devices)]


def test_addresses_and_names_are_unique() -> None:
    devices = [device for a in site.plan() for device in a.devices]

    assert len({d.ieee_address for d in devices}) == len(devices)
    assert len({d.name for d in devices}) == len(devices)


def test_a_second_meter_names_the_pitch_of_the_first() -> None:
    by_name = {device.name: device for a in site.plan() for device in a.devices}

    assert by_name["101,2"].pitch_number == "101"
    assert by_name["hytte 35"].pitch_kind == "cabin"


# --- load and counter -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["touring", "seasonal", "cabin", "service"])
def test_energy_is_the_integral_of_power(kind: site.type_of_pitch) -> None:
    pitch = Load(kind, seed=4711)

    by_second = sum(load.power_w(pitch, NOW + second) for second in range(3600)) / 3_600_000

    assert load.energy_kwh(pitch, NOW, NOW + 3600) == pytest.approx(by_second)
    assert by_second > 0


def test_power_stays_below_the_breaker_and_an_empty_pitch_draws_nothing() -> None:
    pitches = [Load(kind, seed) for kind in ("touring", "cabin") for seed in range(20)]

    assert max(load.power_w(pitch, NOW + 600 * n) for pitch in pitches for n in range(144)) <= load.BREAKER_W
    assert load.power_w(Load("touring", 7, occupied=False), NOW) == 0


def test_a_day_costs_what_a_day_on_a_campsite_costs() -> None:
    kwh = [load.energy_kwh(Load("touring", seed), NOW, NOW + 86_400) for seed in range(30)]

    assert 2 < sum(kwh) / len(kwh) < 25


def test_a_restart_finds_the_same_energy_as_a_run_without_one() -> None:
    pitch = Load("cabin", 99)

    halves = load.energy_kwh(pitch, NOW, NOW + 1234.5) + load.energy_kwh(pitch, NOW + 1234.5, NOW + 3000)

    assert halves == pytest.approx(load.energy_kwh(pitch, NOW, NOW + 3000))


def test_reported_counters_never_fall() -> None:
    instance = started("101", "102")

    found = states(run(instance, 4 * 3600))

    counters = [state["energy"] for state in found]
    assert len(found) > 4 * 60 * 3
    assert counters == sorted(counters)
    assert counters[-1] > counters[0]


def test_published_energy_grows_by_published_power() -> None:
    instance = started()
    device = instance.network.find("101")
    assert device is not None
    device.meter.draw(1000, instance.agenda.now)
    device.meter.set_counter(100, instance.agenda.now)

    run(instance, 3600)
    found = send(instance, "101/set", '{"read":{"cluster":"seMetering","attributes":["currentSummDelivered"]}}')

    assert states(found)[0]["energy"] == pytest.approx(101, abs=0.02)
    assert states(found)[0]["power"] == 1000


def test_counter_comes_each_hour_or_with_each_2_57_kwh() -> None:
    instance = started(filtered_cache=configuration.MEASUREMENTS)
    device = instance.network.find("101")
    assert device is not None
    device.meter.draw(100, instance.agenda.now)

    run(instance, 300)
    idle = [s for s in states(run(instance, 7 * 3600)) if "energy" in s]
    device.meter.draw(3500, instance.agenda.now)
    busy = [s for s in states(run(instance, 7 * 3600)) if "energy" in s]

    assert 6 <= len(idle) <= 8
    assert 9 <= len(busy) <= 11


# --- states ---------------------------------------------------------------------------------------------


def test_one_report_is_three_messages_with_one_last_seen() -> None:
    instance = started()

    found = states(run(instance, 61))

    assert len(found) >= 3
    assert len({state["last_seen"] for state in found}) == 1
    assert {"power", "current", "voltage"} <= found[-1].keys()


def test_the_whole_cache_comes_with_each_message() -> None:
    instance = started()

    first = states(run(instance, 61))[0]

    assert {"power", "current", "voltage", "energy", "state", "power_outage_memory"} <= first.keys()


def test_filtered_cache_shows_only_what_was_just_received() -> None:
    instance = started(filtered_cache=configuration.MEASUREMENTS)

    found = states(run(instance, 61))[:3]

    measured = [state.keys() & {"power", "current", "voltage", "energy", "state"} for state in found]
    assert sorted(map(len, measured)) == [1, 1, 1]
    assert set.union(*map(set, measured)) == {"power", "current", "voltage"}
    assert all(state["power_outage_memory"] == "restore" for state in found)


def test_a_filter_matches_whole_names() -> None:
    message = {"power": 1, "power_outage_memory": "restore", "state": "ON"}

    assert without(("power",), message) == {"power_outage_memory": "restore", "state": "ON"}
    assert without(("^power.*$",), message) == {"state": "ON"}


def test_polled_measurements_come_in_one_message() -> None:
    instance = started(filtered_cache=configuration.MEASUREMENTS, bundled=True)

    assert {"power", "current", "voltage"} <= states(run(instance, 61))[0].keys()


@pytest.mark.parametrize(
    ("last_seen", "kind", "looks_like"),
    [("ISO_8601", str, "2026-11-23T16:00:"), ("ISO_8601_local", str, "2026-11-23T17:00:"), ("epoch", int, "17954496")],
)
def test_last_seen_has_the_configured_format(last_seen: str, kind: type, looks_like: str) -> None:
    instance = started(last_seen=last_seen)

    shown = states(run(instance, 59))[0]["last_seen"]

    assert isinstance(shown, kind)
    assert str(shown).startswith(looks_like)


def test_last_seen_and_device_are_left_out_and_put_in_as_configured() -> None:
    bare = states(run(started(last_seen="disable"), 61))[0]
    full = states(run(started(include_device_information=True), 61))[0]

    assert not {"last_seen", "device"} & bare.keys()
    assert full["device"]["ieeeAddr"] == site.ieee_address("101")


def test_home_assistant_fills_unknown_properties_with_null() -> None:
    instance = started(homeassistant=True, filtered_cache=configuration.MEASUREMENTS)

    found = states(run(instance, 61))[0]

    assert found["energy"] is None
    assert found["state"] is None


def test_three_phases_have_no_single_power() -> None:
    instance = started("3f", kind="three_phase")

    found = states(run(instance, 61), "3f")

    assert not {"power", "voltage", "current"} & found[-1].keys()
    assert {f"{what}_{phase}" for what in ("voltage", "current", "power") for phase in "abc"} <= found[-1].keys()
    assert "energy" in found[-1]


def test_a_repeater_shows_only_that_it_lives() -> None:
    instance = started("r", kind="repeater")

    found = states(run(instance, 300), "r")

    assert found
    assert all(state.keys() == {"last_seen", "linkquality"} for state in found)


# --- start and end ------------------------------------------------------------------------------------------


def test_start_goes_in_the_order_of_zigbee2mqtt() -> None:
    instance = Instance(area("101", "102"), Agenda(NOW), configuration=Configuration(log_mqtt=False))
    instance.start()

    said = below(run(instance, 0.2))

    assert said[:12] == [
        "bridge/state",
        "bridge/converters",
        "bridge/info",
        "bridge/devices",
        "bridge/groups",
        "bridge/definitions",
        "101/availability",
        "102/availability",
        "bridge/extensions",
        "101",
        "102",
        "bridge/logging",
    ]


def test_cached_states_at_the_start_are_old_and_have_no_linkquality() -> None:
    instance = Instance(area("101"), Agenda(NOW), configuration=Configuration(last_seen="epoch"))
    instance.start()

    cached = states(run(instance, 0.1))[0]

    assert "linkquality" not in cached
    assert cached["last_seen"] < NOW * 1000
    assert "power" in cached


def test_flags_of_the_publications_are_those_of_zigbee2mqtt() -> None:
    instance = Instance(area("101"), Agenda(NOW), configuration=Configuration(qos=1))
    instance.start()
    flags = {p.topic.split("/", 1)[1]: (p.retain, p.qos) for p in run(instance, 61)}
    instance.stop()

    assert flags["bridge/state"] == flags["101/availability"] == flags["bridge/health"] == (True, 1)
    assert flags["bridge/info"] == flags["bridge/devices"] == (True, 0)
    assert flags["101"] == (False, 1)
    assert flags["bridge/logging"] == (False, 0)
    last = next(p for p in instance.take() if p.topic.endswith("bridge/state"))
    assert (last.retain, last.qos, last.payload) == (True, 0, '{"state":"offline"}')


def test_nothing_is_said_after_the_end() -> None:
    instance = started()
    instance.kill()
    instance.take()

    assert run(instance, 600) == []


def test_a_start_after_the_end_speaks_with_one_voice() -> None:
    instance = started()
    instance.stop()
    run(instance, 1)
    instance.start()
    run(instance, 1)

    assert 57 <= len(states(run(instance, 19 * 60))) <= 57 + 4


def test_after_a_broken_connection_only_the_bridge_speaks() -> None:
    instance = started()
    instance.reconnected()

    assert [(p.topic, p.payload) for p in instance.take()] == [("zigbee2mqtt_area2/bridge/state", '{"state":"online"}')]
