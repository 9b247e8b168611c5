"""The parts of a backup, sealed one by one into the working folder."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from django.conf import settings
from django.utils.translation import gettext as _

from meters.people import Person
from monitoring.backup import database, folders, sealing, targets, zigbee2mqtt
from monitoring.backup.manifest import Kind, Missing, Part, Piece
from monitoring.backup.sealing import Readable

FILES = {Kind.DATABASE: "{}.dump.age", Kind.ZIGBEE2MQTT: "zigbee2mqtt-{}.zip.age", Kind.FOLDER: "folder-{}.tar.gz.age"}

HISTORY = "history"


class Progress(Protocol):
    """Hears what is being worked on, in the site's language, and how many bytes more there are of it."""

    def step(self, text: str) -> None: ...

    def more(self, count: int) -> None: ...


@dataclass
class Moment:
    """What the database was when it was dumped."""

    postgres: str = ""
    migrations: tuple[str, ...] = ()
    rows: dict[str, int] = field(default_factory=dict)
    ledger: dict[str, int] = field(default_factory=dict)


def dump_database(work: Path, progress: Progress) -> tuple[Part, Moment]:
    """While it runs, everybody else goes on writing: dump and counts are of one moment. Raises BackupError."""
    with database.snapshot() as snapshot:
        progress.step(_("the database"))
        with database.dump(snapshot) as dump:
            part = _sealed("database", Kind.DATABASE, dump, work, progress)
        progress.step(_("counting its rows"))
        connection = snapshot.connection
        moment = Moment(
            postgres=database.server(connection),
            migrations=database.migrations(connection),
            rows=database.rows(connection),
            ledger=database.ledger(connection),
        )
    return part, moment


def zigbee2mqtts(work: Path, by: Person, progress: Progress) -> Iterator[Part | Missing]:
    """Of each area in service, as it answers."""
    progress.step("Zigbee2MQTT")
    for told in zigbee2mqtt.collect(by):
        if isinstance(told, Piece):
            yield _sealed_piece(told, work, progress)
        else:
            yield told


def configured_folders(work: Path, progress: Progress) -> Iterator[Part | Missing]:
    """Of each folder of BACKUP_FOLDERS what can be read; and the history of the Zigbee2MQTTs' configurations."""
    without = [Path(settings.BACKUP_WORK), *targets.local_folders()]  # each backup would hold all before it
    for name, folder in {**_history(), **settings.BACKUP_FOLDERS}.items():
        progress.step(name)
        try:
            with folders.Packed(Path(folder), without) as packed:
                yield _sealed(name, Kind.FOLDER, packed, work, progress)
            if why := packed.why():
                yield Missing(name, Kind.FOLDER, why)
        except folders.FolderError as failure:
            yield Missing(name, Kind.FOLDER, str(failure))


def _history() -> dict[str, str]:
    """Once there is one: the first Zigbee2MQTT that was backed up begins it."""
    folder = settings.BACKUP_HISTORY
    return {HISTORY: folder} if folder and Path(folder).is_dir() else {}


def _sealed_piece(piece: Piece, work: Path, progress: Progress) -> Part:
    part = _sealed(piece.name, piece.kind, io.BytesIO(piece.content), work, progress)
    return replace(part, facts=piece.facts, warnings=piece.warnings)


def _sealed(name: str, kind: Kind, source: Readable, work: Path, progress: Progress) -> Part:
    file = FILES[kind].format(name)
    sealed = sealing.seal(_Watched(source, progress), work / file)
    return Part(name, kind, file, sealed.bytes, sealed.sha256, sealed.plain_bytes)


class _Watched:
    """A source that tells how much of it has been read."""

    def __init__(self, source: Readable, progress: Progress) -> None:
        self._source, self._progress = source, progress

    def read(self, size: int) -> bytes:
        content = self._source.read(size)
        self._progress.more(len(content))
        return content
