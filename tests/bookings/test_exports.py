"""Files for the accounts: right for the reader's spreadsheet, and harmless."""

import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook

from bookings import accounts, exports
from bookings.exports import Kind, Table
from bookings.models import Booking, Charge, Mode, Stay
from meters.files import as_csv
from tests import make

D = Decimal
FIRST, LAST = date(2026, 7, 1), date(2026, 7, 31)


def sold(number: str, day: int, kwh: str, month: int = 7, **values) -> Booking:
    """A booking that left that day."""
    at = datetime(2026, month, day, 9, tzinfo=UTC)
    booking = make.booking(arrival=date(2026, month, 1), departure=at.date(), **values)
    stay = make.stay(make.pitch(number), booking=booking, status=Stay.Status.LEFT, ended_at=at)
    make.used(stay, kwh)
    return booking


def rows(kind: Kind, language: str = "en") -> list[tuple]:
    with translation.override(language):
        return list(exports.table(kind, FIRST, LAST).rows)


def read_csv(content: bytes, delimiter: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig")), delimiter=delimiter))


# --- what is in them -------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_each_departure_is_a_row_with_named_columns():
    make.tariff()
    make.guest(sold("101", 5, "10"))
    with translation.override("en"):
        table = exports.table(Kind.DEPARTURES, FIRST, LAST)
    row = dict(zip(table.columns, table.rows[0], strict=True))
    assert (row["pitches"], row["guest"], row["used kWh"], row["amount incl. VAT"]) == ("101", "Anna Müller", 10, 45)
    assert (row["of it VAT"], row["departure"]) == (9, date(2026, 7, 5))


@pytest.mark.django_db
def test_the_kwh_of_who_never_had_a_meter_are_empty_and_not_0():
    booking = make.booking(departure=FIRST)
    make.stay(make.pitch("101"), booking=booking, status=Stay.Status.LEFT, ended_at=datetime(2026, 7, 1, 9, tzinfo=UTC))
    with translation.override("en"):
        table = exports.table(Kind.DEPARTURES, FIRST, LAST)
    row = dict(zip(table.columns, table.rows[0], strict=True))
    assert (row["used kWh"], row["how sure"], row["as of"]) == (None, "unknown", None)
    with translation.override("da"):  # whose lists have semicolons
        assert ";unknown;;" in exports.as_csv(table).decode()
    assert exports.as_excel(table)


@pytest.mark.django_db
def test_the_vat_of_a_package_is_that_of_when_it_was_sold():
    tariff = make.tariff()
    booking = sold("101", 5, "10")
    accounts.sell(booking, D(10), D(100), make.staff())
    tariff.vat_percent = D(0)
    tariff.save()
    make.guest(booking)
    (departure,), (day,) = rows(Kind.DEPARTURES), rows(Kind.DAYS)
    assert (departure[-5], day[-3], day[-2]) == (20, 100, 20)


@pytest.mark.django_db
def test_days_are_summed_by_mode_of_sale():
    make.tariff(kinds=["touring"])
    make.tariff(kinds=["cabin"], mode=Mode.INCLUDED, price=D(0))
    sold("101", 5, "10")
    sold("102", 5, "20")
    sold("103", 6, "1")
    cabin = make.booking(arrival=FIRST, departure=date(2026, 7, 5))
    ended = datetime(2026, 7, 5, 9, tzinfo=UTC)
    stay = make.stay(make.pitch(kind="cabin"), booking=cabin, status=Stay.Status.LEFT, ended_at=ended)
    make.used(stay, "7")
    assert rows(Kind.DAYS) == [
        ("2026-07-05", "included in the price", 1, D(7), D(0), D(0), 0),
        ("2026-07-05", "by the kWh", 2, D(30), D("135.00"), D("27.00"), 0),
        ("2026-07-06", "by the kWh", 1, D(1), D("4.50"), D("0.90"), 0),
    ]


@pytest.mark.django_db
def test_months_count_packages_with_their_price_in_sirvoy_and_here():
    make.tariff(mode=Mode.PACKAGE)
    item = {"description": "Elpakke", "quantity": "1", "price": "225", "total": "225", "kwh": "50"}
    booking = sold("101", 5, "70", items=[item])
    accounts.sell(booking, D(10), D("50"), make.staff())
    assert rows(Kind.MONTHS) == [
        ("2026-07", "by the kWh", 1, D(10), D("45.00"), D("9.00"), 0),
        ("2026-07", "package bought ahead", 1, D(60), D("275.00"), D("55.00"), 0),
    ]


@pytest.mark.django_db
def test_charges_are_listed_by_the_campsites_day_without_the_guest():
    make.tariff()
    booking = sold("101", 5, "10")
    make.guest(booking)
    (charge,) = accounts.charge(booking, make.staff())
    Charge.objects.update(at=datetime(2026, 7, 31, 21, 59, tzinfo=UTC))
    (row,) = rows(Kind.CHARGES)
    assert row[1:] == (booking.sirvoy_id, "by the kWh", D(10), D("4.5"), D("45.00"), D(25), D("9.00"), "reception")
    assert charge.amount == D("45.00")
    Charge.objects.update(at=datetime(2026, 7, 31, 22, 1, tzinfo=UTC))
    assert rows(Kind.CHARGES) == []


@pytest.mark.django_db
@pytest.mark.parametrize("kind", Kind)
def test_days_without_anything_make_a_file_with_names_of_columns(kind):
    with translation.override("da"):
        table = exports.table(kind, FIRST, LAST)
    assert table.columns
    assert exports.as_csv(table)
    assert exports.as_excel(table)


# --- how they are written --------------------------------------------------------------------------------------------

TABLE = Table("t", ("name", "amount", "day"), (("Åse", D("1234.50"), date(2026, 7, 1)), ("", None, None)))


def test_danish_excel_gets_semicolons_and_decimal_commas():
    with translation.override("da"):
        content = exports.as_csv(TABLE)
    assert content.startswith(b"\xef\xbb\xbf")
    assert read_csv(content, ";")[1] == ["Åse", "1234,50", "2026-07-01"]


def test_english_excel_gets_commas_and_decimal_points():
    with translation.override("en"):
        content = exports.as_csv(TABLE)
    assert read_csv(content, ",")[1:] == [["Åse", "1234.50", "2026-07-01"], ["", "", ""]]


@pytest.mark.parametrize("text", ["=1+1", "+45 12345678", "-2", "@SUM(A1)", "\t=1", "  =cmd|' /C calc'!A0", "＝1"])
def test_a_text_that_would_run_as_a_formula_is_only_shown(text):
    content = Table("t", ("a",), ((text,),))
    (cell,) = read_csv(exports.as_csv(content), ";")[1]
    assert cell.startswith("'")
    book = load_workbook(io.BytesIO(exports.as_excel(content)))
    (cell,) = list(book.active)[1]
    assert (cell.data_type, cell.value) == ("s", text)


def test_excel_holds_numbers_and_dates_as_such():
    sheet = load_workbook(io.BytesIO(exports.as_excel(TABLE))).active
    name, amount, day = list(sheet.values)[1]
    assert (name, amount, day) == ("Åse", 1234.5, datetime(2026, 7, 1))  # noqa: DTZ001  (Excel knows no zones)


def test_excel_columns_are_as_wide_as_what_stands_in_them():
    sheet = load_workbook(io.BytesIO(exports.as_excel(Table("t", ("a", "b"), (("Å" * 20, date(2026, 7, 1)),))))).active
    assert [sheet.column_dimensions[letter].width for letter in "AB"] == [22, 12]


@given(st.text(max_size=30))
def test_any_text_makes_a_file_that_can_be_read(text):
    content = Table("t", ("a", "b"), ((text, D("1.5")),))
    assert exports.as_excel(content)
    row = read_csv(exports.as_csv(content), ";")[1:]
    assert "'" in row[0][0] or not as_csv.FORMULA.match(row[0][0])
