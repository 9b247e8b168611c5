"""What only the health reports of a real Zigbee2MQTT on a simulated radio tell: a storm of many, restarts. One comes a
minute, so two Zigbee2MQTTs are looked at side by side.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Thread

import pytest
from django.utils import timezone

from meters.models import Area, AreaHealth
from monitoring import checks
from monitoring.checks import areas, radio
from monitoring.findings import Finding
from tests.meters.conftest import services  # noqa: F401  (a fixture)
from tests.meters.harness import Twin, until
from tests.meters.test_twin import RECOMMENDED, World, world  # noqa: F401  (a fixture)

pytestmark = [
    pytest.mark.services,
    pytest.mark.twin,
    pytest.mark.mosquitto,
    pytest.mark.parametrize("broker", ["mosquitto"], indirect=True),
]
FIRST_REPORT_S = 90.0
"""Zigbee2MQTT reports its health each minute at most, the first time after one."""
A_MINUTE = 36
"""So often each meter tells: below what is chatter (radio.MOST_A_MINUTE)."""


@contextmanager
def all_reporting(twin: Twin) -> Iterator[None]:
    """Each of its devices tells three quantities at once, 36 times a minute."""
    done = Event()

    def report() -> None:
        attributes = ["rmsVoltage", "rmsCurrent", "activePower"]
        while not done.wait(60 / A_MINUTE):
            command = {"cmd": "report", "cluster": "haElectricalMeasurement", "attrs": attributes}
            twin.talker.say(f"sim/{twin.base}/all", command)

    thread = Thread(target=report)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def report(twin: Twin, after: AreaHealth | None = None) -> AreaHealth:
    """Its first health report, or the next one, as soon as it is there."""
    reports = AreaHealth.objects.filter(area__base_topic=twin.base).order_by("generated_at")
    if after:
        reports = reports.filter(generated_at__gt=after.generated_at)
    return until(reports.first, f"a health report of {twin.base}", FIRST_REPORT_S)  # type: ignore[return-value]


def quiet_hours_before(first: AreaHealth) -> None:
    """Ten minutes apart, a message in each of them."""
    times = (first.generated_at - timedelta(minutes=10 * number) for number in range(1, radio.STORM_REPORTS))
    AreaHealth.objects.bulk_create(
        AreaHealth(area=first.area, generated_at=at, mqtt_published=radio.STORM_REPORTS - number)
        for number, at in enumerate(times)
    )


def hours_ago(hours: int, *reports: AreaHealth) -> None:
    """The same was reported then, too."""
    for each in reports:
        at = each.generated_at - timedelta(hours=hours)
        AreaHealth.objects.create(
            area=each.area, generated_at=at, uptime_s=each.uptime_s, mqtt_published=each.mqtt_published
        )


def of_area(twin: Twin) -> list[Finding]:
    """What all checks find of this area's health."""
    kinds = ("bridge_offline", "chatters", "many_chatter", "queue_waits", "restarts_often", "storm")
    return [each for each in checks.run(timezone.now()) if each.code in kinds and twin.base in each.facts.values()]


def test_a_storm_of_many_and_a_zigbee2mqtt_that_restarts_are_found_by_its_own_reports(world: World) -> None:  # noqa: F811
    """Each meter stays below what is chatter; all of them together are seven messages a second.

    Twelve deaf meters with twenty commands each are no queue for Zigbee2MQTT: it counts what waits for the broker.
    """
    world.workers.start()
    loud = world.twin("z2m_a", 12, "--every", "0", **RECOMMENDED)
    restless = world.twin("z2m_b", 1, "--every", "0", **RECOMMENDED)
    Area.objects.update(in_service=True)
    loud.control("all", cmd="deaf")
    for number in range(20 * loud.devices):
        order = {"state": "OFF" if number // loud.devices % 2 else "ON"}
        loud.talker.say(f"{loud.base}/plug_{number % loud.devices + 1}/set", order)
    first, before = report(loud), report(restless)
    assert (first.mqtt_queued, first.mqtt_received) == (0, 20 * loud.devices)
    loud.control("all", cmd="ok")
    quiet_hours_before(first)
    os.kill(restless.pid, signal.SIGKILL)
    restless.wait_ended()
    until(lambda: list(areas.bridges(timezone.now())), "the death to be found")
    assert [each.code for each in of_area(restless)] == ["bridge_offline"]
    restless.start()
    assert of_area(loud) == []
    with all_reporting(loud):
        report(loud, after=first)
        (storm,) = of_area(loud)
    assert (storm.code, storm.facts["area"], storm.part_of) == ("storm", "z2m_a", "")
    assert storm.facts["per_s"] >= radio.STORM_A_SECOND  # type: ignore[operator]
    assert storm.facts["usual_per_s"] == 0

    after = report(restless, after=before)
    hours_ago(1, before, after)
    assert of_area(restless) == []
    hours_ago(2, before, after)
    (again,) = of_area(restless)
    assert (again.code, again.facts) == ("restarts_often", {"area": "z2m_b", "times": 5})
