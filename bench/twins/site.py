"""The site that is watched: Zigbee2MQTTs with their radios and devices, the broker, our processes."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from bench.twins.product import Product
from bench.twins.radios import Ear, Radio, Silent
from bench.twins.truth import Device, Used
from tests.conftest import Broker
from tests.meters.harness import OwnServices, Workers, until


class Site:
    """`used`: of each device by its address."""

    def __init__(
        self, services: OwnServices, broker: Broker, database_url: str, twin: Path, areas: int, devices: int, every: int
    ) -> None:
        """`every`: seconds from one report of a device to the next."""
        self.services, self.broker, self.every_s = services, broker, every
        self._workers = Workers(services, database_url, broker.url)
        self.cluster = services.manage("qcluster", database_url=database_url, mqtt_url=broker.url)
        bases = [f"z2m_{number + 1}" for number in range(areas)]
        self.ear = Ear(broker.url, bases)
        self.radios = [Radio(twin, services.root, broker.url, base, devices, every, self.ear) for base in bases]
        for radio in self.radios:
            radio.knows(self.radios)
        self.devices = [Device(spec["ieee"], spec["kind"], radio.base) for radio in self.radios for spec in radio.specs]
        self.used = {device.ieee: Used() for device in self.devices}
        self.product: Product

    def begin(self, port: int, cookie: str) -> None:
        """All devices are known, and have told their position and their counter. Every other area acts."""
        from rest_framework.authtoken.models import Token

        from meters import notify
        from meters.models import Area
        from meters.models import Device as Known
        from tests import make

        for number, radio in enumerate(self.radios):
            control = Area.Control.ACT if number % 2 == 0 else Area.Control.OBSERVE
            about = {"name": radio.base, "slug": radio.base, "base_topic": radio.base}
            Area.objects.create(**about, control=control, in_service=True)
        notify.touch()
        self.worker = self._workers.start()
        self.product = Product(port, cookie, Token.objects.create(user=make.superuser("machine")).key)
        for radio in self.radios:
            radio.start()
            until(radio.has_come_up, f"{radio.base}; see {radio.log}")
        until(lambda: Known.objects.exclude(area=None).count() == len(self.devices), "the inventories")
        self.report("genOnOff", "onOff")
        self.report("haElectricalMeasurement", "activePower")
        self.report_counters()
        until(lambda: all(self.ear.devices[d.ieee].counters for d in self.devices), "every counter")
        for device in self.devices:
            device.since = device.well_since = time.time()
            self.used[device.ieee].first_raw = self.ear.devices[device.ieee].counters[0][1] * 100

    def end(self) -> None:
        if hasattr(self, "product"):
            self.product.board.stop()
        for radio in self.radios:
            radio.end()
        self.ear.stop()
        self._workers.end_all()
        self.cluster.kill()

    def report(self, cluster: str, attribute: str) -> None:
        """Every device that can tells this now."""
        for radio in self.radios:
            if radio.up_at is not None:
                with suppress(Silent):
                    radio.tell("all", cmd="report", cluster=cluster, attrs=[attribute])

    def report_counters(self) -> None:
        self.report("seMetering", "currentSummDelivered")

    def at(self, radio: Radio) -> list[Device]:
        """The devices that have joined its network."""
        return [device for device in self.devices if device.home == radio.base]
