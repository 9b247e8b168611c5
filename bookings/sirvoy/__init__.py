"""What a call of Sirvoy's webhook tells of a booking: bytes become frozen dataclasses, or `Unreadable`. Pure.

Nothing but the booking's number is needed. What makes no sense is left out and named in `complaints`, which hold the
names of fields and never their values: those may be a guest's. Source: Sirvoy's documentation of its booking events.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from bookings.sirvoy.fields import BACKWARDS, MOST_COMPLAINTS, OUT_OF_RANGE, Fields, Unreadable, parse

__all__ = ["BookingTold", "GuestTold", "ItemTold", "RoomTold", "Unreadable", "glimpse", "read"]

MOST_ROOMS = MOST_ITEMS = 1000
MOST_ADULTS = 10_000
LARGEST_ID = 2**63 - 1
LONGEST_MESSAGE = 5000
CANCELLED = {"cancelled": True, "canceled": True, "deleted": True, "restored": False}
"""What an event's name says where the flag is missing."""
NUMBER = re.compile(rb'"bookingId"\s*:\s*"?([1-9]\d{0,17})(?!\d)')
PLATE = re.compile(r"plade|plate|kennzeichen|kenteken|skylt|skilt|registr", re.IGNORECASE)
"""Names of Sirvoy's free fields that hold a number plate, in the guests' languages."""


@dataclass(frozen=True)
class RoomTold:
    """One room of a booking, with its own dates; the booking's where it has none."""

    sirvoy_id: int | None
    name: str
    arrival: date | None
    departure: date | None
    adults: int | None
    guest_name: str
    comment: str


@dataclass(frozen=True)
class ItemTold:
    """An extra that was sold with the booking; amounts in the booking's currency."""

    description: str
    date: date | None
    quantity: Decimal | None
    price: Decimal | None
    total: Decimal | None


@dataclass(frozen=True)
class GuestTold:
    """All that is personal, as wide as the columns of Guest. Passports and addresses are not even read."""

    first_name: str = ""
    last_name: str = ""
    business_name: str = ""
    country: str = ""
    phone: str = ""
    email: str = ""
    language: str = ""
    plates: str = ""
    message: str = ""


@dataclass(frozen=True)
class BookingTold:
    """The whole booking as it was at `generated_at`; without that the time of receipt counts.

    None: Sirvoy did not say. Of what power and its price hang on (flags, rooms, extras, adults) that is not the same as
    no: see bookings/sync.py.
    """

    sirvoy_id: int
    generated_at: datetime | None
    event: str
    arrival: date | None
    departure: date | None
    is_cancelled: bool | None
    is_confirmed: bool
    is_checked_in: bool | None
    is_checked_out: bool | None
    adults: int | None
    channel: str
    rooms: tuple[RoomTold, ...] | None
    items: tuple[ItemTold, ...] | None
    guest: GuestTold
    complaints: tuple[str, ...]


def read(body: bytes) -> BookingTold:
    """Raises Unreadable, and nothing else whatever the bytes are."""
    fields = Fields(parse(body))
    number = fields.whole("bookingId", least=1, most=LARGEST_ID)
    if number is None:
        raise Unreadable(Unreadable.NO_NUMBER)
    event = fields.text("event", 20).lower()
    arrival, departure = fields.day("arrivalDate"), fields.day("departureDate")
    if arrival and departure and departure < arrival:
        fields.complain("departureDate", BACKWARDS)
    return BookingTold(
        sirvoy_id=number,
        generated_at=fields.moment("generatedAt") or fields.moment("generatedTime"),
        event=event,
        arrival=arrival,
        departure=departure,
        is_cancelled=fields.flag("cancelled", otherwise=CANCELLED.get(event)),
        is_confirmed=fields.yes("bookingIsConfirmed"),
        is_checked_in=fields.flag("bookingIsCheckedIn"),
        is_checked_out=fields.flag("bookingIsCheckedOut"),
        adults=fields.whole("totalAdults", most=MOST_ADULTS),
        channel=fields.text("bookingSource", 100),
        rooms=_rooms(fields, arrival, departure),
        items=_items(fields),
        guest=_guest(fields),
        complaints=tuple(fields.complaints[:MOST_COMPLAINTS]),
    )


def glimpse(body: bytes) -> int | None:
    """The booking's number in a body that cannot be read as a whole, such as one that was cut off."""
    found = NUMBER.search(body)
    return int(found[1]) if found else None


def _rooms(fields: Fields, arrival: date | None, departure: date | None) -> tuple[RoomTold, ...] | None:
    """What cannot be read in the list is a room all the same: nobody leaves for it. None at all: nothing is said."""
    listed = list(fields.each("rooms", MOST_ROOMS))
    return tuple(_room(each, arrival, departure) for each in listed) if any(each.told for each in listed) else None


def _room(fields: Fields, arrival: date | None, departure: date | None) -> RoomTold:
    return RoomTold(
        sirvoy_id=fields.whole("roomId", least=1, most=LARGEST_ID),
        name=fields.text("roomName", 100),
        arrival=fields.day("arrivalDate") or arrival,
        departure=fields.day("departureDate") or departure,
        adults=fields.whole("adults", most=MOST_ADULTS),
        guest_name=fields.text("guestName", 150),
        comment=fields.text("comment", 500),
    )


def _items(booking: Fields) -> tuple[ItemTold, ...] | None:
    """An empty list tells that there are none; without a list nothing is said of them."""
    if not booking.has_list("additionalItems"):
        list(booking.each("additionalItems", MOST_ITEMS))  # complains of what is no list
        return None
    return tuple(_item(each) for each in booking.each("additionalItems", MOST_ITEMS) if each.told)


def _item(fields: Fields) -> ItemTold:
    return ItemTold(
        description=fields.text("description", 200),
        date=fields.day("specificDate"),
        quantity=fields.number("quantity"),
        price=fields.number("price"),
        total=fields.number("itemTotal"),
    )


def _guest(booking: Fields) -> GuestTold:
    fields = booking.inner("guest")
    country = fields.text("country", 60).upper()
    if country and not re.fullmatch("[A-Z]{2}", country):
        fields.complain("country", OUT_OF_RANGE)
        country = ""
    return GuestTold(
        first_name=fields.text("firstName", 150),
        last_name=fields.text("lastName", 150),
        business_name=fields.text("businessName", 150),
        country=country,
        phone=fields.text("phone", 60),
        email=fields.text("email", 254),
        language=fields.text("language", 10),
        plates=_plates(booking),
        message=fields.text("message", LONGEST_MESSAGE),
    )


def _plates(booking: Fields) -> str:
    told = (each for each in booking.each("customFields", MOST_ITEMS) if PLATE.search(each.text("name", 200)))
    return ", ".join(filter(None, (each.text("value", 100) for each in told)))[:100]
