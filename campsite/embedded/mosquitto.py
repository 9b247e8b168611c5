"""The MQTT broker mosquitto, where it is installed; it keeps its sessions and retained messages over restarts."""

import base64
import hashlib
import os
import shutil
import signal
import socket
from functools import cached_property
from pathlib import Path

from campsite.embedded.processes import Failed, Kept, Process
from campsite.embedded.state import State

USER = "campsite"
OFTEN_NOT_ON_PATH = ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin", "/usr/local/opt/mosquitto/sbin"]
HASH_ROUNDS = 101  # what mosquitto_passwd takes; the password is random and long


def program() -> Path | None:
    """None when mosquitto is not installed."""
    found = shutil.which("mosquitto", path=os.pathsep.join([os.environ.get("PATH", os.defpath), *OFTEN_NOT_ON_PATH]))
    return Path(found) if found else None


class Mosquitto(Kept):
    name = "mosquitto"
    stop_timeout_s = 10

    def __init__(self, state: State) -> None:
        self.state = state
        self.directory = state.home / self.name

    @cached_property
    def port(self) -> int:
        return self.state.port("mqtt")

    @property
    def url(self) -> str:
        return f"mqtt://{USER}:{self.state.secret('mqtt-password')}@127.0.0.1:{self.port}"

    def start(self) -> None:
        """Ready when it returns. Raises Failed."""
        found = program()
        if not found:
            raise Failed("mosquitto is not installed.")
        self.process = Process(
            self.name,
            [found, "-c", self._configure()],
            self.state.log(self.name),
            account=self.state.account,
            orphan_signal=signal.SIGTERM,  # so that it saves
        )
        self.process.wait_ready(lambda: is_listening(self.port), timeout_s=20)

    def forget(self) -> None:
        """Drop all sessions and retained messages; only while it is stopped."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def _configure(self) -> Path:
        own = self.state.account
        own.own_directory(self.directory)
        passwords = own.own_file(self.directory / "passwords", _password_line(self.state.secret("mqtt-password")))
        lines = [
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous false",
            f"password_file {passwords}",
            "persistence true",
            f"persistence_location {self.directory}/",
            "autosave_interval 60",
            # The defaults starve a client that acknowledges late (20) and drop after minutes without one (1000).
            "max_inflight_messages 0",
            "max_queued_messages 200000",
            "max_packet_size 33554432",
            "set_tcp_nodelay true",
            "log_dest stderr",
            "log_timestamp_format %Y-%m-%dT%H:%M:%S",
            "log_type error",
            "log_type warning",
            "log_type notice",
        ]
        return own.own_file(self.directory / "mosquitto.conf", "\n".join([*lines, ""]))


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _password_line(password: str) -> str:
    """As mosquitto_passwd writes it, which would take the password as a word of its command line."""
    salt = os.urandom(12)
    hashed = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, HASH_ROUNDS)
    return f"{USER}:$7${HASH_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(hashed).decode()}\n"
