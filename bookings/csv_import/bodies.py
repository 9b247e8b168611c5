"""Bookings in the form of Sirvoy's webhook: what is known, and what an export makes of it. Reads nothing by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bookings.csv_import.rows import Row
from bookings.models import Booking, Guest

Body = dict[str, Any]
GUEST = {
    "first_name": "firstName",
    "last_name": "lastName",
    "business_name": "businessName",
    "country": "country",
    "phone": "phone",
    "email": "email",
    "language": "language",
    "message": "message",
}
"""Our column, and what the webhook calls it."""
PLATES = "Nummerplade"
FLAGS = ("cancelled", "bookingIsCheckedIn", "bookingIsCheckedOut")
"""What power hangs on, as the webhook calls it."""


def known_body(booking: Booking) -> Body:
    """The booking as the webhook would tell it, as far as we kept it."""
    guest: Guest | None = getattr(booking, "guest", None)
    persons = guest.room_guests if guest else []
    return {
        "bookingId": booking.sirvoy_id,
        "bookingSource": booking.channel,
        "arrivalDate": booking.arrival and booking.arrival.isoformat(),
        "departureDate": booking.departure and booking.departure.isoformat(),
        "cancelled": booking.is_cancelled,
        "bookingIsConfirmed": booking.is_confirmed,
        "bookingIsCheckedIn": booking.is_checked_in,
        "bookingIsCheckedOut": booking.is_checked_out,
        "totalAdults": booking.adults,
        "guest": {theirs: getattr(guest, ours) if guest else "" for ours, theirs in GUEST.items()},
        "isErased": bool(guest and guest.erased_at),
        "customFields": [{"name": PLATES, "value": guest.plates}] if guest and guest.plates else [],
        "rooms": [
            _room(room, persons[place] if place < len(persons) else {}) for place, room in enumerate(booking.rooms)
        ],
        "additionalItems": [_item(item) for item in booking.items],
    }


def merged(known: Body | None, rows: Sequence[Row], room_ids: Mapping[str, int]) -> Body:
    """What is known with what the export says of it; `room_ids`: Sirvoy's numbers of rooms by their names."""
    flags = told_flags(rows, is_known=known is not None)
    known = known or {}
    rows = _standing(rows)
    if known.get("isErased"):
        rows = [replace(row, guest={}, guest_name="", room_comment="") for row in rows]
    first = rows[0]
    adults = [row.adults for row in rows if row.adults is not None]
    guest = dict.fromkeys(GUEST.values(), "") | known.get("guest", {})
    guest |= {GUEST[name]: value for row in reversed(rows) for name, value in row.guest.items()}
    known_adults = known.get("totalAdults")
    return {
        "bookingId": first.booking,
        "bookingSource": first.channel or known.get("bookingSource", ""),
        "arrivalDate": min(row.arrival for row in rows).isoformat(),
        "departureDate": max(row.departure for row in rows).isoformat(),
        "bookingIsConfirmed": _told((row.is_confirmed for row in rows), known.get("bookingIsConfirmed", True)),
        **{name: flags.get(name, known.get(name, False)) for name in FLAGS},
        "totalAdults": known_adults if known_adults is not None else sum(adults) if adults else None,
        "guest": guest,
        "isErased": bool(known.get("isErased")),
        "customFields": known.get("customFields", []),
        "rooms": _rooms(known.get("rooms", []), rows, room_ids),
        "additionalItems": known.get("additionalItems", []),
    }


def told_flags(rows: Sequence[Row], is_known: bool) -> dict[str, bool]:
    """Those of FLAGS that the export tells; the others stay what they are. A booking has them as a whole.

    It is cancelled, or of one never seen checked out, where each of its lines says so. Nobody who is known is checked
    out by a file, which may be old, and none is checked in by a line that says checked out. No check-in is taken back.
    """
    rows = _standing(rows)
    told = {}
    if any(row.is_cancelled is not None for row in rows):
        told["cancelled"] = any(row.is_cancelled for row in rows)
    has_left = not is_known and all(row.is_checked_out for row in rows)
    if has_left:
        told["bookingIsCheckedOut"] = True
    if has_left or any(row.is_checked_in and not row.is_checked_out for row in rows):
        told["bookingIsCheckedIn"] = True
    return told


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(field, before, after) of what differs, as people read it."""
    was, becomes = dict(_flat(before)), dict(_flat(after))
    for name in dict.fromkeys([*was, *becomes]):
        if was.get(name, "") != becomes.get(name, ""):
            yield name, was.get(name, ""), becomes.get(name, "")


# --- inside ----------------------------------------------------------------------------------------------------------


def _room(room: Mapping[str, Any], person: Mapping[str, Any]) -> Body:
    return {
        "RoomName": room.get("name") or "",
        "RoomId": room.get("room_id"),
        "arrivalDate": room.get("arrival"),
        "departureDate": room.get("departure"),
        "adults": room.get("adults"),
        "guestName": person.get("name") or "",
        "comment": person.get("comment") or "",
    }


def _item(item: Mapping[str, Any]) -> Body:
    names = {"description": "description", "date": "specificDate", "quantity": "quantity", "price": "price"}
    return {theirs: item.get(ours) for ours, theirs in names.items()} | {"itemTotal": item.get("total")}


def _rooms(known: Sequence[Body], rows: Sequence[Row], room_ids: Mapping[str, int]) -> list[Body]:
    """Known rooms keep their order, numbers and adults; a file may list them in another order."""
    left = list(rows)
    made = []
    for room in known:
        same = [row for row in left if row.room.casefold() == room["RoomName"].casefold()]
        if not same:
            continue
        row = next((each for each in same if each.arrival.isoformat() == room["arrivalDate"]), same[0])
        left.remove(row)
        made.append(_with(room, row))
    fresh = ({"RoomName": row.room, "RoomId": room_ids.get(row.room), "adults": row.adults} for row in left)
    return made + [_with(room, row) for room, row in zip(fresh, left, strict=True)]


def _with(room: Mapping[str, Any], row: Row) -> Body:
    return dict(room) | {
        "arrivalDate": row.arrival.isoformat(),
        "departureDate": row.departure.isoformat(),
        "guestName": row.guest_name or room.get("guestName", ""),
        "comment": row.room_comment or room.get("comment", ""),
    }


def _standing(rows: Sequence[Row]) -> Sequence[Row]:
    """Without the cancelled lines of a group that goes on: they are rooms less."""
    return [row for row in rows if not row.is_cancelled] or rows


def _told(answers: Iterable[bool | None], otherwise: bool) -> bool:
    """What the file says of the whole booking: yes where each room's line that says anything says yes."""
    said = [answer for answer in answers if answer is not None]
    return all(said) if said else otherwise


def _flat(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in body.items():
        if name == "rooms":
            yield name, ", ".join(map(_room_text, value))
        elif name == "guest":
            yield from ((f"guest.{inner}", str(told or "")) for inner, told in value.items())
        elif name not in ("bookingId", "additionalItems", "customFields", "isErased"):
            yield name, {None: "", True: "yes", False: "no"}.get(value, str(value)) if value is not None else ""


def _room_text(room: Mapping[str, Any]) -> str:
    days = f"{room.get('arrivalDate') or '?'} – {room.get('departureDate') or '?'}"
    told = [room["RoomName"] or "?", days, room.get("guestName"), room.get("comment")]
    return " ".join(filter(None, told))
