"""Where a peer is tried: one PostgreSQL, as durable as in production; a broker and a database of its own each time."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

from bench.cpu import cpu_of_all_s, cpu_s
from bench.generator import Generator, Site
from bench.run import STEP_S, Run, ShippedMosquitto
from campsite.embedded.processes import Process
from campsite.embedded.state import State
from tests.meters import harness

SITE = Site()
_numbers = count(1)


@dataclass
class Place:
    """Of one round."""

    run: Run
    broker: ShippedMosquitto
    folder: Path
    database_url: str = ""

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(**self.login(), connect_timeout=3, autocommit=True)

    def login(self) -> dict[str, Any]:
        return harness.login(self.database_url)

    def log(self, name: str) -> Path:
        return self.folder / f"{name}-{next(_numbers)}.log"

    def generator(self, **more: Any) -> Generator:
        """Of reports STEP_S apart, as they tell it: the counter has risen by then, so that every report is news."""
        return Generator(self.broker.url, SITE, step_s=STEP_S, **more)


class Peer:
    """What stores a broker's messages in a database."""

    name: str
    listens: str
    """What its log says when it has subscribed."""
    rows_sql: str
    """FROM … AS r: a row for each reading that it has stored."""
    keeps_session = True
    """Whether the broker keeps for it what comes while it is away."""

    def missing(self) -> str:
        """Why it cannot be tried here; empty when it can."""
        return ""

    def prepare(self, place: Place) -> None:
        """Its database, its tables, its configuration, before it first starts."""
        raise NotImplementedError

    def launch(self, place: Place) -> Process:
        raise NotImplementedError

    def is_ready(self, place: Place) -> bool:
        """Once it listens: whether it knows every meter that it has to know beforehand."""
        return True

    def start(self, place: Place) -> Process:
        """Takes messages when it returns."""
        process = self.launch(place)
        process.wait_ready(lambda: harness.says(process, self.listens) > 0 and self.is_ready(place), 120)
        return process

    def stored(self, place: Place) -> list[tuple[int, int]]:
        """Each row: meter, and what tells its readings apart."""
        raise NotImplementedError

    def as_stored(self, generator: Generator, meter: int, ms: int) -> tuple[int, int]:
        """What `stored` says of a reading of the generator's ledger: by its last_seen, where the peer keeps it."""
        return meter, ms


class Probe:
    """What stands in a peer's table, and what peer and PostgreSQL have used of the processors without this looking."""

    def __init__(self, peer: Peer, place: Place) -> None:
        self._rows_sql, self._connection = peer.rows_sql, place.connect()
        self._backend = self._connection.info.backend_pid
        self._postgres = place.run.postgres_pid

    def rows(self) -> int:
        return int(self._value("count(*)"))

    def last_at(self) -> float:
        """When the newest row was committed, of time.time()."""
        return float(self._value("extract(epoch FROM max(pg_xact_commit_timestamp(r.xmin)))"))

    def _value(self, what: str) -> Any:
        row = self._connection.execute(f"SELECT {what} {self._rows_sql}").fetchone()
        return row[0] if row else None

    def cpu_s(self, process: Process) -> tuple[float, float]:
        """Of the peer, of PostgreSQL."""
        return cpu_s(process.pid), cpu_of_all_s(self._postgres) - cpu_s(self._backend)

    def close(self) -> None:
        self._connection.close()


@contextmanager
def place(run: Run, peer: Peer) -> Iterator[Place]:
    """A broker without memory, a new database; the areas are announced, the peer prepared but not running."""
    folder = Path(tempfile.mkdtemp(prefix="campsite-peer-"))
    made = Place(run, ShippedMosquitto(State(folder / "broker")), folder)
    try:
        made.broker.start()
        peer.prepare(made)
        made.generator().announce()
        yield made
    finally:
        made.broker.stop()
        made.broker.state.remove()
        _drop(run, made.database_url)
        shutil.rmtree(folder, ignore_errors=True)


def new_database(run: Run) -> str:
    """The URL of an empty one."""
    name = f"peer_{next(_numbers)}"
    with run.services.postgres._connect("postgres") as connection:
        connection.execute(f"CREATE DATABASE {name} OWNER campsite")
    return f"{run.services.postgres.url.rpartition('/')[0]}/{name}"


def _drop(run: Run, database_url: str) -> None:
    if database_url:
        with run.services.postgres._connect("postgres") as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {database_url.rpartition('/')[2]} WITH (FORCE)")
