"""deploy/compose.yaml as it is read with an .env: values put in, aliases followed. No Docker is needed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
VARIABLE = re.compile(r"\$\{(\w+)(?:(:-|:\?)([^{}]*))?\}")  # the innermost first
EXAMPLE = {
    "SITE_NAME": "Prøve Camping",
    "SITE_HOST": "power.example.com",
    "CAMPSITE_UID": "1026",
    "CAMPSITE_GID": "100",
    "CAMPSITE_DATA": "/volume1/campsite",
}


def values(path: Path) -> dict[str, str]:
    """Of an .env, as Compose reads it."""
    lines = [line for line in path.read_text().splitlines() if re.match(r"\w+=", line)]
    return {key: "".join(shlex.split(value)) for key, _mark, value in (line.partition("=") for line in lines)}


def text(env: Mapping[str, str]) -> str:
    """compose.yaml with the values put in. A $$ is one $."""
    found = COMPOSE.read_text()
    while VARIABLE.search(found):
        found = VARIABLE.sub(lambda match: _value(match, env), found)
    return found.replace("$$", "$")


def _value(match: re.Match[str], env: Mapping[str, str]) -> str:
    name, mark, rest = match.groups()
    if env.get(name) or (mark is None and name in env):
        return env[name]
    if mark != ":-":
        raise KeyError(f"{name}: {rest or 'not set'}")
    return str(rest)


def read(env: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text(env))
    return found


@dataclass(frozen=True)
class Service:
    """One container, in the words of compose.yaml."""

    name: str
    told: Mapping[str, Any]

    @property
    def command(self) -> list[str]:
        return [str(word) for word in self.told.get("command", [])]

    @property
    def environment(self) -> dict[str, str]:
        return {key: str(value) for key, value in self.told.get("environment", {}).items()}

    @property
    def probe(self) -> list[str]:
        """The healthcheck as words to run; empty where it is switched off."""
        kind, *words = self.told["healthcheck"].get("test", ["NONE"])
        return {"CMD": words, "CMD-SHELL": ["/bin/sh", "-c", *words], "NONE": []}[kind]

    @property
    def needs(self) -> dict[str, str]:
        """Service → the condition in which it must be before this one starts."""
        return {name: told["condition"] for name, told in self.told.get("depends_on", {}).items()}

    def folders(self, volumes: Mapping[str, Any]) -> dict[str, str]:
        """Path in the container → path here, or relative to deploy/."""
        pairs = [each.split(":")[:2] for each in self.told.get("volumes", [])]
        return {there: volumes[here]["driver_opts"]["device"] if here in volumes else here for here, there in pairs}


def services(compose: Mapping[str, Any]) -> dict[str, Service]:
    return {name: Service(name, told) for name, told in compose["services"].items()}
