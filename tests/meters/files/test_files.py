"""Tables as files: right for a spreadsheet and for programs, whole or not there, in memory that does not grow."""

import csv
import io
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, connections
from django.utils import translation
from pyarrow import parquet

from meters.files import answers, as_csv, as_parquet, tables, whole
from meters.files.answers import Format
from meters.files.tables import Column, Kind, Table
from tests.meters.harness import until

COLUMNS = (
    Column("at", "measured (UTC)", Kind.MOMENT),
    Column("local_time", "by the clock", Kind.LOCAL),
    Column("day", "day", Kind.DAY),
    Column("meter", "meter", Kind.TEXT),
    Column("power_w", "power in W", Kind.WHOLE),
    Column("energy_kwh", "energy in kWh", Kind.NUMBER, 3),
    Column("relay_on", "relay on", Kind.YES_NO),
)
AT = datetime(2026, 7, 1, 10, 0, 0, 250_000, tzinfo=UTC)
ROW = (AT, datetime(2026, 7, 1, 12), date(2026, 7, 1), "Åse 1", 25, Decimal("1234.500"), True)  # noqa: DTZ001  (a wall clock)
UNKNOWN = (AT, None, None, None, None, None, None)


def table(*rows: Any, columns: tuple[Column, ...] = COLUMNS) -> Table:
    return Table("t", columns, rows)


