"""The board beside the radio: what the real Zigbee2MQTT makes of simulated devices, and what we make of that.

Zigbee2MQTT, converters and their MQTT are the shipped ones; only the radio adapter is simulated (../shared/twin).
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from meters import live, notify
from meters.models import Area, CounterEpoch, Device, Meter, MeterState, RejectedMessage
from tests.meters import harness
from tests.meters.harness import FILTERED, Services, Twin, Workers, until

pytestmark = [
    pytest.mark.services,
    pytest.mark.twin,
    pytest.mark.mosquitto,
    pytest.mark.parametrize("broker", ["mosquitto"], indirect=True),
]

QUIET = {"log_namespaced_levels": {"z2m:mqtt": "warning"}}
RECOMMENDED = {
    "device_options": {"filtered_cache": FILTERED, "qos": 1},
    "mqtt": {"include_device_information": True},
    "advanced": QUIET,
}
SILENCE_S = 240.0
"""A device that is off the air is pinged after a minute; the pings of others come before."""


class World:
    """A worker, and as many Zigbee2MQTTs as a test asks for."""

    def __init__(self, services: Services, directory: Path, url: str, workers: Workers) -> None:
        self._services, self._directory, self._url, self.workers = services, directory, url, workers
        self.twins: list[Twin] = []

    def twin(self, base: str, devices: int, *options: str, **config: Any) -> Twin:
        Area.objects.create(name=base, slug=base, base_topic=base)
        notify.touch()
        twin = Twin(self._directory, self._services, self._url, base, devices, *options, **config)
        self.twins.append(twin)
        return twin

    def end(self) -> None:
        for twin in self.twins:
            twin.close()
        self.workers.end_all()


@pytest.fixture
def world(services: Services, broker: Any, twin_dir: Path, django_db_blocker: Any) -> Iterator[World]:
    database_url = services.new_database()
    with django_db_blocker.unblock(), harness.speaking_to(database_url):
        world = World(services, twin_dir, broker.url, Workers(services, database_url, broker.url))
        try:
            yield world
        finally:
            world.end()


# --- what the board says ---------------------------------------------------------------------------------------------


def board(twin: Twin) -> dict[str, dict[str, Any]]:
    """The meters of this area by name."""
    told = live.snapshot()
    area = next(area["id"] for area in told["areas"] if area["base_topic"] == twin.base)
    return {meter["name"]: meter for meter in told["meters"] if meter["area"] == area}


def area(twin: Twin) -> dict[str, Any]:
    told: list[dict[str, Any]] = live.snapshot()["areas"]
    return next(area for area in told if area["base_topic"] == twin.base)


def state(twin: Twin, name: str) -> MeterState:
    return MeterState.objects.get(meter__device__friendly_name=name, meter__device__area__base_topic=twin.base)


def wait_status(twin: Twin, name: str, status: str, reason: str = "", timeout_s: float = harness.PATIENCE_S) -> None:
    def found() -> bool:
        meter = board(twin)[name]
        return meter["online"] == status and reason in meter["reason"]

    until(found, f"{name} of {twin.base} to be {status} {reason}", timeout_s)


def wait_shown(twin: Twin, name: str, wanted: dict[str, Any]) -> None:
    until(lambda: wanted.items() <= board(twin)[name].items(), f"{name} of {twin.base} to show {wanted}")


def report(twin: Twin, device: int | str = "all") -> None:
    """Every device tells relay and measurements now."""
    for cluster, attributes in {
        "genOnOff": ["onOff"],
        "haElectricalMeasurement": ["rmsVoltage", "rmsCurrent", "activePower"],
        "seMetering": ["currentSummDelivered"],
    }.items():
        twin.control(device, cmd="report", cluster=cluster, attrs=attributes)


def fix(twin: Twin, device: int, **raw: int) -> None:
    """From now on the device measures this, and nothing changes by itself."""
    twin.control(device, cmd="override", attrs={"rmsVoltage": 230, "rmsCurrent": 2000, "activePower": 460} | raw)


# --- the steps -------------------------------------------------------------------------------------------------------


def check_inventory(twin: Twin, models: set[str]) -> None:
    """Every device is a meter under its name, and what it is."""
    names = {f"plug_{n + 1}" for n in range(twin.devices)}
    until(lambda: set(board(twin)) == names, f"the inventory of {twin.base}")
    devices = Device.objects.filter(area__base_topic=twin.base)
    assert set(devices.values_list("model", flat=True)) == models
    assert all(meter["has_relay"] and meter["kind"] == "single_phase" for meter in board(twin).values())
    assert (area(twin)["bridge"], area(twin)["version"], area(twin)["channel"]) == ("online", "2.14.1", 15)


def check_values(twin: Twin) -> None:
    """Relay, watts, volts and counter are the radio's."""
    for device in range(twin.devices):
        fix(twin, device, rmsVoltage=225 + device, activePower=100 + 10 * device)
    report(twin)
    for device in range(twin.devices):
        truth = twin.control(device, cmd="get")
        wanted = {"relay": truth["on"], "power_w": 100 + 10 * device, "voltage_v": 225.0 + device, "current_a": 2.0}
        wait_shown(twin, truth["name"], wanted | {"online": "online"})
        until(lambda name=truth["name"]: state(twin, name).counter_at, "the counter")  # type: ignore[misc]
        counter = state(twin, truth["name"]).counter_kwh
        assert counter is not None
        assert abs(counter - Decimal(truth["raw_energy"]) / 100) <= Decimal("0.02")


