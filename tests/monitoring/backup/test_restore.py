"""`manage.py restore` on an empty database, as a process of its own, which may be killed."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings

from campsite.embedded.processes import wait_until
from monitoring.backup import sealing
from monitoring.backup.manifest import Manifest
from tests import migrated
from tests.monitoring.backup import kept

# One worker: the backup of 200,000 readings is made once.
pytestmark = [pytest.mark.services, pytest.mark.django_db, pytest.mark.xdist_group("restore")]
PATIENCE_S = 120
IN_ENGLISH = """
import sys, django
django.setup()
from django.core.management import execute_from_command_line
from django.utils import translation
translation.activate("en")
execute_from_command_line(["manage.py", *sys.argv[1:]])
"""
"""manage.py speaks the site's language, where that has been compiled."""
NAME = f"test_restored_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
STAY_WH = "SELECT (1000 * sum(energy_kwh))::int FROM bookings_correction"
IS_STOPPED = "SELECT reason FROM meters_automaticstop WHERE ended_at IS NULL"


@pytest.fixture(scope="module")
def written(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, Manifest]]:
    """With so many readings that a restore takes a moment, in which it can be killed."""
    folder = tmp_path_factory.mktemp("backup")
    with django_db_blocker.unblock():
        yield folder, kept.of_a_campsite(folder, readings=200_000)


