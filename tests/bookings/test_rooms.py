"""Which pitch a room of Sirvoy is."""

from datetime import timedelta

import pytest
from auditlog.models import LogEntry

from bookings import rooms, stays
from bookings.models import Room, Stay
from bookings.sirvoy import RoomTold
from tests import make
from tests.bookings.sirvoy import NOON, booking, room, send

pytestmark = pytest.mark.django_db
LATER = NOON + timedelta(days=1)


def told(name: str = "", sirvoy_id: int | None = None) -> RoomTold:
    return RoomTold(sirvoy_id, name, None, None, None, "", "")


def resolve(name: str = "", sirvoy_id: int | None = None, at=NOON) -> Room | None:
    """The room that an event means, once it is read."""
    rooms.learn([told(name, sirvoy_id)], at)
    return rooms.find([rooms.key(sirvoy_id, name)])[0]


@pytest.mark.parametrize("name", ["Hytte 5", "hytte5", " HYTTE  5 ", "cabin 5"])
def test_a_room_is_the_pitch_that_goes_by_its_name(name):
    cabin = make.pitch("Hytte 5", aliases=["Cabin 5"])
    assert resolve(name, 7905).pitch == cabin


def test_a_name_that_two_pitches_go_by_is_none_of_them():
    make.pitch("A", aliases=["x"])
    make.pitch("B", aliases=["X"])
    assert resolve("x").pitch is None


def test_an_unknown_room_is_noted_without_a_guess():
    make.pitch("101")
    assert resolve("101,2", 7).pitch is None


def test_a_room_without_name_and_id_is_none():
    assert resolve() is None
    assert not Room.objects.exists()


def test_an_edited_name_that_is_no_pitch_leaves_the_room_where_it_was():
    pitch = make.pitch("101")
    resolve("101", 7101)
    assert resolve("101 (el defekt)", 7101, LATER).pitch == pitch
    assert resolve("", 7101, LATER).pitch == pitch
    assert Room.objects.get().name == "101 (el defekt)"


def test_a_room_that_gets_the_name_of_another_pitch_is_that_pitch():
    make.pitch("101")
    other = make.pitch("102")
    resolve("101", 7101)
    assert resolve("102", 7101, LATER).pitch == other


def test_the_newest_name_decides_in_whatever_order_they_come():
    make.pitch("101")
    other = make.pitch("102")
    resolve("102", 7101, LATER)
    resolve("101", 7101)
    assert Room.objects.get().name == "102"
    assert Room.objects.get().pitch == other


def test_an_older_name_still_tells_the_pitch_of_a_room_whose_new_name_is_none():
    pitch = make.pitch("101")
    assert resolve("Den gamle ved hækken", 7101, LATER).pitch is None
    assert resolve("101", 7101).pitch == pitch
    assert Room.objects.get().name == "Den gamle ved hækken"


def test_a_room_known_by_its_name_gets_its_id_later():
    resolve("12")
    resolve("12", 7012, LATER)
    assert [each.sirvoy_id for each in Room.objects.all()] == [7012]
    assert resolve("12").sirvoy_id == 7012


def test_what_staff_say_rules_over_the_name(django_capture_on_commit_callbacks):
    make.pitch("101")
    said, by = make.pitch("F1"), make.staff()
    rooms.assign(resolve("101", 7101), said, by, NOON)
    assert resolve("101", 7101, LATER).pitch == said
    assert Room.objects.get().set_by == by
    assert LogEntry.objects.get_for_object(Room.objects.get()).get().actor == by


def test_what_staff_said_can_be_taken_back():
    named, by = make.pitch("101"), make.staff()
    rooms.assign(resolve("101", 7101), make.pitch("F1"), by, NOON)
    rooms.assign(Room.objects.get(), None, by, NOON)
    assert Room.objects.get().pitch == named
    assert not Room.objects.get().is_set_by_staff


def test_saying_which_pitch_a_room_is_heals_the_bookings_that_have_it(django_capture_on_commit_callbacks):
    meter, pitch = make.meter("F1"), make.pitch("F1")
    make.installed(meter, pitch, NOON - timedelta(days=9))
    send(booking(room("Ved søen", id=9), came=True))
    send(booking(room("Ved søen", id=9), number=47102, arrival="2026-07-18", departure="2026-07-20"))
    assert list(stays.to_sort_out(NOON)) == list(Stay.objects.all())
    with django_capture_on_commit_callbacks(execute=True):
        stays.assign_room(Room.objects.get(), pitch, make.staff(), NOON)
    assert not stays.to_sort_out(NOON)
    assert {stay.pitch for stay in Stay.objects.all()} == {pitch}
    assert [line.meter for line in Stay.objects.get(booking__sirvoy_id=47101).lines.all()] == [meter]


def test_a_pitch_that_is_made_later_is_found_by_the_rooms_name_within_a_minute():
    send(booking(room("F9", id=9)))
    pitch = make.pitch("F9")
    stays.advance(NOON)
    assert Stay.objects.get().pitch == pitch


def test_a_renamed_room_moves_no_guest_who_has_left():
    old, _ = make.pitch("101"), make.pitch("102")
    send(booking(room("101", id=1), came=True, left=True))
    send(booking(room("102", id=1), number=47102, minute=5))
    stays.advance(NOON)
    assert Stay.objects.get(booking__sirvoy_id=47101).pitch == old


def test_500_rooms_are_read_in_few_queries(django_assert_max_num_queries):
    make.pitch("1")
    every = [told(str(number), number) for number in range(1, 501)]
    rooms.learn(every, NOON)
    with django_assert_max_num_queries(5):
        rooms.learn(every, LATER)


def test_a_room_known_by_its_name_alone_is_found_by_it_after_it_got_another_one():
    pitch = make.pitch("101")
    send(booking(room("101"), number=1))
    send(booking(room("101", id=7101), number=2, minute=1))
    send(booking(room("101 (nyt stik)", id=7101), number=2, minute=2))
    stays.compare(NOON)
    assert {stay.pitch for stay in Stay.objects.all()} == {pitch}
    assert Room.objects.get().other_names == ["101"]


def test_a_name_means_the_room_that_has_it_rather_than_the_one_that_had_it():
    resolve("101", 1)
    resolve("102", 1, LATER)
    other = resolve("101", 2, LATER)
    assert resolve("101", None, LATER) == other
