"""Switching the real Zigbee2MQTT: what the commands prove of devices that obey, refuse, hang or go away.

Zigbee2MQTT, converters and their MQTT are the shipped ones; only the radio adapter is simulated (../shared/twin).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from campsite.embedded.processes import Process
from meters import commands, online
from meters.models import Area, AreaState, Command, Device, Meter, Order, Want
from tests.conftest import Broker
from tests.meters import harness
from tests.meters.harness import FILTERED, Services, Twin, Workers, kill, terminate, until
from tests.meters.surroundings import gate, let_go_of_everything, services_and_broker

pytestmark = [pytest.mark.services, pytest.mark.twin, pytest.mark.mosquitto, pytest.mark.xdist_group("switching_twin")]

CONFIGURATION = {
    "device_options": {"filtered_cache": FILTERED, "qos": 1},
    "mqtt": {"include_device_information": True},
    "advanced": {"log_namespaced_levels": {"z2m:mqtt": "warning"}},
}
QUICK = {"COMMAND_ANSWER_S": "4"}
BASE = "radio"
DEVICES = 80
AWAY = 79
"""Off the air from the beginning: Zigbee2MQTT takes more than a minute to miss it."""
DEAD = (15, 31, 47, 63, 78)
KINDS = (0, 3, 4, 5)
"""One of each kind: TS011F_plug_1, plug_3 (polled), with thresholds, DIN relay (polled)."""
WELDED = 6
SILENCE_S = 240.0


class Site:
    """One Zigbee2MQTT with 80 plugs and one worker for all tests of this file; each uses plugs of its own."""

    def __init__(self, services: Services, broker: Broker, directory: Path) -> None:
        self.services, self.broker, self.directory = services, broker, directory
        self.database_url = services.new_database()
        self.workers = Workers(services, self.database_url, broker.url)
        self.twin: Twin
        self.worker: Process
        self._settings: dict[str, str] = {}

    def begin(self) -> None:
        Area.objects.create(name=BASE, slug=BASE, base_topic=BASE, control=Area.Control.ACT, commands_per_s=10)
        self.start_worker()
        options = ("--every", "0", "--fail-ms", "1000", "--mix", "plug,plug,plug,poll,din,dinpoll")
        self.twin = Twin(self.directory, self.services, self.broker.url, BASE, DEVICES, *options, **CONFIGURATION)
        until(lambda: Device.objects.filter(area__base_topic=BASE).count() == DEVICES, "the inventory")
        self.twin.control("all", cmd="report", cluster="genOnOff", attrs=["onOff"])
        self.twin.control(AWAY, cmd="offline")
        until(lambda: sum(is_online(n) for n in range(DEVICES)) == DEVICES, "all to be online")

    def start_worker(self, **settings: str) -> None:
        self.worker, self._settings = self.workers.start(**QUICK | settings), settings

    def with_worker(self, **settings: str) -> None:
        """Let the worker have these settings."""
        if not self.worker.is_alive() or settings != self._settings:
            if self.worker.is_alive():
                terminate(self.worker)
            self.start_worker(**settings)

    def end(self) -> None:
        if hasattr(self, "twin"):
            self.twin.close()
        self.workers.end_all()


@pytest.fixture(scope="module")
def shared(twin_dir: Path, django_db_blocker: Any) -> Iterator[Site]:
    with services_and_broker("mosquitto") as (services, broker):
        found = Site(services, broker, twin_dir)
        try:
            with django_db_blocker.unblock(), harness.speaking_to(found.database_url):
                found.begin()
            yield found
        finally:
            found.end()


@pytest.fixture
def site(shared: Site, django_db_blocker: Any) -> Iterator[Site]:
    with django_db_blocker.unblock(), harness.speaking_to(shared.database_url):
        shared.with_worker()
        try:
            yield shared
        finally:
            let_go_of_everything()


def meter(device: int) -> Meter:
    return Meter.objects.select_related("device", "state").get(device__ieee_address=ieee(device))


def ieee(device: int) -> str:
    """The twin numbers its devices by their addresses."""
    found = Device.objects.filter(ieee_address__endswith=f"{device + 1:06x}").values_list("ieee_address", flat=True)
    return found[0]


def is_online(device: int) -> bool:
    now = timezone.now()
    return online.status(online.meters().get(pk=meter(device).pk), online.link(now), now).is_online


def switch(state: bool, *devices: int) -> Order:
    return commands.order([meter(device) for device in devices], state, "a test")


def newest(device: int) -> Command:
    return Command.objects.filter(meter=meter(device)).select_related("want").latest("pk")


def wait_status(device: int, *statuses: str, timeout_s: float = harness.PATIENCE_S) -> Command:
    def found() -> Command | None:
        command = newest(device)
        return command if command.status in statuses else None

    return until(found, f"plug {device} to be {statuses}", timeout_s)  # type: ignore[return-value]


def wait_hold(device: int, hold: str) -> None:
    wanted = Want.objects.filter(meter=meter(device), ended_at=None, hold=hold)
    until(wanted.exists, f"plug {device} to be held: {hold}")


def is_on(site: Site, device: int) -> bool:
    """The radio's truth."""
    on: bool = site.twin.control(device, cmd="get")["on"]
    return on


