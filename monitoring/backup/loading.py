"""A sealed dump of the database on its way into pg_restore, opened as a stream: all of it arrives, or nothing does."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from django.utils.translation import gettext_lazy as _

from monitoring.backup import BackupError, database, sealing
from monitoring.backup.progress import Progress

ALL_OR_NOTHING = ("--single-transaction", "--exit-on-error")
AS_WHO_ASKS = ("--no-owner", "--no-privileges", "--no-comments")
"""Whatever the roles were called there; and comments of extensions are their owner's."""
WRITES = "-c default_transaction_read_only=off"
"""Also where restore.py keeps everybody else from writing."""
LONGEST_WORDS = 300


class LoadingError(BackupError):
    """`str()` is for people; of what the rows hold it says nothing."""

    message = _("pg_restore refused the backup's database: %(why)s")

    def __init__(self, why: str) -> None:
        super().__init__(self.message % {"why": why})


def load(sealed: Path, name: str, progress: Progress) -> None:
    """Into the database of this name, which must be empty. Raises LoadingError, and what sealing.unseal and
    database.program raise; the database then is as empty as before.
    """
    _feed(sealed, [*ALL_OR_NOTHING, *AS_WHO_ASKS, f"--dbname={name}"], database.environment(name), progress)


def read_through(sealed: Path, progress: Progress) -> None:
    """As `load`, into nowhere: everything is opened and read, and nothing is touched."""
    _feed(sealed, [f"--file={os.devnull}"], {}, progress)


# --- inside ----------------------------------------------------------------------------------------------------------


def _feed(sealed: Path, words: Sequence[str], environment: Mapping[str, str], progress: Progress) -> None:
    command = [str(database.program("pg_restore")), "--format=custom", *words]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env={**environment, "PGOPTIONS": WRITES}, bufsize=0, **pipes) as process:
        heard = _Words(process.stderr)
        try:
            sealing.unseal(sealed, _Pipe(process.stdin, progress))
        except BrokenPipeError:
            pass  # it has given up, and says why
        except BaseException:
            process.kill()  # before its input ends: what came until now must not be taken for all
            heard.told()
            raise
        _close(process.stdin)
        code, why = process.wait(), heard.told()
    if code:
        raise LoadingError(why or f"code {code}")


def _close(pipe: IO[bytes] | None) -> None:
    if pipe:
        pipe.close()


class _Pipe:
    """What is fed, counted."""

    def __init__(self, pipe: IO[bytes] | None, progress: Progress) -> None:
        if pipe is None:
            raise TypeError
        self._pipe, self._progress = pipe, progress

    def write(self, content: bytes) -> int:
        left = memoryview(content)
        while left:
            left = left[self._pipe.write(left) :]
        self._progress.add(len(content))
        return len(content)


class _Words:
    """What a program says on its standard error, read while it runs, so that it never waits for us."""

    def __init__(self, pipe: IO[bytes] | None) -> None:
        self._lines: list[str] = []
        self._thread = threading.Thread(target=self._read, args=[pipe], daemon=True)
        self._thread.start()

    def told(self) -> str:
        """Its errors alone: what stands beside them may quote rows, which hold guests."""
        self._thread.join()
        return " ".join(self._lines)[:LONGEST_WORDS]

    def _read(self, pipe: IO[bytes] | None) -> None:
        for line in pipe or ():
            told = line.decode(errors="replace").strip()
            if told.startswith("pg_restore: error:"):
                self._lines.append(told.removeprefix("pg_restore: error:").strip())
