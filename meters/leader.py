"""Connections of their own that listen to the database's notifications; one of them holds the leader's lock."""

from __future__ import annotations

import logging
from typing import Any

import psycopg
from django.db import connections

logger = logging.getLogger(__name__)

LOCK = 7_301_000
NOT_OURS = ("options", "prepare_threshold")


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

    def notifications(self, timeout_s: float) -> list[str]:
        """The payloads of what was notified within the time; waits for the first where there is none.

        Raises psycopg.OperationalError when the connection is gone.
        """
        if self._connection is None:
            raise psycopg.OperationalError("no connection")
        heard = [notify.payload for notify in self._connection.notifies(timeout=timeout_s, stop_after=1)]
        if not heard:
            self._connection.execute("SELECT 1")  # a dead connection shows only when it is used
        return heard

    def release(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Leader(Ear):
    """The lock lives and dies with the connection: a worker that loses it must take it again or go."""

    def acquire(self) -> bool:
        """Try to become the leader. Raises psycopg.OperationalError while the database cannot be reached."""
        self.open()
        row = self._connection and self._connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK]).fetchone()
        if not row or not row[0]:
            self.release()
            return False
        return True
