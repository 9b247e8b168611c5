"""Exports of the former system are read whole, whatever wrote them: what PostgreSQL writes comes back as it was."""

import io
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from meters.legacy import columns, dump, found, sheet, text, values
from meters.legacy.columns import NoTable
from meters.legacy.found import Found
from meters.legacy.records import Read, records
from meters.legacy.values import BadValue
from tests.properties import fewer

COPENHAGEN = ZoneInfo("Europe/Copenhagen")
CELL = st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
ROWS = st.lists(st.tuples(CELL, CELL), min_size=1, max_size=4)


def as_file(content: str) -> Iterator[str]:
    """Line by line as a file is read: only \\n parts lines."""
    return (line.decode() for line in io.BytesIO(content.encode()))


def sql(content: str) -> list[tuple[str | None, ...]]:
    found_rows = list(dump.rows(as_file(content)))
    assert [row.why for row in found_rows] == [""] * len(found_rows)
    return [row.cells for row in found_rows]


# --- what PostgreSQL writes ------------------------------------------------------------------------------------------


@pytest.mark.django_db
@fewer(4)
@given(rows=ROWS)
def test_what_postgresql_copies_comes_back(rows):
    copied = "".join(copy(rows, ""))
    assert sql(f"COPY public.power_meters (a, b) FROM stdin;\n{copied}\\.\n") == rows


@pytest.mark.django_db
@fewer(4)
@given(rows=ROWS)
def test_what_postgresql_quotes_comes_back(rows):
    with connection.cursor() as cursor:
        said = []
        for row in rows:
            cursor.execute("SELECT quote_nullable(%s::text), quote_nullable(%s::text)", row)
            said.append("({}, {})".format(*cursor.fetchone()))
    assert sql(f"INSERT INTO public.power_meters (a, b) VALUES {', '.join(said)};\n") == rows
    assert sql("".join(f'INSERT INTO "public"."power_meters" (a, "b") VALUES {one};\n' for one in said)) == rows


@pytest.mark.django_db
@fewer(4)
@given(rows=ROWS)
def test_what_postgresql_writes_as_csv_comes_back_with_empty_cells_as_none(rows):
    def told(cell: str | None) -> str | None:
        return None if cell is None or cell.strip() in ("", "NULL", "\\N") else cell

    wanted = [tuple(map(told, row)) for row in rows if any(cell and cell.strip() for cell in row)]
    csv = "".join(copy(rows, "CSV HEADER"))
    assert [row.cells for row in sheet.rows(as_file(csv), "cabins")] == wanted


def copy(rows, options: str) -> Iterator[str]:
    values = ", ".join("(%s::text, %s::text)" for _ in rows)
    cells = [cell for row in rows for cell in row]
    with connection.cursor() as cursor:
        query = f"COPY (SELECT * FROM (VALUES {values}) t (a, b)) TO STDOUT {options and f'({options})'}"
        query = query.replace("(CSV HEADER)", "(FORMAT csv, HEADER)")
        with cursor.cursor.copy(query, cells) as out:
            for block in out:
                yield bytes(block).decode()


# --- dumps -----------------------------------------------------------------------------------------------------------


def test_an_insert_may_go_on_over_lines_and_hold_casts_and_brackets():
    content = (
        "INSERT INTO public.cabins (cabin_number, name, map_x)\nVALUES\n  ('26', 'Hytte (26),\nved ''søen''', 1.5),\n"
        "  ('35'::text, E'a\\nb\\'c', NULL::double precision);\n"
    )
    found_rows = list(dump.rows(as_file(content)))
    assert [row.cells for row in found_rows] == [("26", "Hytte (26),\nved 'søen'", "1.5"), ("35", "a\nb'c", None)]
    assert [row.line for row in found_rows] == [3, 5]


def test_columns_come_of_create_table_where_the_rows_do_not_name_them():
    content = (
        'CREATE TABLE public.cabins (\n    id uuid NOT NULL,\n    "cabin_number" text,\n    name text,\n'
        "    CONSTRAINT c CHECK (true)\n);\nINSERT INTO public.cabins VALUES ('1', '26', 'Hytte 26');\n"
    )
    assert [row.columns for row in dump.rows(as_file(content))] == [("id", "cabin_number", "name")]


def test_a_row_that_cannot_be_read_costs_no_other():
    content = (
        "COPY public.cabins (a, b) FROM stdin;\n1\t2\n1\n3\t4\n\\.\n"
        "INSERT INTO public.cabins (a, b) VALUES ('1', now());\n"
        "INSERT INTO public.cabins (a, b) SELECT 1, 2;\n"
        "INSERT INTO public.cabins (a, b) VALUES ('5', '6');\n"
    )
    told = [(row.line, row.cells if not row.why else row.why) for row in dump.rows(as_file(content))]
    assert told == [
        (2, ("1", "2")),
        (3, "it has 1 cells for 2 columns"),
        (4, ("3", "4")),
        (6, "this row cannot be parted into cells"),
        (7, "only INSERT … VALUES is read"),
        (8, ("5", "6")),
    ]


def test_a_text_without_an_end_is_told_and_ends():
    told = list(dump.rows(as_file("INSERT INTO public.cabins (a) VALUES ('no end\nand no more\n")))
    assert [row.why for row in told] == ["this row cannot be parted into cells"]


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_danish_letters_come_through_in_every_encoding(tmp_path: Path, encoding: str):
    path = tmp_path / "cabins_rows.csv"
    path.write_bytes("cabin_number;name\r\n26;Hytte ved åen\r\n".encode(encoding))
    read = Read()
    assert [record.cells for record in records(path, None, {}, read)] == [{"number": "26", "name": "Hytte ved åen"}]


