"""One at a time, by an advisory lock on a connection of its own: it ends with whoever held it, however that was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from monitoring.backup import BackupError, database

BACKUP, DRILL = 7_301_020, 7_301_021


class Busy(BackupError):
    """Somebody else is at it."""


@contextmanager
def held(lock: int) -> Iterator[None]:
    """Raises Busy at once when somebody else holds it, DatabaseError while the database cannot be reached."""
    connection = database.connect(autocommit=True, keepalives_idle=30)
    try:
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", [lock]).fetchone()
        if not row or not row[0]:
            raise Busy
        yield
    finally:
        connection.close()
