"""Who is on which pitch: events become stays and lines, and what staff say by hand stands."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import User
from django.db import connections

from bookings import stays
from bookings.models import Stay, StayMeter, WebhookEvent
from meters import installations
from meters.models import Meter, Pitch
from meters.technician import exchange
from tests import make
from tests.bookings.sirvoy import NOON, booking, room, send

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
Status, Unclear, Reason = Stay.Status, Stay.Unclear, StayMeter.Reason


@pytest.fixture
def by() -> User:
    return make.staff()


@pytest.fixture(autouse=True)
def campsite(db: None) -> dict[str, Meter]:
    """Pitches 101 to 103, each with a meter of its number, and outlets that hang nowhere."""
    meters = {name: make.meter(name) for name in ("101", "102", "103", "F1", "F2")}
    for name in ("101", "102", "103"):
        make.installed(meters[name], make.pitch(name), NOON - 90 * DAY)
    return meters


def stay(position: int | None = 0, number: int = 47101) -> Stay:
    return Stay.objects.get(booking__sirvoy_id=number, position=position)


def pitch(number: str) -> Pitch:
    return Pitch.objects.get(number=number)


def meter(name: str) -> Meter:
    return Meter.objects.get(device__friendly_name=name)


def open_lines(of: Stay | None = None) -> list[str]:
    lines = StayMeter.objects.filter(period__upper_inf=True)
    return sorted(str(line.meter) for line in (lines.filter(stay=of) if of else lines))


def here(*rooms: dict[str, object], now=NOON, **values: object) -> Stay:
    """Checked in, on 101 unless told otherwise."""
    send(booking(*(rooms or [room("101")]), came=True, **values), now)
    return stay(number=values.get("number", 47101))


def camper(number: int = 47101) -> Stay:
    """Checked in on a pitch without a meter."""
    make.pitch(f"T{number}")
    return here(room(f"T{number}"), number=number)


# --- events ----------------------------------------------------------------------------------------------------------


def test_a_booking_is_expected_until_it_is_checked_in():
    send(booking(room("101")))
    assert (stay().status, stay().pitch, open_lines()) == (Status.EXPECTED, pitch("101"), [])
    send(booking(room("101"), minute=1, came=True))
    assert (stay().status, stay().began_at, open_lines()) == (Status.IN_HOUSE, NOON, ["101"])


def test_a_check_in_of_a_booking_never_seen_has_power_at_once():
    assert here().status == Status.IN_HOUSE
    assert open_lines() == ["101"]


def test_a_check_in_taken_back_gives_the_meter_back():
    here()
    send(booking(room("101"), minute=1), NOON + HOUR)
    assert (stay().status, stay().began_at, open_lines()) == (Status.EXPECTED, None, [])
    assert StayMeter.objects.get().ended_by == Reason.CHECK_IN_UNDONE


def test_a_check_out_ends_every_line_and_is_taken_back_without_a_gap(by):
    stays.add_meter(here(), meter("F1"), by, NOON)
    send(booking(room("101"), minute=1, came=True, left=True), NOON + HOUR)
    assert (stay().status, stay().ended_at, open_lines()) == (Status.LEFT, NOON + HOUR, [])
    send(booking(room("101"), minute=2, came=True), NOON + 2 * HOUR)
    assert (stay().status, stay().began_at, stay().ended_at) == (Status.IN_HOUSE, NOON, None)
    assert open_lines() == ["101", "F1"]
    again = StayMeter.objects.filter(begun_by=Reason.REOPENED)
    assert {line.period.lower for line in again} == {NOON + HOUR}


def test_a_check_out_before_any_check_in_is_a_stay_that_is_over():
    send(booking(room("101"), left=True))
    assert (stay().status, open_lines()) == (Status.LEFT, [])


def test_a_cancellation_in_house_ends_the_lines_and_is_restored():
    here()
    send(booking(room("101"), minute=1, came=True, cancelled=True), NOON + HOUR)
    assert (stay().status, StayMeter.objects.get().ended_by) == (Status.CANCELLED, Reason.CANCELLED)
    send(booking(room("101"), minute=2, came=True), NOON + 2 * HOUR)
    assert (stay().status, open_lines()) == (Status.IN_HOUSE, ["101"])


def test_a_move_in_sirvoy_moves_the_party_and_its_meters():
    first = here()
    send(booking(room("102"), minute=1, came=True), NOON + HOUR)
    assert stay() == first
    assert (stay().pitch, open_lines()) == (pitch("102"), ["102"])
    assert StayMeter.objects.get(meter=meter("101")).ended_by == Reason.MOVE


def test_an_extension_keeps_the_line():
    here()
    send(booking(room("101"), minute=1, came=True, departure="2026-07-20"), NOON + HOUR)
    assert stay().departure.isoformat() == "2026-07-20"
    assert StayMeter.objects.get().begun_by == Reason.CHECK_IN


def test_two_rooms_that_change_places_in_the_list_are_no_move():
    here(room("101"), room("102"))
    one, two = stay(0), stay(1)
    send(booking(room("102"), room("101"), minute=1, came=True), NOON + HOUR)
    assert (stay(0), stay(1)) == (two, one)
    assert StayMeter.objects.count() == 2


def test_a_room_less_is_a_party_that_left_and_one_not_come_is_cancelled():
    here(room("101"), room("102"), room("103", arrival="2026-07-15"))
    send(booking(room("101"), minute=1, came=True), NOON + HOUR)
    gone = Stay.objects.filter(position=None).order_by("pk")
    assert [each.status for each in gone] == [Status.LEFT, Status.CANCELLED]
    assert open_lines() == ["101"]


def test_a_group_comes_and_goes_by_its_own_dates():
    here(room("101"), room("102", departure="2026-07-12"), room("103", arrival="2026-07-13"))
    assert [stay(position).status for position in range(3)] == [Status.IN_HOUSE, Status.LEFT, Status.EXPECTED]
    stays.advance(NOON + DAY)
    assert [stay(position).status for position in range(3)] == [Status.IN_HOUSE, Status.LEFT, Status.IN_HOUSE]
    assert open_lines() == ["101", "103"]


def test_a_planned_move_happens_by_itself_on_its_day():
    here(room("101", departure="2026-07-13"), room("102", arrival="2026-07-13"))
    assert stays.advance(NOON + 22 * HOUR) == 0
    assert stays.advance(NOON + 23 * HOUR) == 1
    assert open_lines() == ["101", "102"]
    stays.advance(NOON + 24 * HOUR)
    assert open_lines() == ["102"]
    assert stays.advance(NOON + 25 * HOUR) == 0


def test_nobody_who_overstays_is_put_out_by_the_calendar():
    here()
    assert stays.advance(NOON + 30 * DAY) == 0
    assert open_lines() == ["101"]


def test_a_season_guest_is_known_by_the_number_of_adults():
    assert here(adults=0).is_season
    send(booking(room("101"), minute=1, came=True, adults=2))
    assert not stay().is_season


# --- to be sorted out ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rooms", "dates", "unclear"),
    [
        ([], {}, Unclear.NO_ROOM),
        ([room(None)], {}, Unclear.NO_ROOM),
        ([room("Ved søen", id=9)], {}, Unclear.UNKNOWN_ROOM),
        ([room("101")], {"arrival": "2026-07-20"}, Unclear.DATES),
        ([room("101")], {"departure": None}, Unclear.DATES),
    ],
)
def test_what_cannot_be_understood_is_listed_for_staff(rooms, dates, unclear):
    send(booking(*rooms, **dates))
    assert [each.unclear for each in stays.to_sort_out(NOON)] == [unclear]


def test_what_is_far_away_over_or_cancelled_is_no_work_yet():
    send(booking(arrival="2026-08-10", departure="2026-08-12"))
    send(booking(number=2, cancelled=True))
    send(booking(number=3, came=True, left=True))
    send(booking(number=4, arrival="2026-06-10", departure="2026-06-12"))
    assert not stays.to_sort_out(NOON)


def test_a_guest_here_whose_room_gets_lost_keeps_his_power_until_staff_know():
    here()
    send(booking(minute=1, came=True), NOON + HOUR)
    assert (stay().unclear, open_lines()) == (Unclear.NO_ROOM, ["101"])
    send(booking(room("102"), minute=2, came=True), NOON + 2 * HOUR)
    assert (stay().unclear, open_lines()) == (Unclear.NONE, ["102"])


@pytest.mark.parametrize("nothing", [[], None, "101", [None, 5]])
def test_a_group_stays_where_it_is_while_sirvoy_names_no_rooms(nothing):
    here(room("101"), room("102"))
    send(booking(minute=1, came=True, rooms=nothing), NOON + HOUR)
    assert open_lines() == ["101", "102"]
    assert [each.unclear for each in stays.to_sort_out(NOON)] == [Unclear.NO_ROOM] * 2
    send(booking(room("101"), room("102"), minute=2, came=True), NOON + 2 * HOUR)
    assert not stays.to_sort_out(NOON)
    assert StayMeter.objects.count() == 2


def test_a_room_that_cannot_be_read_is_a_room_all_the_same():
    here(room("101"), room("102"))
    send(booking(room("101"), 102, minute=1, came=True), NOON + HOUR)
    assert open_lines() == ["101", "102"]
    assert [each.unclear for each in stays.to_sort_out(NOON)] == [Unclear.NO_ROOM]


def test_new_dates_count_also_where_no_room_is_named():
    here(room("101", departure="2026-07-13"))
    send(booking(minute=1, came=True, departure="2026-07-20"), NOON + HOUR)
    assert str(stay().departure) == "2026-07-20"


@pytest.mark.parametrize("flag", ["bookingIsCheckedIn", "bookingIsCheckedOut", "cancelled"])
def test_a_flag_that_is_not_told_is_as_it_was(flag):
    here()
    for minute, told in enumerate([{flag: None}, {flag: ""}], start=1):
        send(booking(room("101"), minute=minute, **({"came": True} | told)), NOON + minute * HOUR)
    body = booking(room("101"), minute=3, came=True)
    del body[flag]
    send(body, NOON + 3 * HOUR)
    assert (stay().status, open_lines()) == (Status.IN_HOUSE, ["101"])


def test_an_older_event_tells_what_the_newest_did_not():
    send(booking(minute=2, bookingIsCheckedIn=None))
    assert stay().unclear == Unclear.NO_ROOM
    assert send(booking(room("101"), minute=1, came=True)) == WebhookEvent.Status.APPLIED
    assert (stay().status, open_lines()) == (Status.IN_HOUSE, ["101"])
    assert send(booking(room("102"), minute=0)) == WebhookEvent.Status.STALE
    assert (stay().status, open_lines()) == (Status.IN_HOUSE, ["101"])


AUGUST = {"arrival": "2026-08-01", "departure": "2026-08-05"}


@pytest.mark.parametrize("gone", [{"came": True, "left": True}, {"came": True, "cancelled": True}])
def test_a_booking_that_is_used_again_is_another_visit(gone):
    first = here()
    send(booking(room("101"), minute=1, **gone), NOON + HOUR)
    send(booking(room("101"), minute=2, **AUGUST), NOON + 2 * HOUR)
    assert (stay().status, Stay.objects.get(pk=first.pk).position) == (Status.EXPECTED, None)
    send(booking(room("101"), minute=3, came=True, **AUGUST), NOON + 20 * DAY)
    line = StayMeter.objects.get(period__upper_inf=True)
    assert (line.stay, line.begun_by, line.period.lower) == (stay(), Reason.CHECK_IN, NOON + 20 * DAY)
    assert first.lines.count() == 1


def test_what_staff_took_away_last_time_is_there_the_next_time(by):
    stays.take_meter(here(), meter("101"), by, NOON + HOUR)
    send(booking(room("101"), minute=1), NOON + 2 * HOUR)
    send(booking(room("101"), minute=2, came=True), NOON + 3 * HOUR)
    assert open_lines() == ["101"]


def test_a_room_that_is_named_again_is_the_same_party():
    party = here(room("101"), room("102"))
    second = stay(1)
    send(booking(room("101"), came=True, minute=1), NOON + HOUR)
    assert Stay.objects.get(pk=second.pk).status == Status.LEFT
    send(booking(room("101"), room("102"), came=True, minute=2), NOON + 2 * HOUR)
    assert {stay(0).pk, stay(1).pk} == {party.pk, second.pk}
    assert [line.begun_by for line in second.lines.order_by("period")] == [Reason.CHECK_IN, Reason.REOPENED]


def test_who_is_to_move_stays_where_he_is_while_the_other_pitch_is_taken():
    here(room("102"), number=2, now=NOON - DAY)
    rooms = room("101", departure="2026-07-12"), room("102", arrival="2026-07-12")
    send(booking(*rooms, came=True), NOON - DAY)
    stays.advance(NOON - HOUR + timedelta(minutes=1))
    stays.advance(NOON + timedelta(minutes=1))
    assert (stay(0).status, stay(1).unclear) == (Status.IN_HOUSE, Unclear.TAKEN)
    send(booking(room("102"), came=True, left=True, minute=1, number=2), NOON + HOUR)
    for minute in (1, 2, 3):
        stays.advance(NOON + HOUR + timedelta(minutes=minute))
    assert (stay(0).status, stay(1).unclear, open_lines()) == (Status.LEFT, Unclear.NONE, ["102"])


def test_a_next_guest_checked_in_by_mistake_gives_the_meter_back():
    here(number=1, departure="2026-07-12", now=NOON - 5 * HOUR)
    send(booking(room("101"), came=True, number=2, arrival="2026-07-12"), NOON - 4 * HOUR)
    send(booking(room("101"), number=2, minute=1, arrival="2026-07-12"), NOON - 3 * HOUR)
    stays.advance(NOON - 3 * HOUR)
    assert open_lines(stay(number=1)) == ["101"]


def test_a_pitch_whose_guest_has_not_left_is_unclear_until_he_has():
    here()
    second = here(number=47102)
    assert (second.unclear, open_lines(second)) == (Unclear.TAKEN, [])
    send(booking(room("101"), minute=1, came=True, left=True), NOON + HOUR)
    stays.advance(NOON + HOUR)
    assert (stay(number=47102).unclear, open_lines(second)) == (Unclear.NONE, ["101"])


def test_a_guest_who_leaves_today_gives_way_to_the_next():
    first = here(departure="2026-07-12")
    second = here(number=47102)
    assert (second.unclear, open_lines(first), open_lines(second)) == (Unclear.NONE, [], ["101"])


# --- by hand ---------------------------------------------------------------------------------------------------------


def test_a_move_by_hand_stands_until_sirvoy_books_another_room(by):
    stays.move(here(), pitch("102"), by, NOON + HOUR)
    assert (stay().pitch, open_lines()) == (pitch("102"), ["102"])
    send(booking(room("101"), minute=1, came=True, departure="2026-07-20"), NOON + 2 * HOUR)
    assert (stay().pitch, open_lines()) == (pitch("102"), ["102"])
    send(booking(room("103"), minute=2, came=True), NOON + 3 * HOUR)
    assert (stay().pitch, open_lines()) == (pitch("103"), ["103"])
    assert LogEntry.objects.get_for_object(stay()).get().changes == {"pitch": ["101", "102"]}


def test_a_move_by_hand_stands_while_sirvoy_names_no_room(by):
    stays.move(here(), pitch("102"), by, NOON + HOUR)
    send(booking(room(None), minute=1, came=True), NOON + 2 * HOUR)
    send(booking(minute=2, came=True), NOON + 2 * HOUR)
    send(booking(room("101"), minute=3, came=True), NOON + 3 * HOUR)
    assert (stay().pitch, open_lines()) == (pitch("102"), ["102"])
    assert not stays.to_sort_out(NOON)


def test_a_move_by_hand_before_arrival_decides_where_the_power_comes(by):
    send(booking(room("101")))
    stays.move(stay(), pitch("102"), by, NOON)
    here(minute=1)
    assert open_lines() == ["102"]


def test_a_move_by_hand_from_an_unknown_room_stands_when_the_room_becomes_known(by):
    unknown = here(room("Ved søen", id=9))
    stays.move(unknown, pitch("102"), by, NOON)
    make.pitch("Ved søen")
    stays.advance(NOON + HOUR)
    assert (stay().pitch, stay().booked_pitch) == (pitch("102"), pitch("Ved søen"))


def test_a_move_onto_a_pitch_in_use_is_refused_and_changes_nothing(by):
    first = here()
    here(room("102"), number=47102)
    with pytest.raises(stays.PitchTaken):
        stays.move(first, pitch("102"), by, NOON + HOUR)
    assert (stay().pitch, open_lines(first)) == (pitch("101"), ["101"])
    assert not LogEntry.objects.get_for_object(first)


def test_a_move_to_where_he_is_or_after_he_left_is_refused(by):
    first = here()
    with pytest.raises(stays.SamePitch):
        stays.move(first, pitch("101"), by, NOON)
    stays.check_out(first, by, NOON)
    with pytest.raises(stays.NotHere):
        stays.move(first, pitch("102"), by, NOON)


def test_a_check_out_by_hand_stands_while_sirvoy_says_the_same(by):
    assert stays.check_out(here(), by, NOON + HOUR).status == Status.LEFT
    send(booking(room("101"), minute=1, came=True, adults=3), NOON + 2 * HOUR)
    stays.advance(NOON + 2 * HOUR)
    assert (stay().status, open_lines()) == (Status.LEFT, [])
    send(booking(room("101"), minute=2, came=True, left=True), NOON + 3 * HOUR)
    assert stay().ended_at == NOON + HOUR
    send(booking(room("101"), minute=3, came=True), NOON + 4 * HOUR)
    assert (stay().status, open_lines()) == (Status.IN_HOUSE, ["101"])


def test_a_check_out_by_hand_is_taken_back(by):
    stays.check_out(here(), by, NOON + HOUR)
    stays.reopen(stay(), by, NOON + 2 * HOUR)
    assert (stay().status, open_lines()) == (Status.IN_HOUSE, ["101"])
    assert LogEntry.objects.get_for_object(stay()).count() == 2
    with pytest.raises(stays.NotCheckedOut):
        stays.reopen(stay(), by, NOON)


def test_a_check_out_in_sirvoy_is_taken_back_there(by):
    send(booking(room("101"), came=True, left=True))
    with pytest.raises(stays.CheckedOutInSirvoy):
        stays.reopen(stay(), by, NOON)


def test_who_is_not_here_cannot_be_checked_out(by):
    send(booking(room("101")))
    with pytest.raises(stays.NotHere):
        stays.check_out(stay(), by, NOON)


def test_a_late_check_out_survives_events(by):
    stays.stay_late(here(), NOON + DAY, by, NOON)
    send(booking(room("102"), minute=1, came=True), NOON)
    assert stay().late_until == NOON + DAY
    stays.stay_late(stay(), None, by, NOON)
    assert stay().late_until is None
    with pytest.raises(stays.BadTime):
        stays.stay_late(stay(), NOON, by, NOON)


# --- outlets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["F1", " f 1"])
def test_a_guest_chooses_his_outlet_by_the_number_on_the_stand(number):
    assert stays.choose_outlet(camper(), number, None, NOON).meter == meter("F1")
    assert open_lines() == ["F1"]


def test_a_guest_chooses_one_outlet():
    assert stays.choose_outlet(here(), "F1", None, NOON).meter == meter("101")
    assert open_lines() == ["101"]


def test_a_guest_takes_no_outlet_of_one_who_is_still_here_also_on_his_last_day(by):
    first = here(departure="2026-07-12")
    with pytest.raises(stays.OutletTaken):
        stays.choose_outlet(camper(47102), "101", None, NOON + HOUR)
    stays.check_out(first, by, NOON + HOUR)
    assert stays.choose_outlet(stay(number=47102), "101", None, NOON + HOUR).meter == meter("101")


def test_what_staff_took_away_a_guest_does_not_take_back(by):
    first = here()
    stays.take_meter(first, meter("101"), by, NOON + HOUR)
    with pytest.raises(stays.UnknownOutlet):
        stays.choose_outlet(first, "101", None, NOON + HOUR)
    assert stays.advance(NOON + 2 * HOUR) == 0
    assert stays.choose_outlet(first, "101", by, NOON + HOUR)


def test_an_outlet_is_found_by_its_pitch_where_one_meter_hangs_there(by):
    make.installed(make.meter("Tavle 3"), make.pitch("T3"), NOON - DAY)
    assert stays.find_outlet(here(), "t3") == meter("Tavle 3")


def test_a_number_of_several_outlets_must_be_said_more_exactly():
    board = make.pitch("T3")
    for name in ("T3,1", "T3,2"):
        make.installed(make.meter(name), board, NOON - DAY)
    with pytest.raises(stays.SeveralOutlets, match=r"T3,1, T3,2"):
        stays.choose_outlet(here(), "T3", None, NOON)


def test_guests_themselves_cannot_choose_a_cabins_outlet(by):
    make.installed(make.meter("Hytte 5"), make.pitch("Hytte 5", kind=Pitch.Kind.CABIN), NOON - DAY)
    first = here()
    with pytest.raises(stays.UnknownOutlet):
        stays.choose_outlet(first, "Hytte 5", None, NOON)
    assert stays.choose_outlet(first, "Hytte 5", by, NOON)


@pytest.mark.parametrize("number", ["", "999", "  "])
def test_an_outlet_that_is_none_is_refused(number):
    with pytest.raises(stays.UnknownOutlet):
        stays.choose_outlet(here(), number, None, NOON)


def test_choosing_the_same_outlet_again_changes_nothing(by):
    first = here()
    stays.add_meter(first, meter("F1"), by, NOON)
    stays.add_meter(first, meter("F1"), by, NOON)
    assert LogEntry.objects.get_for_object(first).count() == 1


def test_an_outlet_of_another_guest_is_refused(by):
    stays.add_meter(here(), meter("F1"), by, NOON)
    with pytest.raises(stays.OutletTaken) as refused:
        stays.choose_outlet(camper(47102), "F1", None, NOON)
    assert refused.value.stay == stay()


def test_who_has_not_come_chooses_no_outlet(by):
    send(booking(room("101")))
    with pytest.raises(stays.NotHere):
        stays.choose_outlet(stay(), "F1", None, NOON)


def test_a_meter_that_staff_took_away_is_not_given_back_by_the_next_event(by):
    stays.take_meter(here(), meter("101"), by, NOON + HOUR)
    send(booking(room("101"), minute=1, came=True, adults=3), NOON + 2 * HOUR)
    stays.advance(NOON + 2 * HOUR)
    assert open_lines() == []
    with pytest.raises(stays.NotItsMeter):
        stays.take_meter(stay(), meter("101"), by, NOON + 2 * HOUR)


def test_a_meter_is_exchanged_in_mid_stay(by):
    stays.exchange(here(), meter("101"), meter("F1"), by, "burnt", NOON + HOUR)
    assert open_lines() == ["F1"]
    assert installations.open_installation(meter("F1")).pitch == pitch("101")
    assert [line.ended_by for line in StayMeter.objects.order_by("pk")] == [Reason.EXCHANGE, ""]


def test_an_outlet_that_was_chosen_is_exchanged(by):
    stays.add_meter(here(), meter("F1"), by, NOON)
    stays.exchange(stay(), meter("F1"), meter("F2"), by, "burnt", NOON + HOUR)
    assert open_lines() == ["101", "F2"]


def test_an_exchange_needs_a_reason_and_a_meter_of_the_guest(by):
    with pytest.raises(stays.NeedsReason):
        stays.exchange(here(), meter("101"), meter("F1"), by, "  ", NOON)
    with pytest.raises(stays.NotItsMeter):
        stays.exchange(stay(), meter("F2"), meter("F1"), by, "burnt", NOON)


def test_an_exchange_for_a_meter_of_another_guest_is_refused_whole(by):
    stays.add_meter(here(room("102"), number=47102), meter("F1"), by, NOON)
    first = here()
    with pytest.raises(stays.OutletTaken):
        stays.exchange(first, meter("101"), meter("F1"), by, "burnt", NOON + HOUR)
    assert open_lines(first) == ["101"]
    assert installations.open_installation(meter("101"))


def test_a_meter_exchanged_by_a_technician_is_seen_within_a_minute(by):
    here()
    installations.replace(meter("101"), meter("F1"), NOON + HOUR, by)
    stays.advance(NOON + 2 * HOUR)
    assert open_lines() == ["F1"]


def test_a_chosen_outlet_that_a_technician_exchanged_is_followed_from_that_moment_on(by):
    stays.add_meter(here(), meter("F1"), by, NOON)
    installations.install(meter("F1"), make.pitch("F1"), NOON - HOUR, by)
    stays.advance(NOON + HOUR)
    assert open_lines() == ["101", "F1"]
    exchange.exchange(meter("F1"), meter("F2"), NOON + HOUR, by, "burnt")
    for hours in (2, 3):
        stays.advance(NOON + hours * HOUR)
        assert open_lines() == ["101", "F2"]
    ended, begun = StayMeter.objects.filter(meter__in=[meter("F1"), meter("F2")]).order_by("period")
    assert (ended.ended_by, ended.period.upper, begun.period.lower) == (Reason.EXCHANGE, NOON + HOUR, NOON + HOUR)


def test_the_guest_stays_at_the_outlet_though_its_old_meter_hangs_elsewhere_at_once(by):
    stays.add_meter(here(), meter("F1"), by, NOON)
    installations.install(meter("F1"), make.pitch("F1"), NOON - HOUR, by)
    exchange.exchange(meter("F1"), meter("F2"), NOON + HOUR, by, "too weak")
    installations.install(meter("F1"), make.pitch("F9"), NOON + HOUR + timedelta(seconds=20), by)
    for hours in (2, 3):
        stays.advance(NOON + hours * HOUR)
        assert open_lines() == ["101", "F2"]
    ended, begun = StayMeter.objects.filter(meter__in=[meter("F1"), meter("F2")]).order_by("period")
    assert ended.period.upper == begun.period.lower == NOON + HOUR


def test_a_chosen_outlet_that_was_hung_elsewhere_stays_the_guests_until_it_is_exchanged_there(by):
    stays.add_meter(here(), meter("F1"), by, NOON)
    installations.install(meter("F1"), make.pitch("F1"), NOON - HOUR, by)
    installations.install(meter("F1"), make.pitch("F9"), NOON + HOUR, by)
    stays.advance(NOON + 2 * HOUR)
    assert open_lines() == ["101", "F1"]
    exchange.exchange(meter("F1"), meter("F2"), NOON + 3 * HOUR, by, "burnt")
    stays.advance(NOON + 4 * HOUR)
    assert open_lines() == ["101", "F2"]


def test_a_chosen_outlet_that_was_only_taken_down_stays_the_guests(by):
    stays.add_meter(here(), meter("F1"), by, NOON)
    installations.install(meter("F1"), make.pitch("F1"), NOON - HOUR, by)
    installations.end(meter("F1"), NOON + HOUR, by)
    stays.advance(NOON + 2 * HOUR)
    assert open_lines() == ["101", "F1"]


@pytest.mark.django_db(transaction=True)
def test_of_two_guests_who_choose_one_outlet_at_once_one_is_told(campsite):
    guests = [camper(number) for number in (47101, 47102, 47103)]

    def choose(guest: Stay) -> str:
        try:
            return str(stays.choose_outlet(guest, "F1", None, NOON + HOUR).meter)
        except stays.OutletTaken as taken:
            return taken.code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(choose, guests)) == ["F1", "outlet_taken", "outlet_taken"]
    assert StayMeter.objects.filter(meter=meter("F1")).count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_guest_who_presses_twice_has_one_outlet(campsite):
    guest = camper()

    def choose(number: str) -> None:
        try:
            stays.choose_outlet(guest, number, None, NOON + HOUR)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(choose, ["F1", "F2"]))
    assert len(open_lines()) == 1


# --- events that come late -------------------------------------------------------------------------------------------


def made(at, **values: object) -> dict[str, object]:
    """An event of pitch 101 that Sirvoy made then."""
    return booking(room("101"), came=True, generatedAt=at.isoformat(), **values)


def test_lines_begin_and_end_when_the_events_were_made_however_late_they_come():
    first, second = {"number": 1, "departure": "2026-07-12"}, {"number": 2, "arrival": "2026-07-12"}
    send(made(NOON - DAY, **first), NOON - DAY)
    for late in (made(NOON, left=True, **first), made(NOON + 3 * HOUR, **second)):
        send(late, NOON + 9 * HOUR)
    ended, began = StayMeter.objects.order_by("pk")
    assert (ended.period.upper, ended.ended_by) == (NOON, Reason.CHECK_OUT)
    assert (began.period.lower, began.begun_by) == (NOON + 3 * HOUR, Reason.CHECK_IN)
    assert (stay(number=1).ended_at, stay(number=2).began_at) == (NOON, NOON + 3 * HOUR)


def test_a_late_event_takes_nothing_from_a_guest_who_had_the_meter_meanwhile():
    send(made(NOON - DAY, number=1, departure="2026-07-12"), NOON - DAY)
    send(made(NOON, number=1, departure="2026-07-12", left=True), NOON + 2 * HOUR)
    send(made(NOON - HOUR, number=2, arrival="2026-07-12"), NOON + 2 * HOUR)
    ended, began = StayMeter.objects.order_by("pk")
    assert ended.period.upper == began.period.lower == NOON


def test_an_event_of_long_ago_tells_not_when_it_was():
    send(made(NOON - 4 * DAY), NOON)
    assert StayMeter.objects.get().period.lower == NOON


# --- a wrong date ----------------------------------------------------------------------------------------------------


def test_a_room_whose_end_is_typed_wrongly_at_night_is_kept_until_reception_opens():
    night = NOON + 11 * HOUR
    here(room("101"), room("102"))
    two = (room("101"), room("102", departure="2026-07-11"))
    send(booking(*two, came=True, generatedAt=night.isoformat()), night)
    assert stay(1).status == Status.IN_HOUSE
    for hour in (19, 20):
        stays.advance(NOON + hour * HOUR)
        assert stay(1).status == Status.IN_HOUSE
    stays.advance(NOON + 21 * HOUR)
    assert (stay(0).status, stay(1).status) == (Status.IN_HOUSE, Status.LEFT)


def lines() -> list[tuple[str, float, float | None]]:
    """Meter, from and to in hours after noon."""
    found = StayMeter.objects.order_by("period", "pk")
    hours = [[at and (at - NOON) / HOUR for at in (line.period.lower, line.period.upper)] for line in found]
    return [(str(line.meter), *span) for line, span in zip(found, hours, strict=True)]


def test_an_event_from_before_a_hand_check_out_does_not_undo_it(by):
    stays.check_out(here(), by, NOON + 3 * HOUR)
    send(made(NOON + HOUR) | {"bookingIsCheckedIn": False}, NOON + 4 * HOUR)
    send(made(NOON + 2 * HOUR), NOON + 4 * HOUR)
    assert (stay().status, lines()) == (Status.LEFT, [("101", 0, 3)])


def test_an_event_from_before_a_hand_move_does_not_undo_it(by):
    stays.move(here(), pitch("103"), by, NOON + 3 * HOUR)
    send(booking(room("102"), came=True, generatedAt=(NOON + HOUR).isoformat()), NOON + 4 * HOUR)
    assert (stay().pitch, stay().booked_pitch) == (pitch("103"), pitch("102"))
    assert lines() == [("101", 0, 3), ("103", 3, None)]


def test_who_was_checked_out_by_hand_is_moved_by_no_event(by):
    stays.check_out(here(), by, NOON + HOUR)
    send(booking(room("102"), minute=1, came=True), NOON + 2 * HOUR)
    assert (stay().status, stay().pitch) == (Status.LEFT, pitch("101"))


def test_what_began_after_a_late_event_was_made_ends_when_it_comes(by):
    stays.add_meter(here(), meter("F1"), by, NOON + HOUR)
    send(made(NOON + HOUR / 2, left=True), NOON + 5 * HOUR)
    assert lines() == [("101", 0, 0.5), ("F1", 1, 5)]


def test_a_late_check_in_takes_nothing_of_what_another_guest_used_since(by):
    here(room("102"), departure="2026-07-12")
    stays.move(stay(), pitch("101"), by, NOON + HOUR)
    send(made(NOON, number=2, arrival="2026-07-12"), NOON + 5 * HOUR)
    assert lines() == [("102", 0, 1), ("101", 1, 5), ("101", 5, None)]


def test_a_late_change_of_the_kind_of_pitch_reaches_no_outlet_back_beyond_when_it_was_chosen(by):
    make.pitch("S1", kind=Pitch.Kind.SEASONAL)
    stays.add_meter(here(), meter("F1"), by, NOON + 3 * HOUR)
    send(booking(room("S1"), came=True, generatedAt=(NOON + HOUR).isoformat()), NOON + 4 * HOUR)
    assert lines() == [("101", 0, 1), ("F1", 3, 4), ("F1", 4, None)]


def test_a_room_of_a_later_day_begins_at_check_out_time_however_early_its_event_was_made():
    two = (room("101", departure="2026-07-12"), room("102", arrival="2026-07-12"))
    early = (NOON - 4 * HOUR).isoformat()
    send(booking(*two, came=True, generatedAt=early), NOON + 3 * HOUR)
    assert lines() == [("102", -1, None)]


# --- a meter exchanged while nobody was here -------------------------------------------------------------------------


def test_a_check_out_taken_back_goes_on_over_a_meter_that_was_exchanged_meanwhile(by):
    old, new = meter("101"), meter("F1")
    stays.check_out(here(), by, NOON + HOUR)
    installations.replace(old, new, NOON + 2 * HOUR, None)
    stays.reopen(stay(), by, NOON + 3 * HOUR)
    for hour in (4, 5):
        stays.advance(NOON + hour * HOUR)
    spans = [(line.meter, line.period.lower, line.period.upper) for line in StayMeter.objects.order_by("pk")]
    assert spans == [
        (old, NOON, NOON + HOUR),
        (old, NOON + HOUR, NOON + 2 * HOUR),
        (new, NOON + 2 * HOUR, None),
    ]
