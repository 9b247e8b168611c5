"""A backup is whole on a target, or it is none; what fails on one target does not on another."""

import io
import os
import subprocess
import tarfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from django.db import connection
from django.utils import timezone

from meters.models import Reading
from monitoring.backup import database, locks, manifest, parts, runs, sealing, targets
from monitoring.backup.manifest import Manifest
from monitoring.backup.stores.sftp import fingerprint
from monitoring.models import BackupCopy, BackupRun, Origin
from tests import make
from tests.monitoring.backup import servers

pytestmark = pytest.mark.django_db(transaction=True)


def made() -> BackupRun:
    return runs.run(Origin.COMMAND)


def on(target: str = "nas") -> list[Manifest]:
    return list(targets.named(target).backups())


def aged(run: BackupRun, folder: Path, days: int) -> BackupRun:
    """As if it had been made so many days ago."""
    before = manifest.folder_name(run.started_at)
    run.started_at -= timedelta(days=days)
    run.save()
    moved = (folder / before).rename(folder / manifest.folder_name(run.started_at))
    told = Manifest.from_json((moved / manifest.FILE).read_bytes())
    (moved / manifest.FILE).write_bytes(replace(told, made_at=run.started_at).to_json())
    return run


def test_a_backup_holds_the_database_and_says_what_was_in_it(backups: Path, tmp_path: Path):
    make.reading(make.meter("101"), timezone.now(), power_w=25)
    run = made()
    assert (run.status, run.error) == ("done", "")
    [told] = on()
    assert told.made_at == run.started_at
    assert told.rows["meters_meter"] == 1
    assert told.rows[f"meters_reading_{timezone.now():%Y%m%d}"] == 1
    assert "monitoring.0006_backups_and_drills" in told.migrations
    [part] = told.parts
    assert (part.kind, part.file) == ("database", "database.dump.age")
    copy = tmp_path / "copy"
    targets.named("nas").download(told.folder, part.file, copy)
    with (tmp_path / "dump").open("wb") as into:
        assert sealing.unseal(copy, into) == part.plain_bytes
    listed = subprocess.run(
        [database.program("pg_restore"), "--list", tmp_path / "dump"], capture_output=True, text=True, check=True
    )
    assert "TABLE DATA public meters_meter " in listed.stdout


def test_no_password_stands_among_the_words_of_a_process(backups: Path):
    password = connection.settings_dict["PASSWORD"]
    with database.snapshot() as moment, database.dump(moment) as out:
        out.read(1)
        words = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.parent.name != "self"]
        assert any(b"pg_dump" in line for line in words)
        assert not any(password.encode() in line for line in words)
        while out.read(1 << 20):
            pass


def test_readings_and_partitions_are_made_while_a_dump_runs(tmp_path: Path):
    """The dump and the counts are of the moment before; nobody waits for it."""
    meter = make.meter("101")
    make.reading(meter, timezone.now(), power_w=25)

    class Meanwhile:
        def step(self, text: str) -> None:
            if text == "counting its rows":
                return
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '2s'")
            make.reading(meter, timezone.now() + timedelta(seconds=1), power_w=26)
            make.reading(meter, timezone.now() + timedelta(days=40), power_w=27)

        def more(self, count: int) -> None:
            if not self.is_done:
                self.is_done = True
                self.step("in the middle of the dump")

        is_done = False

    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        before = cursor.fetchone()[0]
    part, moment = parts.dump_database(tmp_path, Meanwhile())
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", [before])
    assert Reading.objects.count() == 5
    assert sum(count for table, count in moment.rows.items() if table.startswith("meters_reading_")) == 1
    assert part.plain_bytes > 10_000


def test_the_counts_are_those_of_the_dumped_moment(tmp_path: Path):
    with database.snapshot() as moment:
        make.meter("101")
        assert database.rows(moment.connection)["meters_meter"] == 0
        with database.dump(moment) as out:
            dumped = out.read()
    said = subprocess.run(
        [database.program("pg_restore"), "--data-only", "--table=meters_meter", "-f", "-"],
        input=dumped, capture_output=True, check=True,
    )  # fmt: skip
    rows = said.stdout.decode().split("FROM stdin;\n")[1].split("\\.")[0]
    assert rows == ""


def test_the_ledger_is_told_in_watt_hours(tmp_path: Path):
    stay = make.stay(make.pitch("101"))
    make.used(stay, "1.234")
    now = timezone.now()
    make.served(stay, stay.pitch, now - timedelta(days=2), now - timedelta(days=1), "2.005")
    with database.snapshot() as moment:
        told = database.ledger(moment.connection)
    assert (told["corrections_wh"], told["lines"], told["lines_wh"]) == (1234, 1, 2005)
    assert set(told) == set(database.LEDGER)


def broken_off(how: str) -> None:
    with database.snapshot() as moment:
        if how == "before":
            terminate(moment.connection.info.backend_pid)
        with database.dump(moment) as out:
            if how == "meanwhile":
                out.read(100)
                terminate(moment.connection.info.backend_pid)
            while out.read(1000):
                pass
        database.rows(moment.connection)


def terminate(backend: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [backend])


