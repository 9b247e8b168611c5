"""Where a peer is tried: one PostgreSQL, as durable as in production; a broker and a database of its own each time."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg

from bench.generator import Generator, Site
from bench.ingest_cost import cpu_of_all_s, cpu_s
from campsite.embedded.mosquitto import Mosquitto
from campsite.embedded.processes import Process
from campsite.embedded.state import State
from tests.meters import harness

SITE = Site()
STEP_S = 30.0
"""Between two reports of a meter, as it tells them: its counter has risen by then, so that every report is news."""
_numbers = count(1)


@dataclass
class Place:
    """Of one round."""

    services: harness.OwnServices
    broker: Mosquitto
    database_url: str
    folder: Path

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(**self.login(), autocommit=True, connect_timeout=3)

    def login(self) -> dict[str, str]:
        parts = urlsplit(self.database_url)
        path, _, name = parts.path.rpartition("/")
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        host = unquote(path).lstrip("/")
        return {"host": f"/{host}", "user": user, "password": password, "dbname": name}

    def log(self, name: str) -> Path:
        return self.folder / f"{name}-{next(_numbers)}.log"


class Peer:
    """What stores a broker's messages in a database."""

    name: str
    is_listening: str
    """What its log says when it has subscribed."""
    count_sql: str
    session_id: str | None = None
    """Of its persistent session; without one the broker keeps nothing for it."""

    def missing(self) -> str:
        """Why it cannot be tried here; empty when it can."""
        return ""

    def prepare(self, place: Place) -> None:
        """Its tables and its configuration, before it first starts."""
        raise NotImplementedError

    def launch(self, place: Place) -> Process:
        raise NotImplementedError

    def is_ready(self, place: Place) -> bool:
        """Once it listens: whether it knows every meter that it has to know beforehand."""
        return True

    def start(self, place: Place) -> Process:
        """Takes messages when it returns."""
        process = self.launch(place)
        process.wait_ready(lambda: harness.says(process, self.is_listening) > 0 and self.is_ready(place), 120)
        return process

    def stored(self, place: Place) -> set[tuple[int, int]]:
        """What stands in its tables, as the generator's ledger tells it: (meter, last_seen in ms)."""
        raise NotImplementedError

    def rows(self, place: Place) -> int:
        with place.connect() as connection:
            return connection.execute(self.count_sql).fetchone()[0]  # type: ignore[index]


class Probe:
    """Counts a peer's rows, and what it and PostgreSQL have used of the processors without the counting itself."""

    def __init__(self, peer: Peer, place: Place) -> None:
        self._sql, self._connection = peer.count_sql, place.connect()
        self._backend = self._connection.info.backend_pid
        assert place.services.postgres.process
        self._postgres = place.services.postgres.process.pid

    def rows(self) -> int:
        return self._connection.execute(self._sql).fetchone()[0]

    def cpu_s(self, process: Process) -> tuple[float, float]:
        """Of the peer, of PostgreSQL."""
        return cpu_s(process.pid), cpu_of_all_s(self._postgres) - cpu_s(self._backend)

    def close(self) -> None:
        self._connection.close()


@contextmanager
def services() -> Iterator[harness.OwnServices]:
    """PostgreSQL and Valkey, with fsync and synchronous_commit as they are by default."""
    made = harness.OwnServices(durable=True)
    try:
        made.start()
        yield made
    finally:
        made.stop()


@contextmanager
def place(services: harness.OwnServices, peer: Peer) -> Iterator[Place]:
    """A broker without memory, a new database; the areas announced, the peer prepared but not running."""
    folder = Path(tempfile.mkdtemp(prefix="campsite-peer-"))
    broker = Mosquitto(State(folder / "broker"))
    made = Place(services, broker, "", folder)
    try:
        broker.start()
        peer.prepare(made)
        generator(made).announce()
        yield made
    finally:
        broker.stop()
        broker.state.remove()
        drop(services, made.database_url)
        shutil.rmtree(folder, ignore_errors=True)


def generator(place: Place, **more: Any) -> Generator:
    return Generator(place.broker.url, SITE, step_s=STEP_S, **more)


def new_database(services: harness.OwnServices) -> str:
    """The URL of an empty one."""
    name = f"peer_{next(_numbers)}"
    with services.postgres._connect("postgres") as connection:
        connection.execute(f"CREATE DATABASE {name} OWNER campsite")
    return f"{services.postgres.url.rpartition('/')[0]}/{name}"


def drop(services: harness.OwnServices, database_url: str) -> None:
    if database_url:
        with services.postgres._connect("postgres") as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {database_url.rpartition('/')[2]} WITH (FORCE)")


def until(find: Callable[[], bool], what: str, timeout_s: float = 120) -> None:
    harness.until(find, what, timeout_s)
