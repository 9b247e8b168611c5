"""Our own worker as one of the peers: its whole work, with the settings that it is deployed with."""

from __future__ import annotations

from bench.generator import register
from bench.peers.ground import SITE, Peer, Place
from campsite.embedded.processes import Process
from tests.meters import harness


class Ours(Peer):
    name = "ours"
    is_listening = "Connected to the MQTT broker"
    count_sql = "SELECT count(*) FROM meters_reading"
    session_id = "campsite"

    def prepare(self, place: Place) -> None:
        place.database_url = place.services.new_database()
        with harness.speaking_to(place.database_url):
            register(SITE)

    def launch(self, place: Place) -> Process:
        return place.services.manage("mqtt_worker", database_url=place.database_url, mqtt_url=place.broker.url)

    def is_ready(self, place: Place) -> bool:
        with place.connect() as connection:
            return connection.execute("SELECT count(*) FROM meters_meter").fetchone() == (SITE.meters,)

    def stored(self, place: Place) -> set[tuple[int, int]]:
        meters = {SITE.ieee(meter): meter for meter in range(SITE.meters)}
        with place.connect() as connection:
            rows = connection.execute(
                "SELECT ieee_address, (extract(epoch FROM measured_at) * 1000)::bigint FROM meters_reading "
                "JOIN meters_meter ON meters_meter.id = meter_id JOIN meters_device ON meters_device.id = device_id"
            )
            return {(meters[ieee], ms) for ieee, ms in rows}
