"""The power fails, or the disk is full, in the midst of it: real processes, killed where they stand."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings as configured
from django.db import connection

from monitoring.backup import database, locks, manifest, runs, targets
from monitoring.backup.stores.sftp import fingerprint
from monitoring.models import BackupRun, Origin
from tests import make
from tests.meters.harness import until
from tests.monitoring.backup import servers

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]


@pytest.fixture
def sftp(tmp_path: Path, settings) -> Iterator[servers.Sftp]:
    """The only target; it can hold whoever writes to it."""
    (tmp_path / "sftp" / "campsite").mkdir(parents=True)
    server = servers.Sftp(tmp_path / "sftp")
    key = fingerprint(server.key).replace("+", "%2B")
    settings.BACKUP_TARGETS = {"nas": f"sftp://nas:se%2Fcret@127.0.0.1:{server.port}/campsite?fingerprint={key}"}
    yield server
    server.stop()


def backing_up(settings, preexec: Callable[[], None] | None = None) -> subprocess.Popen[str]:
    """`manage.py backup`, in a process of its own on this test's database."""
    told = connection.settings_dict
    place = f"{told['PORT']}/{told['HOST'].replace('/', '%2F')}/{told['NAME']}"
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": f"postgres://{told['USER']}:{told['PASSWORD']}@:{place}",
        "PRODUCTION": "0",
        "SECRET_KEY": "x",
        "BACKUP_TARGETS": "\n".join(f"{name} {url}" for name, url in settings.BACKUP_TARGETS.items()),
        "BACKUP_RECIPIENTS": settings.BACKUP_RECIPIENTS[0],
        "BACKUP_WORK": settings.BACKUP_WORK,
    }
    return subprocess.Popen(
        [sys.executable, "manage.py", "backup"],
        cwd=configured.BASE_DIR,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=preexec,
    )


def kill(process: subprocess.Popen[str]) -> BackupRun:
    """As a power cut would; returns the row that it left, once its lock is free."""
    process.kill()
    process.communicate()
    until(lambda: is_free(locks.BACKUP), "the lock of who was killed to be free")
    left = BackupRun.objects.get()
    assert left.status == "running"
    return left


def is_free(lock: int) -> bool:
    try:
        with locks.held(lock):
            return True
    except locks.Busy:
        return False


def assert_only_the_next_is_a_backup(left: BackupRun, settings) -> None:
    assert list(targets.named("nas").backups()) == []
    made = runs.run(Origin.COMMAND)
    assert made.status == "done"
    left.refresh_from_db()
    assert left.status == "failed"
    assert "in the middle" in left.error
    nas = targets.named("nas")
    assert nas.folders() == [manifest.folder_name(made.started_at)]
    assert [told.made_at for told in nas.backups()] == [made.started_at]
    assert list(Path(settings.BACKUP_WORK).iterdir()) == []
    nas.close()


def test_one_that_is_killed_while_the_database_is_dumped_leaves_no_backup(sftp: servers.Sftp, settings):
    make.meter("101")
    with database.connect() as holder:
        holder.execute("LOCK TABLE meters_pitch")
        process = backing_up(settings)
        until(is_dumping, "pg_dump to stand before the locked table")
        left = kill(process)
        assert left.step
    assert_only_the_next_is_a_backup(left, settings)


def is_dumping() -> bool:
    waiting = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'pg_dump' AND wait_event_type = 'Lock'"
    with psycopg.connect(**connection.get_connection_params()) as asking:
        return bool(asking.execute(waiting).fetchone())


@pytest.mark.parametrize("file", ["database.dump.age", "manifest.json"])
def test_one_that_is_killed_while_this_file_is_copied_leaves_no_backup(sftp: servers.Sftp, settings, file: str):
    sftp.holds_at = file
    process = backing_up(settings)
    assert sftp.is_held.wait(60)
    left = kill(process)
    sftp.is_lost = True
    sftp.go.set()
    assert left.copies.get().status == "running"
    sftp.holds_at = ""
    assert_only_the_next_is_a_backup(left, settings)


def test_a_second_one_says_that_one_is_under_way(sftp: servers.Sftp, settings):
    sftp.holds_at = "manifest.json"
    first = backing_up(settings)
    assert sftp.is_held.wait(60)
    second = backing_up(settings)
    text, _none = second.communicate(timeout=60)
    assert second.returncode == 1
    assert "under way already" in text or "allerede" in text
    sftp.go.set()
    assert first.wait(60) == 0
    assert BackupRun.objects.get().status == "done"


def test_where_the_working_folders_disk_is_full_nothing_goes_anywhere(backups: Path, settings):
    """By a limit of the size of files."""
    process = backing_up(settings, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)))
    text, _none = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "File too large" in text
    made = BackupRun.objects.get()
    assert (made.status, made.copies.get().status) == ("failed", "failed")
    assert list(backups.iterdir()) == []
    assert list(Path(settings.BACKUP_WORK).iterdir()) == []
    assert runs.run(Origin.COMMAND).status == "done"
