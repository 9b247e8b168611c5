"""Where backups go: the named targets of BACKUP_TARGETS, by Django's storage API.

A backup is a folder named after its time; its manifest is written last. A folder without one, or in which a file has
another size than it says, is no backup.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, Any, cast

from django.conf import settings
from django.core.files.base import File
from django.utils.translation import gettext as _

from monitoring.backup import BackupError, addresses, manifest, stores
from monitoring.backup.addresses import Address
from monitoring.backup.generations import Kept
from monitoring.backup.manifest import Manifest, ManifestError
from monitoring.backup.stores import StoreError

CHUNK = 1 << 20
LARGEST_MANIFEST = 10_000_000
"""In bytes. What is larger is none of ours, and is not read into memory."""


class TargetError(BackupError):
    """The target is away, full, refuses, or is not one of ours."""


class NotWhole(BackupError):
    """Why a folder is no backup that can be used, as the end of a sentence."""


class Target:
    def __init__(self, name: str, address: Address) -> None:
        self.name, self._address = name, address

    def __str__(self) -> str:
        return self.name

    @property
    def where(self) -> str:
        """Its address, without secrets."""
        return self._address.shown

    @property
    def generations(self) -> Kept:
        return self._address.kept

    @cached_property
    def _store(self) -> stores.Store:
        return stores.at(self._address)

    def folders(self) -> list[str]:
        """Those that bear a name of ours, newest first, whole or not."""
        with self._explained():
            self._store.check()
            found, _files = self._store.storage.listdir("")
        return sorted((name for name in found if manifest.folder_time(name)), reverse=True)

    def backups(self) -> Iterator[Manifest]:
        """Of each that is whole, newest first, looked at one by one."""
        return (found for folder in self.folders() if (found := self.manifest(folder)))

    def manifest(self, folder: str) -> Manifest | None:
        """None where the backup is not whole: nothing is known of what its files hold."""
        try:
            return self.look(folder)
        except NotWhole:
            return None

    def look(self, folder: str) -> Manifest:
        """What a backup says of itself that is whole; what its files hold is not looked at. Raises NotWhole."""
        with self._explained():
            files = set(self._store.storage.listdir(folder)[1])
            if manifest.FILE not in files:
                raise NotWhole(_("it was never finished: it has no manifest"))
            with self._store.storage.open(f"{folder}/{manifest.FILE}") as file:
                content = file.read(LARGEST_MANIFEST)
            try:
                told = Manifest.from_json(content)
            except ManifestError as wrong:
                raise NotWhole(str(wrong)) from None
            if told.folder != folder:
                raise NotWhole(_("its manifest is that of another backup"))
            for part in told.parts:
                has = self._store.storage.size(f"{folder}/{part.file}") if part.file in files else 0
                if has != part.bytes:
                    facts = {"file": part.file, "has": has, "told": part.bytes}
                    raise NotWhole(_("%(file)s has %(has)s of %(told)s bytes") % facts)
        return told

    def upload(self, folder: str, file: str, path: Path, progress: Callable[[int], None] | None = None) -> None:
        """`progress` hears how many more bytes have gone. Returns when the target says that it has all of them."""
        name = f"{folder}/{file}"
        with self._explained():
            self._store.check()
            with path.open("rb") as content:
                stored = self._store.storage.save(name, File(cast(IO[bytes], _Watched(content, progress)), name=file))
            if stored != name:
                self._store.storage.delete(stored)
                text = _("%(target)s has a file %(file)s already. Two installations must not share a folder.")
                raise TargetError(text % {"target": self.name, "file": name})
            has, sent = self._store.storage.size(name), path.stat().st_size
        if has != sent:
            text = _("%(target)s says that it has %(has)s of the %(sent)s bytes of %(file)s. Is it full?")
            raise TargetError(text % {"target": self.name, "has": has, "sent": sent, "file": file})

    def download(self, folder: str, file: str, path: Path, progress: Callable[[int], None] | None = None) -> None:
        """To a new file. What it holds is for the caller to check. `progress` hears how many more bytes have come."""
        with self._explained(), self._store.storage.open(f"{folder}/{file}") as content, path.open("xb") as into:
            shutil.copyfileobj(cast(IO[bytes], _Watched(content, progress)), into, CHUNK)

    def remove(self, folder: str) -> None:
        """The manifest first: from then on it is no backup any more. Without the folder nothing happens."""
        if folder not in self.folders():
            return
        with self._explained():
            files = self._store.storage.listdir(folder)[1]
            for file in sorted(files, key=lambda file: file != manifest.FILE):
                self._store.storage.delete(f"{folder}/{file}")
            self._store.remove_folder(folder)

    def close(self) -> None:
        """End its connection, if it has one. What is asked afterwards makes another one."""
        self._store.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except StoreError as failure:
            raise TargetError(str(failure)) from None
        except Exception as failure:
            if told := self._store.explain(failure):
                raise TargetError(told) from None
            raise


def all() -> list[Target]:
    return [Target(name, addresses.read(url)) for name, url in settings.BACKUP_TARGETS.items()]


def local_folders() -> list[Path]:
    """Of this machine, in which backups lie."""
    found = map(addresses.read, settings.BACKUP_TARGETS.values())
    return [Path(address.path) for address in found if address.scheme == "file"]


def named(name: str) -> Target:
    """Raises TargetError when BACKUP_TARGETS has none of that name."""
    for target in all():
        if target.name == name:
            return target
    known = ", ".join(settings.BACKUP_TARGETS) or "–"
    raise TargetError(_("BACKUP_TARGETS has no target %(name)s; it has: %(known)s") % {"name": name, "known": known})


class _Watched:
    """A file that tells how much of it has been read."""

    def __init__(self, file: IO[bytes], progress: Callable[[int], None] | None) -> None:
        self._file, self._progress = file, progress

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(size)
        if self._progress:
            self._progress(len(content))
        return content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
