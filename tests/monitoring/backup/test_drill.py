"""Restore drills: a backup is brought back from its target, and the live database is never written but for the row."""

import hashlib
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings as present
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from psycopg.types.json import Jsonb

from campsite.embedded.processes import wait_until
from monitoring.backup import database, drill, fetching, locks, scratch, sealing
from monitoring.backup.manifest import FILE, Manifest
from monitoring.models import BackupRun, Origin, RestoreDrill
from tests import migrated
from tests.monitoring.backup import kept

pytestmark = [pytest.mark.django_db, pytest.mark.xdist_group("drill")]
Status = RestoreDrill.Status


@pytest.fixture(scope="module")
def written(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, Manifest]]:
    folder = tmp_path_factory.mktemp("backup")
    with django_db_blocker.unblock():
        yield folder, kept.of_a_campsite(folder)


@pytest.fixture
def backup(written: tuple[Path, Manifest], tmp_path: Path, settings: Any) -> tuple[Path, Manifest]:
    """A copy of it, to do harm to."""
    folder, manifest = written
    shutil.copytree(folder / "nas", tmp_path / "nas", dirs_exist_ok=True)
    for name, value in kept.settings_for(tmp_path).items():
        setattr(settings, name, value)
    kept.note(manifest)
    return tmp_path, manifest


def run(progress: Any = None) -> RestoreDrill:
    done = drill.run(Origin.COMMAND, progress=progress)
    assert databases() == []
    assert list(Path(present.BACKUP_WORK).glob("*")) == []
    return done


def databases() -> list[str]:
    """Scratch databases of this test's database."""
    with migrated.server() as server:
        names = [name for (name,) in server.execute("SELECT datname FROM pg_database")]
    return [name for name in names if scratch.is_ours(name)]


