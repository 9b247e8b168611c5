"""Files for the accounts: departures one by one, their sums per day or month and mode of sale, and the charges.

A CSV file is written for the Excel of its reader's language (meters/files/as_csv.py). Excel files hold numbers and
dates as such. Only the list of departures names guests, where that is asked for; the sums and charges do not.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.db.models.functions import TruncDate
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from bookings import departures, prices
from bookings.departures import Departure, Sure
from bookings.models import Charge, Mode
from bookings.prices import ZERO, Line
from meters.files import as_csv as csv

Cell = str | int | Decimal | date | datetime | None
WIDEST = 40
"""Letters, of a column in Excel."""


class Kind(StrEnum):
    DEPARTURES = "departures"
    DAYS = "days"
    MONTHS = "months"
    CHARGES = "charges"

    @property
    def words(self) -> Promise:
        return KIND_WORDS[self]


KIND_WORDS: dict[Kind, Promise] = {
    Kind.DEPARTURES: _("Departures, one by one"),
    Kind.DAYS: _("Sums per day and mode of sale"),
    Kind.MONTHS: _("Sums per month and mode of sale"),
    Kind.CHARGES: _("Charges that were noted"),
}


@dataclass(frozen=True, slots=True)
class Table:
    """A file's content: the columns' names, and rows of texts, numbers, dates and local times."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def table(kind: Kind, first: date, last: date, has_names: bool = True) -> Table:
    """The rows of the days from the first to the last of the campsite, in the active language.

    Without `has_names` nobody is named.
    """
    if kind is Kind.DEPARTURES:
        columns, rows = _departures(first, last, has_names)
    elif kind is Kind.CHARGES:
        columns, rows = _charges(first, last)
    else:
        columns, rows = _sums(first, last, by_month=kind is Kind.MONTHS)
    title = [gettext("electricity"), str(kind.words), first.isoformat(), last.isoformat()]
    return Table(" ".join(title), tuple(columns), tuple(rows))


def as_csv(content: Table) -> bytes:
    """For the spreadsheet of the active language; see above."""
    decimal_sign = csv.sign()
    rows = ([_csv_cell(cell, decimal_sign) for cell in row] for row in (content.columns, *content.rows))
    return (csv.MARK + csv.lines(rows, decimal_sign)).encode()


def as_excel(content: Table) -> bytes:
    """An Excel workbook of one sheet: numbers and dates as such, texts never as formulas."""
    # Here, not above: a fifth of what every process of ours loads at its start would be for this alone.
    from openpyxl import Workbook
    from openpyxl.cell.cell import WriteOnlyCell
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    def written(cell: Cell) -> Any:
        if isinstance(cell, datetime):
            cell = cell.replace(tzinfo=None)  # Excel knows no zones: the campsite's clock
        made = WriteOnlyCell(sheet, csv.NOT_IN_A_FILE.sub("", cell) if isinstance(cell, str) else cell)
        if isinstance(cell, str):
            made.data_type = "s"  # openpyxl takes a text that begins with = for a formula
        return made

    book = Workbook(write_only=True)
    sheet = book.create_sheet(gettext("electricity").capitalize())
    sheet.freeze_panes = "A2"
    for number, column in enumerate(zip(content.columns, *content.rows, strict=True), 1):
        # Excel shows a time that does not fit as ####.
        widest = max(len(f"{cell:%Y-%m-%d %H:%M:%S}" if isinstance(cell, datetime) else str(cell)) for cell in column)
        sheet.column_dimensions[get_column_letter(number)].width = min(widest + 2, WIDEST)
    head = [written(name) for name in content.columns]
    for cell in head:
        cell.font = Font(bold=True)
    for row in (head, *([written(cell) for cell in row] for row in content.rows)):
        sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


# --- the rows --------------------------------------------------------------------------------------------------------

Rows = tuple[Sequence[str], Iterable[tuple[Cell, ...]]]


def _departures(first: date, last: date, has_names: bool) -> Rows:
    columns = [
        *(gettext("departure"), gettext("booking"), gettext("pitches"), *([gettext("guest")] if has_names else [])),
        *(gettext("arrival"), gettext("sold"), gettext("used kWh"), gettext("included kWh"), gettext("package kWh")),
        *(gettext("billed kWh"), gettext("price a kWh incl. VAT"), gettext("amount incl. VAT"), gettext("of it VAT")),
        *(gettext("how sure"), gettext("as of"), gettext("account"), gettext("charged")),
    ]
    return columns, (_departure(each, has_names) for each in departures.between(first, last))


