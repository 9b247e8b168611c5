"""CSV as Supabase's table editor, PostgreSQL's COPY … CSV and spreadsheets write it. Pure; a row at a time."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator

from meters.legacy.dump import Raw

csv.field_size_limit(4_000_000)


def rows(lines: Iterator[str], table: str) -> Iterator[Raw]:
    """Every row with the line on which it begins. Parted by commas, semicolons or tabs, as most of the first line is;
    an empty cell, and NULL, are none.
    """
    first = next(lines, "")
    reader = csv.reader(_with(first, lines), delimiter=_delimiter(first))
    columns: tuple[str, ...] = ()
    begins = 1
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield Raw(begins, table, columns, (), f"this row cannot be parted into cells: {error}")
            cells = []
        if cells is None:
            return
        if not columns:
            columns = tuple(cell.strip() for cell in cells)
        elif any(cell.strip() for cell in cells):
            yield _row(begins, table, columns, cells)
        begins = reader.line_num + 1


def _row(line: int, table: str, columns: tuple[str, ...], cells: list[str]) -> Raw:
    told = tuple(None if cell.strip() in ("", "NULL", "\\N") else cell for cell in cells)
    if len(told) > len(columns) and any(told[len(columns) :]):
        return Raw(line, table, columns, told, f"it has {len(told)} cells for {len(columns)} columns")
    return Raw(line, table, columns, (told + (None,) * len(columns))[: len(columns)])


def _with(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _delimiter(first: str) -> str:
    return max(",;\t", key=re.sub(r'"[^"]*"', "", first).count)
