"""The MQTT broker rumqttd out of the wheel iotcore, for machines without mosquitto; it forgets all when it ends."""

import os
import subprocess
import sys
from functools import cached_property
from pathlib import Path

from campsite.embedded.mosquitto import USER, is_listening
from campsite.embedded.processes import Kept, Process
from campsite.embedded.state import State, write_private

# Each topic filter keeps segments x size bytes in memory: the bound of what waits for an absent client.
CONFIGURATION = """
id = 0
[router]
id = 0
max_connections = 1010
max_outgoing_packet_count = 200
max_segment_size = 8388608
max_segment_count = 8
[v4.1]
name = "v4-1"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
[v4.1.connections]
connection_timeout_ms = 60000
max_payload_size = 33554432
max_inflight_count = 1000
dynamic_filters = true
[v4.1.connections.auth]
{user} = "{password}"
"""


class Iotcore(Kept):
    name = "iotcore"

    def __init__(self, state: State) -> None:
        self.state = state

    @cached_property
    def port(self) -> int:
        return self.state.port("mqtt")

    @property
    def url(self) -> str:
        return f"mqtt://{USER}:{self.state.secret('mqtt-password')}@127.0.0.1:{self.port}"

    def start(self) -> None:
        """Ready when it returns. Raises Failed."""
        password = self.state.secret("mqtt-password")
        path = self.state.root / "iotcore.toml"
        write_private(path, CONFIGURATION.format(port=self.port, user=USER, password=password))
        words: list[str | Path] = [sys.executable, "-P", Path(__file__).with_name("iotcore_child.py"), path]
        ours = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path)}  # it finds the packages that we find
        log = self.state.log(self.name)
        self.process = Process(self.name, words, log, environment=ours, stdin=subprocess.PIPE)
        self.process.wait_ready(lambda: is_listening(self.port), timeout_s=20)

    def forget(self) -> None:
        """It has forgotten already."""
