"""Parquet, for programs: columns with types and fixed names, a row group a batch. The only module that uses pyarrow."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from meters.files.tables import Column, Kind, Row, Table, batches

if TYPE_CHECKING:
    import pyarrow

DIGITS = 18
"""Of a number, with its places: what fits into 64 bits."""


class _Outgoing(io.RawIOBase):
    """A file that is handed on as it is written."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[bytes] = []
        self._position = 0

    def writable(self) -> bool:
        return True

    def write(self, part: Any) -> int:
        taken = bytes(part)
        self._waiting.append(taken)
        self._position += len(taken)
        return len(taken)

    def tell(self) -> int:
        return self._position

    def take(self) -> bytes:
        """What was written since it was last asked."""
        told = b"".join(self._waiting)
        self._waiting.clear()
        return told


def parts(table: Table) -> Iterator[bytes]:
    """The file in pieces. It can be read only once the last of them has come: its end says what is where."""
    # Here, not above: no process of ours should load 60 MB at its start for what is seldom asked for.
    from pyarrow.parquet import ParquetWriter

    schema, outgoing = _schema(table.columns), _Outgoing()
    with ParquetWriter(outgoing, schema, compression="zstd") as writer:
        for batch in batches(table.rows):
            writer.write_batch(_batch(batch, schema))
            yield outgoing.take()
    yield outgoing.take()


def _schema(columns: tuple[Column, ...]) -> pyarrow.Schema:
    import pyarrow

    types = {
        Kind.MOMENT: pyarrow.timestamp("us", "UTC"),
        Kind.LOCAL: pyarrow.timestamp("us"),
        Kind.DAY: pyarrow.date32(),
        Kind.TEXT: pyarrow.string(),
        Kind.WHOLE: pyarrow.int64(),
        Kind.YES_NO: pyarrow.bool_(),
    }
    return pyarrow.schema(
        (each.name, types.get(each.kind) or pyarrow.decimal128(DIGITS, each.places)) for each in columns
    )


def _batch(rows: list[Row], schema: pyarrow.Schema) -> pyarrow.RecordBatch:
    import pyarrow

    columns = zip(*rows, strict=True)
    arrays = [pyarrow.array(cells, field.type) for cells, field in zip(map(list, columns), schema, strict=True)]
    return pyarrow.RecordBatch.from_arrays(arrays, schema=schema)