def change_a_byte(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


class Meddler:
    """Does something when the drill begins a step, or has come so far within one."""

    def __init__(self, step: str, act: Any, after: int | None = None) -> None:
        self.step, self.act, self.after, self.is_there = step, act, after, False

    def begin(self, what: str, total: int = 0) -> None:
        self.is_there = what.startswith(self.step)
        if self.is_there and self.after is None:
            self.act()

    def add(self, count: int) -> None:
        if self.is_there and self.after is not None:
            self.is_there = False
            self.act()


def drop_scratch() -> None:
    (name,) = databases()
    scratch.drop(name)


def test_a_backup_that_is_whole_is_brought_back_and_compared_to_the_watt_hour(backup: tuple[Path, Manifest]) -> None:
    done = run()
    assert (done.status, done.error, done.step) == (Status.DONE, "", "")
    assert (done.target, done.backup_at) == ("nas", kept.MADE_AT)
    assert done.report["ledger"]["corrections_wh"] == [15_345, 15_345]
    assert done.report["rows"] == sum(backup[1].rows.values()) > 100
    assert [(name, found) for name, _kind, _bytes, found in done.report["parts"]] == [
        ("north", "4 files, 2 devices"),
        ("mosquitto", "1 files"),
        ("database", "restored"),
    ]


@pytest.mark.parametrize("file", ["database.dump.age", "zigbee2mqtt-north.zip.age", "folder-mosquitto.tar.gz.age"])
@pytest.mark.parametrize("at", [0, -1])
def test_a_single_changed_byte_is_found(backup: tuple[Path, Manifest], file: str, at: int) -> None:
    folder, manifest = backup
    change_a_byte(folder / "nas" / manifest.folder / file, at)
    done = run()
    assert done.status == Status.FAILED
    assert file in done.error
    assert "nas" in done.error


def test_a_byte_that_was_changed_together_with_its_manifest_is_found_when_it_is_opened(
    backup: tuple[Path, Manifest],
) -> None:
    folder, manifest = backup
    path = folder / "nas" / manifest.folder / "database.dump.age"
    change_a_byte(path, path.stat().st_size // 2)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    parts = tuple(replace(part, sha256=digest) if part.file == path.name else part for part in manifest.parts)
    kept.write_manifest(folder, replace(manifest, parts=parts))
    done = run()
    assert done.status == Status.FAILED
    assert "changed" in done.error


@pytest.mark.parametrize("is_noted", [True, False])
def test_a_backup_that_somebody_else_put_there_is_not_opened(backup: tuple[Path, Manifest], is_noted: bool) -> None:
    folder, manifest = backup
    dump = kept.put(folder, manifest, manifest.parts[0], b"PGDMP and what our PostgreSQL should do")
    told = replace(manifest, parts=(dump, *manifest.parts[1:]))
    (folder / "nas" / manifest.folder / FILE).write_bytes(told.to_json())
    if not is_noted:
        BackupRun.objects.all().delete()
    done = run()
    assert done.status == Status.FAILED
    assert "so it was not opened" in done.error
    assert done.report["parts"] == []


def test_a_file_that_was_cut_short_makes_the_folder_no_backup(backup: tuple[Path, Manifest]) -> None:
    folder, manifest = backup
    path = folder / "nas" / manifest.folder / "database.dump.age"
    path.write_bytes(path.read_bytes()[:-1])
    done = run()
    assert (done.status, done.backup_at) == (Status.FAILED, None)
    assert "No whole backup lies on nas" in done.error
    assert f"{manifest.folder}: database.dump.age has" in done.error


def test_a_later_backup_that_cannot_be_used_is_told_with_why_and_the_one_before_is_tried(
    backup: tuple[Path, Manifest],
) -> None:
    folder, manifest = backup
    later, unfinished = replace(manifest, made_at=kept.MADE_AT + timedelta(days=1), format=2), "20260714T021500Z"
    for name in (later.folder, unfinished):
        (folder / "nas" / name).mkdir()
    kept.write_manifest(folder, later)
    done = run()
    assert (done.status, done.backup_at) == (Status.DONE, kept.MADE_AT)
    assert done.report["unusable"] == [
        [unfinished, "it was never finished: it has no manifest"],
        [later.folder, "it was made by other software (format 2, ours is 1)"],
    ]


def test_another_key_is_told_by_name(backup: tuple[Path, Manifest], settings: Any) -> None:
    settings.BACKUP_IDENTITY = sealing.new_key()[0]
    done = run()
    assert done.status == Status.FAILED
    assert "another key" in done.error
    assert settings.BACKUP_IDENTITY not in done.error


def test_a_target_that_is_away_is_told(backup: tuple[Path, Manifest]) -> None:
    shutil.rmtree(backup[0] / "nas")
    done = run()
    assert done.status == Status.FAILED
    assert "mounted" in done.error


def test_rows_and_watt_hours_that_are_not_those_of_the_manifest_are_a_failure(backup: tuple[Path, Manifest]) -> None:
    folder, manifest = backup
    told = replace(
        manifest,
        rows=manifest.rows | {"bookings_correction": 3, "lost": 1},
        ledger=manifest.ledger | {"corrections_wh": 15_346},
    )
    kept.write_manifest(folder, told)
    done = run()
    assert done.status == Status.FAILED
    assert done.report["differing"] == [["bookings_correction", 3, 2], ["lost", 1, -1]]
    assert done.report["ledger"]["corrections_wh"] == [15_346, 15_345]
    assert len(done.error.splitlines()) == 3


def test_a_database_that_is_dropped_under_the_drill_fails_it_and_nothing_else(backup: tuple[Path, Manifest]) -> None:
    for meddler in (Meddler("Restoring", drop_scratch, after=1), Meddler("Comparing rows", drop_scratch)):
        done = run(meddler)
        assert done.status == Status.FAILED
        assert done.error
    assert run().status == Status.DONE


def test_what_breaks_unforeseen_is_told_by_its_kind_and_leaves_nothing(backup: tuple[Path, Manifest]) -> None:
    def break_it() -> None:
        raise ZeroDivisionError("secret")

    with pytest.raises(ZeroDivisionError):
        run(Meddler("Comparing rows", break_it))
    done = RestoreDrill.objects.get()
    assert (done.status, done.error) == (Status.FAILED, "ZeroDivisionError")
    assert databases() == []


def test_the_next_drill_sweeps_what_a_killed_one_left_and_only_that(backup: tuple[Path, Manifest]) -> None:
    killed = RestoreDrill.objects.create(started_at=kept.MADE_AT, target="nas")
    live = connection.settings_dict["NAME"]
    left, others = f"{live}_drill_0123abcd", f"{live}_drill_notours"
    with migrated.server() as server:
        for name in (left, others):
            server.execute(f"CREATE DATABASE {name}")
        try:
            run()
            names = {name for (name,) in server.execute("SELECT datname FROM pg_database")}
        finally:
            server.execute(f"DROP DATABASE {others}")
    assert {left, others} & names == {others}
    killed.refresh_from_db()
    assert killed.status == Status.FAILED
    assert killed.finished_at


def test_there_is_one_drill_at_a_time(backup: tuple[Path, Manifest]) -> None:
    with database.connect() as other:
        other.execute("SELECT pg_advisory_lock(%s)", [locks.DRILL])
        with pytest.raises(locks.Busy):
            drill.run(Origin.COMMAND)
    assert not RestoreDrill.objects.exists()
    assert run().status == Status.DONE


@pytest.mark.parametrize("name", ["postgres", "template1", "x_drill_0123abcd", "live"])
def test_only_scratch_databases_of_ours_are_opened_or_dropped(name: str) -> None:
    name = connection.settings_dict["NAME"] if name == "live" else name
    with pytest.raises(ValueError, match="no scratch database"):
        scratch.drop(name)
    with pytest.raises(ValueError, match="no scratch database"), scratch.opened(name):
        pass


def test_without_room_for_a_copy_nothing_is_begun(backup: tuple[Path, Manifest], settings: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fetching, "SPARE", 1 << 60)
        done = run()
    assert done.status == Status.FAILED
    assert "MB are needed" in done.error


def test_targets_take_turns_and_what_was_never_tried_is_first(backup: tuple[Path, Manifest], settings: Any) -> None:
    shutil.copytree(backup[0] / "nas", backup[0] / "second")
    settings.BACKUP_TARGETS = settings.BACKUP_TARGETS | {"second": f"file://{backup[0]}/second"}
    assert [run().target for _ in range(3)] == ["nas", "second", "nas"]


def test_it_is_due_once_in_four_weeks_and_each_night_until_it_succeeds(
    backup: tuple[Path, Manifest], settings: Any
) -> None:
    now = timezone.now()
    identity, settings.BACKUP_IDENTITY = settings.BACKUP_IDENTITY, ""
    assert drill.run_if_due(now) is None  # without the key there is nothing to try; that it is overdue is found
    settings.BACKUP_IDENTITY = sealing.new_key()[0]
    for identity_then, status in ((settings.BACKUP_IDENTITY, Status.FAILED), (identity, Status.DONE)):
        settings.BACKUP_IDENTITY = identity_then
        done = drill.run_if_due(now)
        assert done
        assert (done.status, done.origin) == (status, Origin.SCHEDULE)
    assert drill.run_if_due(now + timedelta(days=27)) is None
    assert drill.run_if_due(now + timedelta(days=29))


def test_a_target_whose_drill_failed_is_tried_again_though_another_one_has_succeeded(
    backup: tuple[Path, Manifest], settings: Any
) -> None:
    (backup[0] / "empty").mkdir()
    settings.BACKUP_TARGETS = settings.BACKUP_TARGETS | {"empty": f"file://{backup[0]}/empty"}
    nights = [drill.run_if_due(timezone.now()) for _ in range(3)]
    assert [(each.target, each.status) for each in nights if each] == [
        ("nas", Status.DONE),
        ("empty", Status.FAILED),
        ("empty", Status.FAILED),
    ]


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_a_backup_of_older_software_is_brought_forward_in_the_scratch_database_alone(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "x")  # of the process that migrates
    for name, value in kept.settings_for(tmp_path).items():
        setattr(settings, name, value)
    call_command("migrate", "authtoken", "zero", verbosity=0)
    try:
        manifest = kept.make(tmp_path)
        done = run()
        with database.connect() as live:
            assert database.migrations(live) == manifest.migrations
    finally:
        call_command("migrate", "authtoken", verbosity=0)
    assert (done.status, done.error) == (Status.DONE, "")
    assert [each.partition(".")[0] for each in done.report["forward"]] == ["authtoken"] * 4


def test_a_backup_of_later_software_is_told_to_need_it(backup: tuple[Path, Manifest], settings: Any) -> None:
    settings.MIGRATION_MODULES = {"authtoken": None}  # as if this software had never had that
    done = run()
    assert done.status == Status.FAILED
    assert "later software" in done.error
    assert "authtoken.0001_initial" in done.error


def test_a_zip_that_brings_back_nothing_or_other_devices_than_it_held_is_a_failure(
    backup: tuple[Path, Manifest],
) -> None:
    folder, manifest = backup
    database_, north, others = manifest.parts
    kept.write_manifest(folder, replace(manifest, parts=(database_, replace(north, facts={"devices": 3}), others)))
    assert "holds 2 devices; the manifest tells 3" in run().error
    broken = kept.put(folder, manifest, north, b"PK no zip")
    kept.write_manifest(folder, replace(manifest, parts=(database_, broken, others)))
    assert "zigbee2mqtt-north.zip.age cannot be used: What it sent is no zip" in run().error
    cut = kept.put(folder, manifest, others, kept.tarred(kept.FOLDER)[:-20])
    kept.write_manifest(folder, replace(manifest, parts=(database_, broken, cut)))
    assert "folder-mosquitto.tar.gz.age cannot be used" in run().error


def test_a_dump_that_ended_too_early_is_refused_although_it_was_sealed_well(backup: tuple[Path, Manifest]) -> None:
    folder, manifest = backup
    dump = manifest.parts[0]
    plain = io.BytesIO()
    sealing.unseal(folder / "nas" / manifest.folder / dump.file, plain)
    cut = kept.put(folder, manifest, dump, plain.getvalue()[: len(plain.getvalue()) * 2 // 3])
    kept.write_manifest(folder, replace(manifest, parts=(cut, *manifest.parts[1:])))
    done = run()
    assert done.status == Status.FAILED
    assert "pg_restore refused" in done.error


@pytest.mark.services
def test_after_a_power_cut_the_next_drill_finds_nothing_in_its_way(backup: tuple[Path, Manifest]) -> None:
    name = "test_drilled"
    environment = os.environ | {
        "DATABASE_URL": migrated.copy(name),
        "BACKUP_TARGETS": f"nas file://{backup[0]}/nas",
        "BACKUP_IDENTITY": kept.IDENTITY,
        "BACKUP_WORK": str(backup[0] / "work"),
        "SECRET_KEY": "x",
    }

    def scratches() -> list[str]:
        with migrated.server() as server:
            return [
                found for (found,) in server.execute("SELECT datname FROM pg_database") if f"{name}_drill_" in found
            ]

    def begun() -> "subprocess.Popen[bytes]":
        words = [sys.executable, "manage.py", "restore_drill"]
        return subprocess.Popen(
            words, cwd=present.BASE_DIR, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    with psycopg.connect(**migrated.place() | {"dbname": name}) as theirs:
        theirs.execute(
            "INSERT INTO monitoring_backuprun (started_at, heartbeat, origin, status, step, bytes, error, manifest) "
            "VALUES (%(at)s, %(at)s, 'command', 'done', '', 0, '', %(told)s)",
            {"at": kept.MADE_AT, "told": Jsonb(backup[1].told())},
        )
    try:
        killed = begun()
        wait_until(lambda: bool(scratches()), 120, "a scratch database")
        killed.kill()
        killed.communicate()
        assert scratches()
        next_one = begun()
        told, _errors = next_one.communicate(timeout=120)
        assert next_one.returncode == 0, told
        assert scratches() == []
        assert not (backup[0] / "work" / "drill").exists()
    finally:
        for left in [*scratches(), name]:
            migrated.drop(left)
