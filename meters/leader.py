"""One leader: a connection of its own that holds an advisory lock and listens to notifications."""

from __future__ import annotations

import logging
from typing import Any

import psycopg
from django.db import connections

logger = logging.getLogger(__name__)

LOCK = 7_301_000
NOT_OURS = ("options", "prepare_threshold")


class Leader:
    """The lock lives and dies with the connection: a worker that loses it must take it again or go."""

    def __init__(self, channels: tuple[str, ...] = ()) -> None:
        self._channels = channels
        self._connection: psycopg.Connection[tuple[object, ...]] | None = None

    def acquire(self) -> bool:
        """Try to become the leader. Raises psycopg.OperationalError while the database cannot be reached."""
        self.release()
        parameters = connections["default"].get_connection_params()
        # As Django connects (TLS and all), but without its time-outs: this connection waits most of its life.
        wanted: dict[str, Any] = {k: v for k, v in parameters.items() if isinstance(v, str | int) and k not in NOT_OURS}
        self._connection = psycopg.connect(**wanted | {"autocommit": True, "keepalives_idle": 10})
        row = self._connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK]).fetchone()
        if not row or not row[0]:
            self.release()
            return False
        for channel in self._channels:
            self._connection.execute(psycopg.sql.SQL("LISTEN {}").format(psycopg.sql.Identifier(channel)))
        return True

    def notifications(self, timeout_s: float) -> list[str]:
        """The channels notified within the time; waits for it where there are none.

        Raises psycopg.OperationalError when the connection, and so the lock, is gone.
        """
        if self._connection is None:
            raise psycopg.OperationalError("no connection")
        heard = [notify.channel for notify in self._connection.notifies(timeout=timeout_s, stop_after=1)]
        if not heard:
            self._connection.execute("SELECT 1")  # a dead connection shows only when it is used
        return heard

    def release(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
