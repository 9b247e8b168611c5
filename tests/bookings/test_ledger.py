"""How a kWh comes to a guest: lines of the ledger begin, end, change hands, and are added up."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.db import IntegrityError, connection, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from bookings import ledger
from bookings.models import Correction, Stay, StayMeter
from meters import directory, installations, readings, snapshots
from meters.models import Installation, Meter, Pitch
from meters.zigbee2mqtt import State
from tests import make

pytestmark = pytest.mark.django_db

T0 = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
"""Noon of the campsite's clock, an hour after check-out time."""
TODAY = date(2026, 7, 1)
DAY = timedelta(days=1)
NOTHING = State("x", None, None, 100, None, None, None, None, None, {})
Reason = StayMeter.Reason


def at(minute: float) -> datetime:
    return T0 + timedelta(minutes=minute)


def tell(meter: Meter, minute: float, wh: int) -> None:
    """A report of the counter; what waits for it is settled."""
    known = replace(directory.load().devices[meter.device.ieee_address], fresh=frozenset({"energy"}))
    readings.store([readings.Report(known, NOTHING._replace(counter_wh=wh), at(minute))])
    snapshots.settle_due(at(minute))


def hanging(pitch: Pitch | None = None, since: float = -600, wh: int = 0) -> Meter:
    """A meter whose counter stands at `wh`; on this pitch since so many minutes."""
    made = make.meter(area=make.area())
    if pitch:
        make.installed(made, pitch, at(since))
    tell(made, since, wh)
    return made


def here(pitch: Pitch | None, leaves: date = TODAY + DAY, **values: Any) -> Stay:
    dates = {"arrival": TODAY - DAY, "departure": leaves}
    return make.stay(pitch, booking=make.booking(**dates), began_at=at(0), **values)


def align(stay: Stay, minute: float, why: Reason = Reason.CHECK_IN) -> ledger.Aligned:
    return ledger.align(stay, at(minute), why)


def lines(stay: Stay) -> list[tuple[int, float, float | None, str, str]]:
    """(meter, from and to in minutes, why it began, why it ended)."""

    def minute(moment: datetime | None) -> float | None:
        return None if moment is None else (moment - T0) / timedelta(minutes=1)

    rows = StayMeter.objects.filter(stay=stay).order_by("pk")
    return [(r.meter_id, minute(r.period.lower) or 0.0, minute(r.period.upper), r.begun_by, r.ended_by) for r in rows]


def kwh(*stays: Stay) -> str:
    return str(ledger.used_kwh(stays).kwh)


@pytest.fixture
def pitch() -> Pitch:
    return make.pitch("101")


# --- arriving and leaving --------------------------------------------------------------------------------------------


def test_a_guest_pays_for_what_the_pitch_s_meters_rise_while_he_is_here(pitch: Pitch) -> None:
    first, second = hanging(pitch, wh=5000), hanging(pitch)
    guest = here(pitch)
    tell(first, 0, 6000)
    assert align(guest, 0).meters == {first.pk, second.pk}
    tell(first, 60, 8000)
    tell(second, 60, 500)
    ended = ledger.end_all(guest, at(60), Reason.CHECK_OUT)
    tell(first, 90, 9000)
    assert {line.meter_id for line in ended} == {first.pk, second.pk}
    used = ledger.used_kwh([guest])
    assert used.by_meter == {first.pk: Decimal(2), second.pk: Decimal("0.046")}
    assert used.kwh == Decimal("2.046")


def test_aligning_again_changes_nothing(pitch: Pitch) -> None:
    hanging(pitch)
    guest = here(pitch)
    align(guest, 0)
    before = lines(guest)
    assert align(guest, 1) == ledger.Aligned()
    assert lines(guest) == before


def test_a_stay_without_a_pitch_has_no_meters() -> None:
    hanging()
    assert align(here(None), 0) == ledger.Aligned()


