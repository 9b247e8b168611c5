"""Files become records: a row of a known table, by our names of its columns, with where it stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from meters.legacy import columns, dump, sheet, text
from meters.legacy.columns import Extra, Layout, NoTable
from meters.legacy.dump import Raw

PEEKED = 50
"""Lines: within them a dump has begun."""
MOST_TOLD = 100
"""Rows that cannot be read for the same reason: the first ones are told one by one, all are counted."""
SQL = ("--", "COPY ", "INSERT ", "SET ", "SELECT ", "CREATE ", "\\")


@dataclass(frozen=True, slots=True, order=True)
class Where:
    """A line of a file, as a text editor counts."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Record:
    where: Where
    table: str
    cells: dict[str, str]


@dataclass
class Read:
    """What became of the files: rows by table, what could not be read, tables and columns that nobody knows."""

    rows: Counter[str] = field(default_factory=Counter)
    bad: list[tuple[Where, str]] = field(default_factory=list)
    bad_rows: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    unknown: dict[str, set[str]] = field(default_factory=dict)
    mapped: dict[str, dict[str, str]] = field(default_factory=dict)

    def refuse(self, where: Where, table: str, why: str) -> None:
        """This row is not used; of each reason only the first MOST_TOLD are told one by one."""
        self.bad_rows[f"{table}: {why}"] += 1
        if self.bad_rows[f"{table}: {why}"] <= MOST_TOLD:
            self.bad.append((where, f"{table}: {why}"))


def records(path: Path, table: str | None, extra: Extra, read: Read) -> Iterator[Record]:
    """The records of a file, one at a time. `table`: whose rows a CSV holds, None: its name tells. Raises NoTable."""
    layouts: dict[tuple[str, tuple[str, ...]], Layout | NoTable] = {}
    for raw in _raw(path, table):
        where, known, key = Where(path.name, raw.line), columns.named(raw.table), (raw.table, raw.columns)
        if known is None:
            read.ignored[raw.table] += 1
            continue
        if not raw.why and key not in layouts:
            layouts[key] = _layout(known, raw, extra, read)
        found = NoTable(raw.why) if raw.why else layouts[key]
        if isinstance(found, NoTable):
            read.refuse(where, known, str(found))
        else:
            read.rows[known] += 1
            yield Record(where, known, found.cells(raw.cells))


def _layout(table: str, raw: Raw, extra: Extra, read: Read) -> Layout | NoTable:
    try:
        found = columns.layout(table, raw.columns, extra)
    except NoTable as why:
        return why
    read.unknown.setdefault(table, set()).update(found.unknown)
    read.mapped.setdefault(table, {}).update({name: raw.columns[place] for name, place in found.places.items()})
    return found


def _raw(path: Path, table: str | None) -> Iterator[Raw]:
    if _is_dump(path):
        return dump.rows(text.lines(path))
    if known := table or columns.of_file(path.stem):
        return sheet.rows(text.lines(path), known)
    raise NoTable(f"{path.name}: whose rows are these? Name the file after its table, or say TABLE={path.name}")


def _is_dump(path: Path) -> bool:
    for _, line in zip(range(PEEKED), text.lines(path), strict=False):
        if line.strip():
            return line.startswith(SQL) or path.suffix == ".sql"
    return path.suffix == ".sql"