@pytest.mark.parametrize("how", ["before", "meanwhile"])
def test_a_dump_that_is_broken_off_is_no_part(how: str):
    with pytest.raises(database.DatabaseError, match="pg_dump failed" if how == "before" else "broke off"):
        broken_off(how)


def test_a_pg_dump_that_is_too_old_is_told(tmp_path: Path, settings):
    old = tmp_path / "pg_dump"
    old.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.24'\n")
    old.chmod(0o755)
    settings.POSTGRES_PROGRAMS = str(tmp_path)
    run = made()
    assert run.status == "failed"
    assert "too old for a server of" in run.error
    settings.POSTGRES_PROGRAMS = str(tmp_path / "nowhere")
    assert "There is no pg_dump" in made().error


def test_one_backup_goes_to_a_folder_a_store_and_a_server_and_is_the_same_on_each(tmp_path: Path, settings):
    server = servers.Sftp(tmp_path)
    (tmp_path / "campsite").mkdir()
    with servers.s3() as host:
        settings.BACKUP_TARGETS |= {
            "store": f"s3://key:secret@{host}/campsite/prefix?tls=no",
            "server": f"sftp://nas:se%2Fcret@127.0.0.1:{server.port}/campsite?fingerprint={quote(fingerprint(server.key))}",
        }
        run = made()
        assert run.status == "done", [copy.error for copy in run.copies.all()]
        assert on("nas") == on("store") == on("server") != []
    server.stop()


def test_a_target_that_is_away_keeps_no_other_from_its_copy(backups: Path, tmp_path: Path, settings):
    settings.BACKUP_TARGETS = {"away": f"file://{tmp_path}/away"} | settings.BACKUP_TARGETS
    run = made()
    assert run.status == "incomplete"
    copies = {copy.target: copy for copy in run.copies.all()}
    assert copies["away"].status == "failed"
    assert "There is no folder" in copies["away"].error
    assert copies["nas"].status == "done"
    assert copies["nas"].bytes > run.bytes
    assert len(on("nas")) == 1


def test_a_folder_where_nothing_is_mounted_gets_no_backup(backups: Path, settings):
    settings.BACKUP_TARGETS = {"nas": f"file://{backups}?mount={backups}"}
    run = made()
    assert run.status == "failed"
    assert "Nothing is mounted" in run.copies.get().error
    assert list(backups.iterdir()) == []


def test_folders_are_backed_up_and_what_cannot_be_read_is_told(tmp_path: Path, settings):
    (tmp_path / "mosquitto").mkdir()
    (tmp_path / "mosquitto" / "mosquitto.db").write_bytes(b"persistent")
    settings.BACKUP_FOLDERS = {"mosquitto": str(tmp_path / "mosquitto"), "ha": str(tmp_path / "gone")}
    run = made()
    assert run.status == "incomplete"
    [told] = on()
    assert [part.file for part in told.parts] == ["database.dump.age", "folder-mosquitto.tar.gz.age"]
    [missing] = told.missing
    assert (missing.name, missing.kind) == ("ha", "folder")
    assert "There is no folder" in missing.why


def test_a_folder_above_the_backups_does_not_hold_them(backups: Path, tmp_path: Path, settings):
    settings.BACKUP_FOLDERS = {"all": str(tmp_path)}
    (tmp_path / "mosquitto.conf").touch()
    made()
    made()
    (folder,) = (part for part in on()[0].parts if part.kind == "folder")
    plain = io.BytesIO()
    sealing.unseal(backups / on()[0].folder / folder.file, plain)
    plain.seek(0)
    with tarfile.open(fileobj=plain) as tar:
        assert tar.getnames() == ["mosquitto.conf"]


def test_the_history_of_the_configurations_is_backed_up_too(tmp_path: Path, settings):
    settings.BACKUP_HISTORY = str(tmp_path / "history")
    assert (made().status, on()[0].missing) == ("done", ()), "nothing is missing before it was begun"
    (tmp_path / "history").mkdir()
    (tmp_path / "history" / "HEAD").write_text("ref: refs/heads/main\n")
    made()
    assert [part.file for part in on()[0].parts] == ["database.dump.age", "folder-history.tar.gz.age"]


def test_two_at_once_make_one(settings):
    with locks.held(locks.BACKUP), pytest.raises(runs.UnderWay, match="under way"):
        made()
    assert not BackupRun.objects.exists()


@pytest.mark.parametrize("missing", ["BACKUP_TARGETS", "BACKUP_RECIPIENTS"])
def test_without_a_target_or_a_key_nothing_is_begun(settings, missing: str):
    setattr(settings, missing, {} if missing == "BACKUP_TARGETS" else [])
    with pytest.raises(runs.Unset, match=missing):
        made()
    assert not BackupRun.objects.exists()


def test_generations_that_have_passed_go_and_strangers_stay(backups: Path, settings):
    settings.BACKUP_TARGETS = {"nas": f"file://{backups}?daily=1&weekly=0&monthly=0"}
    (backups / "photos").mkdir()
    (backups / "20200101T000000Z").mkdir()  # has our name, and is no backup
    first, second = aged(made(), backups, days=3), made()
    names = {path.name for path in backups.iterdir()}
    assert names == {"photos", "20200101T000000Z", manifest.folder_name(second.started_at)}
    assert first.copies.get().pruned_at is not None
    assert second.copies.get().pruned_at is None


