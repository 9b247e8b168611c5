"""What a run keeps, what it is given, and what it starts again."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from campsite.embedded import processes, services
from campsite.embedded.children import Keeper
from campsite.embedded.processes import identity
from campsite.embedded.server import Options, TryOut, environment
from campsite.embedded.state import Busy, Card, State
from campsite.embedded.valkey import Valkey
from monitoring.backup import sealing

pytestmark = pytest.mark.services
PATIENCE_S = 60


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
    def obey() -> None:  # a shell's background job ignores SIGINT, and so would its children
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with (
        subprocess.Popen(["sleep", "600"], start_new_session=True, preexec_fn=obey) as left,
        subprocess.Popen(["sleep", "600"]) as stranger,
    ):
        known = {"ours": (left.pid, identity(left.pid)), "reused": (stranger.pid, "0")}
        state.publish(Card(1, "", {}, known))
        try:
            with state.locked():
                assert left.wait(PATIENCE_S) == -signal.SIGINT
                assert stranger.poll() is None
        finally:
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


def test_a_log_that_grows_too_long_is_set_aside_while_its_program_goes_on(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "KEPT_LOG_BYTES", 10)
    log, words = state.log("cat"), ["/bin/cat"]
    cat = processes.Process("cat", words, log, stdin=subprocess.PIPE)
    assert cat.popen.stdin

    def write(line: bytes) -> None:
        before = log.stat().st_size
        os.write(cat.popen.stdin.fileno(), line)
        processes.wait_until(lambda: log.stat().st_size > before, PATIENCE_S, "cat")

    write(b"long enough\n")
    processes.bound_logs(state.logs())
    write(b"short\n")
    processes.bound_logs(state.logs())
    cat.stop(PATIENCE_S)
    assert log.read_text() == "short\n"
    assert log.with_suffix(".log.1").read_text() == "long enough\n"


@pytest.mark.parametrize(
    ("given", "asked", "simulated"), [("", None, 260), ("mqtt://nas", None, 0), ("mqtt://nas", 5, 5), ("", 0, 0)]
)
def test_nothing_is_simulated_on_a_broker_of_the_persons_own_unless_asked(
    monkeypatch: pytest.MonkeyPatch, state: State, given: str, asked: int | None, simulated: int
) -> None:
    if given:
        monkeypatch.setenv("MQTT_URL", given)
    assert TryOut(Options(meters=asked), state).meters == simulated


def test_a_try_out_has_a_target_and_a_key_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = State(tmp_path)
    told = environment(state, {})
    target = Path(told["BACKUP_TARGETS"].removeprefix("try-out file://"))
    assert target.is_dir()
    assert sealing.recipient_of(Path(told["BACKUP_IDENTITY_FILE"]).read_text()) == told["BACKUP_RECIPIENTS"]
    assert environment(state, {})["BACKUP_RECIPIENTS"] == told["BACKUP_RECIPIENTS"]
    monkeypatch.setenv("BACKUP_TARGETS", "nas file:///mnt/nas")
    assert "BACKUP_RECIPIENTS" not in environment(state, {})