def check_times_of_values(twin: Twin, device: int, is_filtered: bool) -> None:
    """A report of the voltage says nothing of the power, although a caching Zigbee2MQTT repeats it."""
    name = f"plug_{device + 1}"
    before = state(twin, name)
    fix(twin, device, rmsVoltage=239, activePower=100 + 10 * device)
    twin.control(device, cmd="report", attrs=["rmsVoltage"])
    until(lambda: state(twin, name).voltage_v == 239, f"the new voltage of {name}")
    after = state(twin, name)
    assert after.voltage_at != before.voltage_at
    assert (after.power_at, after.relay_at) == (before.power_at, before.relay_at)
    assert after.heard_at is not None
    assert after.heard_at >= after.voltage_at  # it may have said something else meanwhile
    twin.control(device, cmd="report", attrs=["activePower"])  # the same as before
    until(lambda: state(twin, name).heard_at != after.heard_at, f"{name} to be heard")
    assert (state(twin, name).power_at != before.power_at) is is_filtered


def check_press(twin: Twin, device: int) -> None:
    """Somebody's hand on the device is seen, and then that no power flows."""
    name = f"plug_{device + 1}"
    twin.control(device, cmd="override", attrs={})
    twin.control(device, cmd="press", on=False)
    until(lambda: board(twin)[name]["relay"] is False, f"{name} to be off")
    report(twin, device)
    until(lambda: board(twin)[name]["power_w"] == 0, f"{name} to take nothing")
    twin.control(device, cmd="press", on=True)
    until(lambda: board(twin)[name]["relay"] is True, f"{name} to be on")


def check_rename(twin: Twin, device: int, new: str) -> None:
    """The same meter under another name, no ghost; and Zigbee2MQTT's order of messages, on which that stands."""
    old = f"plug_{device + 1}"
    before, mark = board(twin)[old], twin.listener.mark()
    twin.request("device/rename", **{"from": old, "to": new})
    until(lambda: new in board(twin), f"{old} to be {new}")
    report(twin, device)
    until(lambda: board(twin)[new]["heard_at"] != before["heard_at"], f"{new} to be heard")
    after = board(twin)
    assert old not in after
    assert (after[new]["id"], after[new]["ieee"]) == (before["id"], before["ieee"])
    assert after[new]["energy_kwh"] >= before["energy_kwh"]
    assert after[new]["online"] == "online"
    assert not RejectedMessage.objects.filter(topic__startswith=f"{twin.base}/{old}").exists()
    heard = [(topic.removeprefix(f"{twin.base}/"), text) for topic, text in twin.listener.heard[mark:]]
    devices = next(i for i, (topic, text) in enumerate(heard) if topic == "bridge/devices")
    assert heard.index((old, b"")) < devices < next(i for i, (topic, _) in enumerate(heard) if topic == new)
    assert f'"friendly_name":"{new}"'.encode() in heard[devices][1]


def check_leave_and_join(twin: Twin, device: int) -> None:
    """A device that left is not online; one that comes back is the same meter."""
    name = f"plug_{device + 1}"
    before, mark = board(twin)[name], twin.listener.mark()
    twin.control(device, cmd="leave")
    told = until(lambda: twin.listener.since(mark, f"{twin.base}/bridge/event"), "the event")
    assert json.loads(told[0])["type"] == "device_leave"
    topics = [topic.removeprefix(f"{twin.base}/") for topic, _ in twin.listener.heard[mark:]]
    assert topics.index("bridge/devices") < topics.index("bridge/event")  # it is listed no more, then it has left
    assert before["ieee"].encode() not in twin.listener.since(mark, f"{twin.base}/bridge/devices")[0]
    assert f"{name}/availability" not in topics
    wait_status(twin, name, "offline", "left")
    twin.request("permit_join", time=60)
    twin.control(device, cmd="join")
    until(lambda: board(twin)[name]["reason"] not in ("left", "removed"), f"{name} to be back")
    report(twin, device)
    wait_status(twin, name, "online")
    assert board(twin)[name]["id"] == before["id"]


def check_removal(twin: Twin, device: int) -> None:
    """Removed in Zigbee2MQTT: the meter and what it measured are kept, and it says so."""
    name = f"plug_{device + 1}"
    before = board(twin)[name]
    twin.request("device/remove", id=name)
    wait_status(twin, name, "offline", "removed")
    after = board(twin)[name]
    assert (after["removed"], after["id"], after["energy_kwh"]) == (True, before["id"], before["energy_kwh"])


