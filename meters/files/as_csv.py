"""CSV for the Excel of its reader's language: where the decimal sign is a comma (Danish, German, …) the columns are
parted by semicolons, in English by commas; always UTF-8 with a mark, which Excel needs to see that it is.

A text that a spreadsheet would run as a formula gets an apostrophe in front (OWASP, "CSV Injection"). Moments are told
in UTC as 2026-07-01T10:00:00Z, yes and no as 1 and 0, choices in words; what is unknown stays empty.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, date, datetime
from decimal import Decimal

from django.db.models import Choices
from django.utils import formats, translation

from meters.files.tables import Cell, Kind, Table, batches

FORMULA = re.compile(r"\s*[=+\-@\t\r＝＋－＠]")
NOT_IN_A_FILE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
MARK = "\ufeff"


def parts(table: Table) -> Iterator[bytes]:
    """The file in the active language, in pieces. The language is asked for at once, not as the rows come."""
    return _parts(table, translation.get_language())


def _parts(table: Table, language: str | None) -> Iterator[bytes]:
    with _spoken(language):
        decimal_sign = sign()
        head = MARK + lines([[harmless(str(column.label)) for column in table.columns]], decimal_sign)
    yield head.encode()
    writers = [_writer(column.kind, decimal_sign) for column in table.columns]
    for batch in batches(table.rows):
        with _spoken(language):
            told = ([write(cell) for write, cell in zip(writers, row, strict=True)] for row in batch)
            text = lines(told, decimal_sign)
        yield text.encode()


def _spoken(language: str | None) -> AbstractContextManager[None]:
    """The language as long as something is written, and never while somebody else goes on."""
    return translation.override(language) if language else nullcontext()


def sign() -> str:
    """The active language's decimal sign."""
    return str(formats.get_format("DECIMAL_SEPARATOR"))


def lines(rows: Iterable[Iterable[str]], decimal_sign: str) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=";" if decimal_sign == "," else ",", lineterminator="\r\n").writerows(rows)
    return text.getvalue()


def harmless(text: str) -> str:
    """What a spreadsheet shows and does not run; without characters that no file may hold."""
    text = NOT_IN_A_FILE.sub("", text)
    return f"'{text}" if FORMULA.match(text) else text


def number(value: Decimal, decimal_sign: str) -> str:
    return f"{value:f}".replace(".", decimal_sign)


def _writer(kind: Kind, decimal_sign: str) -> Callable[[Cell], str]:
    def write(cell: Cell) -> str:
        if cell is None:
            return ""
        match kind:
            case Kind.MOMENT if isinstance(cell, datetime):
                return cell.astimezone(UTC).isoformat().replace("+00:00", "Z")
            case Kind.LOCAL if isinstance(cell, datetime):
                return cell.isoformat(" ", "seconds")
            case Kind.DAY if isinstance(cell, date):
                return cell.isoformat()
            case Kind.NUMBER if isinstance(cell, Decimal):
                return number(cell, decimal_sign)
            case Kind.YES_NO:
                return "1" if cell else "0"
            case Kind.TEXT:
                return harmless(str(cell.label if isinstance(cell, Choices) else cell))
        return str(cell)

    return write