def test_a_file_is_known_by_its_name_or_is_asked_for(tmp_path: Path):
    assert columns.of_file("meter_readings_history_rows (3)") == "meter_readings_history"
    assert columns.of_file("Power-meters") == "power_meters"
    (tmp_path / "notes.csv").write_text("a\n1\n")
    with pytest.raises(NoTable, match="whose rows are these"):
        list(records(tmp_path / "notes.csv", None, {}, Read()))


def test_a_table_that_lacks_what_it_needs_is_told(tmp_path: Path):
    path = tmp_path / "meter_identity.csv"
    path.write_text("adresse,meter_number\n0xa4c1380000000001,101\n")
    read = Read()
    assert list(records(path, None, {}, read)) == []
    assert read.bad[0][1].startswith("meter_identity: meter_identity has no column for ieee")
    extra = columns.further(["meter_identity.adresse=ieee"])
    assert [record.cells["ieee"] for record in records(path, None, extra, Read())] == ["0xa4c1380000000001"]


def test_four_times_the_readings_need_no_more_memory(tmp_path: Path):
    few, many = (gathering(tmp_path / "meter_readings_history.sql", readings=number) for number in (2_000, 8_000))
    assert many < few * 1.2


def gathering(path: Path, readings: int) -> int:
    """The most bytes that were needed at once to gather so many readings of 300 meters."""
    rows = (f"{i}\tF{i % 300}\t2026-01-01 00:00:00+00\t{i % 7}.5\n" for i in range(readings))
    head = "COPY public.meter_readings_history (id, meter_id, time, energy) FROM stdin;\n"
    path.write_text(head + "".join(rows) + "\\.\n")
    gathered, read = Found(), Read()
    tracemalloc.start()
    try:
        found.gather(records(path, None, {}, read), UTC, read, gathered)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (read.rows["meter_readings_history"], len(gathered.tallies)) == (readings, 300)
    return peak


def test_a_line_of_any_length_ends(tmp_path: Path):
    path = tmp_path / "x"
    path.write_bytes(b"a" * (text.LONGEST_LINE + 10))
    assert [len(line) for line in text.lines(path)] == [text.LONGEST_LINE, 10]


# --- cells -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "number"),
    [("858.32", "858.32"), ("858,32", "858.32"), ("1.858,32", "1858.32"), ("1,858.32", "1858.32"), (" 7 kWh", "7")],
)
def test_numbers_are_read_as_people_and_programs_write_them(told: str, number: str):
    assert values.number(told) == Decimal(number)


@pytest.mark.parametrize("told", ["", "NaN", "inf", "1.2.3", "ikke et tal", "1e999999999"])
def test_what_is_no_counter_is_refused(told: str):
    with pytest.raises(BadValue):
        values.kwh(told)


@pytest.mark.parametrize(
    "read",
    [
        lambda: values.whole("1e999999999"),
        lambda: values.number("1e400"),
        lambda: values.day("99999999999-01-01"),
        lambda: values.day("9" * 5000 + "-01-01"),
        lambda: values.several("[" * 100_000),
        lambda: values.document('{"a":' * 100_000),
    ],
)
def test_what_is_beyond_all_measure_is_refused_as_a_cell(read: Callable[[], Any]):
    with pytest.raises(BadValue):
        read()


@pytest.mark.parametrize(
    ("told", "utc"),
    [
        ("2026-07-01 12:00:00+02", "2026-07-01T10:00:00"),
        ("2026-07-01T10:00:00Z", "2026-07-01T10:00:00"),
        ("2026-07-01 10:00:00.25+00", "2026-07-01T10:00:00.250000"),
        ("2026-07-01 12:00:00", "2026-07-01T10:00:00"),
        ("01-07-2026 12.00", "2026-07-01T10:00:00"),
        ("2026-01-01 12:00", "2026-01-01T11:00:00"),
        ("2026-10-25 02:30:00", "2026-10-25T00:30:00"),
        ("2026-10-25 02:30:00+01", "2026-10-25T01:30:00"),
        ("2026-03-29 02:30:00", "2026-03-29T01:30:00"),
        ("2026-07-01", "2026-06-30T22:00:00"),
        ("2026-07-01 05:30:00+05:30", "2026-07-01T00:00:00"),
    ],
)
def test_times_with_and_without_a_zone_are_one_moment(told: str, utc: str):
    assert values.moment(told, COPENHAGEN) == datetime.fromisoformat(utc).replace(tzinfo=UTC)


@pytest.mark.parametrize("told", ["", "yesterday", "2026-02-30", "2026-07-01 25:00", "1626-07-01", "2026-07-01+99"])
def test_what_is_no_time_is_refused(told: str):
    with pytest.raises(BadValue):
        values.moment(told, COPENHAGEN)


@pytest.mark.parametrize("told", ["0xA4C1380000000001", "a4c1380000000001", "a4:c1:38:00:00:00:00:01"])
def test_addresses_are_one_however_they_are_written(told: str):
    assert values.ieee(told) == "0xa4c1380000000001"


@pytest.mark.parametrize(
    ("told", "several"),
    [
        ("{F1,F2}", ["F1", "F2"]),
        ('{"Hytte 26",NULL,"a\\"b"}', ["Hytte 26", 'a"b']),
        ('["F1"]', ["F1"]),
        ("F1", ["F1"]),
        (r'["F\u00001","\ud800"]', ["F1"]),
    ],
)
def test_lists_are_read_as_postgresql_and_json_write_them(told: str, several: list[str]):
    assert values.several(told) == several
