"""Our own worker as one of the peers, as it is deployed; and the one that one would write on an afternoon."""

from __future__ import annotations

import os
import sys

from bench import naive
from bench.generator import register
from bench.peers.ground import SITE, Peer, Place, new_database
from campsite.embedded.processes import Process
from tests.meters import harness

MS = "(extract(epoch FROM r.measured_at) * 1000)::bigint"


class Ours(Peer):
    name = "ours"
    listens = "Connected to the MQTT broker"
    rows_sql = "FROM meters_reading AS r"

    def prepare(self, place: Place) -> None:
        place.database_url = place.run.services.new_database()
        with harness.speaking_to(place.database_url):
            register(SITE)

    def launch(self, place: Place) -> Process:
        return place.run.services.manage("mqtt_worker", database_url=place.database_url, mqtt_url=place.broker.url)

    def is_ready(self, place: Place) -> bool:
        with place.connect() as connection:
            return connection.execute("SELECT count(*) FROM meters_meter").fetchone() == (SITE.meters,)

    def stored(self, place: Place) -> list[tuple[int, int]]:
        meters = {SITE.ieee(meter): meter for meter in range(SITE.meters)}
        device = "JOIN meters_meter AS m ON m.id = r.meter_id JOIN meters_device AS d ON d.id = m.device_id"
        with place.connect() as connection:
            rows = connection.execute(f"SELECT d.ieee_address, {MS} {self.rows_sql} {device}")
            return [(meters[ieee], ms) for ieee, ms in rows]


class Naive(Peer):
    name = "a statement for each table and message"
    listens = "subscribed"
    rows_sql = "FROM naive_reading AS r"

    def prepare(self, place: Place) -> None:
        place.database_url = new_database(place.run)
        naive.create(place.database_url)

    def launch(self, place: Place) -> Process:
        words = [sys.executable, "-m", "bench.naive", "--prefix", SITE.prefix, "--areas", str(SITE.areas)]
        environment = os.environ | {"DATABASE_URL": place.database_url, "MQTT_URL": place.broker.url}
        return Process("naive", words, place.log("naive"), environment=environment, directory=harness.ROOT)

    def stored(self, place: Place) -> list[tuple[int, int]]:
        meters = {SITE.ieee(meter): meter for meter in range(SITE.meters)}
        with place.connect() as connection:
            return [(meters[ieee], ms) for ieee, ms in connection.execute(f"SELECT r.device, {MS} {self.rows_sql}")]
