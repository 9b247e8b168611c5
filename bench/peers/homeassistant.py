"""Home Assistant's core with MQTT and the recorder, and nothing else of it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from bench.generator import Generator
from bench.peers import installing
from bench.peers.ground import SITE, Peer, Place, new_database
from campsite.embedded.processes import Process
from tests.meters import harness

CONFIGURATION = """
homeassistant:
  name: Campsite
  time_zone: UTC
http:
  server_host: 127.0.0.1
  server_port: {port}
recorder:
  db_url: {database}
  commit_interval: 1
logger:
  default: warning
  logs:
    homeassistant.bootstrap: info
"""


class HomeAssistant(Peer):
    """One sensor a meter, its counter, made by MQTT discovery: Zigbee2MQTT's own would make a dozen of each.

    A row counts once the sensor has a value: it begins with 1 for all counters of the generator.
    """

    name = "Home Assistant"
    listens = "Home Assistant initialized"
    rows_sql = (
        "FROM states AS r JOIN states_meta AS m USING (metadata_id) "
        "WHERE m.entity_id LIKE 'sensor.0x%' AND r.state LIKE '1%'"
    )
    keeps_session = False

    def missing(self) -> str:
        return installing.HOME_ASSISTANT.missing()

    def prepare(self, place: Place) -> None:
        place.database_url = new_database(place.run)
        home = place.folder / "home"
        (home / ".storage").mkdir(parents=True)
        login = place.login()
        database = f"postgresql://{login['user']}:{quote(login['password'])}@/{login['dbname']}?host={login['host']}"
        words = CONFIGURATION.format(port=harness.free_port(), database=json.dumps(database))
        (home / "configuration.yaml").write_text(words)
        (home / ".storage" / "core.config_entries").write_text(json.dumps(_broker(place.broker.url)))
        _discover(place.broker.url)

    def launch(self, place: Place) -> Process:
        python = installing.HOME_ASSISTANT.folder / "venv" / "bin" / "python"
        words: list[str | Path] = [python, "-m", "homeassistant", "--skip-pip", "--config", place.folder / "home"]
        environment = {"PATH": os.environ["PATH"], "HOME": str(place.folder), "LANG": "C.UTF-8"}
        return Process("hass", words, place.log("hass"), environment=environment, directory=place.folder)

    def is_ready(self, place: Place) -> bool:
        """Every sensor stands in the recorder's table of what there is."""
        with place.connect() as connection:
            found = connection.execute("SELECT count(*) FROM states_meta WHERE entity_id LIKE 'sensor.%'").fetchone()
        return found == (SITE.meters,)

    def as_stored(self, generator: Generator, meter: int, ms: int) -> tuple[int, int]:
        """It keeps its own time of a state, not the meter's: readings are told apart by their counter, in Wh."""
        return meter, generator.counter_wh(meter, ms)

    def stored(self, place: Place) -> list[tuple[int, int]]:
        meters = {f"sensor.{SITE.ieee(meter)}": meter for meter in range(SITE.meters)}
        with place.connect() as connection:
            rows = connection.execute(f"SELECT m.entity_id, (r.state::numeric * 1000)::bigint {self.rows_sql}")
            return [(meters[entity], wh) for entity, wh in rows]


def _broker(url: str) -> dict[str, Any]:
    """What its form for MQTT's broker leaves behind: that cannot be configured in the file."""
    parts = urlsplit(url)
    entry = {
        **{"entry_id": "0" * 32, "version": 1, "domain": "mqtt", "title": "broker", "source": "user", "options": {}},
        **{"unique_id": None, "disabled_by": None, "pref_disable_new_entities": False, "pref_disable_polling": False},
        "data": {
            **{"broker": "127.0.0.1", "port": parts.port, "username": parts.username, "discovery": True},
            "password": unquote(parts.password or ""),
        },
    }
    return {"version": 1, "minor_version": 1, "key": "core.config_entries", "data": {"entries": [entry]}}


def _discover(url: str) -> None:
    """Retained, a sensor a meter."""
    talker = harness.Talker(url)
    for meter in range(SITE.meters):
        sensor = {
            **{"name": None, "unique_id": SITE.ieee(meter), "object_id": SITE.ieee(meter), "qos": 1},
            **{"state_topic": SITE.topic(meter), "value_template": "{{ value_json.energy }}"},
            **{"device_class": "energy", "state_class": "total_increasing", "unit_of_measurement": "kWh"},
        }
        talker.say(f"homeassistant/sensor/{SITE.ieee(meter)}/config", sensor, retain=True)
    talker.flush()
    talker.stop()