def test_a_line_of_no_length_is_no_line(pitch: Pitch) -> None:
    hanging(pitch)
    guest = here(pitch)
    align(guest, 0)
    ledger.end_all(guest, at(0), Reason.CHECK_IN_UNDONE)
    assert lines(guest) == []


def test_a_check_out_taken_back_goes_on_where_it_ended(pitch: Pitch) -> None:
    meter = hanging(pitch)
    guest = here(pitch)
    tell(meter, 0, 0)
    align(guest, 0)
    tell(meter, 60, 1000)
    ledger.end_all(guest, at(60), Reason.CHECK_OUT)
    tell(meter, 90, 1500)
    align(guest, 90, Reason.REOPENED)
    assert lines(guest) == [
        (meter.pk, 0, 60, "check_in", "check_out"),
        (meter.pk, 60, None, "reopened", ""),
    ]
    assert kwh(guest) == "1.500"


def test_a_check_out_taken_back_begins_anew_where_another_guest_was_between(pitch: Pitch) -> None:
    meter = hanging(pitch)
    guest, other = here(pitch), here(pitch)
    align(guest, 0)
    ledger.end_all(guest, at(60), Reason.CHECK_OUT)
    align(other, 70)
    ledger.end_all(other, at(80), Reason.CHECK_OUT)
    align(guest, 90, Reason.REOPENED)
    assert lines(guest)[-1] == (meter.pk, 90, None, "reopened", "")


def test_a_check_in_that_was_undone_begins_anew(pitch: Pitch) -> None:
    meter = hanging(pitch)
    guest = here(pitch)
    align(guest, 0)
    ledger.end_all(guest, at(60), Reason.CHECK_IN_UNDONE)
    align(guest, 90)
    assert lines(guest)[-1] == (meter.pk, 90, None, "check_in", "")


def test_chosen_outlets_come_back_with_the_stay() -> None:
    outlet, guest = hanging(), here(make.pitch())
    ledger.begin(guest, outlet, at(0))
    ledger.end_all(guest, at(60), Reason.CHECK_OUT)
    align(guest, 70, Reason.REOPENED)
    assert lines(guest)[-1] == (outlet.pk, 60, None, "reopened", "")


# --- moving ----------------------------------------------------------------------------------------------------------


def test_a_move_changes_meters_and_what_was_chosen_stays(pitch: Pitch) -> None:
    old, new, outlet = hanging(pitch), hanging(make.pitch("102")), hanging()
    guest = here(pitch)
    align(guest, 0)
    ledger.begin(guest, outlet, at(5))
    guest.pitch = Pitch.objects.get(number="102")
    align(guest, 10, Reason.MOVE)
    assert lines(guest) == [
        (old.pk, 0, 10, "check_in", "move"),
        (outlet.pk, 5, None, "chosen", ""),
        (new.pk, 10, None, "move", ""),
    ]


def test_a_meter_that_staff_took_away_stays_away_until_they_give_it_back(pitch: Pitch) -> None:
    meter, guest = hanging(pitch), here(pitch)
    align(guest, 0)
    ledger.end(guest, meter, at(10))
    assert align(guest, 11).began == ()
    ledger.begin(guest, meter, at(20))
    assert lines(guest) == [(meter.pk, 0, 10, "check_in", "taken_away"), (meter.pk, 20, None, "chosen", "")]
    assert StayMeter.objects.get(stay=guest, end=None).pitch == pitch


# --- one after another -----------------------------------------------------------------------------------------------


def test_the_next_guest_takes_over_from_one_who_leaves_today_and_both_share_the_value(pitch: Pitch) -> None:
    meter = hanging(pitch)
    before, after = here(pitch, leaves=TODAY), here(pitch)
    before.began_at = at(-60)
    align(before, -60)
    assert [line.stay_id for line in align(after, 0).ended] == [before.pk]
    assert lines(before) == [(meter.pk, -60, 0, "check_in", "next_guest")]
    assert StayMeter.objects.get(stay=before).end == StayMeter.objects.get(stay=after).start
    assert align(before, 1) == ledger.Aligned()


