"""pg_dump's plain files: the rows of COPY and of INSERT, as they stand there. Pure; one statement or line at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

COPY = re.compile(r'COPY\s+(?P<table>[\w."]+)\s*(?:\((?P<columns>[^)]*)\))?\s+FROM\s+stdin', re.IGNORECASE)
INSERT = re.compile(r'INSERT\s+INTO\s+(?P<table>[\w."]+)\s*(?:\((?P<columns>[^)]*)\))?\s*', re.IGNORECASE)
VALUES = re.compile(r"(?:OVERRIDING\s+(?:SYSTEM|USER)\s+VALUE\s+)?VALUES\s*", re.IGNORECASE)
CREATE = re.compile(r'CREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?(?P<table>[\w."]+)\s*\(', re.IGNORECASE)
COLUMN = re.compile(r'\s+("[^"]+"|[a-z_]\w*)\s', re.IGNORECASE)
NO_COLUMN = {"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN", "EXCLUDE", "LIKE"}
STATEMENT = ("INSERT ", "COPY ", "CREATE ", "ALTER ", "SET ", "SELECT ", "--", "\\")
"""What begins a line at which to go on after one that cannot be read."""
LITERAL = re.compile(r"E'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|[^\s,()';:]+", re.IGNORECASE | re.DOTALL)
CAST = re.compile(
    r'\s*::\s*[\w."]+(?:\s+(?:varying|precision|with(?:out)? time zone))?(?:\(\d+(?:,\s*\d+)?\))?(?:\[\])?'
)
ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{1,2})|([0-7]{1,3})|(.))", re.DOTALL)
SPECIAL = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
LONGEST_ROW = 4_000_000
Cells = list[str | None]


@dataclass(frozen=True, slots=True)
class Raw:
    """A row of a table: its cells by the columns' names; None: NULL. `why` where it cannot be read."""

    line: int
    table: str
    columns: tuple[str, ...]
    cells: tuple[str | None, ...]
    why: str = ""


def rows(lines: Iterator[str]) -> Iterator[Raw]:
    """Every row that the dump holds, with the line on which it begins."""
    source = Source(lines)
    created: dict[str, tuple[str, ...]] = {}
    while (line := source.next()) is not None:
        if found := COPY.match(line):
            yield from _copied(source, _name(found), _columns(found["columns"]) or created.get(_name(found), ()))
        elif found := INSERT.match(line):
            columns = _columns(found["columns"]) or created.get(_name(found), ())
            yield from _inserted(source, line[found.end() :], _name(found), columns)
        elif found := CREATE.match(line):
            created[_name(found)] = _created(source)


