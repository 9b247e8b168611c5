"""Node-RED with two flows: what a competent person would write, and what an expert would."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bench.peers import installing
from bench.peers.ground import SITE, Peer, Place, new_database
from bench.peers.ours import MS
from campsite.embedded.processes import Process
from tests.meters import harness

FLOWS = Path(__file__).parent / "flows"


class NodeRed(Peer):
    listens = "Connected to broker"
    rows_sql = "FROM reading AS r"

    def __init__(self, flow: str) -> None:
        self.flow = flow
        self.name = f"Node-RED, {flow.replace('_', ' ')}"

    def missing(self) -> str:
        return installing.NODE_RED.missing()

    def prepare(self, place: Place) -> None:
        place.database_url = new_database(place.run)
        with place.connect() as connection:
            connection.execute((FLOWS / "tables.sql").read_text())
        shutil.copy(FLOWS / f"{self.flow}.json", place.folder / "flow.json")
        parts = urlsplit(place.broker.url)
        login = {"user": parts.username, "password": unquote(parts.password or "")}
        (place.folder / "flow_cred.json").write_text(json.dumps({"mosquitto": login}))
        (place.folder / "node_modules").symlink_to(installing.NODE_RED.folder / "node_modules")

    def launch(self, place: Place) -> Process:
        """With the database's and the broker's place in the environment, as its containers have it."""
        broker, login = urlsplit(place.broker.url), place.login()
        environment = {
            **{"PATH": os.environ["PATH"], "HOME": str(place.folder), "FLOW": "flow.json"},
            **{"PORT": str(harness.free_port()), "MQTT_HOST": "127.0.0.1", "MQTT_PORT": str(broker.port)},
            **{"PGHOST": login["host"], "PGUSER": login["user"], "PGPASSWORD": login["password"]},
            "PGDATABASE": login["dbname"],
        }
        words: list[str | Path] = [
            "node",
            "node_modules/node-red/red.js",
            "--userDir",
            place.folder,
            "--settings",
            FLOWS / "settings.js",
        ]
        return Process("node-red", words, place.log("node-red"), environment=environment, directory=place.folder)

    def stored(self, place: Place) -> list[tuple[int, int]]:
        meters = {SITE.ieee(meter): meter for meter in range(SITE.meters)}
        with place.connect() as connection:
            return [(meters[ieee], ms) for ieee, ms in connection.execute(f"SELECT r.meter, {MS} {self.rows_sql}")]
