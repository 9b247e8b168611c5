"""A technician beside the radio: the pages ask the real Zigbee2MQTT, which interviews simulated plugs, and is believed.

Zigbee2MQTT, converters and their MQTT are the shipped ones; only the radio adapter is simulated (../shared/twin).
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from meters.models import Area, AreaState, BridgeRequest, Device, Installation, Pitch
from meters.technician import reporting, stages
from meters.technician.stages import Stage
from tests import make
from tests.meters.harness import Twin, until
from tests.meters.test_twin import RECOMMENDED, World, report
from tests.meters.test_twin import world as world

pytestmark = [
    pytest.mark.services,
    pytest.mark.twin,
    pytest.mark.mosquitto,
    pytest.mark.parametrize("broker", ["mosquitto"], indirect=True),
]


class Beside:
    """A technician on a phone, with his finger on the newcomer's button."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        self.area = Area.objects.get(base_topic=twin.base)
        self.client = Client(headers={"accept-language": "en"})
        self.client.force_login(make.superuser())

    def post(self, view: str, *place: str, **form: Any) -> None:
        answer = self.client.post(reverse(view, args=place), form, follow=True)
        problems = [str(message) for message in answer.context["messages"] if message.level_tag == "error"]
        assert (answer.status_code, problems) == (200, [])

    def act(self, device: Device, verb: str, **form: Any) -> None:
        self.post("technician_act", device.ieee_address, verb, **form)

    def page(self, device: Device) -> str:
        return self.client.get(reverse("technician_device", args=[device.ieee_address])).content.decode()

    def wait_stage(self, device: Device, stage: Stage) -> None:
        def found() -> bool:
            device.refresh_from_db()
            return stages.of(device, timezone.now()).stage is stage

        until(found, f"{device} to be {stage}")

    def wait_answer(self) -> BridgeRequest:
        def answered() -> BridgeRequest | None:
            return BridgeRequest.objects.exclude(status__in=["queued", "sent"]).filter(pk=newest).first()

        newest = BridgeRequest.objects.latest("pk").pk
        return until(answered, "Zigbee2MQTT's answer")  # type: ignore[return-value]

    def retained(self, topic: str) -> bytes | None:
        """What the broker hands to whoever asks now."""
        mark = self.twin.listener.mark()
        self.twin.listener.client.unsubscribe("#")
        self.twin.listener.client.subscribe("#")
        until(lambda: self.twin.listener.since(mark, f"{self.twin.base}/bridge/info"), "what is retained")
        return next(iter(self.twin.listener.since(mark, topic)), None)


@pytest.fixture
def beside(world: World) -> Beside:
    twin = world.twin("stand", 2, "--every", "0", "--fail-ms", "300", **RECOMMENDED)
    address = twin.control(1, cmd="get")["ieee"]
    until(lambda: twin.listener.since(0, "stand/bridge/devices"), "it to hear requests")
    twin.request("device/remove", id=address)  # before we listen: nobody here has ever heard of it
    until(lambda: address.encode() not in twin.listener.since(0, "stand/bridge/devices")[-1], "it to be forgotten")
    world.workers.start()
    until(lambda: Device.objects.filter(friendly_name="plug_1").exists(), "the inventory")
    return Beside(twin)


def test_a_meter_joins_is_told_apart_named_put_up_and_heard(beside: Beside) -> None:
    twin, pitch = beside.twin, Pitch.objects.create(number="101")
    assert Device.objects.count() == 1
    beside.post("technician_open", beside.area.slug)
    until(lambda: AreaState.objects.get(area=beside.area).permit_join_until, "Zigbee2MQTT to say until when")
    page = beside.client.get(reverse("technician_area", args=[beside.area.slug]))
    assert "data-until" in page.content.decode()
    twin.control(1, cmd="join")
    until(lambda: stages.arrivals(beside.area.pk, timezone.now())[0][:-1], "the newcomer beside plug_1")
    newcomer = stages.arrivals(beside.area.pk, timezone.now())[0][0].device
    beside.wait_stage(newcomer, Stage.UNNAMED)
    assert newcomer.supported is True
    assert newcomer.is_meter
    until(lambda: reporting.asked(Device.objects.get(pk=newcomer.pk)), "Zigbee2MQTT to have configured it")

    was_on = twin.control(1, cmd="get")["on"]
    twin.control(1, cmd="override", attrs={"activePower": 0, "rmsCurrent": 0})
    report(twin, 1)
    until(lambda: "Let it click: off" in beside.page(newcomer), "it to be allowed to click")
    beside.act(newcomer, "identify")
    until(lambda: twin.control(1, cmd="get")["on"] is not was_on, "the radio's relay to move")

    beside.act(newcomer, "name", name="101,2")
    beside.wait_stage(newcomer, Stage.FREE)
    assert 'name="pitch" value="101"' in beside.page(newcomer)
    beside.act(newcomer, "install", pitch="101")
    assert Installation.objects.get().pitch == pitch
    report(twin, 1)
    beside.wait_stage(newcomer, Stage.DONE)

    beside.post("technician_close", beside.area.slug)
    until(lambda: AreaState.objects.get(area=beside.area).permit_join is False, "Zigbee2MQTT to say that it is closed")


def test_a_removed_meter_leaves_no_word_on_the_broker_that_it_is_online(beside: Beside) -> None:
    device = Device.objects.get(friendly_name="plug_1")
    topic = "stand/plug_1/availability"
    assert json.loads(beside.retained(topic) or b"{}") == {"state": "online"}
    beside.act(device, "remove")
    assert beside.wait_answer().status == "done"
    beside.wait_stage(device, Stage.LEFT)
    until(lambda: beside.retained(topic) is None, "the broker to forget it")
    assert "has left again" in beside.page(device).lower()


def test_a_meter_that_does_not_answer_is_forgotten_by_force_alone(beside: Beside) -> None:
    device = Device.objects.get(friendly_name="plug_1")
    beside.twin.control(0, cmd="offline")
    beside.act(device, "remove")
    assert beside.wait_answer().status == "refused"
    assert "Failed to remove device" in beside.page(device)
    beside.act(device, "remove", force="yes")
    assert beside.wait_answer().status == "done"
    beside.wait_stage(device, Stage.LEFT)


def test_zigbee2mqtt_lists_the_finer_reporting_that_it_was_asked_for(beside: Beside) -> None:
    device = Device.objects.get(friendly_name="plug_1")
    before = reporting.asked(device)
    assert before
    assert (before.maximum_s, before.change, before.preset) == (3600, 257, "")  # Zigbee2MQTT's own
    beside.act(device, "report", preset="billing")
    assert beside.wait_answer().error == ""

    def listed() -> str:
        device.refresh_from_db()
        told = reporting.asked(device)
        return told.preset if told else ""

    until(lambda: listed() == "billing", "the inventory to say so")


def test_an_interview_that_failed_is_asked_for_again_and_ends_well(beside: Beside) -> None:
    beside.twin.control(1, cmd="join")
    beside.twin.control(1, cmd="offline")  # too far away: it was heard once
    until(lambda: Device.objects.count() == 2, "it to be listed")
    newcomer = Device.objects.exclude(friendly_name="plug_1").get()
    beside.wait_stage(newcomer, Stage.FAILED)
    assert "Come nearer to the antenna" in beside.page(newcomer)
    beside.twin.control(1, cmd="ok")
    beside.act(newcomer, "interview")
    assert beside.wait_answer().status == "done"
    beside.wait_stage(newcomer, Stage.UNNAMED)
