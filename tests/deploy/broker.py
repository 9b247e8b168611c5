"""The real Mosquitto with the very files of deploy/mosquitto: only ports, folders and the account differ."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from campsite.embedded import mosquitto
from campsite.embedded.processes import Process
from tests.meters.harness import PATIENCE_S, free_port, is_listening, until

DEPLOY = Path(__file__).resolve().parent.parent.parent / "deploy"


def _load() -> ModuleType:
    """deploy/areas.py is a program beside the product, no module of it."""
    spec = importlib.util.spec_from_file_location("deploy_areas", DEPLOY / "areas.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


areas = _load()

INVENTORY = """
[site]
broker = {broker}
homeassistant = {homeassistant}

[north]
name = Nord æøå
base_topic = zigbee2mqtt
channel = 11
pan_id = 0x1a01
port = /dev/simulated
adapter = zstack

[south]
name = Syd
base_topic = zigbee2mqtt_area2
channel = 15
pan_id = 0x1a02
port = tcp://192.0.2.12:6638
adapter = zstack
"""
"""One base topic is the beginning of the other's name, as on the campsite."""


class CampsiteBroker:
    """Made by deploy/areas.py of INVENTORY. `lines`: settings of mosquitto.conf that this test has otherwise; `rules`:
    what its own users may do beside ours."""

    def __init__(
        self,
        root: Path,
        *,
        homeassistant: str = "no",
        lines: Mapping[str, str] | None = None,
        rules: Mapping[str, str] | None = None,
        port: int = 0,
    ) -> None:
        root.mkdir(exist_ok=True)
        self.root, self.port, self.tls_port = root, port or free_port(), free_port()
        self.inventory, self.secrets, self.config = root / "areas.ini", root / "secrets", root / "config"
        self.address = f"mqtt://127.0.0.1:{self.port}"
        self.inventory.write_text(INVENTORY.format(homeassistant=homeassistant, broker=self.address))
        self.make("--tls", "localhost", "127.0.0.1")
        self.rules = rules or {}
        for user, rule in self.rules.items():
            self._add(user, rule)
        self.file = root / "mosquitto.conf"
        self.file.write_text(self._configuration(lines or {}))
        self.process: Process | None = None

    def standby(self, root: Path, *, memory: Path | None = None) -> CampsiteBroker:
        """Another one with the same users and rules, for the same address. `memory`: a copy of this one's."""
        shutil.copytree(self.secrets, root / "secrets")
        shutil.copytree(self.config, root / "config")
        if memory:
            shutil.copytree(memory, root / "data")
        return CampsiteBroker(root, port=self.port, rules=self.rules)

    def remember(self, folder: Path) -> Path:
        """A copy of what it keeps, as of now: it saves on SIGUSR1."""
        assert self.process
        saved = self.root / "data" / "mosquitto.db"
        before = saved.stat().st_mtime_ns if saved.exists() else 0
        self.process.popen.send_signal(signal.SIGUSR1)
        until(lambda: saved.exists() and saved.stat().st_mtime_ns != before, "the broker to save")
        return Path(shutil.copytree(self.root / "data", folder))

    def make(self, *more: str) -> None:
        """As a person runs it."""
        words = ["--inventory", self.inventory, "--secrets", self.secrets, "--mosquitto", self.config, *more]
        assert areas.main([str(word) for word in words]) == 0

    def _add(self, user: str, rule: str) -> None:
        line = areas.password_line(user, areas.secret(self.secrets, f"mqtt_{user}"))
        for name, text in (("passwords", f"{line}\n"), ("acl", f"\nuser {user}\n{rule}\n")):
            with (self.config / name).open("a") as file:
                file.write(text)

    def _configuration(self, lines: Mapping[str, str]) -> str:
        text = (DEPLOY / "mosquitto" / "mosquitto.conf").read_text()
        text = text.replace("/mosquitto/config/", f"{self.config}/").replace("/mosquitto/data/", f"{self.root}/data/")
        text = text.replace("listener 1883", f"listener {self.port} 127.0.0.1")
        text = text.replace("listener 8883", f"listener {self.tls_port} 127.0.0.1")
        for key, value in lines.items():
            text, found = re.subn(rf"^{key} .*$", f"{key} {value}", text, flags=re.MULTILINE)
            assert found == 1, key
        return text + ("user root\n" if os.geteuid() == 0 else "")  # else it reads nothing of root's

    @property
    def log(self) -> str:
        return (self.root / "mosquitto.log").read_text()

    def start(self) -> None:
        (self.root / "data").mkdir(exist_ok=True)
        program = mosquitto.program()
        assert program
        self.process = Process("mosquitto", [program, "-c", self.file], self.root / "mosquitto.log")
        self.process.wait_ready(lambda: is_listening(self.port) and is_listening(self.tls_port), PATIENCE_S)

    def stop(self) -> None:
        if self.process:
            self.process.stop(timeout_s=10)

    def kill(self) -> None:
        """As a power cut would."""
        assert self.process
        self.process.kill()

    def password(self, user: str) -> str:
        return str(areas.secret(self.secrets, f"mqtt_{user}"))

    def url(self, user: str = "campsite") -> str:
        return f"mqtt://{user}:{self.password(user)}@127.0.0.1:{self.port}"

    def tls_url(self, authority: Path, user: str = "campsite") -> str:
        return f"mqtts://{user}:{self.password(user)}@localhost:{self.tls_port}?ca={authority}"


class Somebody:
    """A client that publishes, and collects what it hears."""

    def __init__(
        self, broker: CampsiteBroker, user: str, *, client_id: str = "", prepare: Callable[[paho.Client], Any] = id
    ) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.lost = threading.Event()
        self._changed = threading.Condition()
        self._done: set[int] = set()
        self.client = paho.Client(CallbackAPIVersion.VERSION2, client_id, clean_session=not client_id)
        self.client.username_pw_set(user, broker.password(user))
        self.client.max_inflight_messages_set(0)
        self.client.on_message = self._hear
        self.client.on_subscribe = self.client.on_publish = lambda _c, _u, mid, *_: self._note(mid)
        self.client.on_disconnect = lambda *_: self.lost.set()
        prepare(self.client)
        self.client.connect("127.0.0.1", broker.port)
        self.client.loop_start()
        until(self.client.is_connected, f"{user} to be let in")

    def _note(self, mid: int) -> None:
        with self._changed:
            self._done.add(mid)
            self._changed.notify_all()

    def _hear(self, _client: object, _user: object, message: paho.MQTTMessage) -> None:
        with self._changed:
            self.heard.append((message.topic, bytes(message.payload)))
            self._changed.notify_all()

    def _wait(self, mid: int | None) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: mid in self._done, PATIENCE_S), mid

    def listen(self, *wanted: str) -> None:
        self._wait(self.client.subscribe([(topic, 1) for topic in wanted])[1])

    def say(self, topic: str, payload: bytes | str = b"x", *, retain: bool = False) -> None:
        """At QoS 1; returns once the broker has taken it, which it does of what is not allowed, too."""
        self._wait(self.client.publish(topic, payload, qos=1, retain=retain).mid)

    def hears(self, topic: str, payload: bytes | str) -> None:
        wanted = (topic, payload.encode() if isinstance(payload, str) else payload)
        with self._changed:
            assert self._changed.wait_for(lambda: wanted in self.heard, PATIENCE_S), wanted

    def hears_of(self, topic: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: topic in dict(self.heard), PATIENCE_S), topic

    def leave(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
