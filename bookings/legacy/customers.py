"""Records of the former system become customers, their further meters and their packages. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from decimal import Decimal

from bookings.csv_import import Row
from bookings.csv_import.rows import GUEST
from meters.legacy import values
from meters.legacy.found import OldPitch
from meters.legacy.records import Read, Record, Where
from meters.legacy.values import BadValue

CUSTOMERS = {"regular_customers": "touring", "seasonal_customers": "seasonal"}
OPEN = ("aktiv", "active")
SEASON_ADULTS, MOST_ADULTS = 0, 9999
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Outlet:
    """A meter that a customer had, by its name; what its counter stood at when he got it, and when. None: not told."""

    where: Where
    meter: str
    start_kwh: Decimal | None
    start_at: datetime | None


@dataclass(frozen=True, slots=True)
class Package:
    """`id`: what tells it apart from the customer's others. `before_kwh`: used on meters that he had before."""

    where: Where
    id: str
    booking: int
    name: str
    kwh: Decimal
    price: Decimal
    before_kwh: Decimal


@dataclass(frozen=True, slots=True)
class Customer:
    where: Where
    id: str
    booking: int
    kind: str
    arrival: date
    departure: date
    pitches: tuple[str, ...]
    adults: int | None
    guest: dict[str, str]
    is_checked_in: bool
    is_checked_out: bool
    outlets: tuple[Outlet, ...]
    package: Package | None = None

    def rows(self) -> list[Row]:
        """As lines of an export of bookings: one for each pitch."""
        return [
            Row(
                line=self.where.line,
                booking=self.booking,
                room=pitch[:100],
                arrival=self.arrival,
                departure=self.departure,
                adults=self.adults,
                guest=self.guest,
                is_confirmed=True,
                is_checked_in=self.is_checked_in or None,
            )
            for pitch in self.pitches or ("",)
        ]


@dataclass
class Guests:
    """What the files say of guests. `used_up`: how many packages are over."""

    customers: dict[int, Customer] = field(default_factory=dict)
    extra: list[tuple[str, Outlet]] = field(default_factory=list)
    packages: list[Package] = field(default_factory=list)
    used_up: int = 0

    def outlets(self, customer: Customer) -> list[Outlet]:
        return [*customer.outlets, *(outlet for of, outlet in self.extra if of and of == customer.id)]


def gather(records: Iterable[Record], clock: tzinfo, read: Read) -> Guests:
    """Of two rows with one booking number the later one counts: the former system moved guests between its tables."""
    guests = Guests()
    for record in records:
        try:
            _take(record, clock, guests)
        except BadValue as why:
            read.refuse(record.where, record.table, str(why))
    return guests


def pitches(guests: Guests, today: date) -> Iterator[OldPitch]:
    """The pitches that the guests of today and later stand on."""
    for customer in guests.customers.values():
        if is_present(customer, today):
            yield from (OldPitch(customer.where, pitch, customer.kind) for pitch in customer.pitches)


def is_present(customer: Customer, today: date) -> bool:
    """Whether he is here or still comes: nobody else is brought over."""
    return not customer.is_checked_out and customer.departure >= today


# --- inside ----------------------------------------------------------------------------------------------------------


def _take(record: Record, clock: tzinfo, guests: Guests) -> None:
    cells = record.cells
    if record.table in CUSTOMERS:
        customer = _customer(record, clock)
        guests.customers[customer.booking] = customer
    elif record.table == "booking_extra_meters":
        guests.extra.append((cells.get("customer", ""), _outlet(record, clock)))
    elif record.table == "plugin_data":
        if package := _package(record):
            guests.packages.append(package)
        else:
            guests.used_up += 1


def _customer(record: Record, clock: tzinfo) -> Customer:
    cells = record.cells
    booking = values.whole(cells.get("booking", ""))
    if booking <= 0:
        raise BadValue("there is no booking number")
    arrival, departure = values.day(cells.get("arrival", "")), values.day(cells.get("departure", ""))
    if departure < arrival:
        raise BadValue("the departure is before the arrival")
    is_season = record.table == "seasonal_customers"
    adults = SEASON_ADULTS if is_season else _adults(cells["adults"]) if "adults" in cells else None
    return Customer(
        where=record.where,
        id=cells.get("id", ""),
        booking=booking,
        kind=CUSTOMERS[record.table],
        arrival=arrival,
        departure=departure,
        pitches=_pitches(cells),
        adults=adults,
        guest=_guest(cells),
        is_checked_in=_yes(cells, "checked_in"),
        is_checked_out=_yes(cells, "checked_out"),
        outlets=(_outlet(record, clock),) if "meter" in cells else (),
        package=_season_package(record, booking),
    )


def _adults(text: str) -> int:
    told = values.whole(text)
    if not 0 <= told <= MOST_ADULTS:
        raise BadValue("the number of guests is none that can be meant")
    return told


def _pitches(cells: dict[str, str]) -> tuple[str, ...]:
    told = [*values.several(cells.get("pitch", "")), *values.several(cells.get("pitches", ""))]
    return tuple(dict.fromkeys(" ".join(each.split())[:40] for each in told))


def _guest(cells: dict[str, str]) -> dict[str, str]:
    """What the webhook tells of a guest, and no more."""
    told = {name: cells[name] for name in GUEST if cells.get(name)}
    if "name" in cells and not {"first_name", "last_name"} & told.keys():
        told["first_name"], _, told["last_name"] = cells["name"].partition(" ")
    return {name: text[: GUEST[name]] for name, text in told.items() if text}


def _outlet(record: Record, clock: tzinfo) -> Outlet:
    cells = record.cells
    start_kwh = values.kwh(cells["start_kwh"]) if "start_kwh" in cells else None
    start_at = values.moment(cells["start_at"], clock) if "start_at" in cells else None
    return Outlet(record.where, cells.get("meter", ""), start_kwh, start_at)


def _season_package(record: Record, booking: int) -> Package | None:
    cells = record.cells
    kwh = values.kwh(cells["package_kwh"]) if "package_kwh" in cells else ZERO
    price = values.number(cells["package_price"]) if "package_price" in cells else ZERO
    return Package(record.where, "season", booking, "season", kwh, price, ZERO) if kwh else None


def _package(record: Record) -> Package | None:
    """None: it is over."""
    document = values.document(record.cells.get("data", ""))
    told = {name: "" if value is None else values.storable(str(value)) for name, value in document.items()}
    if told.get("status", OPEN[0]).casefold() not in OPEN:
        return None
    kwh = values.kwh(told.get("enheder") or told.get("kwh") or "")
    return Package(
        where=record.where,
        id=record.cells.get("id", "") or str(record.where),
        booking=values.whole(told.get("booking_nummer") or told.get("booking_id") or ""),
        name=told.get("pakke_navn") or told.get("type") or "package",
        kwh=kwh,
        price=values.number(told.get("pris") or told.get("price") or "0"),
        before_kwh=values.kwh(told.get("accumulated_usage") or "0"),
    )


def _yes(cells: dict[str, str], name: str) -> bool:
    return name in cells and values.yes(cells[name])