def test_who_has_not_left_keeps_his_meter_and_the_next_guest_waits(pitch: Pitch) -> None:
    meter = hanging(pitch)
    before, after = here(pitch), here(pitch)
    align(before, -60)
    assert align(after, 0) == ledger.Aligned(taken_by=(before,))
    assert ledger.unaligned(at(0)) == {after.pk}
    ledger.end_all(before, at(30), Reason.CHECK_OUT)
    align(after, 31, Reason.INSTALLED)
    assert lines(after) == [(meter.pk, 30, None, "installed", "")]


def test_a_late_check_out_said_by_staff_keeps_the_meter(pitch: Pitch) -> None:
    hanging(pitch)
    before, after = here(pitch, leaves=TODAY, late_until=at(120)), here(pitch)
    align(before, -60)
    assert align(after, 0).taken_by == (before,)
    assert align(after, 121).taken_by == ()


def test_who_was_extended_after_the_next_guest_came_has_no_meter(pitch: Pitch) -> None:
    hanging(pitch)
    before, after = here(pitch, leaves=TODAY), here(pitch)
    align(before, -60)
    align(after, 0)
    before.departure = TODAY + 3 * DAY
    assert align(before, 1).taken_by == (after,)


# --- choosing an outlet ----------------------------------------------------------------------------------------------


def test_an_outlet_that_another_guest_has_is_refused() -> None:
    outlet, first, second = hanging(), here(make.pitch()), here(make.pitch())
    ledger.begin(first, outlet, at(0))
    assert ledger.begin(first, outlet, at(1)).period.lower == at(0)
    with pytest.raises(ledger.OutletTaken) as taken:
        ledger.begin(second, outlet, at(2))
    assert taken.value.stay == first


def test_on_the_day_of_departure_an_outlet_is_free_from_check_out_time_on() -> None:
    outlet, first, second = hanging(), here(make.pitch(), leaves=TODAY), here(make.pitch())
    ledger.begin(first, outlet, at(-180))
    with pytest.raises(ledger.OutletTaken):
        ledger.begin(second, outlet, at(-61))
    ledger.begin(second, outlet, at(-60))
    assert lines(first) == [(outlet.pk, -180, -60, "chosen", "next_guest")]


def test_lines_of_a_meter_never_overlap() -> None:
    outlet, first, second = hanging(), here(make.pitch()), here(make.pitch())
    line = ledger.begin(first, outlet, at(0))
    with pytest.raises(IntegrityError), transaction.atomic():
        StayMeter.objects.create(
            stay=second, meter=outlet, period=DateTimeTZRange(at(5), None), start=line.start, begun_by=Reason.CHOSEN
        )


# --- meters change ---------------------------------------------------------------------------------------------------


def test_an_exchanged_meter_ends_and_the_new_one_begins_when_it_was_put_up(pitch: Pitch) -> None:
    old, new = hanging(pitch), hanging(wh=70_000)
    guest = here(pitch)
    align(guest, 0)
    tell(old, 60, 1000)
    tell(new, 60, 70_000)
    installations.replace(old, new, at(60), None)
    align(guest, 75, Reason.INSTALLED)
    tell(new, 90, 70_500)
    assert lines(guest) == [(old.pk, 0, 60, "check_in", "exchange"), (new.pk, 60, None, "exchange", "")]
    assert ledger.used_kwh([guest]).by_meter == {old.pk: Decimal("0.091"), new.pk: Decimal("0.500")}


def test_a_meter_that_was_put_up_serves_the_guest_from_then_on(pitch: Pitch) -> None:
    guest = here(pitch)
    align(guest, 0)
    meter = hanging(pitch, since=30)
    align(guest, 40, Reason.INSTALLED)
    assert lines(guest) == [(meter.pk, 30, None, "installed", "")]


