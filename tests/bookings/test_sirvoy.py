"""Bytes become a booking, or a named error: whatever they are."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from bookings import sirvoy
from bookings.sirvoy import BookingTold, Unreadable

EXAMPLES = Path(__file__).parent / "examples"
FLAGS = {"bookingIsCheckedIn", "bookingIsCheckedOut", "cancelled"}
FIELDS = [
    *("bookingId", "generatedAt", "event", "arrivalDate", "departureDate", "cancelled", "bookingIsConfirmed"),
    *("bookingIsCheckedIn", "bookingIsCheckedOut", "totalAdults", "bookingSource", "guest", "rooms"),
    *("additionalItems", "customFields", "RoomName", "RoomId", "adults", "guestName", "comment", "description"),
    *("quantity", "price", "itemTotal", "specificDate", "firstName", "email", "country", "name", "value"),
]


def example(name: str) -> BookingTold:
    return sirvoy.read((EXAMPLES / f"{name}.json").read_bytes())


def told(**fields: Any) -> BookingTold:
    return sirvoy.read(json.dumps({"bookingId": 1} | fields).encode())


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_every_example_is_read_without_complaint(path):
    assert sirvoy.read(path.read_bytes()).complaints == ()


def test_a_booking_is_read():
    read = example("check_in")
    assert (read.sirvoy_id, read.event, read.adults) == (52001, "modified", 2)
    assert (read.arrival, read.departure) == (date(2026, 7, 11), date(2026, 7, 18))
    assert read.generated_at == datetime(2026, 7, 11, 13, 20, 31, tzinfo=UTC)
    assert (read.is_cancelled, read.is_confirmed, read.is_checked_in, read.is_checked_out) == (False, True, True, False)
    assert (read.rooms[0].sirvoy_id, read.rooms[0].name) == (8412, "F12")
    assert (read.items[0].description, read.items[0].quantity, read.items[0].price) == ("Elpakke 50 kWh", 1, 225)
    assert (read.guest.last_name, read.guest.country, read.guest.plates) == ("Lüders", "DE", "NF-GL 77")


def test_the_flags_of_each_kind_of_event_are_read():
    assert example("cancelled").is_cancelled
    assert not example("restored").is_cancelled
    assert example("check_in").is_checked_in
    assert not example("check_in_undone").is_checked_in
    assert example("check_out").is_checked_out


def test_the_rooms_of_a_group_have_their_own_dates():
    rooms = example("group").rooms
    assert [room.arrival.day for room in rooms] == [14, 14, 15, 14]
    assert [room.departure.day for room in rooms] == [17, 16, 17, 17]
    assert rooms[1].guest_name == "Nils Aune"


def test_version_1_is_read():
    read = example("version_1")
    assert read.generated_at == datetime(2023, 7, 1, 8, 15, 2, tzinfo=UTC)
    assert (read.rooms[0].sirvoy_id, read.rooms[0].name) == (None, "18")


def test_the_number_alone_is_enough():
    read = told()
    assert (read.generated_at, read.arrival, read.adults, read.rooms, read.complaints) == (None, None, None, None, ())


def test_rooms_without_dates_have_those_of_the_booking():
    read = told(arrivalDate="2026-07-10", departureDate="2026-07-12", rooms=[{"roomName": "7"}])
    assert (read.rooms[0].arrival, read.rooms[0].departure) == (date(2026, 7, 10), date(2026, 7, 12))


def test_numbers_may_be_texts_and_texts_numbers():
    read = told(bookingId="77", totalAdults="3", rooms=[{"RoomId": "12", "RoomName": 214, "adults": 2.0}])
    assert (read.sirvoy_id, read.adults) == (77, 3)
    assert (read.rooms[0].sirvoy_id, read.rooms[0].name, read.rooms[0].adults) == (12, "214", 2)
    assert read.complaints == ()


def test_amounts_are_exact():
    item = told(additionalItems=[{"price": "12,50", "itemTotal": 0.1}]).items[0]
    assert (item.price, item.total) == (Decimal("12.5"), Decimal("0.1"))


def test_fields_are_found_however_they_are_capitalised():
    assert told(rooms=[{"roomName": "A", "roomId": 5}]).rooms == told(rooms=[{"RoomName": "A", "RoomID": 5}]).rooms


def test_without_the_flag_the_kind_of_event_tells_of_a_cancellation():
    assert told(event="Canceled").is_cancelled
    assert not told(event="cancelled", cancelled=False).is_cancelled


def test_what_a_database_cannot_store_is_taken_out_of_texts():
    assert told(guest={"firstName": "A\0n\ud800na 🏕️<b>"}).guest.first_name == "Anna 🏕️<b>"


def test_long_texts_are_cut_and_complained_of():
    read = told(rooms=[{"RoomName": "x" * 101}])
    assert len(read.rooms[0].name) == 100
    assert read.complaints == ("rooms[0].roomName: was too long",)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"arrivalDate": "9999-12-31"}, "arrivalDate: is out of range"),
        ({"arrivalDate": "soon"}, "arrivalDate: is no date"),
        ({"arrivalDate": 20260710}, "arrivalDate: is no date"),
        ({"generatedAt": "1970-01-01T00:00:00Z"}, "generatedAt: is out of range"),
        ({"generatedAt": {}}, "generatedAt: is no time"),
        ({"arrivalDate": "2026-07-10", "departureDate": "2026-07-09"}, "departureDate: is before the arrival"),
        ({"bookingIsConfirmed": "perhaps"}, "bookingIsConfirmed: is neither yes nor no"),
        ({"totalAdults": -1}, "totalAdults: is out of range"),
        ({"totalAdults": 1.5}, "totalAdults: is no number"),
        ({"rooms": {}}, "rooms: is no list"),
        ({"rooms": ["12"]}, "rooms[0]: has no fields"),
        ({"guest": "Anna"}, "guest: has no fields"),
        ({"guest": {"country": "Denmark"}}, "guest.country: is out of range"),
        ({"guest": {"email": ["a"]}}, "guest.email: is no text"),
        ({"additionalItems": [{"price": "a lot"}]}, "additionalItems[0].price: is no number"),
        ({"rooms": [{}] * 1001}, "rooms: were too many"),
    ],
)
def test_what_makes_no_sense_is_left_out_and_complained_of(fields, complaint):
    assert told(**fields).complaints == (complaint,)


def test_complaints_end_somewhere():
    assert len(told(rooms=[1] * 500).complaints) == 50


def test_five_hundred_rooms_are_read():
    assert len(told(rooms=[{"RoomId": number + 1} for number in range(500)]).rooms) == 500


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", Unreadable.NOT_JSON),
        (b"bookingId=1", Unreadable.NOT_JSON),
        (b'{"bookingId": 1', Unreadable.NOT_JSON),
        (b'{"bookingId": 1, "guest": "M\xfcller"}', Unreadable.NOT_UTF8),
        (b"[" * 100_000, Unreadable.TOO_DEEP),
        (b'{"bookingId":1,"x":' + b'{"x":' * 100_000 + b"1" + b"}" * 100_001, Unreadable.TOO_DEEP),
        (b"[1]", Unreadable.NO_OBJECT),
        (b"null", Unreadable.NO_OBJECT),
        (b"{}", Unreadable.NO_NUMBER),
        (b'{"bookingId": null}', Unreadable.NO_NUMBER),
        (b'{"bookingId": true}', Unreadable.NO_NUMBER),
        (b'{"bookingId": 0}', Unreadable.NO_NUMBER),
        (b'{"bookingId": 9223372036854775808}', Unreadable.NO_NUMBER),
        (b'{"bookingId": 1e999999999999999999999}', Unreadable.NO_NUMBER),
    ],
)
def test_what_is_no_booking_is_unreadable(body, reason):
    with pytest.raises(Unreadable) as raised:
        sirvoy.read(body)
    assert raised.value.reason == reason


def test_an_absurd_number_spoils_nothing_else():
    body = b'{"bookingId": 5, "totalAdults": ' + b"9" * 5000 + b', "unknown": 1e999999999999999999999, "x": NaN}'
    assert sirvoy.read(body).sirvoy_id == 5


def test_the_number_is_seen_in_a_body_that_was_cut_off():
    assert sirvoy.glimpse(b'{"version":"2.0","bookingId": "48211","rooms":[{') == 48211
    assert sirvoy.glimpse(b"nothing") is None


anything = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text() | some.dates().map(str),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.sampled_from(FIELDS), inner, max_size=8),
    max_leaves=30,
)


@given(some.dictionaries(some.sampled_from(sorted(set(FIELDS) - FLAGS)), anything, max_size=12))
def test_whatever_type_a_field_has_the_rest_is_read(fields):
    assert sirvoy.read(json.dumps(fields | {"bookingId": 9}).encode()).sirvoy_id == 9


@given(some.binary() | some.text().map(str.encode) | anything.map(lambda value: json.dumps(value).encode()))
def test_whatever_the_bytes_are_it_is_a_booking_or_unreadable(body):
    try:
        read = sirvoy.read(body)
    except Unreadable:
        return
    assert read.sirvoy_id > 0


@pytest.mark.parametrize("name", ["bookingIsCheckedIn", "bookingIsCheckedOut", "cancelled"])
@pytest.mark.parametrize("value", ["perhaps", {"x": 1}, [], 2])
def test_a_flag_that_power_hangs_on_is_never_guessed(name, value):
    with pytest.raises(Unreadable) as refused:
        told(**{name: value})
    assert refused.value.reason == Unreadable.BAD_FLAG


def test_a_time_of_any_offset_is_told_in_utc():
    told = sirvoy.read(b'{"bookingId": 7, "generatedAt": "2026-07-12T10:00:00+16:00"}')
    assert told.generated_at.isoformat() == "2026-07-11T18:00:00+00:00"