def sets(site: Site, device: int, mark: int) -> list[str]:
    """What an independent subscriber saw sent to it since the mark."""
    return [sent.state for sent in site.twin.listener.switched(BASE, mark) if sent.device == ieee(device)]


def be_switched(site: Site, state: bool, device: int) -> None:
    switch(state, device)
    assert wait_status(device, "confirmed", "failed").status == "confirmed"
    assert is_on(site, device) is state


# --- what is proven --------------------------------------------------------------------------------------------------


def test_an_off_is_proven_in_grades_on_every_kind_of_plug_and_a_welded_relay_is_found_by_its_current(
    site: Site,
) -> None:
    """With the real time to answer: all is proven in the first attempt. In one test, since a load takes 14 s."""
    site.with_worker(COMMAND_ANSWER_S="35")
    site.twin.control(WELDED, cmd="override", attrs={"rmsCurrent": 1840})
    mark = site.twin.listener.mark()
    switch(False, *KINDS, WELDED)
    for device in KINDS:
        until(lambda device=device: newest(device).load, f"the load of plug {device}")  # type: ignore[misc]
        command = newest(device)
        assert (command.status, command.load, command.attempts) == ("confirmed", "none", 1)
        assert command.sent_at
        assert command.acknowledged_at
        assert command.asked_at
        assert command.confirmed_at
        assert command.sent_at < command.acknowledged_at < command.asked_at < command.confirmed_at
        assert sets(site, device, mark) == ["OFF"]
        assert not is_on(site, device)
    welded = wait_status(WELDED, "failed")
    assert (welded.failure, welded.load, welded.detail) == ("load", "flowing", "1.84 A")
    site.twin.control(WELDED, cmd="override", attrs={})


# --- devices that do not do it ---------------------------------------------------------------------------------------


def test_stuck_refusing_and_deaf_plugs_fail_each_for_its_reason_and_are_tried_again(site: Site) -> None:
    """In one test, since a deaf one takes 10 s; its second attempt would take as long again."""
    modes = {7: "stuck", 8: "refuse", 9: "deaf"}
    for device, mode in modes.items():
        site.twin.control(device, cmd=mode)
    mark = site.twin.listener.mark()
    switch(False, *modes)
    failures = {}
    for device in modes:
        until(lambda device=device: newest(device).failure, f"the first failure of plug {device}")  # type: ignore[misc]
        failures[device] = newest(device).failure
        site.twin.control(device, cmd="ok")
    assert failures == {7: "not_moved", 8: "not_moved", 9: "no_answer"}
    for device in (7, 8):
        assert wait_status(device, "confirmed").attempts == 2
        assert sets(site, device, mark) == ["OFF", "OFF"]
        assert not is_on(site, device)
    until(lambda: sets(site, 9, mark) == ["OFF", "OFF"], "the deaf plug to be sent it again")


def test_of_80_plugs_75_are_switched_although_5_are_dead(site: Site) -> None:
    for device in range(DEVICES):
        if device not in (AWAY, *DEAD):
            site.twin.control(device, cmd="press", on=False)
    for device in DEAD:
        site.twin.control(device, cmd="offline")
    chosen = [device for device in range(DEVICES) if device != AWAY]
    mark = site.twin.listener.mark()
    order = switch(True, *chosen)
    mine = Command.objects.filter(order=order)
    until(lambda: mine.filter(status="confirmed").count() == len(chosen) - len(DEAD), "the living to be on")
    assert not mine.filter(meter__in=[meter(device) for device in DEAD], status="confirmed").exists()
    sent = {device: len(sets(site, device, mark)) for device in chosen if device not in DEAD}
    # One attempt each; a machine that is busy may answer one too late, and then there is a second.
    assert sent == {device: mine.get(meter=meter(device)).attempts for device in sent}
    assert sum(sent.values()) <= len(sent) * 1.1
    for device in DEAD:
        site.twin.control(device, cmd="ok")


# --- away, and back --------------------------------------------------------------------------------------------------


