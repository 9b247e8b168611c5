"""Connections of their own that listen to the database's notifications; one of them holds the leader's locks."""

from __future__ import annotations

import logging
import time
from typing import Any, NamedTuple

import psycopg
from django.db import connections

from meters.shards import Shard

logger = logging.getLogger(__name__)

LOCK = 7_301_000
"""Alone of the worker that takes all areas, shared by those that take some; with an area's id the lock of that area."""
NAME_LOCK = LOCK + 6
"""With a hash of the worker's name: two of one name would be one client to the broker."""
TELLING_LOCK = LOCK + 5
GONE_WITHIN_S = 5.0
LOOK_S = 0.05
HOLDS_LOCKS = "EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = %s)"
NOT_OURS = ("options", "prepare_threshold")


class Call(NamedTuple):
    channel: str
    payload: str


class Ear:
    """A connection that hears what is notified on its channels. For one thread."""

    def __init__(self, channels: tuple[str, ...]) -> None:
        self._channels = channels
        self._connection: psycopg.Connection[tuple[object, ...]] | None = None

    @property
    def is_open(self) -> bool:
        return self._connection is not None and not self._connection.closed

    def open(self) -> None:
        """Connect anew and listen. Raises psycopg.OperationalError while the database cannot be reached."""
        self.release()
        parameters = connections["default"].get_connection_params()
        # As Django connects (TLS and all), but without its time-outs: this connection waits most of its life.
        wanted: dict[str, Any] = {k: v for k, v in parameters.items() if isinstance(v, str | int) and k not in NOT_OURS}
        self._connection = psycopg.connect(**wanted | {"autocommit": True, "keepalives_idle": 10})
        for channel in self._channels:
            self._connection.execute(psycopg.sql.SQL("LISTEN {}").format(psycopg.sql.Identifier(channel)))

    def notifications(self, timeout_s: float) -> list[Call]:
        """What was notified within the time; waits for the first where there is none.

        Raises psycopg.OperationalError when the connection is gone.
        """
        if self._connection is None:
            raise psycopg.OperationalError("no connection")
        heard = [
            Call(notify.channel, notify.payload)
            for notify in self._connection.notifies(timeout=timeout_s, stop_after=1)
        ]
        if not heard:
            self._connection.execute("SELECT 1")  # a dead connection shows only when it is used
        return heard

    def release(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Leader(Ear):
    """The locks live and die with the connection: a worker that loses them must take them again or go. `has_twin`:
    whoever stood in the way has the same name, and so is the same client to the broker.
    """

    has_twin = False
    _backend = 0  # PostgreSQL's process behind our connection, or behind the last one

    def acquire(self, shard: Shard) -> str:
        """Try to become the one that takes these areas; returns what stands in the way, nothing once it leads.

        All or nothing, in an order: of several who want the same one has it. Raises psycopg.OperationalError while the
        database cannot be reached.
        """
        self.open()
        self._outlive()
        if held := self._held(shard):
            self.release()
        return held

    def _outlive(self) -> None:
        """Wait for the end of our last connection: a busy PostgreSQL learns a moment later that we closed it, and until
        then its locks would be in our own way.
        """
        former, self._backend = self._backend, self._connection.info.backend_pid if self._connection else 0
        end = time.monotonic() + GONE_WITHIN_S
        while self._try(HOLDS_LOCKS, former) and time.monotonic() < end:
            time.sleep(LOOK_S)

    def _held(self, shard: Shard) -> str:
        self.has_twin = not self._try("pg_try_advisory_lock(%s, hashtext(%s))", NAME_LOCK, shard.name)
        if self.has_twin:
            return "is at work" if shard.is_whole else f"is called {shard.name}"
        if shard.is_whole:
            if self._try("pg_try_advisory_lock(%s)", LOCK):
                return ""
            # Held alone and under no name: by a worker of a version that knew of one only.
            self.has_twin = not self._try("pg_try_advisory_lock_shared(%s)", LOCK)
            return "is at work" if self.has_twin else "takes some areas"
        if not self._try("pg_try_advisory_lock_shared(%s)", LOCK):
            return "takes all areas"
        for area, slug in shard.areas.items():
            if not self._try("pg_try_advisory_lock(%s, %s)", LOCK, area):
                return f"takes the area {slug}"
        return ""

    def tell(self) -> bool:
        """Try to become the one of several that does what one does for all, until the connection ends."""
        return self._try("pg_try_advisory_lock(%s)", TELLING_LOCK)

    def _try(self, what: str, *of: object) -> bool:
        if self._connection is None:
            raise psycopg.OperationalError("no connection")
        row = self._connection.execute(f"SELECT {what}", of).fetchone()
        return bool(row and row[0])
