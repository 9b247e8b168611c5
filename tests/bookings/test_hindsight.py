"""What an event that came late tells of the hours before: when a party came, moved and left, and its lines."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookings import inbox, ledger, rooms, stays
from bookings.models import Room, Stay, StayMeter, WebhookEvent
from meters import directory, readings, snapshots
from meters.models import Meter, Pitch
from meters.zigbee2mqtt import State
from tests import make
from tests.bookings.sirvoy import NOON, NUMBER, booking, received, room, work

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Line = tuple[int, str, float, float | None, str, str]
"""Booking, meter, hours from noon, and why."""
NOTHING = State("x", None, None, 100, None, None, None, None, None, {})


@pytest.fixture(autouse=True)
def campsite(db: Any) -> None:
    for number in ("101", "102", "103"):
        make.installed(make.meter(number), make.pitch(number), NOON - 90 * DAY)


def made(hour: float, *rooms: dict[str, Any], **values: Any) -> WebhookEvent:
    """An event that Sirvoy makes so many hours after noon, of a party that is here."""
    at = NOON + hour * HOUR
    told = {"came": True, "generatedAt": at.isoformat()} | values
    return received(booking(*(rooms or (room("101"),)), **told), at)


def worked(*events: WebhookEvent, hour: float = 9) -> None:
    """In this order, all after nine hours."""
    for minute, event in enumerate(events):
        work(event, NOON + hour * HOUR + timedelta(minutes=minute))


def stay(number: int = NUMBER) -> Stay:
    return Stay.objects.get(booking__sirvoy_id=number, position=0)


def meter(name: str) -> Meter:
    return Meter.objects.get(device__friendly_name=name)


def lines() -> list[Line]:
    def hour(at: datetime | None) -> float | None:
        return at and (at - NOON) / HOUR

    found = StayMeter.objects.select_related("stay__booking", "meter__device").order_by(
        "period__startswith", "meter__device__friendly_name"
    )
    return [
        (
            line.stay.booking.sirvoy_id,
            line.meter.device.friendly_name,
            hour(line.period.lower) or 0,
            hour(line.period.upper),
            line.begun_by,
            line.ended_by,
        )
        for line in found
    ]


def tell(name: str, hour: float, wh: int) -> None:
    known = replace(directory.load().devices[meter(name).device.ieee_address], fresh=frozenset({"energy"}))
    readings.store([readings.Report(known, NOTHING._replace(counter_wh=wh), NOON + hour * HOUR)])
    snapshots.settle_due(NOON + hour * HOUR)


def test_a_check_out_before_its_check_in_leaves_the_kwh_with_the_guest() -> None:
    for hour, wh in ((-2, 1000), (0, 1000), (1, 1500), (5, 4500), (6, 9000)):
        tell("101", hour, wh)
    worked(made(5, left=True), made(1))
    assert lines() == [(NUMBER, "101", 1, 5, "check_in", "check_out")]
    party = stay()
    assert (party.status, party.began_at, party.ended_at) == (Stay.Status.LEFT, NOON + HOUR, NOON + 5 * HOUR)
    assert party.noted_at == NOON + 9 * HOUR + timedelta(minutes=1)
    assert ledger.used_kwh([party]).kwh == 3


def test_a_check_in_that_failed_and_is_tried_again_is_told_of_too() -> None:
    """By the inbox, as it comes: the check-in is not worked on until after the check-out."""
    first, last = made(1), made(5, left=True)
    inbox.process(last.pk, NOON + 5 * HOUR)
    assert lines() == []
    assert inbox.sweep(NOON + 6 * HOUR) == 1
    first.refresh_from_db()
    assert first.status == WebhookEvent.Status.STALE
    assert lines() == [(NUMBER, "101", 1, 5, "check_in", "check_out")]
    inbox.replay([first.pk, last.pk], make.staff(), NOON + 7 * HOUR)
    assert lines() == [(NUMBER, "101", 1, 5, "check_in", "check_out")]


def test_an_earlier_check_in_lets_the_open_line_begin_earlier() -> None:
    later = made(3, departure="2026-07-20")
    worked(later)
    line = StayMeter.objects.get()
    worked(made(1))
    assert lines() == [(NUMBER, "101", 1, None, "check_in", "")]
    assert StayMeter.objects.get() == line, "the line is the same"


def test_a_move_that_is_told_late_divides_the_kwh_when_the_guest_moved() -> None:
    worked(made(1), made(6, room("102"), left=True), made(3, room("102")))
    assert lines() == [(NUMBER, "101", 1, 3, "check_in", "move"), (NUMBER, "102", 3, 6, "move", "check_out")]


def test_a_check_in_taken_back_that_is_told_late_is_not_billed() -> None:
    worked(made(1), made(5), made(3, came=False))
    assert lines() == [(NUMBER, "101", 1, 3, "check_in", "undone"), (NUMBER, "101", 5, None, "check_in", "")]
    assert stay().began_at == NOON + 5 * HOUR


def test_who_came_since_keeps_his_own() -> None:
    worked(made(5, left=True), hour=5.5)
    worked(made(6, number=2), hour=6.5)
    worked(made(1), hour=7)
    assert lines() == [(NUMBER, "101", 1, 5, "check_in", "check_out"), (2, "101", 6, None, "check_in", "")]


def test_what_another_guest_had_meanwhile_stays_his() -> None:
    worked(made(2, number=2), made(3, number=2, left=True), hour=4)
    worked(made(5, left=True), made(1), hour=6)
    assert lines() == [
        (NUMBER, "101", 1, 2, "check_in", "next_guest"),
        (2, "101", 2, 3, "check_in", "check_out"),
    ], "who lost his meter to the next guest does not get it back"


def test_what_staff_took_away_stays_away() -> None:
    worked(made(3), hour=3)
    stays.take_meter(stay(), meter("101"), make.staff(), NOON + 5 * HOUR)
    before = lines()
    worked(made(1))
    assert lines() == before


def test_who_was_moved_by_hand_meanwhile_was_on_both_pitches() -> None:
    """The check-in is worked on after staff moved the guest, and after his check-out."""
    work(made(-3, came=False), NOON - 3 * HOUR)
    stays.move(stay(), Pitch.objects.get(number="103"), make.staff(), NOON + 3 * HOUR)
    worked(made(6, left=True), made(1))
    assert lines() == [(NUMBER, "101", 1, 3, "check_in", "move"), (NUMBER, "103", 3, 6, "move", "check_out")]


def test_who_was_checked_out_by_hand_was_here_until_then() -> None:
    worked(made(2), hour=2.5)
    stays.check_out(stay(), make.staff(), NOON + 4 * HOUR)
    worked(made(1))
    assert lines() == [(NUMBER, "101", 1, 4, "check_in", "check_out")]


def test_a_meter_exchanged_meanwhile_counts_for_its_own_time() -> None:
    old, new = meter("101"), make.meter("101 ny")
    hung = old.installations.get()
    hung.period = type(hung.period)(hung.period.lower, NOON + 3 * HOUR)
    hung.save()
    make.installed(new, hung.pitch, NOON + 3 * HOUR)
    worked(made(5, left=True), made(1))
    assert [line[1:4] for line in lines()] == [("101", 1, 3), ("101 ny", 3, 5)]


def test_a_party_of_which_only_older_events_tell_was_here_all_the_same() -> None:
    """Two rooms, then one: the event that tells of the second is worked on last."""
    worked(made(5, room("101")), made(1, room("101"), room("102")))
    assert lines() == [(NUMBER, "101", 1, None, "check_in", ""), (NUMBER, "102", 1, 5, "check_in", "check_out")]
    assert Stay.objects.get(position=None).status == Stay.Status.LEFT


def test_of_what_is_older_than_three_days_nobody_knows_what_else_happened() -> None:
    worked(made(5 - 96, left=True), made(1 - 96))
    assert lines() == []


def test_an_event_whose_body_is_forgotten_is_left_out() -> None:
    event = made(0)
    worked(event)
    WebhookEvent.objects.filter(pk=event.pk).update(body=b"", erased_at=NOON)
    worked(made(5, left=True), made(1))
    assert lines() == [(NUMBER, "101", 0, 5, "check_in", "check_out")]


def test_an_event_that_cannot_be_read_any_more_holds_up_no_other() -> None:
    event = made(0)
    worked(event)
    WebhookEvent.objects.filter(pk=event.pk).update(body=b"{")
    worked(made(5, left=True), made(1))
    assert lines() == [(NUMBER, "101", 0, 5, "check_in", "check_out")]


def test_working_on_events_once_more_changes_nothing() -> None:
    """Also on the only one, and on all at once."""
    by, events = make.staff(), [made(1)]
    inbox.process(events[0].pk, NOON + 9 * HOUR)
    for replayed in ([events[0].pk], [events[0].pk, events[0].pk]):
        inbox.replay(replayed, by, NOON + 9 * HOUR)
        assert lines() == [(NUMBER, "101", 1, None, "check_in", "")]
    events += [made(3, room("102")), made(6, room("102"), left=True)]
    for event in reversed(events[1:]):
        inbox.process(event.pk, NOON + 10 * HOUR)
    before = lines()
    assert before == [(NUMBER, "101", 1, 3, "check_in", "move"), (NUMBER, "102", 3, 6, "move", "check_out")]
    for replayed in ([event.pk for event in events], [events[0].pk], [events[1].pk]):
        inbox.replay(replayed, by, NOON + 11 * HOUR)
        assert lines() == before
    assert not WebhookEvent.objects.filter(status=WebhookEvent.Status.FAILED).exists()


# --- nothing is touched where anything else happened than what the events tell ---------------------------------------


def now(event: WebhookEvent, hour: float) -> None:
    inbox.process(event.pk, at(hour))
    event.refresh_from_db()
    assert event.status != WebhookEvent.Status.FAILED, event.reason


def at(hour: float) -> datetime:
    return NOON + hour * HOUR


def pitch(number: str) -> Pitch:
    return Pitch.objects.get(number=number)


def times() -> list[tuple[str, float, float | None]]:
    return [line[1:4] for line in lines()]


def by_staff(what: str) -> None:
    who = make.staff()
    if what == "moved and back":
        stays.move(stay(), pitch("102"), who, at(3))
        stays.move(stay(), pitch("101"), who, at(5))
    elif what == "moved twice":
        stays.move(stay(), pitch("102"), who, at(3))
        stays.move(stay(), pitch("103"), who, at(5))
    elif what == "moved, then by Sirvoy":
        stays.move(stay(), pitch("103"), who, at(3))
        now(made(5, room("102")), 5)
    elif what == "the room is another pitch":
        rooms.assign(Room.objects.get(name="101"), pitch("103"), who, at(5))
        stays.advance(at(5))
    else:
        stays.check_out(stay(), who, at(3))
        now(made(4, came=False), 4)
        now(made(6), 6)


@pytest.mark.parametrize(
    "what", ["moved and back", "moved twice", "moved, then by Sirvoy", "the room is another pitch", "checked out"]
)
def test_what_staff_did_stands(what: str) -> None:
    first = made(2)
    now(first, 2)
    by_staff(what)
    before = lines()
    now(made(1), 7)
    assert lines() == before
    inbox.replay([first.pk], make.staff("b"), at(8))
    assert lines() == before


def test_who_was_checked_out_by_hand_stays_so_where_sirvoy_lists_the_rooms_in_another_order() -> None:
    now(made(1, room("101"), room("102")), 1)
    stays.check_out(Stay.objects.get(pitch__number="102"), make.staff(), at(3))
    now(made(4, room("102"), room("101")), 4)
    now(made(6, room("102"), room("101"), left=True), 6)
    before = lines()
    now(made(0.5, room("101"), room("102")), 9)
    assert lines() == before


def test_a_late_check_out_by_staff_is_not_cut_off() -> None:
    both = (room("101", arrival="2026-07-10", departure="2026-07-12"), room("102"))
    now(made(-20, *both), -20)
    stays.stay_late(Stay.objects.get(pitch__number="101"), at(3), make.staff(), at(-3))
    stays.advance(at(1))
    stays.advance(at(3))
    before = lines()
    now(made(-21, *both), 5)
    assert lines() == before


def test_who_lost_his_meter_to_the_next_guest_does_not_get_it_back() -> None:
    now(made(-5, departure="2026-07-12"), -5)
    now(made(2, number=2), 2)
    now(made(4, number=2, left=True), 4)
    stays.advance(at(5))
    now(made(-6, departure="2026-07-12"), 6)
    assert times() == [("101", -6, 2), ("101", 2, 4)]


def test_in_a_group_whose_rooms_go_round_every_kwh_has_its_party() -> None:
    first = made(1, room("101"), room("102"))
    second = made(3, room("103"), room("102"))
    third = made(5, room("103"), room("101"))
    worked(first, third, second)
    assert times() == [("101", 1, 3), ("102", 1, 5), ("103", 3, None), ("101", 5, None)]


def test_a_flag_that_only_an_older_event_tells_is_no_second_pitch() -> None:
    now(made(6, came=None), 7)
    now(made(4, room("103")), 8)
    assert times() == [("103", 4, 6), ("101", 6, None)]


def test_a_room_that_was_dropped_before_its_check_in_was_worked_on_is_billed() -> None:
    now(made(0, room("101"), room("102"), came=False), 0)
    now(made(6, room("101")), 6)
    now(made(3, room("101"), room("102")), 7)
    assert times() == [("101", 3, None), ("102", 3, 6)]
    assert Stay.objects.get(position=None).status == Stay.Status.LEFT


def test_what_came_too_late_to_be_believed_is_not_believed_because_of_another_event() -> None:
    now(made(-96), 0)
    now(made(-1, guest={"firstName": "X"}), 0.5)
    now(made(-2, room("103")), 1)
    assert min(lower for _meter, lower, _upper in times()) >= -2


def test_parties_that_cannot_be_told_apart_are_left_alone() -> None:
    worked(made(1, room("101"), room("102")), made(6, room("102")))
    before = lines()
    now(made(3, room("101")), 9.5)
    assert lines() == before


def test_all_meters_are_locked_at_once_and_in_order() -> None:
    both = (room("103"), room("101"))
    now(made(5, *both, left=True), 5)
    with CaptureQueriesContext(connection) as seen:
        now(made(1, *both), 6)
    locks = [query["sql"] for query in seen if "meters_meter" in query["sql"] and "FOR NO KEY" in query["sql"]]
    assert str(meter("101").pk) in locks[0]
    assert str(meter("103").pk) in locks[0]
    assert times() == [("101", 1, 5), ("103", 1, 5)]
