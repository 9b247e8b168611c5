"""A folder as one stream: a compressed tar, made while it is read."""

from __future__ import annotations

import os
import stat
import tarfile
import threading
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from django.utils.translation import gettext as _

from monitoring.backup import BackupError

STOP_TIMEOUT_S = 10
NAMED = 3
"""Of files that could not be read so many are named; the rest is counted."""


class FolderError(BackupError):
    """There is no such folder."""


class Packed:
    """The folder, read to its end; then `unread` tells what is not in it. Memory stays constant.

    Links stay links. A file that changes while it is read is in it as it was read; what vanishes meanwhile is not.
    """

    def __init__(self, folder: Path, without: Collection[Path] = ()) -> None:
        """`without`: folders that are left out, with what they hold. Raises FolderError when there is no folder."""
        if not folder.is_dir():
            text = _("There is no folder %(folder)s. Is it mounted? Or take it out of BACKUP_FOLDERS.")
            raise FolderError(text % {"folder": folder})
        self.unread: list[str] = []
        self._folder, self._without = folder, {each.resolve() for each in without}
        self._failure: Exception | None = None
        out, into = os.pipe()
        self._out = os.fdopen(out, "rb")
        self._thread = threading.Thread(target=self._pack, args=[os.fdopen(into, "wb")], daemon=True)
        self._thread.start()

    def read(self, size: int) -> bytes:
        content = self._out.read(size)
        if not content:
            self._thread.join(STOP_TIMEOUT_S)
            if self._failure:
                raise self._failure
        return content

    def why(self) -> str:
        """What could not be read, as a sentence; "" when nothing is missing."""
        if not self.unread:
            return ""
        text = _(
            "%(count)s could not be read, such as %(names)s. May the user that the background jobs run as read it?"
        )
        return text % {"count": len(self.unread), "names": ", ".join(map(_shown, self.unread[:NAMED]))}

    def __enter__(self) -> Packed:
        return self

    def __exit__(self, *_: object) -> None:
        self._out.close()  # the packer hears of it when it writes
        self._thread.join(STOP_TIMEOUT_S)

    def _pack(self, into: IO[bytes]) -> None:
        try:
            with into, tarfile.open(fileobj=into, mode="w|gz", format=tarfile.PAX_FORMAT) as tar:
                for path in _under(self._folder, self._without, self.unread):
                    self._add(tar, path)
                    # It keeps all of them, and their inodes, for who would ask; typeshed does not know.
                    tar.members.clear()  # type: ignore[attr-defined]
                    tar.inodes.clear()  # type: ignore[attr-defined]
        except BrokenPipeError:
            pass  # nobody reads any more
        except Exception as failure:  # noqa: BLE001  # told by whoever reads
            self._failure = failure

    def _add(self, tar: tarfile.TarFile, path: Path) -> None:
        name = str(path.relative_to(self._folder))
        try:
            kind = path.lstat().st_mode
            if not stat.S_ISREG(kind):
                if stat.S_ISDIR(kind) or stat.S_ISLNK(kind):
                    tar.addfile(tar.gettarinfo(path, name))
                return  # sockets and pipes hold nothing
            file = path.open("rb")
        except FileNotFoundError:
            return
        except OSError:
            self.unread.append(name)
            return
        with file:
            told = tar.gettarinfo(arcname=name, fileobj=file)
            told.type, told.linkname = tarfile.REGTYPE, ""  # a second name of a file is a file
            told.size = os.fstat(file.fileno()).st_size
            tar.addfile(told, _Exactly(file, told.size))


class _Exactly:
    """So many bytes of a file, whatever becomes of it meanwhile: the tar has told its size already."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._left = file, size

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        content = b""
        with suppress(OSError):
            content = self._file.read(wanted)
        self._left -= wanted
        return content.ljust(wanted, b"\0")


def _shown(name: str) -> str:
    """A file's name may be any bytes; what is told of it is text."""
    return os.fsencode(name).decode(errors="replace")


def _under(folder: Path, without: Collection[Path], unread: list[str]) -> Iterator[Path]:
    """All that lies in the folder, a folder before what it holds. What cannot be entered is noted."""

    def note(failure: OSError) -> None:
        if not isinstance(failure, FileNotFoundError):
            unread.append(str(Path(failure.filename).relative_to(folder)))

    for root, folders, files in os.walk(folder, onerror=note):
        folders[:] = sorted(name for name in folders if Path(root, name).resolve() not in without)
        for name in sorted([*folders, *files]):
            yield Path(root, name)
