"""Migrated databases on the run's PostgreSQL: one is migrated in a run, whoever needs one of his own gets a copy."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import environ
import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier, Literal

from campsite.embedded.services import given

ROOT = Path(__file__).resolve().parent.parent
MIGRATE_TIMEOUT_S = 300
LOCK = 7_301_077
RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
"""The same in all workers of a run."""
THROW_OUT = (
    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s AND usename = current_user"
)
"""And wait until they are gone, at most so many ms each: a DROP waits 5 s, less than a busy machine may take."""


def template() -> str:
    """The name of the database to copy. The first who asks in a run makes it; the others wait for him."""
    name = f"test_{place()['dbname']}_migrated"
    with server() as ours:
        ours.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        made_by = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s"
        if ours.execute(made_by, [name]).fetchone() != (RUN,):
            drop(name)
            ours.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
            words = [sys.executable, "manage.py", "migrate", "-v0"]
            environment = os.environ | {"DATABASE_URL": url(name), "SECRET_KEY": "x"}
            subprocess.run(words, cwd=ROOT, check=True, timeout=MIGRATE_TIMEOUT_S, env=environment)
            ours.execute(SQL("COMMENT ON DATABASE {} IS {}").format(Identifier(name), Literal(RUN)))
    return name


def copy(name: str) -> str:
    """The URL of a new database of this name."""
    source = template()
    with server() as ours:
        # As files: half of what it costs block by block.
        made = SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(Identifier(name), Identifier(source))
        ours.execute(made)
    return url(name)


def bring(to: str) -> None:
    """What this run has migrated, into the empty database of this URL, which is on a server of a test's own."""
    dump = ["pg_dump", "--no-owner", "--no-comments", make_conninfo(**place(url(template())))]
    made = subprocess.run(dump, check=True, capture_output=True, timeout=MIGRATE_TIMEOUT_S)
    words = ["psql", "--quiet", "--single-transaction", "--set", "ON_ERROR_STOP=1", make_conninfo(**place(to))]
    subprocess.run(words, input=made.stdout, check=True, capture_output=True, timeout=MIGRATE_TIMEOUT_S)


def drop(name: str) -> None:
    """Whoever of us is connected to it is thrown out.

    Not WITH (FORCE): that refuses us while an autovacuum works there, which a plain DROP ends by itself.
    """
    with server() as ours:
        ours.execute(THROW_OUT, [name])
        ours.execute(SQL("DROP DATABASE IF EXISTS {}").format(Identifier(name)))


def url(name: str) -> str:
    return f"{given('DATABASE_URL').rpartition('/')[0]}/{name}"


@contextmanager
def server() -> Iterator[psycopg.Connection[Any]]:
    """A connection to the run's PostgreSQL, outside of any test's database."""
    with psycopg.connect(**place(), autocommit=True, connect_timeout=5) as ours:
        yield ours


def place(url: str = "") -> dict[str, Any]:
    """Of a database's URL, in libpq's words; that of the run where none is given."""
    found = environ.Env.db_url_config(url or given("DATABASE_URL"))
    names = {"NAME": "dbname", "HOST": "host", "PORT": "port", "USER": "user", "PASSWORD": "password"}
    return {ours: found[theirs] for theirs, ours in names.items() if found.get(theirs)}
