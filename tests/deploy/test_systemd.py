"""The units for a bare Debian are the containers of compose.yaml once more: same commands, secrets and limits."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands

from campsite import reference
from tests.deploy.broker import DEPLOY

UNITS = {
    "campsite-migrate": "migrate",
    "campsite-web": "web",
    "campsite-worker": "mqtt_worker",
    "campsite-qcluster": "qcluster",
}
"""Unit → service of compose.yaml."""
FOLDER = DEPLOY / "systemd"
COMPOSE = DEPLOY / "compose.yaml"
README = (FOLDER / "README.md").read_text()
with_systemd = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="systemd is not installed: apt-get install systemd"
)


def unit(name: str) -> list[tuple[str, str]]:
    """Its settings in order; many occur more than once."""
    lines = (FOLDER / f"{name}.service").read_text().splitlines()
    return [(key, value) for key, _, value in (line.partition("=") for line in lines) if not key.startswith(("#", "["))]


def container(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"][UNITS[name]]
    return found


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


@pytest.mark.parametrize("name", UNITS)
def test_each_unit_runs_what_its_container_runs(name: str) -> None:
    command = dict(unit(name))["ExecStart"].removeprefix("/opt/campsite/.venv/bin/")
    inside = " ".join(container(name)["command"])
    assert command == inside.replace("--host 0.0.0.0", "--host 127.0.0.1")


@pytest.mark.parametrize("name", UNITS)
def test_each_unit_has_its_containers_secrets_and_no_others(name: str) -> None:
    told = unit(name)
    given = {value.partition(":")[0] for key, value in told if key == "LoadCredential"}
    assert given == set(container(name)["secrets"])
    for secret in given:
        assert ("LoadCredential", f"{secret}:/etc/campsite/secrets/{secret}") in told
        assert ("Environment", f"{secret.upper()}_FILE=%d/{secret}") in told


@pytest.mark.parametrize("name", UNITS)
def test_each_unit_has_its_containers_limits(name: str) -> None:
    told, inside = dict(unit(name)), container(name)
    assert told["MemoryMax"].lower() == inside["mem_limit"]
    if name != "campsite-migrate":
        assert seconds(told["TimeoutStopSec"]) == seconds(inside["stop_grace_period"])


@pytest.mark.parametrize("name", UNITS)
def test_each_program_of_ours_exists(name: str) -> None:
    program, what, *_ = dict(unit(name))["ExecStart"].split()[1:]
    assert what in get_commands() if program == "manage.py" else (program, find_spec(what) is None) == ("-m", False)


@pytest.mark.parametrize("name", [name for name in UNITS if name != "campsite-migrate"])
def test_whoever_dies_is_started_again_for_ever_and_only_after_the_migrations(name: str) -> None:
    told = dict(unit(name))
    assert (told["Restart"], told["StartLimitIntervalSec"]) == ("always", "0")
    assert (told["Requires"], told["PartOf"]) == ("campsite-migrate.service", "campsite.target")
    assert "campsite-migrate.service" in told["After"].split()


SEVERAL = {
    "campsite-web": {"--port 8000": "--port %i"},
    "campsite-worker": {"mqtt_worker": "mqtt_worker --areas ${AREAS} --name %i"},
}
"""What is other in the unit of which there may be several."""


@pytest.mark.parametrize("name", SEVERAL)
def test_one_of_several_is_what_the_single_one_is(name: str) -> None:
    ((single, several),) = SEVERAL[name].items()
    wanted = [(key, value.replace(single, several)) for key, value in unit(name) if key != "Description"]
    own = ("Description", "EnvironmentFile") if name == "campsite-worker" else ("Description",)
    found = [(key, value) for key, value in unit(f"{name}@") if key not in own or "campsite.env" in value]
    assert found == wanted


@with_systemd
def test_systemd_has_nothing_to_say_of_them(tmp_path: Path) -> None:
    program = shutil.which("true")
    for path in FOLDER.glob("campsite*"):
        text = path.read_text().replace("/opt/campsite/.venv/bin/python", str(program))
        (tmp_path / path.name).write_text(text)
    files = sorted(map(str, tmp_path.iterdir()))
    assert len(files) == 7
    done = subprocess.run(["systemd-analyze", "verify", *files], capture_output=True, text=True, timeout=60)
    assert [line for line in (done.stdout + done.stderr).splitlines() if "campsite" in line] == []


@with_systemd
@pytest.mark.parametrize("name", UNITS)
def test_systemd_finds_each_well_protected(name: str) -> None:
    """The lower the better: 9.6 is a unit without any protection."""
    words = ["systemd-analyze", "security", "--offline=true", str(FOLDER / f"{name}.service")]
    told = subprocess.run(words, capture_output=True, text=True, timeout=60).stdout
    found = re.search(r"exposure level for \S+: ([0-9.]+)", told)
    assert found
    assert float(found[1]) < 2


def test_what_one_is_told_to_type_is_not_refused() -> None:
    """Production is the default, and wants a key that nobody guesses."""
    ((settings, command),) = re.findall(r"^(.*)\.venv/bin/python (manage\.py collectstatic .*)$", README, re.MULTILINE)
    environment = dict(word.split("=", 1) for word in settings.split())
    words = [sys.executable, *command.split(), "--dry-run"]
    done = subprocess.run(words, cwd=DEPLOY.parent, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_each_setting_that_one_is_told_to_write_is_one() -> None:
    named = set(re.findall(r"`([A-Z_]+)=", README))
    assert "SITE_URL" in named
    assert named - {each.name for each in reference.settings(reference.SOURCE.read_text())} == set()
