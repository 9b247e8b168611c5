"""All of it, as somebody does it for the first time: a campsite that runs, a backup, nothing left, and back again."""

import json
import signal
import sys
from pathlib import Path
from typing import Any

import environ
import psycopg
import pytest

from campsite.embedded.processes import wait_until
from campsite.embedded.state import State
from monitoring.backup import database
from tests.campsite.embedded.test_server import PATIENCE_S, Server, server  # noqa: F401
from tests.monitoring.backup import kept

pytestmark = [pytest.mark.services, pytest.mark.long]
is_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux: children that end with their parent")
METERS = 40
USED_S = 240
"""Guests come in the first minute; a meter tells what it counted when it is asked, or once an hour."""
IS_STOPPED = "SELECT count(*) FROM meters_automaticstop WHERE ended_at IS NULL"


def connect(running: Server) -> "psycopg.Connection[tuple[Any, ...]]":
    card = State(running.root / ".run").card()
    assert card
    told = environ.Env.db_url_config(card.environment["DATABASE_URL"])
    place = {"dbname": told["NAME"], "user": told["USER"], "password": told["PASSWORD"], "host": told["HOST"]}
    return psycopg.connect(**place, port=told["PORT"])


def ledger(running: Server) -> dict[str, int]:
    with connect(running) as connection:
        return database.ledger(connection)


def has_been_used(running: Server) -> bool:
    told = ledger(running)
    return bool(told["meters_wh"] and told["lines"])


@is_linux
@pytest.mark.timeout(900)
def test_a_campsite_that_lost_everything_comes_back_with_the_same_ledger_to_the_watt_hour(
    server: Server,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "nas").mkdir(exist_ok=True)
    for variable in ("DATABASE_URL", "REDIS_URL"):  # not those of the tests: its own, which can be lost
        monkeypatch.delenv(variable)
    monkeypatch.setenv("BACKUP_TARGETS", f"nas file://{tmp_path}/nas")
    monkeypatch.setenv("BACKUP_RECIPIENTS", kept.RECIPIENT)
    monkeypatch.setenv("BACKUP_IDENTITY", kept.IDENTITY)
    _pid, ready = server.start(METERS)
    assert ready, (server.root / "stderr").read_text()
    wait_until(lambda: has_been_used(server), USED_S, "a guest's use of power", every_s=1)
    made = server.run("manage", "backup")
    assert made.returncode == 0, made.stdout + made.stderr
    (path,) = (tmp_path / "nas").glob("*/manifest.json")
    told = json.loads(path.read_text())
    assert told["ledger"]["meters_wh"] > 0
    assert len([part for part in told["parts"] if part["kind"] == "zigbee2mqtt"]) > 1

    server.end(signal.SIGKILL)
    State(server.root / ".run").remove()
    back = server.run("manage", "restore", "--from", "nas", "--into", str(tmp_path / "into"))
    assert back.returncode == 0, back.stdout + back.stderr

    server.start(METERS)
    with connect(server) as connection:
        assert connection.execute(IS_STOPPED).fetchone() == (1,)
        held = "SELECT count(*) FROM meters_command WHERE automatic AND created_at > (SELECT max(since) FROM "
        assert connection.execute(held + "meters_automaticstop)").fetchone() == (0,)
    now = ledger(server)
    assert {name: now[name] >= value for name, value in told["ledger"].items()} == dict.fromkeys(told["ledger"], True)
    assert server.end(signal.SIGTERM) == 0
