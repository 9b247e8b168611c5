"""The lines of Sirvoy's export: bytes become frozen dataclasses, or the reason why a line cannot be read. Pure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

LARGEST_BYTES = 10_000_000
MOST_ROWS = 50_000

COLUMNS: dict[str, tuple[str, ...]] = {
    "booking": ("Booking ID", "Booking number", "Booking no.", "Booking", "Bookingnr.", "Bookingnummer"),
    "room": ("Room No.", "Room number", "Room", "Room name", "Rooms", "Værelse", "Værelsesnr.", "Plads", "Enhed"),
    "arrival": ("Check-in", "Check-in date", "Arrival", "Arrival date", "Ankomst", "Ankomstdato", "Check-ind"),
    "departure": ("Check-out", "Check-out date", "Departure", "Departure date", "Afrejse", "Afrejsedato", "Check-ud"),
    "adults": ("Number of Guests", "Guests", "Adults", "Antal gæster", "Gæster", "Voksne"),
    "first_name": ("First Name", "Fornavn"),
    "last_name": ("Last Name", "Surname", "Efternavn"),
    "business_name": ("Company", "Business name", "Firma", "Virksomhed"),
    "country": ("Country", "Country code", "Land"),
    "phone": ("Phone", "Telephone", "Telefon"),
    "email": ("Email", "E-mail", "E-mailadresse"),
    "language": ("Language", "Sprog"),
    "message": ("Guest Message", "Message", "Besked", "Besked fra gæst"),
    "guest_name": ("Guest Name", "Gæstenavn"),
    "room_comment": ("Room Comment", "Værelseskommentar"),
    "channel": ("Booking Source", "Source", "Channel", "Kilde"),
    "status": ("Status", "Booking Status"),
    "confirmed": ("Confirmed", "Bekræftet"),
    "came": ("Checked in", "Is checked in", "Indtjekket", "Tjekket ind"),
    "left": ("Checked out", "Is checked out", "Udtjekket", "Tjekket ud"),
    "cancelled": ("Cancelled", "Canceled", "Annulleret", "Afbestilt"),
}
"""Our name of a column, and what it may be called; capitals, spaces and signs do not count."""
NEEDED = ("booking", "room", "arrival", "departure")
NEVER_READ = ("Address", "Post/Zip Code", "City", "Comment", "Price per Night", "Adresse", "Postnr.", "By", "Kommentar")
"""Known, and not kept: what is not needed of a guest is not stored."""

NO = {"no", "nej", "false", "falsk", "0", "n", "-"}
STATUS = {
    "cancelled": ("cancel", "annul", "afbest", "deleted"),
    "left": ("checked out", "checked-out", "udtjekket", "tjekket ud", "departed"),
    "came": ("checked in", "checked-in", "indtjekket", "tjekket ind", "arrived", "in house"),
    "confirmed": ("confirm", "bekræft"),
}
"""What a status says, by words in it, the strongest first: where it says one, the stronger ones are not so."""
DENIED = re.compile(r"\s*(not\b|ikke\b|un(?=confirm)|u(?=bekræft))")
"""A text that begins so says no; as a status it says nothing of all else."""
LANGUAGES = {"danish": "da", "dansk": "da", "german": "de", "tysk": "de", "deutsch": "de", "dutch": "nl"}
LANGUAGES |= {"hollandsk": "nl", "english": "en", "engelsk": "en", "norwegian": "nb", "norsk": "nb"}
LANGUAGES |= {"swedish": "sv", "svensk": "sv", "svenska": "sv"}
GUEST = {
    **dict.fromkeys(("first_name", "last_name", "business_name"), 150),
    **{"country": 2, "phone": 60, "email": 254, "language": 10, "message": 5000},
}
"""The guest's columns, and how much of each is kept."""


class NotAnExport(Exception):
    """The file as a whole cannot be read; the text is for people."""


class BadValue(Exception):
    def __init__(self, reason: str | Promise) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Row:
    """One room of a booking. None: the file does not say; the guest's fields that it leaves empty are absent."""

    line: int
    booking: int
    room: str
    arrival: date
    departure: date
    adults: int | None = None
    guest: Mapping[str, str] = field(default_factory=dict)
    guest_name: str = ""
    room_comment: str = ""
    channel: str = ""
    is_confirmed: bool | None = None
    is_checked_in: bool | None = None
    is_checked_out: bool | None = None
    is_cancelled: bool | None = None


@dataclass(frozen=True, slots=True)
class BadRow:
    """`line` as a text editor counts; `booking` where it can be seen."""

    line: int
    reason: str | Promise
    booking: int | None


@dataclass(frozen=True, slots=True)
class Export:
    """`ignored`: the columns of the file that are not read."""

    rows: tuple[Row, ...]
    bad: tuple[BadRow, ...]
    ignored: tuple[str, ...]


def read(content: bytes, synonyms: Mapping[str, str] | None = None) -> Export:
    """Raises NotAnExport. `synonyms`: further names of columns, each with the one that Sirvoy's documentation uses.

    UTF-8 with or without a mark, else Windows-1252; parted by commas, semicolons or tabs.
    """
    if len(content) > LARGEST_BYTES:
        raise NotAnExport(_("The file is larger than 10 MB."))
    text = _decoded(content)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    try:
        names = next(lines, [])
        columns = _columns(names, synonyms or {})
        rows, bad = _rows(_numbered(lines), columns)
    except csv.Error as error:
        raise NotAnExport(format_lazy(_("Line {line} cannot be parted into columns."), line=lines.line_num)) from error
    ignored = [name for number, name in enumerate(names) if number not in columns.values() and name.strip()]
    return Export(tuple(rows), tuple(bad), tuple(name for name in ignored if _plain(name) not in _NEVER_READ))


