"""A backup brought back for real: into a database that is empty, on a machine that has only the settings and the key.

All or nothing. Until everything is done nobody can write to that database: what the rows tell is as old as the backup,
and nothing may act on it before the stop is pressed. The order of things, and who is called, is in
docs/disaster-recovery.md.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import OperationalError, ProgrammingError, connection, transaction
from django.utils import formats, timezone, translation
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_q.models import OrmQ

from meters import commands, requests
from monitoring import incidents
from monitoring.backup import BackupError, database, drill, fetching, loading, runs, sealing, trial
from monitoring.backup.manifest import Kind, Manifest, Part
from monitoring.backup.progress import Progress
from monitoring.backup.targets import Target

TABLES = """
SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm') AND n.nspname NOT LIKE 'pg\\_%%' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
"""
"""What an extension brings is not counted."""
HELD = "default_transaction_read_only"
IS_HELD = """
SELECT EXISTS (
    SELECT FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
    WHERE d.datname = current_database() AND s.setrole = 0 AND 'default_transaction_read_only=on' = ANY (s.setconfig)
)
"""
OTHERS = """
SELECT DISTINCT COALESCE(NULLIF(application_name, ''), usename) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


class RestoreError(BackupError):
    """`str()` is for people: what is wrong, and what to do."""


class State(StrEnum):
    """What the database is before a restore. `INTERRUPTED`: the data has come, what must follow has not."""

    EMPTY = "empty"
    INTERRUPTED = "interrupted"
    IN_USE = "in use"


@dataclass
class Outcome:
    """`ledger`: name → told by the manifest, found; `files`: what lies there for people to put in place."""

    manifest: Manifest
    ledger: dict[str, tuple[int, int]] = field(default_factory=dict)
    differing: list[tuple[str, int, int]] = field(default_factory=list)
    forward: list[str] = field(default_factory=list)
    files: list[tuple[Part, Path]] = field(default_factory=list)

    @property
    def is_the_same(self) -> bool:
        return not self.differing and all(told == found for told, found in self.ledger.values())


def state() -> State:
    """Raises RestoreError where there is no database."""
    if not _one(TABLES):
        return State.EMPTY
    return State.INTERRUPTED if _one(IS_HELD) else State.IN_USE


def rehearse(target: Target, manifest: Manifest, progress: Progress) -> None:
    """Fetch, verify, open and read all of it, into nowhere. Raises what `run` raises of a backup that is none."""
    with fetching.fetched(target, manifest, "restore", progress) as folder:
        for part in manifest.parts:
            progress.begin(gettext("Reading %(file)s") % {"file": part.file}, part.plain_bytes)
            if part.kind == Kind.DATABASE:
                loading.read_through(folder / part.file, progress)
            else:
                sealing.unseal(folder / part.file, _Nowhere(progress))


def run(target: Target, manifest: Manifest, into: Path, progress: Progress) -> Outcome:
    """Bring it back. `into`: a new folder, for what people put in place themselves.

    Raises RestoreError, and what fetching, sealing and loading raise; the database is then as empty as it was.
    """
    found = check(manifest)
    outcome = Outcome(manifest)
    with fetching.fetched(target, manifest, "restore", progress) as folder:
        outcome.files = _open(folder, manifest, into, progress)
        if found is State.EMPTY:
            _load(folder, manifest, progress)
    _finish(target, outcome, progress)
    return outcome


def open_files(
    target: Target, manifest: Manifest, into: Path, progress: Progress, only: str = ""
) -> list[tuple[Part, Path]]:
    """Only what is not the database, or of it what bears this name, opened into a folder; no database is needed for
    that, and nothing else is fetched. Raises RestoreError, and what fetching and sealing raise.
    """
    found = [part for part in manifest.parts if part.kind != Kind.DATABASE]
    named = [part for part in found if not only or part.name == only]
    if only and not named:
        raise RestoreError(_NOT_IN_IT % {"name": only, "names": ", ".join(part.name for part in found) or "–"})
    others = replace(manifest, parts=tuple(named))
    with fetching.fetched(target, others, "restore", progress) as folder:
        return _open(folder, others, into, progress)


