"""What the checks make of a real Zigbee2MQTT on a simulated radio: a meter that spams, an antenna that is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import pytest
from django.utils import timezone

from meters.models import Area, Watch
from monitoring.checks import areas, radio
from tests.meters.conftest import services  # noqa: F401  (a fixture)
from tests.meters.harness import Twin, until
from tests.meters.test_twin import RECOMMENDED, World, world  # noqa: F401  (a fixture)

pytestmark = [
    pytest.mark.services,
    pytest.mark.twin,
    pytest.mark.mosquitto,
    pytest.mark.parametrize("broker", ["mosquitto"], indirect=True),
]
EVERY_S = 0.15
MEASURED = ["rmsVoltage", "rmsCurrent", "activePower"]


@contextmanager
def spamming(twin: Twin, device: int) -> Iterator[None]:
    """Three quantities each 0.15 s: twenty messages a second."""
    done = Event()

    def spam() -> None:
        command = {"cmd": "report", "cluster": "haElectricalMeasurement", "attrs": MEASURED}
        while not done.wait(EVERY_S):
            twin.talker.say(f"sim/{twin.base}/{device}", command)

    thread = Thread(target=spam)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def found(check: object) -> list[str]:
    return [finding.code for finding in check(timezone.now())]  # type: ignore[operator]


def found_by_who_listened() -> list[str]:
    """As if somebody had listened for so long; on a machine that is busy a watch may end, and another begin."""
    Watch.objects.update(since=timezone.now() - radio.SETTLED)
    return found(radio.chattering)


def test_a_meter_that_spams_is_found_and_a_lost_antenna_is_told_as_such(world: World) -> None:  # noqa: F811
    world.workers.start()
    twin = world.twin("z2m_a", 6, **RECOMMENDED)
    Area.objects.update(in_service=True)
    until(lambda: Area.objects.filter(devices__meter__state__heard_at__isnull=False).exists(), "a meter to be heard")
    assert found_by_who_listened() == []
    with spamming(twin, 2):
        until(lambda: found_by_who_listened() == ["chatters"], "the meter that spams to be found")
    assert found(areas.bridges) == []
    twin.control("adapter", cmd="disconnect")
    assert twin.wait_ended() == 2
    until(lambda: found(areas.bridges) == ["coordinator_lost"], "the lost antenna to be found")
    twin.start()
    until(lambda: found(areas.bridges) == [], "the area to be back")
