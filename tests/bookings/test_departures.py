"""The list from which reception types amounts into Sirvoy."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookings import accounts, departures
from bookings.departures import Account, Sure
from bookings.models import Booking, Stay
from tests import make

pytestmark = pytest.mark.django_db
D = Decimal
DAY = date(2026, 7, 10)
MORNING = datetime(2026, 7, 10, 9, tzinfo=UTC)


def leaving(number: str = "101", kwh: str = "10", day: date = DAY, **values) -> Booking:
    """A booking on a pitch that leaves that day and is still here."""
    booking = make.booking(arrival=day - timedelta(days=3), departure=day)
    stay = make.stay(make.pitch(number), booking=booking, **values)
    if D(kwh):
        make.used(stay, kwh)
    return booking


def left(booking: Booking, at: datetime = MORNING) -> None:
    booking.stays.update(status=Stay.Status.LEFT, ended_at=at)


def only(day: date = DAY) -> departures.Departure:
    (found,) = departures.on(day)
    return found


def test_a_departure_tells_pitch_guest_kwh_and_amount():
    make.tariff()
    booking = leaving()
    make.guest(booking)
    found = only()
    assert (found.pitches, found.guest, found.sirvoy_id) == (("101",), "Anna Müller", booking.sirvoy_id)
    assert (found.bill.used_kwh, found.bill.amount) == (10, D("45.00"))
    assert (found.arrival, found.departure) == (date(2026, 7, 7), DAY)


def test_kwh_are_running_until_the_guest_has_left():
    make.tariff()
    booking = leaving()
    assert (only().sure, only().account) == (Sure.RUNNING, Account.DUE)
    left(booking)
    assert only().sure == Sure.READ


def test_what_nobody_measured_is_not_said_to_be_read():
    left(leaving(kwh="0"))
    assert only().sure == Sure.UNKNOWN


def test_what_was_charged_stands_at_the_end_and_says_so():
    make.tariff()
    by = make.staff()
    first, second = leaving("9"), leaving("10")
    assert [each.pitches for each in departures.on(DAY)] == [("9",), ("10",)]
    accounts.charge(first, by)
    assert [each.account for each in departures.on(DAY)] == [Account.DUE, Account.CHARGED]
    make.used(first.stays.get(), "1")
    assert [each.account for each in departures.on(DAY)] == [Account.CHANGED, Account.DUE]
    assert departures.total(departures.on(DAY)) == D("49.50")
    assert second.pk in {each.booking_id for each in departures.on(DAY)}


def test_without_use_or_without_a_tariff_it_says_so():
    leaving("1", kwh="0")
    assert only().account == Account.NOTHING
    leaving("2", kwh="5")
    assert {each.account for each in departures.on(DAY)} == {Account.NOTHING, Account.NO_TARIFF}


def test_a_group_is_one_line_with_all_its_pitches_of_the_day():
    make.tariff()
    booking = leaving("101")
    make.used(make.stay(make.pitch("102"), booking=booking), "5")
    later = make.stay(make.pitch("103"), booking=booking, departure=DAY + timedelta(days=2))
    assert (only().pitches, only().others_stay, only().bill.used_kwh) == (("101", "102"), True, 15)
    later.delete()
    assert not only().others_stay


def test_who_left_a_day_early_counts_on_the_day_when_he_left():
    left(leaving(day=DAY + timedelta(days=1)))
    assert len(departures.on(DAY)) == 1
    assert departures.on(DAY + timedelta(days=1)) == []


def test_who_has_overstayed_is_on_the_day_that_was_booked():
    leaving()
    assert len(departures.on(DAY)) == 1
    assert departures.on(DAY + timedelta(days=1)) == []


def test_late_in_the_evening_it_is_the_campsites_day():
    left(leaving(), at=datetime(2026, 7, 10, 22, 30, tzinfo=UTC))
    assert departures.on(DAY) == []
    assert len(departures.on(date(2026, 7, 11))) == 1


@pytest.mark.parametrize("status", [Stay.Status.CANCELLED, Stay.Status.EXPECTED])
def test_who_did_not_come_does_not_leave(status):
    leaving(status=status, kwh="0")
    assert departures.on(DAY) == []


@pytest.mark.parametrize("status", [Stay.Status.CANCELLED, Stay.Status.EXPECTED])
def test_what_was_used_before_a_cancellation_or_before_a_check_in_was_taken_back_is_listed(status):
    make.tariff()
    leaving(status=status)
    assert (only().is_off, only().bill.due, only().account) == (True, D("45.00"), Account.DUE)


def test_who_was_cancelled_while_he_was_here_is_on_the_day_on_which_that_was():
    booking = leaving(day=DAY + timedelta(days=5))
    booking.stays.update(status=Stay.Status.CANCELLED, ended_at=MORNING)
    assert only().departure == DAY


def test_a_package_that_was_sold_and_never_used_is_listed():
    make.tariff()
    booking = leaving(status=Stay.Status.CANCELLED, kwh="0")
    accounts.sell(booking, D(10), D(45), make.staff())
    assert only().bill.due == 45


def test_without_a_pitch_or_a_guest_it_is_still_listed():
    booking = make.booking(arrival=DAY, departure=DAY)
    make.stay(None, booking=booking)
    assert (only().pitches, only().guest) == ((), "")


def test_many_departures_take_as_many_queries_as_one():
    make.tariff()
    counts = []
    for number in range(6):
        leaving(f"{number}")
        with CaptureQueriesContext(connection) as queries:
            departures.on(DAY)
        counts.append(len(queries))
    assert counts[0] == counts[-1] <= 14


@pytest.mark.parametrize("status", [Stay.Status.CANCELLED, Stay.Status.EXPECTED])
def test_a_group_of_which_one_room_was_cancelled_is_summed_once(status):
    make.tariff()
    booking = leaving("101")
    left(booking)
    later = DAY + timedelta(days=2)
    other = make.stay(make.pitch("102"), booking=booking, status=status, departure=later)
    if status == Stay.Status.CANCELLED:
        Stay.objects.filter(pk=other.pk).update(ended_at=MORNING + timedelta(days=2))
    make.used(other, "5")
    days = [only(DAY), only(later)]
    assert [each.pitches for each in days] == [("101",), ("102",)]
    assert [each.is_off for each in days] == [False, True]
    assert sorted(each.others_stay for each in days) == [False, True]


def test_what_was_used_is_on_some_days_list_also_where_no_day_is_told_any_more():
    make.tariff()
    booking = leaving(status=Stay.Status.EXPECTED)
    booking.stays.update(departure=None)
    Booking.objects.update(departure=None, generated_at=MORNING)
    assert only().bill.due == D("45.00")
