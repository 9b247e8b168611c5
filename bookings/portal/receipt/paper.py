"""A receipt in words, numbers and dates of the language that is spoken: what its page and its PDF both say. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from bookings.accounts import Bill
from bookings.ledger import Measured
from bookings.models import Correction, Mode, Stay
from bookings.portal import local
from bookings.portal.receipt.facts import Receipt
from bookings.prices import Line
from meters.models import Snapshot

Quality = Snapshot.Quality
DIGITS = 3
"""Of kWh: the ledger's, so that what is printed adds up."""
HOW_SURE = {
    Quality.WAITING: _("the meter is being asked"),
    Quality.READ: _("read"),
    Quality.ESTIMATED: _("estimated"),
    Quality.LAST_KNOWN: _("last known"),
}
SOLD = {Mode.METERED: _("by the kWh"), Mode.PACKAGE: _("package bought ahead"), Mode.INCLUDED: _("included")}
UNKNOWN = "–"


@dataclass(frozen=True, slots=True)
class Column:
    """`width`: on paper, in parts of the table's."""

    name: str
    width: int
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """`text` may be several lines; `label`: its column's name, where it does not speak for itself."""

    text: str
    label: str = ""
    span: int = 1
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    cells: tuple[Cell, ...]
    is_sum: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @property
    def is_wide(self) -> bool:
        """Whether it has more columns than fit beside each other on a telephone."""
        return len(self.columns) > 2


@dataclass(frozen=True, slots=True)
class Paper:
    """`business`: its address and number; `reach`: how it is reached; `head`: names and what they are; `notes`: what
    must be known first; `foot`: how it is to be read.
    """

    site: str
    business: str
    reach: str
    title: str
    head: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    tables: tuple[Table, ...]
    foot: tuple[str, ...]


def write(receipt: Receipt) -> Paper:
    """In the language that is spoken now."""
    tables = [_ledger(receipt), _account(receipt.bill), _price(receipt.bill)]
    return Paper(
        site=str(settings.SITE_NAME),
        business=_joined(settings.SITE_ADDRESS, settings.SITE_CVR and f"CVR {settings.SITE_CVR}"),
        reach=_joined(settings.SITE_PHONE, settings.SITE_EMAIL),
        title=gettext("Interim electricity statement") if receipt.is_interim else gettext("Electricity receipt"),
        head=_head(receipt),
        notes=_notes(receipt),
        tables=tuple(table for table in tables if table),
        foot=_foot(),
    )


# --- above and below the tables --------------------------------------------------------------------------------------


def _head(receipt: Receipt) -> tuple[tuple[str, str], ...]:
    stay = receipt.stay
    days = ""
    if stay.arrival and stay.departure:
        days = f"{local.full_date(stay.arrival)} – {local.full_date(stay.departure)}"
    told = (
        (gettext("Booking number"), str(stay.booking.sirvoy_id)),
        (gettext("Guest"), str(getattr(stay.booking, "guest", ""))),
        (gettext("Pitch"), str(stay.pitch or "")),
        (gettext("Stay"), days),
        (gettext("As it is known on"), local.full_moment(receipt.now)),
    )
    return tuple((name, text) for name, text in told if text)


def _notes(receipt: Receipt) -> tuple[str, ...]:
    """Why it is not final, and which values were not read."""
    is_expected = receipt.stay.status == Stay.Status.EXPECTED
    only_others = receipt.bill.is_estimated and not receipt.used.is_estimated
    told = (
        (receipt.is_running, _("This stay goes on: this is an interim statement, not the final one.")),
        (is_expected and not receipt.is_running, _("This stay has not begun yet.")),
        (receipt.others_go_on, _("Other pitches of this booking go on: its account is not final yet.")),
        (receipt.has(Quality.WAITING), _("A meter is still being asked for its value: the kWh may change.")),
        (receipt.has(Quality.LAST_KNOWN), _("A meter has not answered: what it told last counts until it does.")),
        (receipt.has(Quality.ESTIMATED), _("Where a value was not read, it was estimated between two readings.")),
        (only_others, _("What the other pitches used is partly estimated.")),
        (receipt.bill.has_no_tariff, _("Some of the kWh have no price yet: no tariff fits. Ask at reception, please.")),
    )
    return tuple(str(words) for is_so, words in told if is_so)


def _foot() -> tuple[str, ...]:
    return (
        gettext("This statement tells what was measured and what it costs. It does not prove that it was paid."),
        gettext(
            "The values count from when a meter was first heard, and go on where its own counter begins anew: they may"
            " differ from its display. What was used is the difference."
        ),
        gettext("Times are those of the campsite (%(zone)s).") % {"zone": timezone.get_default_timezone_name()},
    )


# --- the ledger ------------------------------------------------------------------------------------------------------


def _ledger(receipt: Receipt) -> Table:
    columns = (
        Column(gettext("Meter"), 54),
        Column(gettext("From"), 46),
        Column(gettext("To"), 46),
        Column("kWh", 28, is_number=True),
    )
    lines = [_row(columns, _meter(each), _start(each), _end(each), _kwh(each.kwh)) for each in receipt.lines]
    corrections = [_correction(each) for each in receipt.corrections]
    sums = [(gettext("This stay"), receipt.used.kwh)]
    if receipt.others_kwh is not None:
        sums.append((gettext("The other pitches of this booking"), receipt.others_kwh))
    added = [_sum(columns, name, _kwh(kwh)) for name, kwh in sums]
    return Table(gettext("Measured"), columns, (*lines, *corrections, *added))