def as_rows(content: bytes, delimiter: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig")), delimiter=delimiter))


def test_a_csv_file_is_written_for_danish_excel_with_utc_beside_the_campsites_clock():
    with translation.override("da"):
        content = b"".join(as_csv.parts(table(ROW, UNKNOWN)))
    assert content.startswith(b"\xef\xbb\xbf")
    head, row, unknown = as_rows(content, ";")
    assert head[0] == "measured (UTC)"
    assert row == ["2026-07-01T10:00:00.250000Z", "2026-07-01 12:00:00", "2026-07-01", "Åse 1", "25", "1234,500", "1"]
    assert unknown[1:] == [""] * 6


def test_the_language_is_that_of_who_asked_though_the_rows_come_later():
    with translation.override("en"):
        parts = as_csv.parts(table(ROW))
    with translation.override("da"):
        assert as_rows(b"".join(parts), ",")[1][5] == "1234.500"


@pytest.mark.parametrize("text", ["=1+1", "+45", "-2", "@SUM(A1)", "\t=1", "  =cmd|' /C calc'!A0"])
def test_a_name_that_would_run_as_a_formula_is_only_shown(text):
    content = b"".join(as_csv.parts(table((text,), columns=(Column("meter", "meter", Kind.TEXT),))))
    assert as_rows(content, ";")[1][0].startswith("'")


def test_a_number_below_zero_is_no_formula():
    with translation.override("en"):
        content = b"".join(as_csv.parts(table((-3,), columns=(Column("power_w", "power in W", Kind.WHOLE),))))
    assert as_rows(content, ",")[1] == ["-3"]


def test_parquet_has_types_fixed_names_and_nulls_for_what_is_unknown():
    found = parquet.read_table(io.BytesIO(b"".join(as_parquet.parts(table(ROW, UNKNOWN)))))
    assert found.column_names == [column.name for column in COLUMNS]
    assert [str(kind) for kind in found.schema.types] == [
        *("timestamp[us, tz=UTC]", "timestamp[us]", "date32[day]", "string", "int64", "decimal128(18, 3)", "bool"),
    ]
    assert [tuple(row.values()) for row in found.to_pylist()] == [ROW, UNKNOWN]


@pytest.mark.parametrize("format", Format)
def test_a_table_without_rows_is_a_file_all_the_same(format):
    assert b"".join(format.parts(table()))


def test_rows_are_asked_for_as_the_file_is_read(monkeypatch):
    monkeypatch.setattr(tables, "BATCH", 2)
    asked = []

    def rows() -> Iterator[tuple]:
        for number in range(6):
            asked.append(number)
            yield (number,)

    for format in Format:
        asked.clear()
        parts = format.parts(Table("t", (Column("power_w", "W", Kind.WHOLE),), rows()))
        pieces = 0
        while not asked:
            pieces += bool(next(parts))
        assert len(asked) == 2


@pytest.mark.django_db
def test_a_download_is_sent_piece_by_piece_and_whole():
    answer = answers.download(table(ROW, UNKNOWN), Format.PARQUET)
    assert answer.is_async
    assert answer.headers["Content-Disposition"] == 'attachment; filename="t.parquet"'

    async def received() -> bytes:
        return b"".join([part async for part in answer])

    assert parquet.read_table(io.BytesIO(async_to_sync(received)())).num_rows == 2


@pytest.mark.django_db(transaction=True)
def test_a_browser_that_takes_its_time_keeps_no_connection_meanwhile(monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)  # as with the web process's pool
    connection.close()

    def rows() -> Iterator[tuple]:
        yield (User.objects.count(),)

    answer = answers.download(Table("t", (Column("users", "users", Kind.WHOLE),), rows()), Format.CSV)

    async def received() -> list[bool]:
        return [connection.connection is None async for _part in answer]

    assert async_to_sync(received)() == [True, True]


@pytest.mark.django_db(transaction=True)
def test_of_many_downloads_one_is_worked_on_and_those_that_wait_keep_no_connection(monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
    theirs: list[Any] = []
    pieces: list[bytes | None] = []

    def download() -> None:
        User.objects.count()  # as the page did that was asked for it
        theirs.append(connections["default"])
        pieces.append(answers._next(iter([b"a"])))

    waiting = threading.Thread(target=download)
    with answers._turn:
        waiting.start()
        until(lambda: bool(theirs) and theirs[0].connection is None, "the connection to be given back")
        assert pieces == []
    waiting.join()
    assert pieces == [b"a"]


def test_a_file_that_fails_on_the_way_leaves_the_old_one_and_nothing_else(tmp_path: Path):
    path = tmp_path / "old.csv"
    path.write_text("old")

    def parts() -> Iterator[bytes]:
        yield b"new"
        raise RuntimeError("the database went away")

    with pytest.raises(RuntimeError):
        whole.write(path, parts())
    assert (path.read_text(), list(tmp_path.iterdir())) == ("old", [path])
    assert whole.write(path, iter([b"a", b"bc"])) == 3
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (b"abc", [path])


WRITES = """
import re, sys
from pathlib import Path
from datetime import UTC, datetime, timedelta
from decimal import Decimal
import django
django.setup()
from meters.exports import READINGS
from meters.files import answers, tables
def rows(count):
    at = datetime(2026, 7, 1, tzinfo=UTC)
    for n in range(count):
        who = (f"meter {n % 300}", "0xa4c1380000000001")
        yield (at + timedelta(seconds=n), None, *who, Decimal(n).scaleb(-3), True, n, None, None, True, 100)
table = tables.Table("t", READINGS, rows(int(sys.argv[2])))
size = sum(map(len, answers.Format(sys.argv[1]).parts(table)))
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]  # ru_maxrss is the parent's, too
print(size, int(peak) // 1000)
"""


@pytest.mark.services
@pytest.mark.skipif(sys.platform != "linux", reason="the most memory that a process had stands in /proc")
@pytest.mark.parametrize("format", Format)
def test_a_million_rows_take_no_more_memory_than_a_few(format):
    def peak(count: int) -> tuple[int, int]:
        """Bytes of the file, and the most memory that its process had, in MB."""
        ran = subprocess.run(
            [sys.executable, "-c", WRITES, format, str(count)],
            cwd=settings.BASE_DIR,
            env={"DJANGO_SETTINGS_MODULE": "campsite.settings", "PRODUCTION": "0", "SECRET_KEY": "x"},
            capture_output=True,
            text=True,
            check=True,
            timeout=250,
        )
        size, most = map(int, ran.stdout.split())
        return size, most

    (few, before), (many, after) = peak(10_000), peak(1_000_000)
    print(f"{format}: {few} bytes {before} MB, {many} bytes {after} MB")
    assert many > 20 * few
    assert after < before + 25
