"""Sirvoy's newest word on a booking becomes the booking and its guest."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from auditlog.models import LogEntry
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from bookings import guests, privacy
from bookings.models import Booking, Guest, PackagePattern, Room, Stay, WebhookEvent
from tests import make
from tests.bookings.sirvoy import NOON, NUMBER, booking, received, room, send, work

db = pytest.mark.django_db
Status = WebhookEvent.Status
EXAMPLES = Path(__file__).resolve().parent.parent.parent.parent / "shared" / "domain" / "sirvoy"


def only() -> Booking:
    return Booking.objects.get()


# --- order and repetition --------------------------------------------------------------------------------------------


@db
def test_an_older_event_changes_nothing():
    assert send(booking(minute=5, came=True)) == Status.APPLIED
    assert send(booking(minute=1)) == Status.STALE
    assert only().is_checked_in


@db
def test_the_same_call_twice_is_told_apart():
    assert send(booking(room())) == Status.APPLIED
    assert send(booking(room())) == Status.DUPLICATE
    assert Stay.objects.count() == 1


@db
def test_a_repetition_that_is_worked_on_before_its_original_makes_that_the_repetition():
    first, second = received(booking(room())), received(booking(room()))
    assert work(second) == Status.APPLIED
    assert work(first) == Status.DUPLICATE


@db
def test_of_two_changes_within_a_second_the_later_received_rules():
    first, second = received(booking(adults=2)), received(booking(adults=3))
    assert work(second) == Status.APPLIED
    assert work(first) == Status.STALE
    assert only().adults == 3


@db
def test_the_newest_once_more_is_applied_and_changes_nothing():
    event = received(booking(room()))
    work(event)
    before = Booking.objects.values().get()
    assert work(event) == Status.APPLIED
    assert Booking.objects.values().get() == before


@db
def test_without_a_time_of_its_own_an_event_is_as_old_as_its_receipt():
    send(booking(generatedAt=None, adults=3), NOON)
    assert send(booking(generatedAt=None, adults=4), NOON - timedelta(minutes=1)) == Status.STALE
    assert only().generated_at == NOON


def all_at_once(events: list[WebhookEvent]) -> list[Status]:
    """Eight at a time, each over a connection of its own."""

    def one(event: WebhookEvent) -> Status:
        try:
            return work(event)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(one, events))


@pytest.mark.django_db(transaction=True)
def test_a_booking_never_seen_that_comes_twenty_times_at_once_is_made_once():
    make.pitch("101")
    events = [received(booking(room(id=7101), minute=minute % 5)) for minute in range(20)]
    assert Status.APPLIED in all_at_once(events)
    assert (Booking.objects.count(), Guest.objects.count(), Stay.objects.count()) == (1, 1, 1)
    assert only().event_number == events[19].pk


@pytest.mark.django_db(transaction=True)
def test_bookings_that_come_at_once_and_share_rooms_do_not_hold_each_other_up():
    rooms = [room(str(number), id=number) for number in range(101, 107)]
    for number in range(101, 107):
        make.pitch(str(number))
    turned = [rooms[turn:] + rooms[:turn] for turn in range(6)] * 4
    events = [received(booking(*turn, number=number, minute=number)) for number, turn in enumerate(turned, start=1)]
    assert set(all_at_once(events)) == {Status.APPLIED}
    assert Room.objects.count() == 6
    assert Stay.objects.count() == 6 * 24


# --- what is kept ----------------------------------------------------------------------------------------------------


@db
def test_rooms_and_extras_are_kept_as_sirvoy_told_them():
    PackagePattern.objects.create(pattern="Elpakke # kWh")
    items = [
        {
            "description": "Elpakke 50 kWh",
            "specificDate": "2026-07-11",
            "quantity": "2",
            "price": "225",
            "itemTotal": 450,
        },
        {"description": "Linned", "price": 75},
    ]
    send(booking(room("101", id="7101", adults="2"), additionalItems=items))
    assert only().rooms == [
        {"room_id": 7101, "name": "101", "arrival": "2026-07-10", "departure": "2026-07-17", "adults": 2}
    ]
    package, linen = only().items
    assert (package["kwh"], package["quantity"], package["total"], package["date"]) == ("50", "2", "450", "2026-07-11")
    assert linen["kwh"] is None


@db
def test_everything_personal_stands_in_the_guests_row_alone():
    plates = [{"name": "Nummerplade", "value": "FL-AM 123"}, {"name": "Hund", "value": "ja"}]
    send(booking(room("101", guestName="Per"), customFields=plates))
    guest = only().guest
    assert (guest.first_name, guest.last_name, guest.plates) == ("Anna", "Müller", "FL-AM 123")
    assert guest.room_guests == [{"name": "Per", "comment": ""}]
    assert "Per" not in json.dumps(only().rooms)


@db
def test_a_later_event_corrects_the_guest_but_not_what_staff_said():
    send(booking())
    guests.speaks(only(), "nl", make.staff())
    send(booking(minute=1, guest={"firstName": "Anne", "language": "de"}))
    guest = Guest.objects.get()
    assert (guest.first_name, guest.last_name, guest.language, guest.spoken) == ("Anne", "", "de", "nl")


@db
@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.json")))
def test_each_example_of_sirvoy_becomes_a_booking(name):
    body = json.loads((EXAMPLES / name).read_bytes())
    assert send(body) == Status.APPLIED
    assert Stay.objects.filter(booking__sirvoy_id=body["bookingId"]).count() == len(body["rooms"])


@db
@pytest.mark.parametrize(
    "odd",
    [
        {"rooms": None},
        {"rooms": [{}] * 500},
        {"rooms": [{"RoomId": "x" * 300, "RoomName": ["101"], "arrivalDate": 5}]},
        {"arrival": "9999-12-31", "departure": "0001-01-01"},
        {"arrival": "2026-07-17", "departure": "2026-07-10"},
        {"guest": "Anna"},
        {"guest": {"firstName": "<script>🏕" * 999}},
        {"adults": -7},
        {"additionalItems": [{"quantity": "NaN", "price": "1e99"}, None]},
    ],
)
def test_nothing_odd_keeps_a_booking_from_being_known(odd):
    send(booking(**odd))
    assert only().sirvoy_id == NUMBER
    assert Stay.objects.filter(position=0).count() == 1


# --- forgetting ------------------------------------------------------------------------------------------------------


@db
def test_an_erased_guest_is_gone_from_the_row_and_from_the_events():
    send(booking(room("101", guestName="Per")))
    by = make.staff()
    privacy.forget(only(), by, NOON)
    guest = Guest.objects.get()
    assert (guest.first_name, guest.last_name, guest.plates, guest.room_guests) == ("", "", "", [])
    assert (guest.country, guest.erased_at) == ("DE", NOON)
    assert [bytes(event.body) for event in WebhookEvent.objects.all()] == [b""]
    entry = LogEntry.objects.get_for_object(only()).get()
    assert entry.actor == by
    assert "Müller" not in f"{entry.object_repr} {entry.changes}"


@db
def test_an_erased_guest_does_not_come_back_with_a_later_event():
    send(booking())
    privacy.forget(only(), None, NOON)
    send(booking(minute=1, adults=3))
    assert only().adults == 3
    assert Guest.objects.get().last_name == ""


@db
def test_guests_are_forgotten_some_time_after_they_left(settings):
    settings.GUESTS_KEPT_DAYS = 30
    send(booking(came=True, left=True))
    send(booking(number=47102, departure="2026-08-17"))
    later = NOON + timedelta(days=36)
    assert privacy.erase_due(NOON) == 0
    assert privacy.erase_due(later) == 1
    assert privacy.erase_due(later) == 0
    assert list(Guest.objects.filter(erased_at=None).values_list("booking__sirvoy_id", flat=True)) == [47102]


@db
def test_what_comes_of_an_erased_guest_is_forgotten_too():
    send(booking())
    privacy.forget(only(), None, NOON)
    event = received(booking(minute=1))
    work(event)
    assert privacy.erase_due(NOON) == 1
    event.refresh_from_db()
    assert bytes(event.body) == b""


@db
def test_who_is_still_here_is_not_forgotten():
    send(booking(room(), came=True))
    assert privacy.erase_due(NOON + timedelta(days=400)) == 0


@pytest.mark.django_db
def test_the_packages_texts_are_asked_for_once_however_many_extras_there_are():
    PackagePattern.objects.create(pattern="Elpakke # kWh")
    items = [{"description": f"Elpakke {kwh} kWh"} for kwh in (10, 25, 50)]
    with CaptureQueriesContext(connection) as queries:
        send(booking(room("101"), additionalItems=[*items, {"description": "Linned"}]))
    assert len([query for query in queries if "bookings_packagepattern" in query["sql"]]) == 1
    assert [item["kwh"] for item in only().items] == ["10", "25", "50", None]


@pytest.mark.django_db
def test_a_package_that_was_recognised_stays_one_when_its_text_is_changed():
    pattern = PackagePattern.objects.create(pattern="Power pack", kwh=10)
    send(booking(room("101"), additionalItems=[{"description": "Power pack", "quantity": 7}]))
    pattern.kwh = 8
    pattern.save()
    send(booking(room("101"), minute=1, additionalItems=[{"description": "Power pack", "quantity": 6}]))
    assert [(item["kwh"], item["quantity"]) for item in Booking.objects.get().items] == [("10", "6")]


@pytest.mark.django_db
@pytest.mark.parametrize("told", [{}, {"additionalItems": None}, {"additionalItems": "?"}])
def test_extras_and_adults_that_are_not_told_stay(told):
    items = [{"description": "El 100 kWh", "quantity": 1}]
    send(booking(room("101"), adults=0, additionalItems=items))
    send({name: value for name, value in booking(room("101"), minute=1).items() if name != "totalAdults"} | told)
    found = Booking.objects.get()
    assert (found.adults, [item["description"] for item in found.items]) == (0, ["El 100 kWh"])
    send(booking(room("101"), minute=2, additionalItems=[]))
    assert Booking.objects.get().items == []
