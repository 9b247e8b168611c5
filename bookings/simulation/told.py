"""A booking as Sirvoy tells it, and what may happen to it. Pure: each change makes a new one.

The form is that of Sirvoy's webhook, version 2.0: always the whole booking, never a difference.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.utils import timezone

from bookings.simulation import people

Told = dict[str, Any]
PROPERTY = 10001
ROOMS = {
    "touring": ("Campingplads med el", 285),
    "seasonal": ("Sæsonplads", 210),
    "cabin": ("Hytte 4 pers.", 850),
}
PACKAGES_KWH = (10, 25, 50)
PRICE_OF_A_KWH = 4.5
SOURCES = ("Booking engine", "Booking engine", "Front desk", "Booking.com")


@dataclass(frozen=True, slots=True)
class Place:
    """A room of Sirvoy's. `kind` is the pitch's; `weight`: how much of what happens happens here."""

    number: str
    kind: str
    room_id: int
    weight: float = 1.0


def new(
    number: int,
    places: Sequence[Place],
    arrival: date,
    departure: date,
    dice: random.Random,
    *,
    is_season: bool = False,
) -> Told:
    """A booking of these places that nobody has paid yet; a season guest is one with no adults."""
    guest = people.guest(dice)
    if len(places) > 1:
        guest["businessName"] = dice.choice(people.CLUBS)
    names = [people.name(dice) if len(places) > 1 else None for _ in places]
    rooms = [_room(place, arrival, departure, name) for place, name in zip(places, names, strict=True)]
    told = {
        "version": "2.0",
        "generatedAt": None,
        "event": "new",
        "propertyId": PROPERTY,
        "bookingId": number,
        "channelBookingId": None,
        "guestReference": None,
        "bookingSource": dice.choice(SOURCES),
        "bookingDate": None,
        "cancelled": False,
        "bookingIsConfirmed": True,
        "bookingIsCheckedIn": False,
        "bookingIsCheckedOut": False,
        "eta": dice.choice((None, "14:00", "15:30", "18:00")),
        "totalAdults": 0 if is_season else 2 * len(rooms),
        "guest": guest,
        "internalComment": None,
        "couponCode": None,
        "customFields": [{"name": "Nummerplade", "value": people.plate(dice, guest["country"])}],
        "additionalItems": [],
        "currency": "DKK",
        "totalSurcharges": 0,
        "payments": [],
        "invoices": [],
    }
    return _with_rooms(told, rooms)


def said(told: Told, at: datetime, event: str = "modified") -> Told:
    """As Sirvoy says it at this moment."""
    moment = at.astimezone(timezone.get_default_timezone()).isoformat(timespec="seconds")
    return told | {"generatedAt": moment, "event": event, "bookingDate": told["bookingDate"] or moment}


def body(told: Told) -> bytes:
    return json.dumps(told, ensure_ascii=False).encode()


# --- what happens to a booking ---------------------------------------------------------------------------------------


def checked_in(told: Told) -> Told:
    return told | {"bookingIsCheckedIn": True, "bookingIsCheckedOut": False}


def checked_out(told: Told) -> Told:
    """Checked-in stays true, as it does in Sirvoy."""
    return told | {"bookingIsCheckedOut": True}


def cancelled(told: Told, is_cancelled: bool = True) -> Told:
    """Cancelled, or restored."""
    return told | {"cancelled": is_cancelled, "bookingIsConfirmed": not is_cancelled}


def moved(told: Told, place: Place, day: date | None = None) -> Told:
    """Its only room is another one; with `day` from that day on, as Sirvoy tells a planned move."""
    *before, last = told["rooms"]
    arrival, departure = date.fromisoformat(last["arrivalDate"]), leaves(told)
    if day is not None and arrival < day < departure:
        kept = _dated(last, arrival, day)
        return _with_rooms(told, [*before, kept, _room(place, day, departure, last["guestName"])])
    return _with_rooms(told, [*before, _room(place, arrival, departure, last["guestName"])])


def extended(told: Told, departure: date) -> Told:
    """All rooms that end last end on this day."""
    last = leaves(told).isoformat()
    rooms = [
        _dated(room, date.fromisoformat(room["arrivalDate"]), departure) if room["departureDate"] == last else room
        for room in told["rooms"]
    ]
    return _with_rooms(told, rooms)


def left_early(told: Told, position: int, departure: date) -> Told:
    """One room of a group ends on an earlier day."""
    rooms = list(told["rooms"])
    rooms[position] = _dated(rooms[position], date.fromisoformat(rooms[position]["arrivalDate"]), departure)
    return _with_rooms(told, rooms)


def with_package(told: Told, kwh: int) -> Told:
    price = kwh * PRICE_OF_A_KWH
    item: Told = {"description": f"Elpakke {kwh} kWh", "specificDate": None, "quantity": "1"}
    return _totalled(
        told | {"additionalItems": [*told["additionalItems"], item | {"price": f"{price:g}", "itemTotal": price}]}
    )


def paid(told: Told, day: date) -> Told:
    owed = told["totalPrice"] - sum(payment["amount"] for payment in told["payments"])
    payment = {"amount": owed, "currency": "DKK", "date": day.isoformat(), "method": "Card terminal"}
    return told | {"payments": [*told["payments"], payment]}


def invoiced(told: Told, day: date) -> Told:
    invoice = {"invoiceNumber": 20_000_000 + told["bookingId"], "date": day.isoformat(), "total": told["totalPrice"]}
    return told | {"invoices": [*told["invoices"], invoice]}


def noted(told: Told, comment: str) -> Told:
    return told | {"internalComment": comment}


# --- questions -------------------------------------------------------------------------------------------------------


def arrives(told: Told) -> date:
    return date.fromisoformat(told["arrivalDate"])


def leaves(told: Told) -> date:
    return date.fromisoformat(told["departureDate"])


def is_here(told: Told) -> bool:
    return bool(told["bookingIsCheckedIn"] and not told["bookingIsCheckedOut"] and not told["cancelled"])


def rooms_now(told: Told) -> set[str]:
    """The names of the rooms that end with the booking, or have still to begin."""
    return {room["RoomName"] for room in told["rooms"] if room["departureDate"] == told["departureDate"]}


# --- inside ----------------------------------------------------------------------------------------------------------


def _room(place: Place, arrival: date, departure: date, name: str | None) -> Told:
    kind, price = ROOMS.get(place.kind, ROOMS["touring"])
    room = {
        "RoomTypeName": kind,
        "RoomTypeDescription": None,
        "RoomName": place.number,
        "RoomId": place.room_id,
        "adults": "2",
        "price": str(price),
        "guestName": name,
        "comment": None,
    }
    return _dated(room, arrival, departure)


def _dated(room: Told, arrival: date, departure: date) -> Told:
    nights = max((departure - arrival).days, 0)
    dates = {"arrivalDate": arrival.isoformat(), "departureDate": departure.isoformat(), "quantity": nights}
    return room | dates | {"roomTotal": nights * int(room["price"])}


def _with_rooms(told: Told, rooms: list[Told]) -> Told:
    """The booking's own dates are those of all its rooms."""
    arrival, departure = min(r["arrivalDate"] for r in rooms), max(r["departureDate"] for r in rooms)
    return _totalled(told | {"rooms": rooms, "arrivalDate": arrival, "departureDate": departure})


def _totalled(told: Told) -> Told:
    total = sum(room["roomTotal"] for room in told["rooms"])
    total += sum(item["itemTotal"] for item in told["additionalItems"])
    return told | {"totalPrice": total, "totalPriceIncludingSurcharges": total}


def nights(dice: random.Random) -> timedelta:
    """How long guests stay: mostly some days, sometimes two weeks."""
    return timedelta(days=dice.choices((1, 2, 3, 4, 5, 7, 10, 14), (16, 20, 18, 10, 8, 16, 6, 6))[0])