def test_a_plug_off_the_air_is_switched_when_it_is_heard_and_not_before(site: Site) -> None:
    until(lambda: meter(AWAY).device.available is False, "Zigbee2MQTT to miss the plug", SILENCE_S)
    mark = site.twin.listener.mark()
    switch(False, AWAY)
    be_switched(site, False, 10)
    assert sets(site, AWAY, mark) == []
    site.twin.control(AWAY, cmd="ok")
    site.twin.control(AWAY, cmd="report")
    wait_status(AWAY, "confirmed")
    assert sets(site, AWAY, mark) == ["OFF"]


def test_a_breaker_that_tripped_is_shown_and_not_put_back(site: Site) -> None:
    mark = site.twin.listener.mark()
    be_switched(site, True, 11)
    site.twin.control(11, cmd="press", on=False)
    wait_hold(11, "unasked_off")
    be_switched(site, False, 10)
    assert sets(site, 11, mark) == ["ON"]


def test_after_its_power_came_back_a_plug_is_switched_on_again(site: Site) -> None:
    be_switched(site, True, 12)
    site.twin.control(12, cmd="offline")
    site.twin.control(12, cmd="press", on=False)
    site.twin.control(12, cmd="ok")
    mark = site.twin.listener.mark()
    site.twin.control(12, cmd="announce")
    until(lambda: sets(site, 12, mark), "it to be switched on again")
    assert wait_status(12, "confirmed").automatic
    assert is_on(site, 12)


def test_an_unasked_on_is_corrected(site: Site) -> None:
    be_switched(site, False, 13)
    mark = site.twin.listener.mark()
    site.twin.control(13, cmd="press", on=True)
    until(lambda: sets(site, 13, mark), "the correction")
    assert wait_status(13, "confirmed").automatic
    assert not is_on(site, 13)


# --- while a command is under way ------------------------------------------------------------------------------------


def test_a_button_pressed_under_a_command_is_seen_and_the_plug_switched_again(site: Site) -> None:
    """By the command itself, or, where the button came after the proof, by the correction that follows."""
    switch(False, 14)
    until(lambda: newest(14).acknowledged_at, "the echo")
    until(lambda: not is_on(site, 14), "the relay to move, a moment after its answer")
    first = newest(14)
    site.twin.control(14, cmd="press", on=True)

    def attempts() -> int:
        since = Command.objects.filter(meter=first.meter_id, pk__gte=first.pk)
        return sum(since.values_list("attempts", flat=True))

    until(lambda: attempts() == 2 and newest(14).status == "confirmed", "the second attempt")
    assert not is_on(site, 14)


def test_a_plug_renamed_under_a_command_is_confirmed_under_its_new_name(site: Site) -> None:
    mark = site.twin.listener.mark()
    switch(False, 16)
    until(lambda: newest(16).sent_at, "it to be sent")
    site.twin.request("device/rename", **{"from": ieee(16), "to": "14,2/a"})
    assert wait_status(16, "confirmed").attempts == 1
    until(lambda: meter(16).device.friendly_name == "14,2/a", "the new name")
    assert sets(site, 16, mark) == ["OFF"]


def test_a_worker_killed_after_publishing_asks_the_plug_and_sends_nothing_again(site: Site) -> None:
    mark = site.twin.listener.mark()
    switch(False, 17)
    until(lambda: sets(site, 17, mark), "it to be sent")
    kill(site.worker)
    site.with_worker()
    assert wait_status(17, "confirmed").attempts == 1
    assert sets(site, 17, mark) == ["OFF"]


def test_a_worker_killed_between_claiming_and_publishing_has_it_sent_later_and_once(site: Site) -> None:
    mark = site.twin.listener.mark()
    with gate("claimed_at") as closed:
        switch(False, 20)
        closed.wait()
        kill(site.worker)
        closed.open()
        until(lambda: newest(20).claimed_at, "the claim to be committed")
    assert sets(site, 20, mark) == []
    assert is_on(site, 20)
    site.with_worker()
    assert wait_status(20, "confirmed").attempts == 2
    assert sets(site, 20, mark) == ["OFF"]
    assert not is_on(site, 20)


def test_a_zigbee2mqtt_that_restarts_under_a_command_does_it_afterwards(site: Site) -> None:
    site.twin.control(18, cmd="deaf")
    switch(False, 18)
    until(lambda: newest(18).sent_at, "it to be sent")
    site.twin.end()
    until(lambda: AreaState.objects.get(area__base_topic=BASE).bridge == "offline", "it to be offline")
    site.twin.start()
    site.twin.control(AWAY, cmd="offline")
    assert wait_status(18, "confirmed").attempts == 2
    assert not is_on(site, 18)


def test_a_broker_that_restarts_under_a_command_costs_no_lost_switching(site: Site) -> None:
    switch(False, 19)
    until(lambda: newest(19).sent_at, "it to be sent")
    site.broker.restart()
    wait_status(19, "confirmed")
    assert not is_on(site, 19)