def _departure(each: Departure, has_names: bool) -> tuple[Cell, ...]:
    bill = each.bill
    return (
        *(each.departure, each.sirvoy_id, ", ".join(each.pitches), *([each.guest] if has_names else [])),
        *(each.arrival, str(Mode(bill.mode).label), bill.used_kwh if bill.is_known else None),
        *(bill.included_kwh, bill.packages_kwh),
        *(bill.billable_kwh, bill.price, bill.amount, bill.vat),
        *(str(each.sure.words), _local(bill.as_of), str(each.account.words), bill.charged),
    )


@dataclass(slots=True)
class Sum:
    """`unsure`: how many of the bookings are still running, or not all read."""

    bookings: int = 0
    unsure: int = 0
    energy_kwh: Decimal = ZERO
    amount: Decimal = ZERO
    vat: Decimal = ZERO


def _sums(first: date, last: date, by_month: bool) -> Rows:
    """What was used, by how it was sold. A booking counts on the day when its last party left."""
    sums: dict[tuple[str, str], Sum] = {}
    for each in departures.between(first, last):
        if each.others_stay or each.departure is None:
            continue
        period = each.departure.strftime("%Y-%m") if by_month else each.departure.isoformat()
        for mode, energy_kwh, amount, vat in _by_mode(each):
            found = sums.setdefault((period, mode), Sum())
            found.bookings += 1
            found.unsure += each.sure != Sure.READ
            found.energy_kwh += energy_kwh
            found.amount += amount
            found.vat += vat
    columns = [
        *(gettext("month") if by_month else gettext("day"), gettext("sold"), gettext("bookings")),
        *(gettext("used kWh"), gettext("amount incl. VAT, with packages paid in Sirvoy"), gettext("of it VAT")),
        gettext("bookings still running or partly estimated"),
    ]
    rows = (
        (period, str(Mode(mode).label), found.bookings, found.energy_kwh, found.amount, found.vat, found.unsure)
        for (period, mode), found in sorted(sums.items())
    )
    return columns, rows


def _by_mode(each: Departure) -> Iterable[tuple[str, Decimal, Decimal, Decimal]]:
    """(mode, used kWh, amount, VAT): what the packages served costs the packages' price, also of those in Sirvoy."""
    bill = each.bill
    sold = [line for line in bill.lines if line.mode == Mode.PACKAGE]
    metered = [line for line in bill.lines if line.mode == Mode.METERED]
    sold_vat = prices.vat_of(sold) + prices.vat_part(bill.in_sirvoy, bill.vat_percent)
    found = [
        (Mode.INCLUDED.value, bill.included_used_kwh, ZERO, ZERO),
        (Mode.PACKAGE.value, bill.packages_used_kwh, _amount(sold) + bill.in_sirvoy, prices.rounded(sold_vat)),
        (Mode.METERED.value, bill.billable_kwh, _amount(metered), prices.rounded(prices.vat_of(metered))),
    ]
    return [row for row in found if row[1] or row[2]]


def _amount(lines: Iterable[Line]) -> Decimal:
    return sum((line.amount for line in lines), ZERO)


def _charges(first: date, last: date) -> Rows:
    columns = [
        *(gettext("when"), gettext("booking"), gettext("sold"), "kWh", gettext("price a kWh incl. VAT")),
        *(gettext("amount incl. VAT"), gettext("VAT in %"), gettext("of it VAT"), gettext("by")),
    ]
    day = TruncDate("at", tzinfo=timezone.get_default_timezone())
    found = Charge.objects.alias(day=day).filter(day__gte=first, day__lte=last).order_by("at", "pk")
    return columns, (_charge(each) for each in found.select_related("by", "booking"))


def _charge(each: Charge) -> tuple[Cell, ...]:
    vat = prices.rounded(prices.vat_part(each.amount, each.vat_percent))
    return (
        *(_local(each.at), each.booking.sirvoy_id),
        *(str(each.get_mode_display()), each.energy_kwh, each.price, each.amount, each.vat_percent, vat, str(each.by)),
    )


def _local(moment: datetime | None) -> datetime | None:
    return moment and timezone.localtime(moment, timezone.get_default_timezone())


# --- the cells -------------------------------------------------------------------------------------------------------


def _csv_cell(cell: Cell, decimal_sign: str) -> str:
    if isinstance(cell, Decimal):
        return csv.number(cell, decimal_sign)
    if isinstance(cell, datetime):
        return cell.strftime("%Y-%m-%d %H:%M")
    if isinstance(cell, date):
        return cell.isoformat()
    return csv.harmless(cell) if isinstance(cell, str) else str("" if cell is None else cell)
