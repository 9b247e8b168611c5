"""Backups as they come back from a target: which there are, one of them fetched, proven to be what was sent, opened.

Nothing is written but to a working folder of ours, and what lies there is sealed. Reads only.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from monitoring.backup import BackupError, sealing
from monitoring.backup.manifest import Kind, Manifest, Part, folder_name
from monitoring.backup.progress import Progress
from monitoring.backup.targets import NotWhole, Target

CHUNK = 1 << 20
SPARE = 50_000_000
"""Bytes that stay free on the disk of the working folder."""
MOST_NAMED = 5
LARGEST_IN_MEMORY = 200_000_000
"""A Zigbee2MQTT's backup is read as a whole: some hundred kB; what pretends to be more is refused."""


class FetchingError(BackupError):
    """`str()` is for people: what is wrong, and what to do."""


class NoBackup(FetchingError):
    """`unusable`: folders that are none, with why."""

    def __init__(self, target: str, at: datetime | None, unusable: Sequence[tuple[str, str]]) -> None:
        if at is None:
            told = _("No whole backup lies on %(target)s.") % {"target": target}
        else:
            moment = timezone.localtime(at, timezone.get_default_timezone()).strftime("%Y-%m-%d %H:%M")
            text = _("No whole backup of %(moment)s or earlier lies on %(target)s.")
            told = text % {"target": target, "moment": moment}
        super().__init__(" ".join([told, *(f"{folder}: {why}." for folder, why in unusable[:MOST_NAMED])]))


class Damaged(FetchingError):
    """Not what the manifest tells: cut short, or changed by a single byte."""

    def __init__(self, target: str, folder: str, file: str) -> None:
        text = _(
            "%(file)s of the backup %(folder)s is not on %(target)s as it was written: it was cut short or changed. "
            "Take an earlier backup, or another target's copy of it; and find out who can write there."
        )
        super().__init__(text % {"file": file, "folder": folder, "target": target})


class NoRoom(FetchingError):
    def __init__(self, folder: Path, needed: int, free: int) -> None:
        text = _(
            "The disk of %(folder)s has %(free)d MB left, and %(needed)d MB are needed. Make room, or set BACKUP_WORK."
        )
        super().__init__(text % {"folder": folder, "needed": needed // 1_000_000 + 1, "free": free // 1_000_000})


def choose(target: Target, at: datetime | None = None) -> Manifest:
    """The newest whole backup that was made at `at` or before; none told: the newest of all. Raises NoBackup and what
    the target raises.
    """
    latest = folder_name(at) if at else None
    unusable = []
    for folder in target.folders():
        if latest is None or folder <= latest:
            try:
                return target.look(folder)
            except NotWhole as why:
                unusable.append((folder, str(why)))
    raise NoBackup(target.name, at, unusable)


def unusable_since(target: Target, chosen: Manifest) -> list[tuple[str, str]]:
    """Folders of later backups that cannot be used, each with why."""
    found = []
    for folder in target.folders():
        if folder > chosen.folder:
            try:
                target.look(folder)
            except NotWhole as why:
                found.append((folder, str(why)))
    return found


@contextmanager
def fetched(target: Target, manifest: Manifest, purpose: str, progress: Progress) -> Iterator[Path]:
    """A folder with the sealed files of this backup, each proven to be what was sent; gone afterwards. `purpose`: the
    folder's name; what one that was killed has left there is removed first.

    Raises NoRoom, Damaged, FetchingError where another one is at it, and what the target raises.
    """
    folder = Path(settings.BACKUP_WORK) / purpose
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone_in(folder.parent):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        try:
            _fetch(target, manifest, folder, progress)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def of_kind(manifest: Manifest, kind: Kind) -> list[Part]:
    return [part for part in manifest.parts if part.kind == kind]


def in_memory(folder: Path, part: Part) -> bytes:
    """The content of a small part. Raises FetchingError where it is none, and SealingError."""
    if part.bytes > LARGEST_IN_MEMORY:  # proven, and no smaller than what is in it
        raise FetchingError(_("%(file)s is too large to be what it should be.") % {"file": part.file})
    plain = io.BytesIO()
    sealing.unseal(folder / part.file, plain)
    return plain.getvalue()


@contextmanager
def stream(folder: Path, part: Part) -> Iterator[IO[bytes]]:
    """The content of a part of any size, to be read once from its beginning; it never lies anywhere opened. Raises
    SealingError at the end, unless reading it failed first.
    """
    reading, writing = os.pipe()
    failures: list[Exception] = []

    def feed() -> None:
        with os.fdopen(writing, "wb") as pipe:
            try:
                sealing.unseal(folder / part.file, pipe)
            except BrokenPipeError:
                pass  # nobody reads on
            except (sealing.SealingError, OSError) as failed:
                failures.append(failed)

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    try:
        with os.fdopen(reading, "rb") as plain:
            yield plain
            while plain.read(CHUNK):
                pass
    finally:
        feeder.join()
    if failures:
        raise failures[0]


# --- inside ----------------------------------------------------------------------------------------------------------


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Raises FetchingError. The lock ends with its process, however that ends."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = _("Another restore, or a drill, is at work just now. Wait until it is done.")
            raise FetchingError(text) from None
        yield
    finally:
        os.close(descriptor)


def _fetch(target: Target, manifest: Manifest, folder: Path, progress: Progress) -> None:
    _check_room(folder, manifest.size)
    told = {"folder": manifest.folder, "target": target.name}
    progress.begin(_("Fetching %(folder)s from %(target)s") % told, manifest.size)
    for part in manifest.parts:
        target.download(manifest.folder, part.file, folder / part.file, progress.add)
    progress.begin(_("Comparing it with its manifest"), manifest.size)
    for part in manifest.parts:
        if not _is_as_told(folder / part.file, part, progress):
            raise Damaged(target.name, manifest.folder, part.file)


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE:
        raise NoRoom(folder, needed + SPARE, free)


def _is_as_told(path: Path, part: Part, progress: Progress) -> bool:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            progress.add(len(chunk))
    return path.stat().st_size == part.bytes and digest.hexdigest() == part.sha256