class Machine:
    """One that has only settings, the key, and an empty database."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.into = folder / "into"
        self._was_there = False
        self.environment = os.environ | {
            "DATABASE_URL": migrated.url(name),
            "BACKUP_TARGETS": f"nas file://{folder}/nas",
            "BACKUP_IDENTITY": kept.IDENTITY,
            "BACKUP_WORK": str(folder / "work"),
            "SECRET_KEY": "x",
            "DJANGO_SETTINGS_MODULE": "campsite.settings",
        }

    def restore(self, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self._words(*words),
            cwd=settings.BASE_DIR,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )

    def killed_when(self, condition: Any) -> None:
        """A restore that is killed as soon as that is true, as by a power cut."""
        process = subprocess.Popen(
            self._words(), cwd=settings.BASE_DIR, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        wait_until(lambda: condition() or process.poll() is not None, PATIENCE_S, "the moment")
        assert process.poll() is None, process.communicate()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        wait_until(lambda: not self.connected(), PATIENCE_S, "what it had begun")

    def tables(self) -> int:
        (found,) = self.ask("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        return int(found)

    def has_got_all(self) -> bool:
        """Asked from outside: whoever is connected to the database keeps it from being restored."""
        is_there = "pg_restore" in self.connected()
        self._was_there = is_there or self._was_there
        return self._was_there and not is_there

    def connected(self) -> list[str]:
        """What is connected to the database, as it calls itself."""
        query = "SELECT application_name FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'"
        with migrated.server() as server:
            return [name for (name,) in server.execute(query, [self.name]).fetchall()]

    def ask(self, query: str) -> tuple[Any, ...]:
        with self.open() as connection:
            return connection.execute(query).fetchone() or ()  # type: ignore[arg-type]

    @contextmanager
    def open(self) -> Iterator["psycopg.Connection[Any]"]:
        with psycopg.connect(**migrated.place() | {"dbname": self.name}, autocommit=True) as connection:
            yield connection

    def _words(self, *words: str) -> list[str]:
        return [sys.executable, "-c", IN_ENGLISH, "restore", "--from", "nas", "--into", str(self.into), *words]


@pytest.fixture
def machine(written: tuple[Path, Manifest], tmp_path: Path) -> Iterator[Machine]:
    shutil.copytree(written[0] / "nas", tmp_path / "nas", dirs_exist_ok=True)
    migrated.drop(NAME)
    with migrated.server() as server:
        server.execute(f"CREATE DATABASE {NAME}")
    yield Machine(tmp_path, NAME)
    migrated.drop(NAME)


def told(done: "subprocess.CompletedProcess[str]") -> str:
    """In one line, however it was broken."""
    return " ".join((done.stdout + done.stderr).split())


def test_a_restored_database_is_the_same_to_the_watt_hour_and_nothing_acts_on_it(machine: Machine) -> None:
    done = machine.restore()
    assert done.returncode == 0, told(done)
    assert machine.ask(STAY_WH) == (15_345,)
    assert machine.ask("SELECT count(*) FROM meters_reading") == (200_000,)
    assert "12.07.2026" in machine.ask(IS_STOPPED)[0]
    for nothing in (
        "SELECT count(*) FROM django_session",
        "SELECT count(*) FROM meters_command WHERE finished_at IS NULL",
        "SELECT count(*) FROM meters_bridgerequest WHERE status IN ('queued', 'sent')",
        "SELECT count(*) FROM monitoring_incident WHERE closed_at IS NULL AND unseen_since IS NULL",
        "SELECT count(*) FROM monitoring_backuprun WHERE status = 'running'",
        "SELECT count(*) FROM monitoring_restoredrill WHERE status = 'running'",
    ):
        assert machine.ask(nothing) == (0,), nothing
    assert machine.ask("SELECT target, status FROM monitoring_backupcopy") == ("nas", "done")
    files = {path.name: (path.stat().st_mode & 0o777, path.read_bytes()[:2]) for path in machine.into.iterdir()}
    assert files == {"zigbee2mqtt-north.zip": (0o600, b"PK"), "folder-mosquitto.tar.gz": (0o600, b"\x1f\x8b")}
    assert machine.into.stat().st_mode & 0o777 == 0o700
    assert list((machine.folder / "work").iterdir()) == []

    again = machine.restore()
    assert again.returncode == 1
    assert "not empty" in told(again)
    assert machine.ask(STAY_WH) == (15_345,)


def test_a_rehearsal_reads_everything_and_changes_nothing(machine: Machine) -> None:
    done = machine.restore("--dry-run")
    assert done.returncode == 0, told(done)
    assert "can be opened and read" in told(done)
    assert machine.tables() == 0
    assert not machine.into.exists()
    assert list((machine.folder / "work").iterdir()) == []


def test_what_is_not_the_database_comes_back_alone_and_needs_none(machine: Machine) -> None:
    done = machine.restore("--files", DATABASE_URL="postgres://x@127.0.0.1:1/x")
    assert done.returncode == 0, told(done)
    assert sorted(path.name for path in machine.into.iterdir()) == ["folder-mosquitto.tar.gz", "zigbee2mqtt-north.zip"]
    assert "unpack it into the data folder of that Zigbee2MQTT" in told(done)
    assert machine.tables() == 0


def test_one_zigbee2mqtt_comes_back_alone_and_nothing_else_is_fetched(machine: Machine) -> None:
    for file in (machine.folder / "nas").glob("*/*mosquitto*"):
        file.write_bytes(b"\0" * file.stat().st_size)  # damaged, and not asked for
    done = machine.restore("--only", "north", DATABASE_URL="postgres://x@127.0.0.1:1/x")
    assert done.returncode == 0, told(done)
    assert [path.name for path in machine.into.iterdir()] == ["zigbee2mqtt-north.zip"]
    nobody = machine.restore("--only", "nrth", DATABASE_URL="postgres://x@127.0.0.1:1/x")
    assert nobody.returncode == 1
    assert "no folder nrth. It holds: north, mosquitto" in told(nobody)


def test_a_power_cut_in_the_middle_leaves_an_empty_database_into_which_it_is_restored_again(machine: Machine) -> None:
    machine.killed_when(lambda: "pg_restore" in machine.connected())
    assert machine.tables() == 0
    done = machine.restore()
    assert done.returncode == 0, told(done)
    assert machine.ask(STAY_WH) == (15_345,)


def test_a_power_cut_when_all_has_come_lets_nobody_write_until_the_stop_is_pressed(machine: Machine) -> None:
    machine.killed_when(machine.has_got_all)
    assert machine.ask(IS_STOPPED) == ("smell of fire",)  # that of the backup, not yet ours
    with machine.open() as other, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        other.execute("DELETE FROM django_session")
    done = machine.restore()
    assert done.returncode == 0, told(done)
    assert "12.07.2026" in machine.ask(IS_STOPPED)[0]
    with machine.open() as other:
        other.execute("DELETE FROM django_session")


@pytest.mark.parametrize(
    ("harm", "words", "environment", "why"),
    [
        ("a changed byte", (), {}, "cut short or changed"),
        ("", (), {"BACKUP_IDENTITY": sealing.new_key()[0]}, "another key"),
        ("", (), {"BACKUP_IDENTITY": ""}, "BACKUP_IDENTITY"),
        ("", ("--at", "2026-07-12T04:14"), {}, "No whole backup of 2026-07-12 04:14"),
        ("", ("--at", "yesterday"), {}, "--at must be like"),
        ("no target", (), {}, "mounted"),
        ("another restore", (), {}, "Another restore, or a drill, is at work"),
        ("somebody else", (), {}, "Stop web, worker and background jobs first"),
    ],
)
def test_what_cannot_be_restored_is_told_with_what_to_do_and_the_database_stays_empty(
    machine: Machine, harm: str, words: tuple[str, ...], environment: Mapping[str, str], why: str
) -> None:
    with harmed(machine, harm):
        done = machine.restore(*words, **environment)
    assert done.returncode == 1
    assert why in told(done)
    assert "Traceback" not in done.stderr
    assert machine.tables() == 0
    with machine.open() as other:
        other.execute("CREATE TABLE anybody_may_write ()")


@contextmanager
def harmed(machine: Machine, harm: str) -> Iterator[None]:
    (dump,) = (machine.folder / "nas").glob("*/database.dump.age")
    match harm:
        case "a changed byte":
            content = bytearray(dump.read_bytes())
            content[len(content) // 2] ^= 1
            dump.write_bytes(content)
        case "no target":
            shutil.rmtree(machine.folder / "nas")
        case "somebody else":
            with machine.open():
                yield
            return
        case "another restore":
            (machine.folder / "work").mkdir(exist_ok=True)
            descriptor = os.open(machine.folder / "work", os.O_RDONLY)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
            os.close(descriptor)
            return
    yield
