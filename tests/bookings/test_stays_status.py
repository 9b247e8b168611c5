"""Where a party is, by what Sirvoy says and by the calendar; and which party is which room."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bookings.hours import check_out_at
from bookings.models import Stay
from bookings.stays.match import match
from bookings.stays.status import Flags, Times, status_of

EXPECTED, HERE, LEFT, CANCELLED = Stay.Status.EXPECTED, Stay.Status.IN_HOUSE, Stay.Status.LEFT, Stay.Status.CANCELLED
ZONE = ZoneInfo("Europe/Copenhagen")
IN = Flags(is_checked_in=True)


def at(day: int, hour: int = 14) -> datetime:
    return datetime(2026, 7, day, hour, tzinfo=ZONE)


def times(arrival: int, departure: int, **said: datetime) -> Times:
    return Times(date(2026, 7, arrival), date(2026, 7, departure), **said)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (Flags(), EXPECTED),
        (Flags(is_checked_in=True), HERE),
        (Flags(is_checked_in=True, is_checked_out=True), LEFT),
        (Flags(is_checked_out=True), LEFT),
        (Flags(is_cancelled=True), CANCELLED),
        (Flags(is_cancelled=True, is_checked_in=True, is_checked_out=True), CANCELLED),
    ],
)
def test_the_strongest_flag_decides(flags, expected):
    stay = times(10, 17)
    assert status_of(flags, stay, [stay], at(12)) == expected


@pytest.mark.parametrize("day", [8, 10, 17, 25])
def test_a_guest_who_is_checked_in_is_here_before_his_first_day_and_after_his_last(day):
    stay = times(10, 17)
    assert status_of(IN, stay, [stay], at(day)) == HERE


def test_who_was_checked_out_by_hand_has_left_while_sirvoy_says_he_is_here():
    stay = times(10, 17, left_by_hand_at=at(11))
    assert status_of(IN, stay, [stay], at(12)) == LEFT


def test_a_check_out_by_hand_hides_no_cancellation():
    stay = times(10, 17, left_by_hand_at=at(11))
    assert status_of(Flags(is_cancelled=True), stay, [stay], at(12)) == CANCELLED


@pytest.mark.parametrize(
    ("moment", "first", "second"),
    [
        (at(9), HERE, EXPECTED),
        (at(10), HERE, EXPECTED),
        (at(13, 9), HERE, EXPECTED),
        (at(13, 11), HERE, HERE),
        (at(13, 12), LEFT, HERE),
        (at(20), LEFT, HERE),
    ],
)
def test_a_planned_move_happens_at_check_out_time(moment, first, second):
    rooms = [times(10, 13), times(13, 17)]
    assert [status_of(IN, room, rooms, moment) for room in rooms] == [first, second]


def test_of_a_group_each_comes_and_goes_on_its_own_day():
    rooms = [times(10, 17), times(10, 12), times(11, 17), times(12, 17)]
    assert [status_of(IN, room, rooms, at(11)) for room in rooms] == [HERE, HERE, HERE, EXPECTED]
    assert [status_of(IN, room, rooms, at(13)) for room in rooms] == [HERE, LEFT, HERE, HERE]


def test_who_may_stay_late_leaves_late():
    rooms = [times(10, 12, late_until=at(12, 18)), times(10, 17)]
    assert status_of(IN, rooms[0], rooms, at(12, 15)) == HERE
    assert status_of(IN, rooms[0], rooms, at(12, 18)) == LEFT


@pytest.mark.parametrize("room", [Times(None, None), Times(date(2026, 7, 10), None), times(17, 10)])
def test_dates_without_sense_say_nothing(room):
    rooms = [room, times(10, 12), times(12, 17)]
    assert status_of(IN, room, rooms, at(11)) == HERE
    assert [status_of(IN, other, rooms, at(14)) for other in rooms] == [HERE, LEFT, HERE]


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 9), (date(2026, 10, 25), 10)])
def test_check_out_time_is_by_the_campsites_clock_when_the_clock_changes(day, hours):
    utc = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo("UTC"))
    assert check_out_at(day) - utc == timedelta(hours=hours)


# --- matching --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "told", "found", "surplus"),
    [
        ("", "a", [None], []),
        ("a", "a", [0], []),
        ("a", "b", [0], []),
        ("ab", "ba", [1, 0], []),
        ("ab", "cb", [0, 1], []),
        ("ab", "b", [1], [0]),
        ("a", "ba", [None, 0], []),
        ("abc", "dc", [0, 2], [1]),
        ("aa", "ab", [0, 1], []),
        ("ab", "", [], [0, 1]),
    ],
)
def test_who_keeps_his_room_is_the_same_and_the_others_have_moved_in_order(known, told, found, surplus):
    assert match(known, told) == (found, surplus)
