"""The site to which things happen: all our processes as they are deployed, and whom they alert.

Everything is real: PostgreSQL, Valkey, the broker, four Zigbee2MQTTs on simulated radios, worker, web, qcluster.
Nothing is hastened: the periods are the product's.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from bench.twins import radios
from bench.twins.radios import Ear, Radio
from bench.webhook import web
from campsite.embedded.processes import Process
from tests.conftest import Broker
from tests.meters.harness import OwnServices, Workers, kill, until
from tests.sink import Sink

AREAS = {"Row": 48, "Lake": 8, "Wood": 8, "Hill": 8}
"""Devices of each area."""
AVAILABILITY = {"active": {"timeout": 10, "pause_on_backoff_gt": 15}}
CONFIGURATION = radios.CONFIGURATION | {"availability": AVAILABILITY, "health": {"interval": 10}}
DISK_MB = 24


class Site:
    """`people`: whom the alert route reaches; `emergency`: whom the worker itself tells."""

    def __init__(self, services: OwnServices, broker: Broker, database_url: str, twin: Path, every_s: int) -> None:
        self.services, self.broker = services, broker
        self._database_url = database_url
        self.people, self.emergency = Sink(), Sink()
        self.disk = Path(tempfile.mkdtemp(prefix="campsite-disk-"))
        self._workers = Workers(services, database_url, broker.url)
        self.ear = Ear(broker.url, [name.lower() for name in AREAS])
        self.radios = {
            name: Radio(twin, services.root, broker.url, name.lower(), devices, every_s, self.ear, CONFIGURATION)
            for name, devices in AREAS.items()
        }
        self._stack = ExitStack()
        self.worker: Process
        self.cluster: Process

    def begin(self) -> None:
        """All devices are known, and whoever is on duty is told of warnings, too."""
        from meters import notify
        from meters.models import Area, Device
        from monitoring.models import AlertRoute

        for name in AREAS:
            Area.objects.create(name=name, slug=name.lower(), base_topic=name.lower(), in_service=True)
        notify.touch()
        AlertRoute.objects.create(name="on_duty", severity="notice", language="en")
        self.start_worker()
        self.start_cluster()
        self.port = self._stack.enter_context(web(self._database_url, "campsite.asgi:application"))
        for radio in self.radios.values():
            radio.start()
        for radio in self.radios.values():
            until(radio.has_come_up, f"{radio.base}; see {radio.log}")
        until(lambda: Device.objects.exclude(area=None).count() == sum(AREAS.values()), "the inventories")

    def end(self) -> None:
        self._stack.close()
        for radio in self.radios.values():
            radio.end()
        self.ear.stop()
        subprocess.run(["umount", "-q", str(self.disk)], check=False, stderr=subprocess.DEVNULL)
        self.disk.rmdir()
        self._workers.end_all()
        if hasattr(self, "cluster"):
            self.cluster.kill()
        self.people.close()
        self.emergency.close()

    def start_worker(self) -> None:
        self.worker = self._workers.start(begun=False, EMERGENCY_URL=f"json://127.0.0.1:{self.emergency.port}/")

    def start_cluster(self) -> None:
        route = f"on_duty json://127.0.0.1:{self.people.port}/"
        told = {"ALERT_URLS": route, "WATCHED_DISKS": str(self.disk)}
        told |= {"database_url": self._database_url, "mqtt_url": self.broker.url}
        self.cluster = self.services.manage("qcluster", **told)

    def kill_worker(self) -> None:
        kill(self.worker)

    def restart_radio(self, name: str) -> None:
        """As its service manager would."""
        radio = self.radios[name]
        if not radio.is_alive:
            radio.start()

    def wait_heard(self, seconds: float) -> None:
        """Let the meters show their habits."""
        ends = time.time() + seconds
        until(lambda: time.time() >= ends, "the habits", seconds + 5)