# --- inside ----------------------------------------------------------------------------------------------------------


def _decoded(content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")
    return text.replace("\0", "")


def _delimiter(text: str) -> str:
    """The one that parts most columns of the first line, quoted ones left out."""
    first = re.sub(r'"[^"]*"', "", text.partition("\n")[0])
    return max(",;\t", key=first.count)


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name)).casefold()


_NAMES = {_plain(name): column for column, names in COLUMNS.items() for name in names}
_NEVER_READ = {_plain(name) for name in NEVER_READ}


def _columns(names: Sequence[str], synonyms: Mapping[str, str]) -> dict[str, int]:
    """The number of each column that we know. The first of two that mean the same counts."""
    known = _NAMES | {
        _plain(name): _NAMES[_plain(means)] for name, means in synonyms.items() if _plain(means) in _NAMES
    }
    found: dict[str, int] = {}
    for number, name in enumerate(names):
        if column := known.get(_plain(name)):
            found.setdefault(column, number)
    if missing := [COLUMNS[column][0] for column in NEEDED if column not in found]:
        raise NotAnExport(
            format_lazy(_("The first line does not name these columns: {columns}"), columns=", ".join(missing))
        )
    return found


def _numbered(lines: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Each record with the line on which it begins: a quoted text may hold line breaks."""
    begins = lines.line_num + 1  # type: ignore[attr-defined]  # csv.reader has it
    for record in lines:
        yield begins, record
        begins = lines.line_num + 1  # type: ignore[attr-defined]


def _rows(records: Iterator[tuple[int, list[str]]], columns: Mapping[str, int]) -> tuple[list[Row], list[BadRow]]:
    rows: list[Row] = []
    bad: list[BadRow] = []
    for line, record in records:
        if not any(cell.strip() for cell in record):
            continue
        if len(rows) + len(bad) >= MOST_ROWS:
            raise NotAnExport(_("The file has more than 50,000 lines."))
        cells = {name: record[number].strip() for name, number in columns.items() if number < len(record)}
        try:
            rows.append(_row(line, cells))
        except BadValue as error:
            bad.append(BadRow(line, error.reason, _number_or_none(cells.get("booking", ""))))
    return rows, bad


def _row(line: int, cells: Mapping[str, str]) -> Row:
    arrival, departure = _day(cells.get("arrival", "")), _day(cells.get("departure", ""))
    if departure < arrival:
        raise BadValue(_("The check-out is before the check-in."))
    booking = _number_or_none(cells.get("booking", ""))
    if booking is None:
        raise BadValue(_("There is no booking number."))
    return Row(
        line=line,
        booking=booking,
        room=" ".join(cells.get("room", "").split())[:100],
        arrival=arrival,
        departure=departure,
        adults=_adults(cells.get("adults", "")),
        guest=_guest(cells),
        guest_name=cells.get("guest_name", "")[:150],
        room_comment=cells.get("room_comment", "")[:500],
        channel=cells.get("channel", "")[:100],
        **_flags(cells),
    )


def _guest(cells: Mapping[str, str]) -> dict[str, str]:
    told = {name: cells[name] for name in GUEST if cells.get(name)}
    if "language" in told:
        told["language"] = LANGUAGES.get(told["language"].casefold(), told["language"])
    if "country" in told:
        told["country"] = told["country"].upper()
        if not re.fullmatch("[A-Z]{2}", told["country"]):
            del told["country"]
    return {name: text[: GUEST[name]].strip() for name, text in told.items()}


def _flags(cells: Mapping[str, str]) -> dict[str, bool | None]:
    told = {name: _yes(cells.get(name, "")) for name in ("confirmed", "came", "left", "cancelled")}
    told |= _status(cells.get("status", "").casefold(), told)
    return {
        "is_confirmed": told["confirmed"],
        "is_checked_in": True if told["left"] else told["came"],
        "is_checked_out": told["left"],
        "is_cancelled": told["cancelled"],
    }


def _status(text: str, told: Mapping[str, bool | None]) -> dict[str, bool]:
    """What the status says; of the stronger ones only where nothing else is told."""
    found = next((name for name, words in STATUS.items() if any(word in text for word in words)), None)
    if found is None:
        return {}
    if DENIED.match(text):
        return {found: False} if found == "confirmed" else {}
    stronger = list(STATUS)[: list(STATUS).index(found)]
    return {name: False for name in stronger if told[name] is None} | {found: True}


def _yes(text: str) -> bool | None:
    """Any text but a no is a yes: Sirvoy may write when it was."""
    return None if not text else text.casefold() not in NO and not DENIED.match(text.casefold())


def _day(text: str) -> date:
    """YYYY-MM-DD or DD-MM-YYYY, also with dots and slashes; a time after it does not count."""
    if found := re.match(r"(\d{4})[-./](\d{1,2})[-./](\d{1,2})(?!\d)", text):
        year, month, day = found.groups()
    elif found := re.match(r"(\d{1,2})[-./](\d{1,2})[-./](\d{4})(?!\d)", text):
        day, month, year = found.groups()
    else:
        raise BadValue(_("A date cannot be read: it must be like 2026-07-31 or 31-07-2026."))
    try:
        made = date(int(year), int(month), int(day))
    except ValueError:
        raise BadValue(_("There is no such date.")) from None
    if not 2000 <= made.year < 2100:
        raise BadValue(_("There is no such date."))
    return made


def _number_or_none(text: str) -> int | None:
    text = text.strip().lstrip("#")
    return int(text) if re.fullmatch(r"[1-9][0-9]{0,17}", text) else None


def _adults(text: str) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,4}", text):
        raise BadValue(_("The number of guests is no number."))
    return int(text)
