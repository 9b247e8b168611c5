"""What is written into a file: named columns, and rows that come one after another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum, auto
from itertools import islice
from typing import NamedTuple

from django.utils.functional import Promise

Cell = str | int | bool | Decimal | date | datetime | None
"""None: unknown. It is never told as 0."""
Row = tuple[Cell, ...]
BATCH = 10_000
"""Rows that are held at once, and that a row group of Parquet has."""


class Kind(Enum):
    MOMENT = auto()
    """An aware time; told in UTC."""
    LOCAL = auto()
    """What the campsite's clock showed, without a zone: what a spreadsheet reckons with."""
    DAY = auto()
    TEXT = auto()
    WHOLE = auto()
    NUMBER = auto()
    """Decimal, with so many places."""
    YES_NO = auto()


class Column(NamedTuple):
    """`name` is for programs and the same in every language; `label` is for people, with the unit."""

    name: str
    label: str | Promise
    kind: Kind
    places: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """`name`: of the file, without ending, in letters that every system takes. Rows are read once, when needed."""

    name: str
    columns: tuple[Column, ...]
    rows: Iterable[Row]


def batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """BATCH rows at a time."""
    waiting = iter(rows)
    while batch := list(islice(waiting, BATCH)):
        yield batch