def check(manifest: Manifest) -> State:
    """Whether this database can take this backup. Raises RestoreError."""
    name = {"name": connection.settings_dict["NAME"]}
    _dump(manifest)
    found = state()
    if found is State.IN_USE:
        raise RestoreError(_NOT_EMPTY % name)
    if who := _one(OTHERS):
        raise RestoreError(_OTHERS % (name | {"who": who}))
    _check_server(manifest)
    if unknown := trial.ahead(manifest.migrations)[1]:
        raise RestoreError(_TOO_NEW % {"software": manifest.software, "migration": unknown[-1]})
    if found is State.INTERRUPTED and _differing(manifest):
        raise RestoreError(_ANOTHER % name)
    return found


# --- inside ----------------------------------------------------------------------------------------------------------

_NOT_EMPTY = _(
    "The database %(name)s is not empty, and nothing is ever restored over one that is in use. If what is in it may "
    "be lost, stop web, worker and background jobs and make it empty: dropdb %(name)s && createdb %(name)s. If it may "
    "not, give DATABASE_URL another, new database."
)
_OTHERS = _(
    "Somebody else (%(who)s) is connected to the database %(name)s. Stop web, worker and background jobs first: they "
    "would begin to act on what comes before you have looked at it."
)
_UNREACHABLE = _("The database cannot be reached. Is PostgreSQL running, and DATABASE_URL right? %(why)s")
_NOT_OWNER = _(
    "Our database user must own the database. As PostgreSQL's administrator: ALTER DATABASE %(name)s OWNER TO %(user)s"
)
_ANOTHER = _(
    "A restore into %(name)s was interrupted, and it was of another backup, or had gone further. Make it empty and "
    "begin anew: dropdb %(name)s && createdb %(name)s."
)
_TOO_NEW = _(
    "This backup was made by later software (%(software)s), which knows %(migration)s. Install that one, then restore."
)
_TOO_OLD = _("This backup is of PostgreSQL %(theirs)s, and this server is %(ours)s. It needs %(theirs)s or newer.")
_NO_DATABASE = _("This backup holds no database: %(why)s Take an earlier one with --at.")
_NOT_IN_IT = _("This backup holds no Zigbee2MQTT and no folder %(name)s. It holds: %(names)s")
_STAYS_HELD = _(
    "The database has come, but what must follow failed: %(why)s. Nobody can write to it. Once that is mended, the "
    "same command again goes on from here."
)


class _Nowhere:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def write(self, content: bytes) -> int:
        self._progress.add(len(content))
        return len(content)


