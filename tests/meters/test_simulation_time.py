"""What the simulation keeps over a restart, and its clock."""

from dataclasses import replace
from typing import Any

import pytest

from meters.simulation import configuration, faults, memory, site
from meters.simulation.agenda import Agenda
from meters.simulation.instance import Instance
from tests.meters.test_simulation import NOW, SET_OFF, area, run, send, started, states
from tests.meters.test_simulation_faults import availability

# --- memory ---------------------------------------------------------------------------------------------------


def test_counters_names_and_relays_survive_a_restart_of_the_script(tmp_path: Any) -> None:
    file = tmp_path / "run" / "simulation.json"
    before = started("101", "102")
    send(before, "bridge/request/device/rename", '{"from":"101","to":"x"}')
    send(before, "102/set", SET_OFF)
    memory.save(file, [before])

    after = Instance(area("101", "102"), Agenda(before.agenda.now + 600))
    memory.load(file, [after])

    renamed, off = after.network.find("x"), after.network.find("102")
    assert renamed is not None
    assert off is not None
    assert not off.meter.relay
    saved_kwh = before.network.devices[renamed.ieee].meter.counter_kwh
    renamed.meter.count(after.agenda.now)
    assert saved_kwh < renamed.meter.counter_kwh < saved_kwh + 1


def test_devices_were_not_missed_while_only_the_script_was_away(tmp_path: Any) -> None:
    """A real Zigbee2MQTT would have gone on hearing them: after hours of ours its first word is no "offline"."""
    before = started("101", "102")
    run(before, 60)
    memory.save(tmp_path / "s.json", [before])

    after = Instance(area("101", "102"), Agenda(before.agenda.now + 7200))
    memory.load(tmp_path / "s.json", [after])
    after.start()
    told = availability(run(after, 30))

    assert {state for _, state in told} == {"online"}
    assert {name for name, _ in told} == {"101", "102"}


def test_a_replacement_survives_a_restart_of_the_script(tmp_path: Any) -> None:
    before = started()
    faults.control(before, "101", {"cmd": "replace"})
    run(before, 10)
    memory.save(tmp_path / "s.json", [before])

    after = Instance(area("101"), Agenda(NOW + 60))
    memory.load(tmp_path / "s.json", [after])

    found = after.network.find("101")
    assert found is not None
    assert found.ieee != site.ieee_address("101")


def test_a_smaller_run_forgets_nothing_of_a_larger_one(tmp_path: Any) -> None:
    file = tmp_path / "s.json"
    large = started("101", "102")
    large.network.devices[site.ieee_address("102")].meter.set_counter(7777, NOW + 1)
    memory.save(file, [large])
    memory.save(file, [started("101")])

    after = Instance(area("101", "102"), Agenda(NOW + 60))
    memory.load(file, [after])

    assert after.network.devices[site.ieee_address("102")].meter.counter_kwh >= 7777


@pytest.mark.parametrize("text", ["{", '{"zigbee2mqtt_area2":[]}'])
def test_a_damaged_or_older_memory_is_no_memory(tmp_path: Any, text: str) -> None:
    file = tmp_path / "s.json"
    file.write_text(text)
    instance = Instance(area("101"), Agenda(NOW))

    memory.load(file, [instance])

    assert instance.network.find("101") is not None


# --- the agenda -------------------------------------------------------------------------------------------------


def test_agenda_goes_in_order_of_time_and_of_asking() -> None:
    agenda, done = Agenda(0.0), []
    agenda.at(2, lambda: done.append("c"))
    agenda.at(1, lambda: done.append("a"))
    agenda.at(1, lambda: done.append("b"))

    agenda.run_until(1)
    assert done == ["a", "b"]
    agenda.run_until(2)
    assert done == ["a", "b", "c"]


def test_what_was_missed_in_sleep_is_not_made_up_for() -> None:
    instance = started()
    instance.agenda.shift(3600)

    assert len(states(run(instance, 61))) <= 5


def test_speed_shortens_intervals_and_leaves_energy_alone() -> None:
    slow, fast = (Instance(area("101"), Agenda(NOW), speed=speed) for speed in (1.0, 10.0))
    for instance in (slow, fast):
        instance.start()
        run(instance, 600)

    kwh = [i.network.devices[site.ieee_address("101")].meter for i in (slow, fast)]
    for meter in kwh:
        meter.count(NOW + 600)
    assert kwh[0].counter_kwh == pytest.approx(kwh[1].counter_kwh)
    assert fast.network.published > 5 * slow.network.published


def test_the_well_configured_area_is_as_recommended() -> None:
    best = configuration.of("zigbee2mqtt")

    assert replace(best, pause_on_backoff_gt=0) != best
    assert best.filtered_cache == ("^power$", "^current$", "^voltage$", "^energy$", "^state$")
    assert (best.qos, best.include_device_information, best.pause_on_backoff_gt) == (1, True, 15)
