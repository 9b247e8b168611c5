"""Services of a test's own, with a state directory of its own."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from campsite.embedded.postgres import Postgres
from campsite.embedded.state import State


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
