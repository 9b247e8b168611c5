"""A folder of this machine: a second disk, a mounted NAS."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage
from django.utils.translation import gettext as _

from monitoring.backup.addresses import Address
from monitoring.backup.stores import StoreError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class LastingFiles(FileSystemStorage):
    """Writes under another name first, and returns when the file is on the disk: a power cut leaves all of it, or
    nothing of that name.
    """

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        """Links, pipes and devices are not there for us: whoever may make them on a shared disk would have us read or
        remove, under our rights, what lies elsewhere.
        """
        with os.scandir(self.path(path)) as found:
            real = [(each.name, each.stat(follow_symlinks=False).st_mode) for each in found]
        folders = [name for name, mode in real if stat.S_ISDIR(mode)]
        return folders, [name for name, mode in real if stat.S_ISREG(mode)]

    def _save(self, name: str, content: File[Any]) -> str:
        path = Path(self.path(name))
        path.parent.mkdir(mode=0o700, exist_ok=True)  # never the target itself
        draft = path.with_name(f".{path.name}.part")
        with _gone_if_it_fails(draft), open(draft, "wb", opener=_private) as file:
            for chunk in content.chunks():
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
            draft.replace(path)
        for folder in (path.parent, path.parent.parent):
            _sync(folder)
        return name


class LocalStore:
    def __init__(self, address: Address) -> None:
        self._folder = Path(address.path)
        self._mount = address.options.get("mount")
        self.storage = LastingFiles(location=address.path)

    def check(self) -> None:
        """A folder that is made when it is missing would be one of our own disk, under a NAS that is away."""
        if self._mount and not os.path.ismount(self._mount):
            text = _("Nothing is mounted at %(folder)s. Is the NAS on, and its folder mounted?")
            raise StoreError(text % {"folder": self._mount})
        if not self._folder.is_dir():
            text = _("There is no folder %(folder)s. Is it mounted? Make it yourself where it is new.")
            raise StoreError(text % {"folder": self._folder})

    def close(self) -> None:
        """There is none."""

    def remove_folder(self, name: str) -> None:
        folder = self._folder / name
        for draft in folder.glob(".*.part"):
            draft.unlink()
        with suppress(FileNotFoundError):
            folder.rmdir()

    def explain(self, failure: Exception) -> str:
        if not isinstance(failure, OSError):
            return ""
        if failure.errno in FULL:
            text = _("%(folder)s is full. Make room there, or keep fewer generations.")
        elif isinstance(failure, PermissionError):
            text = _("%(folder)s may not be written to by the user that the background jobs run as.")
        elif failure.errno == errno.EROFS:
            text = _("%(folder)s can only be read. Has its disk failed?")
        else:
            text = "%(folder)s: %(why)s"
        why = os.strerror(failure.errno) if failure.errno else type(failure).__name__
        return text % {"folder": self._folder, "why": why}


def make(address: Address) -> LocalStore:
    return LocalStore(address)


@contextmanager
def _gone_if_it_fails(draft: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _sync(folder: Path) -> None:
    """What stands in the folder lasts, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # not every network file system can
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