def test_nothing_goes_while_no_copy_succeeds(backups: Path, settings):
    settings.BACKUP_TARGETS = {"nas": f"file://{backups}?daily=1&weekly=0&monthly=0"}
    first = aged(made(), backups, days=3)
    settings.POSTGRES_PROGRAMS = "/nowhere"
    assert made().status == "failed"
    assert [told.made_at for told in on()] == [first.started_at]


def test_a_target_that_lets_nothing_be_removed_gets_its_copies_all_the_same(tmp_path: Path, settings):
    """After one that failed, and with one that has had its time."""
    server = servers.Sftp(tmp_path)
    (tmp_path / "campsite").mkdir()
    url = f"sftp://nas:se%2Fcret@127.0.0.1:{server.port}/campsite?fingerprint={quote(fingerprint(server.key))}"
    settings.BACKUP_TARGETS = {"nas": f"{url}&daily=1&weekly=0&monthly=0"}
    old = aged(made(), tmp_path / "campsite", days=3)
    server.may_remove, server.full_after = False, 10_000
    assert made().status == "failed"
    server.full_after = None
    run = made()
    assert (run.status, run.copies.get().status) == ("done", "done")
    assert "could not be looked through or removed" in run.copies.get().error
    assert [told.made_at for told in on()] == [run.started_at, old.started_at]
    server.stop()


def test_a_copy_that_somebody_took_away_is_no_good_copy_any_more(backups: Path):
    first = made()
    (backups / manifest.folder_name(first.started_at) / "database.dump.age").unlink()
    made()
    copy = first.copies.get()
    assert (copy.status, copy.pruned_at is not None) == ("failed", True)
    assert "not we who removed it" in copy.error
    assert (backups / manifest.folder_name(first.started_at)).exists()


def test_a_folder_without_its_manifest_or_with_a_cut_file_is_no_backup(backups: Path):
    folder = backups / manifest.folder_name(made().started_at)
    told = (folder / manifest.FILE).read_bytes()
    (folder / manifest.FILE).unlink()
    assert on() == []
    (folder / manifest.FILE).write_bytes(told[:-10])
    assert on() == []
    (folder / manifest.FILE).write_bytes(told)
    assert len(on()) == 1
    os.truncate(folder / "database.dump.age", 100)
    assert on() == []


def test_what_a_killed_run_left_is_cleared_up_by_the_next(backups: Path, settings):
    at = (timezone.now() - timedelta(hours=1)).replace(microsecond=0)
    killed = BackupRun.objects.create(started_at=at, heartbeat=at, step="copying to nas")
    BackupCopy.objects.create(run=killed, target="nas", status="running")
    half = backups / manifest.folder_name(at)
    half.mkdir()
    (half / "database.dump.age").write_bytes(b"half")
    (half / ".folder-ha.tar.gz.age.part").write_bytes(b"half")
    work = Path(settings.BACKUP_WORK) / f"{runs.MAKING}{manifest.folder_name(at)}"
    work.mkdir(parents=True)
    (work / "database.dump.age").write_bytes(b"half")
    run = made()
    killed.refresh_from_db()
    assert killed.status == "failed"
    assert "in the middle" in killed.error
    assert killed.copies.get().pruned_at is not None
    assert not half.exists()
    assert not work.exists()
    assert [told.made_at for told in on()] == [run.started_at]


def test_a_copy_that_was_finished_before_its_run_was_killed_counts(backups: Path):
    first = made()
    BackupRun.objects.update(status="running", finished_at=None)
    BackupCopy.objects.update(status="running")
    made()
    assert first.copies.get().status == "done"
    assert len(on()) == 2


def test_backups_that_lie_in_the_working_folder_are_never_swept(backups: Path, settings):
    settings.BACKUP_WORK = str(backups)
    made()
    made()
    assert len(on("nas")) == 2


def test_the_working_folder_is_empty_afterwards_and_ours_alone(settings):
    made()
    work = Path(settings.BACKUP_WORK)
    assert list(work.iterdir()) == []
    assert work.stat().st_mode & 0o077 == 0


def test_nothing_of_a_backup_can_be_read_without_the_key(backups: Path):
    make.guest(make.booking(), last_name="Müllermeister")
    made()
    for path in backups.rglob("*"):
        assert path.is_dir() or "Müllermeister".encode() not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0


def test_a_run_that_came_back_with_its_own_backup_did_not_last_until_the_restore(backups: Path):
    run = made()
    told = on()[0]
    begun = timezone.now() - timedelta(days=3)
    BackupRun.objects.update(started_at=begun, heartbeat=begun, finished_at=None, status="running", bytes=0)
    run.copies.update(status="waiting", finished_at=None)
    runs.settle_restored(replace(told, made_at=begun), "nas")
    run.refresh_from_db()
    assert (run.status, run.bytes, run.duration) == ("done", told.size, timedelta(0))
    assert run.copies.get().status == "done"
