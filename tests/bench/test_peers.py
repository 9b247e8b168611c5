"""The flows of Node-RED that we are compared with are whole, and are those that docs/peers.md shows."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from bench.peers import race
from bench.peers.nodered import FLOWS
from bench.peers.race import BATCH, HASS, NAIVE, ONE, OURS, Speed

FLOW_FILES = sorted(FLOWS.glob("*.json"))


def nodes(flow: Path) -> dict[str, dict[str, Any]]:
    return {node["id"]: node for node in json.loads(flow.read_text())}


@pytest.mark.parametrize("flow", FLOW_FILES, ids=lambda path: path.stem)
def test_every_wire_of_a_flow_leads_to_a_node(flow: Path) -> None:
    ends = {end for node in nodes(flow).values() for wires in node.get("wires", []) for end in wires}
    assert ends
    assert ends <= nodes(flow).keys()


@pytest.mark.parametrize("flow", FLOW_FILES, ids=lambda path: path.stem)
def test_a_flow_hears_every_meter_at_qos_1_in_a_session_that_is_kept(flow: Path) -> None:
    mine = nodes(flow)
    hears = [node for node in mine.values() if node["type"] == "mqtt in"]
    assert [(node["topic"], node["qos"]) for node in hears] == [("+/+", "1")]
    assert not mine[hears[0]["broker"]]["cleansession"]


@pytest.mark.parametrize("flow", FLOW_FILES, ids=lambda path: path.stem)
def test_the_document_shows_the_statement_of_each_flow(flow: Path) -> None:
    shown = re.findall(r"```sql\n(.*?)\n```", (settings.BASE_DIR / "docs" / "peers.md").read_text(), re.DOTALL)
    assert nodes(flow)["store"]["query"] in shown


def test_a_peer_that_is_not_here_is_told_and_not_counted() -> None:
    flat: race.Speeds = {
        **{OURS: Speed(30_000, 10, 5, 0), ONE: Speed(1_000, 100, 50, 0), BATCH: "npm is not installed"},
        **{NAIVE: Speed(500, 300, 300, 0), HASS: Speed(1_000, 400, 20, 7)},
    }
    told = {(each.baseline_name, each.unit): each for each in race.figures(flat, {})}
    one, batch, hass = (race.RUNNERS[name].peer.name for name in (ONE, BATCH, HASS))
    assert [told[one, unit].verdict for unit in ("/s", "µs")] == ["met", ""]
    assert told[one, "µs"].ratio == pytest.approx(0.1)
    assert (told[batch, "/s"].verdict, told[batch, "/s"].note) == ("not measured", "npm is not installed")
    assert told[hass, "/s"].note == "it lost 7"


ROWS = [
    ["0x01", "2026-07-01T10:10:00Z", 100.0, 50.0, 230.0, 0.2, True, 99],
    ["0x01", "2026-07-01T10:50:00Z", 100.4, 60.0, 231.0, 0.3, True, 98],
    ["0x01", "2026-07-01T10:30:00Z", 100.2, 55.0, 232.0, 0.2, True, 97],
    ["0x01", "2026-07-01T10:50:00Z", 100.4, 60.0, 231.0, 0.3, True, 98],
]
"""Of one meter: late, and twice."""


@pytest.mark.django_db
@pytest.mark.parametrize("flow", FLOW_FILES, ids=lambda path: path.stem)
def test_a_flow_drops_what_comes_twice_keeps_the_newest_state_and_sums_up_the_hour(flow: Path) -> None:
    """The same work as ours, as far as it goes: else we would be compared with less."""
    statement = nodes(flow)["store"]["query"]
    told = [[list(column) for column in zip(*ROWS, strict=True)]] if "unnest" in statement else ROWS
    connection.ensure_connection()
    with psycopg.RawCursor(connection.connection) as cursor:
        cursor.execute((FLOWS / "tables.sql").read_text())
        for parameters in told:
            cursor.execute(statement, parameters)
        readings = cursor.execute("SELECT count(*) FROM reading").fetchone()
        state = cursor.execute("SELECT energy_kwh, power_w FROM meter_state").fetchall()
        hours = cursor.execute("SELECT first_kwh, last_kwh, readings FROM hourly").fetchall()
    assert (readings, state, hours) == ((3,), [(100.4, 60.0)], [(100.0, 100.4, 3)])
