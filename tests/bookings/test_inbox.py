"""What becomes of events: worked on once, tried again when something failed, replayed when somebody says so."""

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from auditlog.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookings import inbox
from bookings.models import Booking, WebhookEvent
from bookings.sirvoy import Unreadable
from tests import make
from tests.bookings import sirvoy
from tests.bookings.sirvoy import NOON, received

pytestmark = pytest.mark.django_db
Status = WebhookEvent.Status
MINUTE = timedelta(minutes=1)


def again(event: WebhookEvent) -> WebhookEvent:
    return WebhookEvent.objects.get(pk=event.pk)


@pytest.fixture
def broken():
    """Bookings cannot be written: called, it mends that."""

    def say(words: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE bookings_booking {words}")

    say("ADD CONSTRAINT broken CHECK (sirvoy_id < 0)")
    return lambda: say("DROP CONSTRAINT broken")


def test_what_came_of_an_event_stands_on_its_row():
    event = received(sirvoy.booking())
    assert event.status == Status.RECEIVED
    inbox.process(event.pk, NOON)
    done = again(event)
    assert (done.status, done.attempts, done.processed_at, done.try_again_at) == (Status.APPLIED, 1, NOON, None)
    assert (done.sirvoy_id, done.reason) == (sirvoy.NUMBER, "")
    assert done.generated_at == Booking.objects.get().generated_at


def test_an_older_event_is_kept_as_stale():
    for minute in (5, 1):
        inbox.process(received(sirvoy.booking(minute=minute)).pk, NOON)
    assert [event.status for event in WebhookEvent.objects.order_by("pk")] == [Status.APPLIED, Status.STALE]


def test_an_event_is_worked_on_once():
    event = received(sirvoy.booking())
    inbox.process(event.pk, NOON)
    inbox.process(event.pk, NOON + MINUTE)
    assert again(event).attempts == 1


def test_a_change_is_worked_on_in_few_queries_and_what_was_told_before_is_not_read_again():
    for minute in (1, 2):
        event = received(sirvoy.booking(sirvoy.room(), minute=minute))
        with CaptureQueriesContext(connection) as queries:
            inbox.process(event.pk, NOON)
    assert len(queries) < 16
    assert len([query for query in queries if '"bookings_webhookevent"."body"' in query["sql"]]) == 1


def test_a_repetition_costs_next_to_nothing(django_assert_max_num_queries):
    first, repeated = received(sirvoy.booking(sirvoy.room())), received(sirvoy.booking(sirvoy.room()))
    inbox.process(first.pk, NOON)
    with django_assert_max_num_queries(6):  # two are of the test's own transaction
        inbox.process(repeated.pk, NOON)
    assert again(repeated).status == Status.DUPLICATE


def test_what_could_not_be_read_of_it_is_told():
    event = received(sirvoy.booking(adults="many"))
    inbox.process(event.pk, NOON)
    assert again(event).complaints == ["totalAdults: is no number"]


def test_what_is_no_booking_fails_at_once_and_is_not_tried_again():
    event = inbox.store(None, b"oops", NOON)
    inbox.process(event.pk, NOON)
    failed = again(event)
    assert (failed.status, failed.reason, failed.try_again_at) == (Status.FAILED, Unreadable.NOT_JSON, None)
    assert inbox.sweep(NOON + timedelta(days=1)) == 0


def test_an_event_from_the_future_does_not_rule_for_ever():
    inbox.process(received(sirvoy.booking(generatedAt="2099-01-01T00:00:00Z", adults=1)).pk, NOON)
    assert Booking.objects.get().generated_at == NOON
    later = received(sirvoy.booking(generatedAt=(NOON + MINUTE).isoformat(), adults=2), NOON + MINUTE)
    inbox.process(later.pk, NOON + MINUTE)
    assert Booking.objects.get().adults == 2
    assert WebhookEvent.objects.order_by("pk")[0].complaints == ["generatedAt: lies in the future"]


def test_a_failure_changes_nothing_is_told_and_is_tried_again(broken, caplog):
    event = received(sirvoy.booking(guest={"firstName": "Secretia"}))
    with caplog.at_level(logging.ERROR):
        inbox.process(event.pk, NOON)
    failed = again(event)
    assert (failed.status, failed.attempts, failed.try_again_at) == (Status.FAILED, 1, NOON + MINUTE)
    assert failed.reason.startswith("IntegrityError (bookings/sync.py:")
    assert failed.sirvoy_id == sirvoy.NUMBER
    assert not Booking.objects.exists()
    assert failed.reason in caplog.text
    assert "Secretia" not in caplog.text


def test_the_gaps_between_attempts_grow_and_end(broken):
    event, now, gaps = received(sirvoy.booking()), NOON, []
    inbox.process(event.pk, now)
    while (due := again(event).try_again_at) is not None:
        gaps.append((due - now) / MINUTE)
        now = due
        assert inbox.sweep(now - MINUTE / 2) == 0
        assert inbox.sweep(now) == 1
    assert gaps[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert len(gaps) + 1 == inbox.MOST_ATTEMPTS


def test_the_sweep_heals_what_had_failed(broken):
    event = received(sirvoy.booking())
    inbox.process(event.pk, NOON)
    broken()
    assert inbox.sweep(NOON + MINUTE) == 1
    healed = again(event)
    assert (healed.status, healed.reason, healed.attempts) == (Status.APPLIED, "", 2)


def test_the_sweep_takes_what_was_left_lying():
    event = received(sirvoy.booking())
    assert inbox.sweep(NOON) == 0
    assert inbox.sweep(NOON + MINUTE) == 1
    assert again(event).status == Status.APPLIED


def test_one_that_fails_does_not_stop_the_others():
    first = inbox.store(None, b"{", NOON)
    second = received(sirvoy.booking())
    assert inbox.sweep(NOON + MINUTE) == 2
    assert [again(first).status, again(second).status] == [Status.FAILED, Status.APPLIED]


@pytest.mark.django_db(transaction=True)
def test_two_at_once_work_on_an_event_once():
    event = received(sirvoy.booking(sirvoy.room()))

    def work(_number: int) -> None:
        inbox.process(event.pk, NOON)
        connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert (again(event).status, again(event).attempts) == (Status.APPLIED, 1)


# --- replay ----------------------------------------------------------------------------------------------------------


def test_a_replay_works_on_failed_events_once_more_and_says_who_did_it(broken):
    chief, event = make.superuser(), received(sirvoy.booking())
    inbox.process(event.pk, NOON)
    broken()
    assert inbox.replay([event.pk], chief, NOON + MINUTE) == 1
    assert again(event).status == Status.APPLIED
    assert LogEntry.objects.get_for_object(event).get().actor == chief


def test_a_replay_of_what_was_applied_changes_nothing():
    events = [received(sirvoy.booking(minute=minute, adults=minute)) for minute in (1, 2)]
    for event in events:
        inbox.process(event.pk, NOON)
    before = Booking.objects.values().get()
    assert inbox.replay([event.pk for event in events], None, NOON + MINUTE) == 2
    assert Booking.objects.values().get() == before
    assert [again(event).status for event in events] == [Status.STALE, Status.APPLIED]


def test_of_a_large_replay_the_rest_is_left_to_the_sweep(monkeypatch):
    monkeypatch.setattr(inbox, "MOST_REPLAYED", 1)
    events = [received(sirvoy.booking(number=number)) for number in (1, 2)]
    assert inbox.replay([event.pk for event in events], None, NOON) == 2
    assert [again(event).status for event in events] == [Status.APPLIED, Status.RECEIVED]
    assert inbox.sweep(NOON) == 1


# --- erasing ---------------------------------------------------------------------------------------------------------


def test_what_a_guest_told_is_erased_and_cannot_be_replayed():
    event = received(sirvoy.booking())
    inbox.process(event.pk, NOON)
    assert inbox.erase([sirvoy.NUMBER], NOON) == 1
    erased = again(event)
    assert (bytes(erased.body), erased.erased_at, erased.status) == (b"", NOON, Status.APPLIED)
    assert inbox.replay([event.pk], None, NOON) == 0
    assert inbox.erase([sirvoy.NUMBER], NOON) == 0


def test_bodies_of_no_known_booking_are_erased_by_their_age():
    for at in (NOON - timedelta(days=2), NOON):
        inbox.process(inbox.store(None, b"Anna M", at).pk, at)
    assert inbox.erase_unread(NOON - timedelta(days=1), NOON) == 1
    assert [bytes(event.body) for event in WebhookEvent.objects.order_by("pk")] == [b"", b"Anna M"]
