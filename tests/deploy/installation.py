"""An installation made by deploy/install, in a folder of its own: nothing of it runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from campsite.embedded.state import State
from tests.deploy import composed
from tests.deploy.composed import DEPLOY, Service

HOST = "localhost"
AREAS = """
[site]
broker = mqtt://mosquitto:1883

[nord]
name = Nord
base_topic = zigbee2mqtt
channel = 11
pan_id = 0x1a01
port = tcp://192.0.2.11:6638
adapter = zstack

[syd]
name = Syd
base_topic = zigbee2mqtt_area2
channel = 20
pan_id = 0x1a02
port = tcp://192.0.2.12:6638
adapter = zstack
"""
MADE = (".env", "secrets", "data", "areas.ini", "acl", "passwords", "tls", "__pycache__")


class Installation:
    def __init__(self) -> None:
        self.state = State(Path(tempfile.mkdtemp(prefix="campsite-deploy-")))
        self.root = self.state.account.own_directory(self.state.home / "site")
        self.deploy = self.root / "deploy"
        shutil.copytree(DEPLOY, self.deploy, ignore=shutil.ignore_patterns(*MADE))
        (self.deploy / "areas.ini").write_text(AREAS)
        (self.root / "usb").mkdir()
        self.give(self.root)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.state.remove()

    def give(self, path: Path) -> None:
        """To the user as whom the services run."""
        for each in [path, *path.rglob("*")]:
            os.chown(each, self.state.account.uid, self.state.account.gid)

    @property
    def answers(self) -> dict[str, str]:
        return {
            "--name": "Prøve Camping",
            "--host": HOST,
            "--certificates": "internal",
            "--backups": str(self.root / "usb"),
            "--owner": f"{self.state.account.uid}:{self.state.account.gid}",
        }

    def install(self, *words: str, **others: str) -> subprocess.CompletedProcess[str]:
        """As a person runs it, with the answers beforehand; `others` by the flag's name."""
        told = self.answers | {f"--{name}": value for name, value in others.items()}
        return self.run(*words, *(word for pair in told.items() if pair[1] for word in pair))

    def check(self) -> subprocess.CompletedProcess[str]:
        return self.run("--check", "--owner", self.answers["--owner"])

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.deploy / "install", *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            stdin=subprocess.DEVNULL,
        )

    @property
    def env(self) -> dict[str, str]:
        return composed.values(self.deploy / ".env")

    @cached_property
    def compose(self) -> Mapping[str, Any]:
        return composed.read(self.env)

    @cached_property
    def services(self) -> dict[str, Service]:
        return composed.services(self.compose)

    def secrets(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in (self.deploy / "secrets").iterdir()}
