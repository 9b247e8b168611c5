"""What is sampled: of our processes, the broker, Valkey, the database."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from contextlib import suppress

import redis

from bench.chaos.run import direct
from bench.chaos.site import Site
from bench.cpu import pss_mb
from tests.meters.harness import Listener

MB = 1024 * 1024
WORKERS = "MB of qcluster's workers"
"""Their slope is not judged: the name ends with no unit (bench/soak/verdict.py)."""
STEADY = (
    "meters_meterstate meters_workerstate meters_areastate meters_device meters_watch django_q_schedule django_q_ormq"
)
"""Tables whose rows are changed and not added: what they grow by is bloat."""


def of_processes(name: str, pids: Sequence[int]) -> dict[str, float]:
    """Memory (PSS: what is shared counts once), handles and threads of all of these together."""
    memory = handles = threads = 0.0
    for pid in pids:
        with suppress(OSError):
            memory += pss_mb(pid)
            handles += len(os.listdir(f"/proc/{pid}/fd"))
            threads += len(os.listdir(f"/proc/{pid}/task"))
    return {f"{name} MB": memory, f"{name} handles": handles, f"{name} threads": threads}


class Kept:
    """What the broker says that it keeps, for whom it may be: it tells each ten seconds what has changed."""

    TOPIC = "$SYS/broker/store/messages/count"

    def __init__(self, url: str) -> None:
        self.messages = 0.0
        self._ear = Listener(url, self.TOPIC, self._hear)
        self.stop = self._ear.stop

    def _hear(self, topic: str, payload: bytes) -> None:
        self.messages = float(payload)


def of_cluster(pids: Sequence[int], first: Collection[int]) -> dict[str, float]:
    """A worker makes way for a new one after a quarter of an hour, which begins with what those hold that stay: what
    goes on growing does so in them, and is judged there. `first`: the processes that were there at the start.
    """
    found = of_processes("qcluster", pids)
    stays = of_processes("qcluster", [pid for pid in pids if pid in first])["qcluster MB"]
    return found | {"qcluster MB": stays, WORKERS: found["qcluster MB"] - stays}


def sample(site: Site, kept: Kept, first: Collection[int]) -> dict[str, float]:
    found = {"broker kept messages": kept.messages, "write-ahead log segments": wal_segments(site)}
    for name, pids in site.pids_of.items():
        if name == "postgres":  # its shared buffers fill up to their size: what its processes have beside them
            found["postgres processes connections"] = float(len(pids))
        else:
            found |= of_cluster(pids, first) if name == "qcluster" else of_processes(name, pids)
    with redis.Redis.from_url(site.services.valkey.url) as valkey:
        told = valkey.info()
        found |= {"valkey used MB": told["used_memory"] / MB, "valkey clients": float(told["connected_clients"])}
    return found | of_database(site.database_url)


def wal_segments(site: Site) -> float:
    """Of 16 MB each. PostgreSQL uses them again: more and more of them is a log that nobody lets go of."""
    return float(sum(len(each.name) == 24 for each in (site.services.postgres.directory / "pg_wal").iterdir()))


def of_database(url: str) -> dict[str, float]:
    found: dict[str, float] = {}
    with direct(url) as database:
        for who, count in database.execute(
            "SELECT coalesce(nullif(application_name, ''), 'ours'), count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() GROUP BY 1"
        ):
            found[f"{who} connections"] = float(str(count))
        for table, size in database.execute(
            "SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE relname = ANY(%s)", [STEADY.split()]
        ):
            found[f"{table} kB"] = float(str(size)) / 1024
        for name, statement in FIGURES.items():
            row = database.execute(statement).fetchone()
            found[name] = float(str(row[0])) if row and row[0] is not None else 0.0
    return found


FIGURES = {
    "lag s": "SELECT lag_s FROM meters_workerstate",
    "queued messages": "SELECT queued FROM meters_workerstate",
    "locks connections": "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'",
    "failed jobs": "SELECT count(*) FROM django_q_task WHERE NOT success",
    "drills": "SELECT count(*) FROM monitoring_restoredrill WHERE status = 'done'",
    "readings": "SELECT count(*) FROM meters_reading",
    "database bytes": "SELECT pg_database_size(current_database())",
}
"""The last four are told, and no slope of theirs is judged."""