def check_counter_reset(twin: Twin, device: int) -> None:
    """The counter begins anew: nothing is billed twice, nothing is taken back."""
    name = f"plug_{device + 1}"
    billed = [state(twin, name).energy_kwh]
    for raw in (0, 1, 2, 3):
        mark = twin.listener.mark()
        twin.control(device, cmd="energy", raw=raw)
        until(lambda mark=mark: twin.listener.since(mark, f"{twin.base}/{name}"), "the counter")  # type: ignore[misc]
        until(lambda raw=raw: state(twin, name).counter_kwh == Decimal(raw) / 100, f"counter {raw}")  # type: ignore[misc]
        billed.append(state(twin, name).energy_kwh)
    assert billed == sorted(billed)
    assert billed[-1] - billed[0] == Decimal("0.03")
    epochs = CounterEpoch.objects.filter(meter__device__friendly_name=name, meter__device__area__base_topic=twin.base)
    assert list(epochs.values_list("number", "reason", "first_wh", "last_wh"))[-1] == (2, "fall", 0, 30)


def check_restart(twin: Twin) -> None:
    """What Zigbee2MQTT tells out of its memory at its start is news of nobody."""
    twin.end()
    until(lambda: area(twin)["bridge"] == "offline", f"{twin.base} to be offline")
    before = board(twin)
    assert {(m["online"], m["reason"]) for m in before.values() if not m["removed"]} == {("offline", "bridge")}
    mark = twin.listener.mark()
    twin.start()
    until(lambda: area(twin)["bridge"] == "online", f"{twin.base} to be online")
    until(lambda: twin.listener.since(mark, f"{twin.base}/bridge/response/health_check") or ask(twin), "its answer")
    only_cached = {
        name
        for name in before
        if (burst := twin.listener.since(mark, f"{twin.base}/{name}"))
        and not any(b"linkquality" in text for text in burst)
    }
    assert only_cached
    times = ("heard_at", "relay_at", "power_at", "voltage_at", "counter_at")
    after = board(twin)
    for name in only_cached:
        assert [after[name][key] for key in times] == [before[name][key] for key in times]


def ask(twin: Twin) -> bool:
    twin.request("health_check")
    return False


def check_death(twin: Twin) -> None:
    """Killed: the last will says so, and no meter behind it is online. Then it comes back."""
    os.kill(twin.pid, signal.SIGKILL)
    twin.wait_ended()
    until(lambda: area(twin)["bridge"] == "offline", f"{twin.base} to be offline")
    assert "online" not in {meter["online"] for meter in board(twin).values()}
    twin.start()
    until(lambda: area(twin)["bridge"] == "online", f"{twin.base} to be online")


def check_adapter(twin: Twin) -> None:
    """The radio stick is pulled out: Zigbee2MQTT stops."""
    twin.control("adapter", cmd="disconnect")
    assert twin.wait_ended() == 2
    until(lambda: area(twin)["bridge"] == "offline", f"{twin.base} to be offline")
    assert "online" not in {meter["online"] for meter in board(twin).values()}


def test_the_board_follows_the_radio(world: World) -> None:
    """One story, since Zigbee2MQTT takes minutes to miss a device; the other steps fill them."""
    world.workers.start()
    filtered = world.twin("filtered", 8, "--every", "0", "--mix", "plug,poll,din,dinpoll", **RECOMMENDED)
    cached = world.twin("cached", 6, "--every", "0", "--last-seen", "epoch", advanced=QUIET)
    check_inventory(filtered, {"A1Z", "TS011F_plug_3", "TO-Q-SY2-163JZT", "TO-Q-SY1-JZT"})
    check_inventory(cached, {"A1Z"})
    for twin in (filtered, cached):
        check_values(twin)
    filtered.control(7, cmd="offline")
    for twin in (filtered, cached):
        check_times_of_values(twin, 0, is_filtered=twin is filtered)
        check_press(twin, 2)
        check_rename(twin, 0, "14,2/a")
        check_counter_reset(twin, 4)
        check_leave_and_join(twin, 3)
        check_removal(twin, 1)
    check_restart(cached)
    check_death(cached)
    wait_status(filtered, "plug_8", "offline", "unavailable", SILENCE_S)
    filtered.control(7, cmd="ok")
    report(filtered, 7)
    wait_status(filtered, "plug_8", "online")
    check_adapter(cached)
    assert {meter["online"] for meter in board(filtered).values() if not meter["removed"]} == {"online"}
    assert Meter.objects.count() == 14


@pytest.mark.parametrize("form", ["disable", "epoch", "ISO_8601_local"])
def test_every_form_of_last_seen_is_understood(world: World, form: str) -> None:
    world.workers.start()
    twin = world.twin("forms", 1, "--every", "0", "--last-seen", form, **RECOMMENDED)
    check_inventory(twin, {"A1Z"})
    began = datetime.now(UTC)
    fix(twin, 0, activePower=321)
    report(twin)
    until(lambda: board(twin)["plug_1"]["power_w"] == 321, "the power")
    assert area(twin)["last_seen_format"] == form
    heard_at = state(twin, "plug_1").heard_at
    assert heard_at
    assert abs((heard_at - began).total_seconds()) < harness.PATIENCE_S
    assert board(twin)["plug_1"]["online"] == "online"