def test_a_meter_that_was_taken_down_serves_him_until_then(pitch: Pitch) -> None:
    meter = hanging(pitch)
    guest = here(pitch)
    align(guest, 0)
    installations.end(meter, at(30), None)
    assert ledger.unaligned(at(40)) == {guest.pk}
    align(guest, 40, Reason.INSTALLED)
    assert lines(guest) == [(meter.pk, 0, 30, "check_in", "removed")]


def test_a_check_out_after_a_meter_was_taken_down_ends_its_line_when_it_was_taken_down(pitch: Pitch) -> None:
    meter = hanging(pitch)
    guest = here(pitch)
    align(guest, 0)
    installations.end(meter, at(30), None)
    ledger.end_all(guest, at(40), Reason.CHECK_OUT)
    assert lines(guest) == [(meter.pk, 0, 30, "check_in", "removed")]


def test_a_meter_that_hangs_elsewhere_now_serves_who_is_there(pitch: Pitch) -> None:
    meter, other_pitch = hanging(pitch), make.pitch("102")
    first, second = here(pitch), here(other_pitch)
    align(first, 0)
    align(second, 0)
    installations.install(meter, other_pitch, at(30), None)
    assert ledger.unaligned(at(40)) == {first.pk, second.pk}
    align(second, 40, Reason.INSTALLED)
    align(first, 40, Reason.INSTALLED)
    assert lines(first) == [(meter.pk, 0, 30, "check_in", "removed")]
    assert lines(second) == [(meter.pk, 30, None, "installed", "")]


# --- adding up -------------------------------------------------------------------------------------------------------


def test_an_open_line_counts_up_to_what_the_meter_last_told(pitch: Pitch) -> None:
    meter, guest = hanging(pitch), here(pitch)
    tell(meter, 0, 0)
    align(guest, 0)
    assert ledger.used_kwh([guest]).as_of == at(0)
    tell(meter, 50, 800)
    used = ledger.used_kwh([guest])
    assert (used.kwh, used.as_of, used.is_estimated) == (Decimal("0.800"), at(50), False)


def test_a_value_that_is_not_yet_read_makes_the_sum_an_estimate(pitch: Pitch) -> None:
    meter, guest = hanging(pitch), here(pitch)
    tell(meter, 0, 0)
    align(guest, 0)
    ledger.end_all(guest, at(30), Reason.CHECK_OUT)
    used = ledger.used_kwh([guest])
    assert (used.is_estimated, used.as_of) == (True, at(0))
    tell(meter, 31, 310)
    used = ledger.used_kwh([guest])
    assert (used.kwh, used.is_estimated, used.as_of) == (Decimal("0.300"), False, at(30))


def test_a_value_inside_a_stay_that_cancels_out_is_no_estimate(pitch: Pitch) -> None:
    meter, guest = hanging(pitch), here(pitch)
    tell(meter, 0, 0)
    align(guest, 0)
    ledger.end_all(guest, at(30), Reason.CHECK_OUT)
    align(guest, 31, Reason.REOPENED)
    ledger.end_all(guest, at(60), Reason.CHECK_OUT)
    tell(meter, 60, 600)
    used = ledger.used_kwh([guest])
    assert (used.kwh, used.is_estimated) == (Decimal("0.600"), False)


def test_any_number_of_stays_is_added_up_in_three_queries(pitch: Pitch, django_assert_num_queries: Any) -> None:
    guests = [here(make.pitch()) for _ in range(5)]
    for guest in guests:
        hanging(guest.pitch)
        align(guest, 0)
    with django_assert_num_queries(3):
        assert set(ledger.used_by_stay(guests)) == {guest.pk for guest in guests}
    with django_assert_num_queries(3):
        ledger.used_kwh(guests)


def test_nothing_is_used_where_there_is_no_line() -> None:
    assert ledger.used_kwh([here(None)]) == ledger.Used()


# --- corrections -----------------------------------------------------------------------------------------------------