def _one(query: str) -> Any:
    """The first value of the first row; None without any."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return (cursor.fetchone() or (None,))[0]
    except OperationalError as failed:
        raise RestoreError(_UNREACHABLE % {"why": str(failed).strip().splitlines()[0]}) from None


def _check_server(manifest: Manifest) -> None:
    ours, theirs = int(_one("SHOW server_version_num")) // 10_000, manifest.postgres_major
    if ours < theirs:
        raise RestoreError(_TOO_OLD % {"theirs": theirs, "ours": ours})


def _differing(manifest: Manifest) -> list[tuple[str, int, int]]:
    with database.connect(autocommit=True) as found:
        return trial.differing(manifest.rows, database.rows(found))


def _dump(manifest: Manifest) -> Part:
    for part in fetching.of_kind(manifest, Kind.DATABASE):
        return part
    why = next((each.why for each in manifest.missing if each.kind == Kind.DATABASE), "")
    raise RestoreError(_NO_DATABASE % {"why": why})


def _open(folder: Path, manifest: Manifest, into: Path, progress: Progress) -> list[tuple[Part, Path]]:
    """What is not the database, opened, in a folder that only we can enter."""
    others = [part for part in manifest.parts if part.kind != Kind.DATABASE]
    if not others:
        return []
    into.mkdir(mode=0o700, parents=True, exist_ok=True)
    into.chmod(0o700)
    files = []
    for part in others:
        progress.begin(gettext("Opening %(file)s") % {"file": part.file}, part.plain_bytes)
        path = into / part.file.removesuffix(".age")
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            sealing.unseal(folder / part.file, file)
        files.append((part, path))
    return files


def _load(folder: Path, manifest: Manifest, progress: Progress) -> None:
    part = _dump(manifest)
    progress.begin(gettext("Restoring the database"), part.plain_bytes)
    with _held_if_it_succeeds():
        loading.load(folder / part.file, connection.settings_dict["NAME"], progress)


@contextmanager
def _held_if_it_succeeds() -> Iterator[None]:
    """Who comes to this database from now on can only read it. Where nothing came of it, as before."""
    _hold(is_held=True)
    try:
        yield
    except BaseException:
        _hold(is_held=False)
        raise


def _hold(*, is_held: bool) -> None:
    with connection.cursor() as cursor:
        _let_us_write()
        name = connection.settings_dict["NAME"]
        how = f"SET {HELD} = on" if is_held else f"RESET {HELD}"
        try:
            cursor.execute(f"ALTER DATABASE {connection.ops.quote_name(name)} {how}")
        except ProgrammingError:
            user = connection.settings_dict["USER"]
            raise RestoreError(_NOT_OWNER % {"name": name, "user": user}) from None


def _let_us_write() -> None:
    """This connection alone; and it takes its time."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET {HELD} = off; SET statement_timeout = 0")


def _finish(target: Target, outcome: Outcome, progress: Progress) -> None:
    """What must be done before anybody acts on what came. Until the last of it is committed nobody else can write."""
    try:
        _let_us_write()
        _compare_rows(outcome, progress)
        _go_forward(outcome, progress)
        _compare_ledger(outcome, progress)
        progress.begin(gettext("Pressing the stop"))
        with transaction.atomic():
            _calm(target, outcome.manifest, timezone.now())
            _hold(is_held=False)
    except Exception as failed:
        raise RestoreError(_STAYS_HELD % {"why": failed}) from failed


def _compare_rows(outcome: Outcome, progress: Progress) -> None:
    progress.begin(gettext("Comparing rows with the manifest"))
    outcome.differing = _differing(outcome.manifest)


def _go_forward(outcome: Outcome, progress: Progress) -> None:
    """Always: what migrations are followed by (groups, schedules, partitions) is of this code, too."""
    outcome.forward = trial.ahead(outcome.manifest.migrations)[0]
    progress.begin(gettext("Bringing it to this software's tables"))
    call_command("migrate", verbosity=0, interactive=False)


def _compare_ledger(outcome: Outcome, progress: Progress) -> None:
    progress.begin(gettext("Comparing the ledger with the manifest"))
    with database.connect(autocommit=True) as found:
        ledger = database.ledger(found)
    outcome.ledger = {name: (told, ledger.get(name, 0)) for name, told in outcome.manifest.ledger.items()}


def _calm(target: Target, manifest: Manifest, now: datetime) -> None:
    """What the rows of that time would make us do now, is not done: a person looks first."""
    commands.forget_open(now)
    requests.forget_open(now)
    incidents.nobody_looks(now)
    Session.objects.all().delete()  # who has logged out since would be logged in again
    OrmQ.objects.all().delete()
    runs.settle_restored(manifest, target.name)
    drill.settle_restored()
    with suppress(commands.NotStopped):  # whoever lifts it must know of this reason
        commands.stop.release(None)
    commands.stop.press(None, _reason(manifest.made_at))


def _reason(made_at: datetime) -> str:
    with translation.override(settings.LANGUAGE_CODE):
        text = gettext("Restored from the backup of %(moment)s: first bring in what came from Sirvoy since then")
        moment = timezone.localtime(made_at, timezone.get_default_timezone())
        return text % {"moment": formats.date_format(moment, "SHORT_DATETIME_FORMAT")}
