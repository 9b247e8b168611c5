"""Services and machines' abilities for the tests. The database comes from campsite/embedded/pytest_plugin.py."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from django.core.cache import cache
from django.db import connection
from django.utils import translation

from campsite.embedded import mosquitto
from campsite.embedded.mosquitto import Mosquitto
from campsite.embedded.rumqttd import Iotcore
from campsite.embedded.state import State
from tests import chromium, emptied, migrated

# The suite tries the same examples everywhere; `--hypothesis-profile explore` looks for new ones.
hypothesis.settings.register_profile("explore", deadline=None, max_examples=1000)
hypothesis.settings.register_profile("suite", derandomize=True, deadline=None)
hypothesis.settings.load_profile("suite")

TWIN = Path(__file__).resolve().parent.parent.parent / "shared" / "twin"
NPM_CI_TIMEOUT_S = 600


def _missing() -> dict[str, str]:
    """For each marker that cannot run here: why, and what would make it run."""
    reasons = {}
    if not shutil.which("promtool"):
        reasons["promtool"] = "Prometheus's tool is not installed: apt-get install prometheus"
    if not mosquitto.program():
        reasons["mosquitto"] = "mosquitto is not installed: apt-get install mosquitto"
    if not chromium.program():
        reasons["browser"] = "Chromium is not installed: apt-get install chromium-headless-shell"
    if "TWIN_DIR" not in os.environ and not (TWIN.exists() and shutil.which("npm") and shutil.which("node")):
        reasons["twin"] = "the Zigbee2MQTT twin needs ../shared/twin, Node and npm: apt-get install npm"
    return reasons


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--screenshots", metavar="DIR", type=Path, help="keep pictures of the pages that are tested here")


def pytest_itemcollected(item: pytest.Item) -> None:
    """A file of the browser's tests has one Chromium."""
    if item.get_closest_marker("browser"):
        item.add_marker(pytest.mark.xdist_group(item.path.stem))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes minutes comes first, lest all wait for it in the end; then radios, since they wait most of their time;
    the browser's beside them, since they never do.
    """
    items.sort(key=_first)
    missing = _missing()
    for item in items:
        for marker, reason in missing.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=f"{marker}: {reason}"))


def _first(item: pytest.Item) -> list[bool]:
    first = [not item.get_closest_marker(name) for name in ("long", "twin", "browser", "services")]
    return [*first, bool(item.get_closest_marker("late"))]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What did not run on this machine, and what would make it run."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in skipped)
    if reasons:
        terminalreporter.section("not run on this machine")
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"{count:4} × {reason}")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Each worker's database is a copy of the one that this run migrated."""
    connection.settings_dict["TEST"]["TEMPLATE"] = migrated.template()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    with django_db_blocker.unblock():
        emptied.keep()


@pytest.fixture(autouse=True)
def nobody_tried() -> None:
    """Where tries are counted."""
    cache.clear()


@pytest.fixture(autouse=True)
def no_language_of_another_test() -> None:
    """A request leaves its language to the thread."""
    translation.deactivate()


class Broker:
    """A broker of the test's own, on a port that stays the same over restarts."""

    def __init__(self, kind: str, root: Path) -> None:
        self.kind = kind
        self.server = {"mosquitto": Mosquitto, "iotcore": Iotcore}[kind](State(root))
        self.start()

    @property
    def url(self) -> str:
        """mqtt://user:password@127.0.0.1:port"""
        return self.server.url

    @property
    def port(self) -> int:
        return self.server.port

    def start(self) -> None:
        self.server.start()

    def stop(self) -> None:
        self.server.stop()

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.server.process:
            self.server.process.kill()

    def restart(self, keep: bool = True) -> None:
        """With keep, sessions and retained messages survive where the kind can do that: iotcore cannot."""
        self.stop()
        if not keep:
            self.server.forget()
        self.start()


@pytest.fixture(params=[pytest.param("mosquitto", marks=pytest.mark.mosquitto), "iotcore"])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """A running broker; each test that asks for it runs on both kinds.

    For one kind only: @pytest.mark.parametrize("broker", ["iotcore"], indirect=True); mosquitto needs its marker, too.
    """
    root = Path(tempfile.mkdtemp(prefix="campsite-broker-"))
    started = None
    try:
        started = Broker(request.param, root)
        yield started
    finally:
        if started:
            started.stop()
            started.server.state.remove()
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def twin_dir() -> Path:
    """Mark tests that use it with `twin`."""
    try:
        return twin_directory()
    except (subprocess.SubprocessError, OSError) as failed:
        pytest.skip(f"twin: npm ci failed: {failed}")


def twin_directory() -> Path:
    """The Zigbee2MQTT twin with its packages: TWIN_DIR, else a copy kept between runs."""
    if given := os.environ.get("TWIN_DIR"):
        return Path(given)
    version = sha256((TWIN / "package-lock.json").read_bytes()).hexdigest()[:10]
    copy = Path.home() / ".cache" / f"campsite-twin-{version}"
    _install_twin(copy)
    return copy


def _install_twin(copy: Path) -> None:
    copy.mkdir(parents=True, exist_ok=True)
    with (copy / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the other xdist worker waits for the first one's work
        for path in filter(Path.is_file, TWIN.iterdir()):
            shutil.copyfile(path, copy / path.name)  # without its mode: the original may be read-only
        if not (copy / "installed").exists():
            words = ["npm", "ci", "--no-audit", "--no-fund"]
            subprocess.run(words, cwd=copy, check=True, capture_output=True, timeout=NPM_CI_TIMEOUT_S)
            (copy / "installed").touch()