def _meter(measured: Measured) -> str:
    line = measured.line
    name = gettext("Outlet %(name)s") % {"name": line.meter}
    pitch = gettext("Pitch %(pitch)s") % {"pitch": line.pitch} if line.pitch else ""
    return "\n".join(filter(None, (name, pitch, line.meter.device.ieee_address)))


def _start(measured: Measured) -> str:
    return _edge(measured.line.start)


def _end(measured: Measured) -> str:
    """Of a line that runs, the value that was told last: by which its kWh are counted."""
    line = measured.line
    if line.end is not None:
        return _edge(line.end)
    return _lines(gettext("still running"), line.start.energy_kwh + measured.kwh, _as_of(measured.as_of))


def _edge(edge: Snapshot) -> str:
    is_older = edge.quality in (Quality.WAITING, Quality.LAST_KNOWN)
    told = (str(HOW_SURE[Quality(edge.quality)]), _as_of(edge.known_at) if is_older else "")
    return _lines(local.full_moment(edge.at), edge.energy_kwh, *told)


def _lines(first: str, kwh: Decimal, *rest: str) -> str:
    return "\n".join(filter(None, (first, f"{_kwh(kwh)} kWh", *rest)))


def _as_of(moment: datetime | None) -> str:
    return gettext("as of %(moment)s") % {"moment": local.full_moment(moment)} if moment else ""


def _correction(correction: Correction) -> Row:
    name = gettext("Correction by reception") + "\n" + local.full_moment(correction.at)
    kwh = local.signed(correction.energy_kwh, DIGITS)
    return Row((Cell(name), Cell(correction.reason, gettext("Reason"), 2), Cell(kwh, "kWh", is_number=True)))


# --- the account -----------------------------------------------------------------------------------------------------


def _account(bill: Bill) -> Table:
    """How what the whole booking used is served: by what is included, by packages, and by the kWh."""
    columns = (Column("", 146), Column("kWh", 28, is_number=True))
    rows = [_row(columns, gettext("Used by the whole booking"), _kwh(bill.used_kwh))]
    if bill.included_kwh:
        name = gettext("of it included in the price (%(kwh)s kWh)") % {"kwh": _kwh(bill.included_kwh)}
        rows.append(_row(columns, name, _kwh(bill.included_used_kwh)))
    if bill.packages_kwh:
        name = gettext("of it from packages (%(kwh)s kWh bought)") % {"kwh": _kwh(bill.packages_kwh)}
        rows.append(_row(columns, name, _kwh(bill.packages_used_kwh)))
    if not _is_included(bill):
        rows.append(_row(columns, gettext("of it by the kWh"), _kwh(bill.billable_kwh)))
    if bill.left_kwh is not None:
        rows.append(_sum(columns, gettext("Not used yet"), _kwh(bill.left_kwh)))
    return Table(gettext("Account of the whole booking"), columns, tuple(rows), _account_notes(bill))


def _account_notes(bill: Bill) -> tuple[str, ...]:
    included = gettext("Electricity is included in your price.") if _is_included(bill) else ""
    elsewhere = gettext("Packages bought with the booking (%(amount)s) are charged with it, not here.")
    paid = elsewhere % {"amount": local.amount(bill.in_sirvoy)} if bill.in_sirvoy else ""
    return tuple(filter(None, (included, paid)))


def _price(bill: Bill) -> Table | None:
    """What is charged; None where power is included, or nothing has a price."""
    columns = (
        Column(gettext("Electricity"), 52),
        Column("kWh", 26, is_number=True),
        Column(gettext("a kWh, incl. VAT"), 38, is_number=True),
        Column(gettext("VAT"), 18, is_number=True),
        Column(gettext("Amount, incl. VAT"), 40, is_number=True),
    )
    rows = [_row(columns, str(SOLD[Mode(line.mode)]), *_priced(line, bill)) for line in bill.lines]
    if _is_included(bill) and not rows:
        return None
    if not rows or not all(_is_unpriced(line, bill) for line in bill.lines):
        rows.append(_sum(columns, gettext("Total, VAT included"), local.amount(bill.amount)))
        rows.append(_sum(columns, gettext("of which VAT"), local.amount(bill.vat)))
    return Table(gettext("What it costs"), columns, tuple(rows))


def _priced(line: Line, bill: Bill) -> tuple[str, ...]:
    if _is_unpriced(line, bill):
        return _kwh(line.energy_kwh), UNKNOWN, UNKNOWN, UNKNOWN
    told = local.price(line.price), local.percent(line.vat_percent), local.amount(line.amount)
    return _kwh(line.energy_kwh), *told


def _is_unpriced(line: Line, bill: Bill) -> bool:
    """The bill has a line without a price for what no tariff fits."""
    return bill.has_no_tariff and line.mode == Mode.METERED and not line.price


def _is_included(bill: Bill) -> bool:
    return bill.mode == Mode.INCLUDED


# --- inside ----------------------------------------------------------------------------------------------------------


def _row(columns: Sequence[Column], *texts: str) -> Row:
    told = zip(columns, texts, strict=True)
    return Row(tuple(Cell(text, column.name, is_number=column.is_number) for column, text in told))


def _sum(columns: Sequence[Column], name: str, text: str) -> Row:
    return Row((Cell(name, span=len(columns) - 1), Cell(text, is_number=True)), is_sum=True)


def _joined(*parts: str) -> str:
    return " · ".join(filter(None, parts))


def _kwh(value: Decimal) -> str:
    return local.number(value, DIGITS)
