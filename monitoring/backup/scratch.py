"""Databases that stand beside ours for a moment, under a name that nobody but a drill gives. Made, looked into and
dropped here; ours itself is never opened.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
from django.db import connection
from django.utils.translation import gettext_lazy as _
from psycopg.sql import SQL, Identifier

from monitoring.backup import BackupError, database
from monitoring.backup.database import Connection, DatabaseError

logger = logging.getLogger(__name__)
LONGEST = 63
"""Bytes of a name, in PostgreSQL."""
MARK = "_drill_"
RANDOM = 8
ATTEMPTS = 3
THROW_OUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND usename = current_user"
SERVERS_OWN = ("postgres", "template1")
"""Databases that every server has, to give orders from."""


class ScratchError(BackupError):
    """`str()` is for people."""

    message = _("The scratch database could not be made: %(why)s")
    forbidden = _(
        "Our database user may not make databases, and a drill needs one beside ours. As PostgreSQL's administrator: "
        "ALTER ROLE %(user)s CREATEDB"
    )

    def __init__(self, why: str) -> None:
        super().__init__(why)


@contextmanager
def made() -> Iterator[str]:
    """The name of a new, empty database, which is dropped at the end whatever happens. Raises ScratchError and
    DatabaseError.
    """
    name = f"{_beginning()}{secrets.token_hex(RANDOM // 2)}"
    with _server() as server:
        _create(server, name)
    try:
        yield name
    finally:
        _drop_in_the_end(name)


def drop(name: str) -> None:
    """Whoever of us is connected to it is thrown out. Raises ValueError for a name that no drill gives.

    Not WITH (FORCE): that refuses us while an autovacuum works there, which a plain DROP ends by itself.
    """
    check(name)
    with _server() as server:
        server.execute(THROW_OUT, [name])
        server.execute(SQL("DROP DATABASE IF EXISTS {}").format(Identifier(name)))


def sweep() -> list[str]:
    """Drop what drills that were killed have left; returns the names. Only while no drill is under way. Raises
    DatabaseError.
    """
    with _server() as server:
        names = [name for (name,) in server.execute("SELECT datname FROM pg_database").fetchall()]
    left = [name for name in names if is_ours(name)]
    for name in left:
        drop(name)
    return left


def is_ours(name: str) -> bool:
    """Whether only a drill of this very installation gives such a name."""
    return name != _live() and bool(re.fullmatch(rf"{re.escape(_beginning())}[0-9a-f]{{{RANDOM}}}", name))


def bears_our_mark(name: str) -> bool:
    """Whether it looks like one, whatever the live database is called."""
    return bool(re.fullmatch(rf".+{MARK}[0-9a-f]{{{RANDOM}}}", name))


def check(name: str) -> None:
    """Raises ValueError for the name of the live database, or of any other that is not a drill's."""
    if not is_ours(name):
        raise ValueError("This is no scratch database of a drill.")


@contextmanager
def opened(name: str) -> Iterator[Connection]:
    """A connection to a scratch database. Raises ValueError for another's name, DatabaseError."""
    check(name)
    with database.connect(name, autocommit=True) as found:
        yield found


# --- inside ----------------------------------------------------------------------------------------------------------


def _live() -> str:
    return str(connection.settings_dict["NAME"])


def _beginning() -> str:
    return _live().encode()[: LONGEST - len(MARK) - RANDOM].decode(errors="ignore") + MARK


def _drop_in_the_end(name: str) -> None:
    """A server under load may take longer than it waits itself, to let us in or to throw others out. What stays, the
    next drill sweeps.
    """
    why: Exception | None = None
    for _attempt in range(ATTEMPTS):
        try:
            return drop(name)
        except (psycopg.Error, DatabaseError) as failure:
            why = failure
    logger.warning("The scratch database %s stays until the next restore drill: %s", name, why)


def _create(server: Connection, name: str) -> None:
    check(name)
    try:
        server.execute(SQL("CREATE DATABASE {} TEMPLATE template0").format(Identifier(name)))
    except psycopg.errors.InsufficientPrivilege:
        raise ScratchError(ScratchError.forbidden % {"user": connection.settings_dict["USER"]}) from None
    except psycopg.Error as failed:
        raise ScratchError(ScratchError.message % {"why": failed.diag.message_primary or failed}) from None


@contextmanager
def _server() -> Iterator[Connection]:
    """A connection that belongs to no database of ours."""
    with _first_to_answer() as server:
        yield server


def _first_to_answer() -> Connection:
    for name in SERVERS_OWN[:-1]:
        with suppress(DatabaseError):
            return database.connect(name, autocommit=True)
    return database.connect(SERVERS_OWN[-1], autocommit=True)