class Source:
    """Lines with their numbers; one can be put back."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._back: str | None = None
        self.number = 0

    def next(self) -> str | None:
        line = self._back if self._back is not None else next(self._lines, None)
        self._back = None
        self.number += line is not None
        return line

    def back(self, line: str) -> None:
        self._back = line
        self.number -= 1


def unescaped(text: str) -> str:
    """A text in which COPY, or E'…', wrote what would have been taken for something else."""
    return ESCAPE.sub(_unescape, text) if "\\" in text else text


# --- inside ----------------------------------------------------------------------------------------------------------


def _copied(source: Source, table: str, columns: tuple[str, ...]) -> Iterator[Raw]:
    while (line := source.next()) is not None:
        text = line.rstrip("\r\n")
        if text == "\\.":
            return
        cells = tuple(None if cell == "\\N" else unescaped(cell) for cell in text.split("\t"))
        yield _row(source.number, table, columns, cells)


def _row(line: int, table: str, columns: tuple[str, ...], cells: tuple[str | None, ...]) -> Raw:
    if not columns:
        return Raw(line, table, (), cells, "the file does not name its columns: export it with --column-inserts")
    if len(cells) != len(columns):
        return Raw(line, table, columns, cells, f"it has {len(cells)} cells for {len(columns)} columns")
    return Raw(line, table, columns, cells)


def _inserted(source: Source, rest: str, table: str, columns: tuple[str, ...]) -> Iterator[Raw]:
    """The rows of one INSERT, which may go on over any number of lines."""
    scanner = Scanner(source, rest)
    if not scanner.take(VALUES):
        yield Raw(source.number, table, columns, (), "only INSERT … VALUES is read")
        return
    while True:
        line = scanner.line()
        cells = scanner.cells()
        if cells is None:
            yield Raw(line, table, columns, (), "this row cannot be parted into cells")
            _skip(source)
            return
        yield _row(line, table, columns, tuple(cells))
        if not scanner.sign(","):
            return


def _skip(source: Source) -> None:
    """On to where a statement begins."""
    while (line := source.next()) is not None:
        if line.startswith(STATEMENT):
            source.back(line)
            return


class Scanner:
    """What an INSERT says, sign by sign; more lines are fetched as they are needed."""

    def __init__(self, source: Source, text: str) -> None:
        self._source, self._text, self._at = source, text, 0

    def line(self) -> int:
        """On which line the next sign stands."""
        self._space()
        return self._source.number - self._text.count("\n", self._at) + self._text.endswith("\n")

    def take(self, pattern: re.Pattern[str]) -> bool:
        self._space()
        found = pattern.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return found is not None

    def sign(self, sign: str) -> bool:
        self._space()
        is_there = self._text.startswith(sign, self._at)
        self._at += is_there
        return is_there

    def cells(self) -> Cells | None:
        """The cells between two brackets; None: they cannot be read."""
        if not self.sign("("):
            return None
        cells: Cells = []
        while True:
            found = self._literal()
            if found is None:
                return None
            cells.append(found[0])
            if self.sign(")"):
                return cells
            if not self.sign(","):
                return None

    def _literal(self) -> tuple[str | None] | None:
        self._space()
        while not (found := LITERAL.match(self._text, self._at)) or self._is_open(found):
            if not self._more():
                return None
        self._at = found.end()
        if cast := CAST.match(self._text, self._at):
            self._at = cast.end()
        return (_value(found[0]),)

    def _is_open(self, found: re.Match[str]) -> bool:
        """Whether what was found is only the beginning of a text that ends on another line."""
        return self._text.startswith("'", found.end())

    def _space(self) -> None:
        while True:
            while self._at < len(self._text) and self._text[self._at].isspace():
                self._at += 1
            if self._at < len(self._text) or not self._more():
                return

    def _more(self) -> bool:
        """Fetch a line; what was read is let go. False: there is none, or a row is longer than any can be."""
        if len(self._text) - self._at > LONGEST_ROW or (line := self._source.next()) is None:
            return False
        self._text, self._at = self._text[self._at :] + line, 0
        return True


def _value(text: str) -> str | None:
    if text[:2] in ("E'", "e'"):
        return unescaped(text[2:-1].replace("''", "'"))
    if text.startswith("'"):
        return text[1:-1].replace("''", "'")
    return None if text.upper() == "NULL" else text


def _unescape(found: re.Match[str]) -> str:
    hexadecimal, octal, sign = found.groups()
    if sign:
        return SPECIAL.get(sign, sign)
    return chr(int(hexadecimal, 16) if hexadecimal else int(octal, 8) & 0xFF).strip("\0")  # no table takes a NUL


def _created(source: Source) -> tuple[str, ...]:
    columns = []
    while (line := source.next()) is not None and not line.lstrip().startswith(")"):
        found = COLUMN.match(line)
        if found and found[1].upper() not in NO_COLUMN:
            columns.append(found[1].strip('"'))
    return tuple(columns)


def _name(found: re.Match[str]) -> str:
    return found["table"].replace('"', "").rpartition(".")[2].casefold()


def _columns(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip().strip('"') for name in text.split(",")) if text else ()
