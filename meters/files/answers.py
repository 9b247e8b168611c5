"""A table as a download, sent as it is read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from enum import StrEnum
from threading import Lock

from asgiref.sync import sync_to_async
from django.db import close_old_connections, connection
from django.http import StreamingHttpResponse

from meters.files import as_csv, as_parquet
from meters.files.tables import Table

_turn = Lock()
"""Of whoever makes a piece: the pages of this process wait for one download, however many are under way."""


class Format(StrEnum):
    CSV = "csv"
    PARQUET = "parquet"

    @property
    def content_type(self) -> str:
        return {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}[self]

    def parts(self, table: Table) -> Iterator[bytes]:
        """The file, in the active language, in pieces."""
        write: Callable[[Table], Iterator[bytes]] = as_csv.parts if self == Format.CSV else as_parquet.parts
        return write(table)


def download(table: Table, format: Format) -> StreamingHttpResponse:
    """What breaks off on the way was never whole: the browser says so, since the last piece is missing."""
    headers = {"Content-Disposition": f'attachment; filename="{table.name}.{format}"'}
    return StreamingHttpResponse(_sent(format.parts(table)), content_type=format.content_type, headers=headers)


async def _sent(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Piece by piece in the request's thread: Django would gather a plain iterator wholly before it sends."""
    step = sync_to_async(_next)
    while (part := await step(parts)) is not None:
        yield part


def _next(parts: Iterator[bytes]) -> bytes | None:
    """None: that was all. Neither who waits for his turn, nor for his browser, keeps a connection of the pool."""
    _let_go()
    try:
        with _turn:
            return next(parts, None)
    finally:
        _let_go()


def _let_go() -> None:
    if not connection.in_atomic_block:
        close_old_connections()
