"""A file under its name only once it is whole: written beside it, brought to the disk, then renamed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path


def write(path: Path, parts: Iterable[bytes]) -> int:
    """Returns its bytes. Whatever fails on the way leaves what stood there before, and nothing beside it. Raises
    OSError, and what the parts raise.
    """
    handle, beside = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            size = sum(map(file.write, parts))
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        os.unlink(beside)
        raise
    _to_the_disk(path.parent)
    return size


def _to_the_disk(folder: Path) -> None:
    """The new name too, before anybody is told of it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
