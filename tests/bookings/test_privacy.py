"""Guests are forgotten in time and on request; the accounts stay."""

from datetime import UTC, date, datetime, timedelta

import pytest
from auditlog.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookings import accounts, inbox, privacy
from bookings.models import Booking, Guest, Stay, WebhookEvent
from tests import make
from tests.bookings.sirvoy import NOON, booking, room, send

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 8, 31, 10, tzinfo=UTC)


def departed(day: date, status: str = Stay.Status.LEFT, **values) -> Booking:
    booking = make.booking(arrival=day - timedelta(days=3), departure=day, **values)
    make.guest(booking)
    make.stay(make.pitch(), booking=booking, status=status)
    return booking


def is_known(booking: Booking) -> bool:
    return Guest.objects.get(booking=booking).last_name == "Müller"


@pytest.mark.parametrize(("day", "stays_known"), [(date(2026, 7, 31), False), (date(2026, 8, 2), True)])
def test_a_guest_is_forgotten_thirty_days_after_departure(day, stays_known):
    booking = departed(day)
    privacy.erase_due(NOW)
    assert is_known(booking) == stays_known
    assert privacy.erase_due(NOW) == 0


def test_the_days_are_a_setting(settings):
    settings.GUESTS_KEPT_DAYS = 10
    booking = departed(date(2026, 8, 19))
    privacy.erase_due(NOW)
    assert not is_known(booking)


def test_who_comes_later_than_his_booking_says_is_never_forgotten():
    coming = departed(date(2026, 7, 1), status=Stay.Status.EXPECTED)
    coming.stays.update(arrival=date(2026, 9, 10), departure=date(2026, 9, 17))
    privacy.erase_due(NOW)
    with pytest.raises(privacy.StillNeeded):
        privacy.erase(coming, None, NOW)
    assert is_known(coming)


def test_who_is_here_or_still_to_come_is_never_forgotten():
    here = departed(date(2026, 7, 1), status=Stay.Status.IN_HOUSE)
    coming = departed(date(2026, 12, 1), status=Stay.Status.EXPECTED)
    privacy.erase_due(NOW)
    assert is_known(here)
    assert is_known(coming)


def test_the_accounts_stay():
    make.tariff()
    booking = departed(date(2026, 7, 1))
    make.used(booking.stays.get(), "10")
    accounts.charge(booking, make.staff())
    before = accounts.bill([booking.pk])[booking.pk]
    privacy.erase_due(NOW)
    assert accounts.bill([booking.pk])[booking.pk] == before
    assert not is_known(booking)


def test_calls_that_belong_to_no_booking_are_forgotten_as_soon():
    old = inbox.store(None, b"Anna", NOW - timedelta(days=31))
    new = inbox.store(None, b"Anna", NOW - timedelta(days=29))
    privacy.erase_due(NOW)
    assert bytes(WebhookEvent.objects.get(pk=old.pk).body) == b""
    assert bytes(WebhookEvent.objects.get(pk=new.pk).body) == b"Anna"


def test_a_guest_is_forgotten_on_request_and_the_audit_log_says_by_whom():
    booking, by = departed(date(2026, 8, 30), is_checked_out=True), make.staff()
    privacy.erase(booking, by, NOW)
    assert not is_known(booking)
    entries = LogEntry.objects.get_for_object(booking)
    assert entries.get().actor == by
    assert "Anna" not in str([each.changes for each in entries])


@pytest.mark.parametrize(
    ("day", "status"), [(date(2026, 8, 1), Stay.Status.IN_HOUSE), (date(2026, 9, 1), Stay.Status.EXPECTED)]
)
def test_not_even_on_request_while_the_guest_is_here_or_still_to_come(day, status):
    booking = departed(day, status=status)
    with pytest.raises(privacy.StillNeeded):
        privacy.erase(booking, make.staff(), NOW)
    assert is_known(booking)


def test_a_cancelled_booking_to_come_can_be_forgotten_on_request():
    booking = departed(date(2026, 9, 1), status=Stay.Status.CANCELLED, is_cancelled=True)
    privacy.erase(booking, make.staff(), NOW)
    assert not is_known(booking)


def test_who_was_forgotten_and_books_again_under_the_number_has_a_name():
    send(booking(room(), came=True, left=True))
    later = NOON + timedelta(days=60)
    privacy.erase_due(later)
    assert Guest.objects.get().first_name == ""
    send(booking(room(), minute=1, came=True, left=True), later)
    assert Guest.objects.get().first_name == ""
    send(booking(room(), minute=2, arrival="2027-04-01", departure="2027-10-01"), later)
    assert Guest.objects.get().first_name == "Anna"


def test_who_is_forgotten_on_request_is_locked_in_the_order_in_which_events_are_worked_on():
    """Events before their booking: else an event worked on at the same time would wait for us, and we for it."""
    gone = departed(date(2026, 7, 1))
    with CaptureQueriesContext(connection) as asked:
        privacy.erase(gone, None, NOW)
    locks = [
        query["sql"] for query in asked if "FOR " in query["sql"] and "UPDATE" in query["sql"].partition("FOR ")[2]
    ]
    tables = [sql.partition(" FROM ")[2].split()[0].strip('"') for sql in locks]
    assert tables[:2] == ["bookings_webhookevent", "bookings_booking"]