def test_a_correction_is_a_row_with_a_person_and_a_reason(pitch: Pitch) -> None:
    guest, by = here(pitch), make.staff()
    ledger.correct(guest, Decimal("2.5"), " a lamp  of ours ", by)
    ledger.correct(guest, Decimal(-1), "too much", by)
    assert list(Correction.objects.values_list("reason", "by")) == [("a lamp of ours", by.pk), ("too much", by.pk)]
    assert LogEntry.objects.get_for_model(Correction).filter(actor=by).count() == 2
    used = ledger.used_kwh([guest])
    assert (used.kwh, used.corrected_kwh) == (Decimal("1.5"), Decimal("1.5"))


@pytest.mark.parametrize(
    ("kwh", "reason"),
    [("1", " "), ("0", "x"), ("NaN", "x"), ("1E9", "x"), ("0.0001", "x"), ("-0.001", "x"), ("1", "x" * 251)],
)
def test_a_correction_that_makes_no_sense_is_refused(pitch: Pitch, kwh: str, reason: str) -> None:
    guest = here(pitch)
    with pytest.raises(ledger.BadCorrection):
        ledger.correct(guest, Decimal(kwh), reason, make.staff())
    assert not Correction.objects.exists()


# --- two at once -----------------------------------------------------------------------------------------------------


@pytest.fixture
def at_once(transactional_db: None) -> Callable[..., list[str]]:
    """Runs each of these in a thread with its own connection, all from the same moment on; what came of each."""

    def run(*acts: Callable[[], object]) -> list[str]:
        barrier, outcomes = threading.Barrier(len(acts)), []

        def one(act: Callable[[], object]) -> None:
            try:
                connection.ensure_connection()
                barrier.wait()
                act()
                outcomes.append("won")
            except ledger.OutletTaken as taken:
                outcomes.append(taken.code)
            finally:
                connection.close()

        threads = [threading.Thread(target=one, args=[act]) for act in acts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sorted(outcomes)

    return run


@pytest.mark.django_db(transaction=True)
def test_of_many_who_choose_one_outlet_at_once_one_wins_and_the_others_are_told(
    at_once: Callable[..., list[str]],
) -> None:
    outlet = hanging()
    guests = [here(None) for _ in range(6)]
    outcomes = at_once(*(lambda guest=guest: ledger.begin(guest, outlet, at(0)) for guest in guests))
    assert outcomes == ["outlet_taken"] * 5 + ["won"]
    assert StayMeter.objects.filter(meter=outlet, end=None).count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_who_check_in_on_one_pitch_at_once_one_has_the_meter(at_once: Callable[..., list[str]]) -> None:
    pitch = make.pitch()
    hanging(pitch)
    guests = [here(pitch) for _ in range(2)]
    began: list[ledger.Aligned] = []
    at_once(*(lambda guest=guest: began.append(align(guest, 0)) for guest in guests))
    assert sorted((len(each.began), len(each.taken_by)) for each in began) == [(0, 1), (1, 0)]
    assert Installation.objects.count() == StayMeter.objects.count() == 1


def test_another_kind_of_pitch_in_sirvoy_begins_a_new_line_where_the_old_one_ends():
    touring, cabin = make.pitch(), make.pitch(kind=Pitch.Kind.CABIN)
    meter = hanging(touring)
    stay = here(touring)
    stay.booked_pitch = cabin  # moved by hand, and then in Sirvoy, too
    tell(meter, 0, 0)
    align(stay, 0)
    tell(meter, 10, 500)
    stay.booked_pitch = touring
    align(stay, 10)
    tell(meter, 20, 1200)
    assert align(stay, 20) == ledger.Aligned()
    shares = ledger.used_by_stay([stay])[stay.pk].shares
    assert [(each.since, each.kind, each.kwh) for each in shares] == [
        (at(0), "cabin", Decimal("0.5")),
        (at(10), "touring", Decimal("0.7")),
    ]
