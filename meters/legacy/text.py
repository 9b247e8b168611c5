"""A file's lines as text, whatever wrote them: one at a time, so that a file may be of any size. Only reads."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

LONGEST_LINE = 4_000_000
"""Bytes. What is longer is no line of an export; it comes in pieces, which cannot be read and are told."""
MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


def lines(path: Path) -> Iterator[str]:
    """The lines with their ends. UTF-8 with or without a mark, UTF-16 with one; a line that is neither is taken for
    Windows-1252, as programs in Denmark wrote it.
    """
    with path.open("rb") as file:
        encoding = MARKS.get(file.read(2))
        if encoding:
            yield from _wide(file, encoding)
            return
        file.seek(0)
        if file.read(3) != codecs.BOM_UTF8:
            file.seek(0)
        while line := file.readline(LONGEST_LINE):
            yield _decoded(line)


def _decoded(line: bytes) -> str:
    try:
        text = line.decode()
    except UnicodeDecodeError:
        text = line.decode("cp1252", "replace")
    return text.replace("\0", "")


def _wide(file: BinaryIO, encoding: str) -> Iterator[str]:
    for line in codecs.getreader(encoding)(file, "replace"):
        yield line.replace("\0", "")
