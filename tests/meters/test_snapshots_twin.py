"""A snapshot's question to the real Zigbee2MQTT brings a fresh counter value.

Zigbee2MQTT, converters and their MQTT are the shipped ones; only the radio adapter is simulated (../shared/twin).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from meters import snapshots
from meters.models import Area, Device, Meter, Snapshot
from tests.conftest import Broker
from tests.meters import harness
from tests.meters.harness import FILTERED, Services, Twin, Workers, until

pytestmark = [
    pytest.mark.services,
    pytest.mark.twin,
    pytest.mark.mosquitto,
    pytest.mark.parametrize("broker", ["mosquitto"], indirect=True),
]

CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "filtered": {"device_options": {"filtered_cache": FILTERED, "qos": 1}},
    "cached": {"device_options": {"qos": 1}},
}
MQTT: dict[str, Any] = {"mqtt": {"include_device_information": True}}
BASE = "radio"
KINDS = 4
"""One of each kind: TS011F_plug_1, plug_3 (polled), with thresholds, DIN relay (polled)."""


@pytest.fixture(params=CONFIGURATIONS)
def twin(
    request: pytest.FixtureRequest, services: Services, broker: Broker, twin_dir: Path, django_db_blocker: Any
) -> Iterator[Twin]:
    """A Zigbee2MQTT with a plug of each kind, and a worker."""
    url = services.new_database()
    workers, radio = Workers(services, url, broker.url), None
    with django_db_blocker.unblock(), harness.speaking_to(url):
        try:
            Area.objects.create(name=BASE, slug=BASE, base_topic=BASE)
            workers.start()
            options = ("--every", "0", "--mix", "plug,poll,din,dinpoll")
            configuration = MQTT | CONFIGURATIONS[request.param]
            radio = Twin(twin_dir, services, broker.url, BASE, KINDS, *options, **configuration)
            until(lambda: Device.objects.filter(area__base_topic=BASE).count() == KINDS, "the inventory")
            yield radio
        finally:
            if radio:
                radio.close()
            workers.end_all()


def energies() -> list[float]:
    return [float(energy.kwh) for _, energy in sorted(snapshots.energy_now(ids()).items())]


def ids() -> list[int]:
    return list(Meter.objects.order_by("device__ieee_address").values_list("pk", flat=True))


def take_all() -> list[int]:
    now = timezone.now()
    return [snapshots.take(meter, now, now).pk for meter in Meter.objects.all()]


def settle_all() -> list[float]:
    """What the plugs stand at once each has answered a question of now."""
    taken = take_all()
    waiting = Snapshot.objects.filter(pk__in=taken)
    until(lambda: set(waiting.values_list("quality", flat=True)) == {"read"}, "every plug to answer")
    return energies()


def test_the_question_brings_the_counter_of_every_kind_of_plug(twin: Twin) -> None:
    """Also one that has not risen since, and one that has risen without a report."""
    twin.control("all", cmd="load", watts=0)
    twin.control("all", cmd="report", cluster="seMetering", attrs=["currentSummDelivered"])
    until(lambda: all(energy.known_at for energy in snapshots.energy_now(ids()).values()), "the first values")
    before = settle_all()
    assert settle_all() == before
    twin.control("all", cmd="press", on=True)
    twin.control("all", cmd="load", watts=10_000)
    until(lambda: all(new > old for new, old in zip(settle_all(), before, strict=True)), "every counter to rise")
