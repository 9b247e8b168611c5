"""One backup, brought back where nobody needs it: fetched, opened, restored into a scratch database, compared with what
its manifest tells. Writes no table of ours.
"""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.utils.translation import gettext as _

from monitoring.backup import contents, database, fetching, forward, kept, loading, scratch
from monitoring.backup.manifest import Kind, Manifest, Part
from monitoring.backup.progress import Progress
from monitoring.backup.targets import Target

MOST_TOLD = 20


@dataclass
class Report:
    """What was found, as it is kept in JSON. `problems`: sentences in the site's language; without one it is proven.

    `unusable`: later folders, and why each is none; `parts`: name, kind, bytes, what was found in it; `differing`:
    table, rows told, rows found; `ledger`: name → told, found; `forward`: migrations that this code has beyond it.
    """

    folder: str
    software: str
    postgres: str
    bytes: int
    problems: list[str] = field(default_factory=list)
    missing: list[tuple[str, str, str]] = field(default_factory=list)
    unusable: list[tuple[str, str]] = field(default_factory=list)
    parts: list[tuple[str, str, int, str]] = field(default_factory=list)
    tables: int = 0
    rows: int = 0
    differing: list[tuple[str, int, int]] = field(default_factory=list)
    ledger: dict[str, tuple[int, int]] = field(default_factory=dict)
    forward: list[str] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        return asdict(self)


def run(target: Target, manifest: Manifest, progress: Progress) -> Report:
    """Raises what fetching, loading, sealing, scratch and the target raise; psycopg.Error where the scratch database
    goes away meanwhile."""
    report = Report(manifest.folder, manifest.software, manifest.postgres, manifest.size)
    report.unusable = fetching.unusable_since(target, manifest)
    report.missing = [(each.name, each.kind, each.why) for each in manifest.missing]
    if not kept.is_ours(manifest):
        report.problems.append(_strange())
        return report
    _check_room()
    with fetching.fetched(target, manifest, "drill", progress) as folder:
        for part in manifest.parts:
            if part.kind != Kind.DATABASE:
                progress.begin(_("Opening %(file)s") % {"file": part.file})
                _open(folder, part, report)
        dumps = fetching.of_kind(manifest, Kind.DATABASE)
        if not dumps:
            report.problems.append(_("It holds no database."))
        for part in dumps:
            with scratch.made() as name:
                progress.begin(_("Restoring the database into a scratch one"), part.plain_bytes)
                loading.load(folder / part.file, name, progress)
                report.parts.append((part.name, part.kind, part.bytes, _("restored")))
                _compare(name, manifest, report, progress)
    return report


# --- inside ----------------------------------------------------------------------------------------------------------


def _strange() -> str:
    return _(
        "Its manifest is not the one that was noted here when it was made, so it was not opened: our PostgreSQL would "
        "carry out whatever it holds. Has somebody else written to this target? Just after an earlier backup was "
        "restored it is only newer than what is known here: make a backup, then try that one."
    )


def _check_room() -> None:
    """The scratch database will be about as large as ours. WATCHED_DISKS name the disk of the database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        (needed,) = cursor.fetchone()
    for disk in settings.WATCHED_DISKS:
        free = shutil.disk_usage(disk).free
        if free < needed + fetching.SPARE:
            raise fetching.NoRoom(Path(disk), needed + fetching.SPARE, free)


def _open(folder: Path, part: Part, report: Report) -> None:
    try:
        found = _zigbee2mqtt(folder, part, report) if part.kind == Kind.ZIGBEE2MQTT else _tar(folder, part)
    except (contents.Unusable, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as failed:
        report.problems.append(_("%(file)s cannot be used: %(why)s") % {"file": part.file, "why": failed})
        found = _("unusable")
    report.parts.append((part.name, part.kind, part.bytes, found))


def _zigbee2mqtt(folder: Path, part: Part, report: Report) -> str:
    found = contents.read(fetching.in_memory(folder, part))
    then, now = part.facts.get("devices", len(found.devices)), len(found.devices)
    if then != now:
        told = {"file": part.file, "now": now, "then": then}
        report.problems.append(_("%(file)s holds %(now)d devices; the manifest tells %(then)d.") % told)
    return _("%(files)d files, %(devices)d devices") % {"files": len(found.files), "devices": now}


def _tar(folder: Path, part: Part) -> str:
    with fetching.stream(folder, part) as plain, gzip.GzipFile(fileobj=plain) as unzipped:
        with tarfile.open(fileobj=unzipped, mode="r|") as archive:
            count = sum(member.isfile() for member in archive)
        while unzipped.read(fetching.CHUNK):  # its checksum stands at its end
            pass
    return _("%(files)d files") % {"files": count}


def _compare(name: str, manifest: Manifest, report: Report, progress: Progress) -> None:
    progress.begin(_("Comparing rows with the manifest"))
    with scratch.opened(name) as found:
        rows, applied = database.rows(found), database.migrations(found)
    report.tables, report.rows = len(rows), sum(rows.values())
    report.differing = differing(manifest.rows, rows)
    for table, told, are in report.differing[:MOST_TOLD]:
        report.problems.append(
            _("%(table)s has %(are)d rows; the manifest tells %(told)d.") % {"table": table, "are": are, "told": told}
        )
    report.forward, unknown = ahead(applied)
    if unknown:
        report.problems.append(_("It was made by later software than this, which knows: %s") % ", ".join(unknown))
    elif report.forward:
        progress.begin(_("Bringing it to this software's tables"))
        forward.migrate(name)
    progress.begin(_("Comparing the ledger with the manifest"))
    with scratch.opened(name) as found:
        ledger = database.ledger(found)
    report.ledger = {what: (told, ledger.get(what, 0)) for what, told in manifest.ledger.items()}
    text = _("The ledger's %(what)s is %(is)d; the manifest tells %(told)d.")
    for what, (told, is_) in report.ledger.items():
        if told != is_:
            report.problems.append(text % {"what": what, "is": is_, "told": told})


def differing(told: dict[str, int], found: dict[str, int]) -> list[tuple[str, int, int]]:
    """Each table whose rows are not as many as told, with both; what is not there has -1 rows."""
    tables = sorted(told.keys() | found.keys())
    return [
        (table, told.get(table, -1), found.get(table, -1)) for table in tables if told.get(table) != found.get(table)
    ]


def ahead(applied: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """The migrations that our code has and these are not; and those of them that our code does not know."""
    ours = {".".join(key) for key in MigrationLoader(None).disk_migrations}
    return sorted(ours - set(applied)), sorted(set(applied) - ours)
