"""Power follows the bookings: what the meters' own switching was told, by the real verbs."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bookings import stays
from bookings.models import Booking, PackageNotice, PowerRule, Stay, StayMeter
from bookings.power import follow
from bookings.power.policy import Why
from meters import commands
from meters.models import Command, Meter, MeterState, Pitch, Source, Want
from tests import make
from tests.bookings import sirvoy

pytestmark = pytest.mark.django_db
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
Reason = StayMeter.Reason
ZONE = ZoneInfo("Europe/Copenhagen")


@pytest.fixture
def now() -> datetime:
    return timezone.now()


def wanted(meter: Meter) -> tuple[str, bool] | None:
    want = commands.in_force([meter.pk], timezone.now()).get(meter.pk)
    return (want.source, want.state) if want else None


def on_pitch(pitch: Pitch | None = None, **device: object) -> Meter:
    meter = make.switchable(**device)
    make.installed(meter, pitch or make.pitch())
    return meter


def guest(meter: Meter, **values: object) -> StayMeter:
    """Somebody who is here and has this meter, and its pitch."""
    pitch = meter.installations.get().pitch
    return make.line(make.stay(pitch, **values), meter, pitch=pitch)


def left(line: StayMeter, ended_at: datetime, by: str = Reason.CHECK_OUT) -> None:
    line.period = DateTimeTZRange(line.period.lower, ended_at)
    line.end, line.ended_by = make.snapshot(line.meter, ended_at), by
    line.save()
    Stay.objects.filter(pk=line.stay_id).update(status="left", ended_at=ended_at)


def test_an_event_costs_few_queries(django_capture_on_commit_callbacks):
    """Nothing but the booking; a check-in with all that follows; once more while the guest is here; a check-out, which
    costs some fifteen more in the evening than by day.
    """
    on_pitch(make.pitch("101"))
    sirvoy.send(sirvoy.booking(sirvoy.room("101")))
    costs = []
    for minute, flags in enumerate(({}, {"came": True}, {"came": True, "adults": 3}, {"came": True, "left": True})):
        with CaptureQueriesContext(connection) as seen, django_capture_on_commit_callbacks(execute=True):
            sirvoy.send(sirvoy.booking(sirvoy.room("101"), minute=minute + 1, **flags), timezone.now())
        costs.append(len(seen))
    assert all(cost <= most for cost, most in zip(costs, (12, 74, 38, 70), strict=True)), costs


# --- on and off ------------------------------------------------------------------------------------------------------


def test_a_guest_who_is_here_has_power_by_a_lease(now):
    line = guest(on_pitch())
    assert follow.apply(None, now) == 1
    want = Want.objects.get(ended_at=None)
    assert (want.source, want.state, want.until) == ("policy", True, now + settings.POLICY_LEASE_MIN * MINUTE)
    assert want.reason == f"Booking {line.stay.booking.sirvoy_id}"


@pytest.mark.parametrize("hours", [1, 13, 20])
def test_a_meter_that_was_silent_when_its_guest_left_is_wanted_off_until_it_says_that_it_is(now, hours):
    line = guest(on_pitch(relay=True))
    follow.apply(None, now)
    left(line, now - hours * HOUR)
    for later in (0, 1, 13):
        follow.apply(None, now + later * MINUTE)
        assert wanted(line.meter) == ("policy", False)
    MeterState.objects.update(relay=False)
    follow.apply(None, now + 13 * HOUR)
    assert wanted(line.meter) is None


def test_it_goes_off_when_he_has_left_and_packed_up(now):
    line = guest(on_pitch())
    follow.apply(None, now)
    left(line, now)
    follow.apply(None, now)
    assert wanted(line.meter) == ("policy", True)
    left(line, now - 16 * MINUTE)
    follow.apply(None, now)
    assert wanted(line.meter) == ("policy", False)
    left(line, now - 13 * HOUR)
    follow.apply(None, now)
    assert wanted(line.meter) is None


def test_where_the_rule_says_so_a_pitch_without_a_guest_is_off(now):
    meter = on_pitch()
    assert follow.apply(None, now) == 0
    PowerRule.objects.filter(kind="touring").update(when_vacant="off")
    assert follow.apply(None, now) == 1
    assert wanted(meter) == ("policy", False)


def test_the_minute_after_renews_in_a_constant_number_of_queries(now):
    for _ in range(2):
        guest(on_pitch())
    follow.apply(None, now)
    with CaptureQueriesContext(
        connection,
    ) as few:
        assert follow.apply(None, now + MINUTE) == 0
    for _ in range(8):
        guest(on_pitch())
    follow.apply(None, now)
    before = Want.objects.count()
    with CaptureQueriesContext(connection) as many:
        assert follow.apply(None, now + MINUTE) == 0
    assert len(many) == len(few)
    assert len(many) < 25
    assert Want.objects.count() == before
    assert set(Want.objects.values_list("until", flat=True)) == {now + MINUTE + settings.POLICY_LEASE_MIN * MINUTE}


def test_when_nobody_decides_any_more_nothing_is_enforced_any_more(now):
    line = guest(on_pitch())
    follow.apply(None, now)
    commands.end_expired(now + settings.POLICY_LEASE_MIN * MINUTE)
    assert wanted(line.meter) is None


def test_only_the_meters_asked_for_are_looked_at(now):
    one, other = guest(on_pitch()), guest(on_pitch())
    assert follow.apply([one.meter_id], now) == 1
    assert (wanted(one.meter), wanted(other.meter)) == (("policy", True), None)


def test_a_chosen_outlet_of_another_stand_is_switched_and_keeps_the_protection_of_the_guests_own_pitch(now):
    outlet = on_pitch()
    stay = make.stay(make.pitch(policy="never_cut"), departure=timezone.localdate() - 5 * DAY, arrival=None)
    Booking.objects.update(generated_at=now - 6 * DAY)
    make.line(stay, outlet)
    follow.apply(None, now)
    assert wanted(outlet) == ("policy", True)
    assert follow.decisions([outlet.pk], now)[outlet.pk].why == Why.KEPT


def test_a_guest_whose_line_is_not_there_yet_is_not_in_the_dark(now):
    meter = on_pitch()
    make.stay(meter.installations.get().pitch)
    follow.apply(None, now)
    assert wanted(meter) == ("policy", True)


def test_a_meter_that_staff_took_away_from_a_guest_is_not_lit_for_him(now):
    line = guest(on_pitch())
    left(line, now - HOUR, Reason.TAKEN_AWAY)
    Stay.objects.update(status="in_house", ended_at=None)
    follow.apply(None, now)
    assert wanted(line.meter) == ("policy", False)


def test_dates_that_make_no_sense_end_nobodys_power(now):
    today = timezone.localdate()
    line = guest(on_pitch(), arrival=today + 9 * DAY, departure=today - 9 * DAY)
    follow.apply(None, now)
    assert wanted(line.meter) == ("policy", True)


def test_the_next_guest_is_a_new_decision_also_where_it_is_on_already(now):
    """The breaker may have tripped for the one before."""
    first = guest(on_pitch())
    follow.apply(None, now)
    Want.objects.update(fulfilled_at=now, hold="unasked_off", hold_at=now)
    left(first, now)
    second = make.line(make.stay(first.pitch), first.meter, pitch=first.pitch, since=now)
    assert follow.apply(None, now) == 1
    want = Want.objects.get(ended_at=None)
    assert (want.reason, want.fulfilled_at, want.hold) == (f"Booking {second.stay.booking.sirvoy_id}", None, "")
    assert follow.apply(None, now) == 0


def test_a_used_up_package_ends_it_only_after_a_warning(now):
    line = guest(on_pitch())
    make.tariff(mode="package", cut_when_empty=True, grace_h=0)
    make.used(line.stay, "7")
    assert follow.decisions(None, now)[line.meter_id].state is True
    long_ago = now - 3 * DAY
    PackageNotice.objects.create(booking=line.stay.booking, level="empty", found_at=long_ago, told_at=long_ago)
    assert follow.decisions(None, now)[line.meter_id].why in (Why.USED_UP, Why.WAITS)


def test_who_was_cut_and_leaves_is_not_lit_again_to_pack_up(now):
    """When he has left his notice is over, and nobody knows any more why it was off."""
    line = guest(on_pitch())
    make.tariff(mode="package", cut_when_empty=True, grace_h=0)
    make.used(line.stay, "7")
    notice = PackageNotice.objects.create(
        booking=line.stay.booking, level="empty", found_at=now - 3 * DAY, told_at=now - 3 * DAY
    )
    make.want(line.meter, False, Source.POLICY, until=now + HOUR)
    assert follow.decisions(None, now)[line.meter_id].why == Why.USED_UP
    left(line, now)
    PackageNotice.objects.filter(pk=notice.pk).update(ended_at=now)
    assert follow.decisions(None, now + MINUTE)[line.meter_id].why == Why.LEFT


# --- who stands above, and what is left alone ------------------------------------------------------------------------


def test_what_staff_want_stands_above_and_the_lease_waits_beneath(now):
    line = guest(on_pitch())
    commands.want(line.meter, Source.STAFF, False, "works on the stand", until=now + HOUR)
    follow.apply(None, now)
    assert wanted(line.meter) == ("staff", False)
    decision = follow.decisions([line.meter_id], now)[line.meter_id]
    assert (decision.state, decision.override.state, decision.override.until) == (True, False, now + HOUR)
    commands.end(line.meter, Source.STAFF)
    assert wanted(line.meter) == ("policy", True)


@pytest.mark.parametrize("policy", ["manual", "never_cut"])
def test_a_protected_pitch_without_a_guest_is_let_go_of(now, policy):
    PowerRule.objects.update(when_vacant="off")
    meter = on_pitch()
    follow.apply(None, now)
    Pitch.objects.update(policy=policy)
    assert follow.apply(None, now) == 1
    assert wanted(meter) is None


def test_a_service_place_is_never_switched_by_a_booking(now):
    line = guest(on_pitch(make.pitch(kind="service")))
    assert follow.apply(None, now) == 0
    assert wanted(line.meter) is None


def test_meters_that_cannot_be_switched_are_left_out(now):
    guest(on_pitch(has_relay=False))
    guest(on_pitch(removed_at=now))
    assert follow.apply(None, now) == 0
    assert not Want.objects.exists()


def test_a_meter_that_was_taken_down_is_let_go_of(now):
    line = guest(on_pitch())
    follow.apply(None, now)
    line.meter.installations.update(period=DateTimeTZRange(now - DAY, now - MINUTE))
    left(line, now - MINUTE, Reason.REMOVED)
    follow.apply(None, now)
    assert wanted(line.meter) is None


def test_a_decision_about_long_ago_enforces_nothing(now):
    """Histories are replayed."""
    line = guest(on_pitch())
    follow.apply(None, now - DAY)
    assert wanted(line.meter) is None
    assert not Command.objects.exists()


# --- cleaning --------------------------------------------------------------------------------------------------------


def test_a_cabin_is_cleaned_after_its_guest_and_then_off(now):
    PowerRule.objects.filter(kind="cabin").update(cleaning_from="00:00", cleaning_until="23:59:59.999")
    line = guest(on_pitch(make.pitch(kind="cabin")))
    follow.apply(None, now)
    left(line, max(now - 20 * MINUTE, timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)))
    PowerRule.objects.update(grace_min=0)
    follow.apply(None, now)
    assert wanted(line.meter) == ("cleaning", True)
    assert Want.objects.filter(ended_at=None).count() == 1
    PowerRule.objects.update(cleaning_from=None, cleaning_until=None)
    follow.apply(None, now)
    assert wanted(line.meter) == ("policy", False)
    assert Want.objects.filter(ended_at=None).count() == 1


def cabin_left(at: datetime, departure: date, by: str = Reason.CHECK_OUT, **values: object) -> Meter:
    """A cabin whose guest left then, and was booked until that day."""
    meter = make.switchable()
    make.installed(meter, make.pitch(kind="cabin"), since=at - 9 * DAY)
    pitch = meter.installations.get().pitch
    stay = make.stay(pitch, **{"arrival": at.date() - 5 * DAY, "departure": departure} | values)
    line = make.line(stay, meter, pitch=pitch, since=at - 5 * DAY)
    left(line, at, by)
    return meter


def why(meter: Meter, now: datetime) -> Why:
    return follow.decisions([meter.pk], now)[meter.pk].why


@pytest.mark.parametrize("early", [0, 1, 2, 6])
def test_a_cabin_is_cleaned_on_the_booked_day_however_early_its_guest_left(early):
    """Also where he left longer ago than the ledger is read."""
    noon = datetime(2026, 7, 10, 12, tzinfo=ZONE)
    meter = cabin_left(noon - early * DAY - 6 * HOUR, noon.date())
    assert why(meter, noon) == Why.CLEANING
    assert why(meter, noon + 3 * HOUR) == Why.LEFT
    assert why(meter, noon + 14 * HOUR) == Why.LEFT
    assert why(meter, noon + 15 * HOUR) == Why.LEFT_ALONE


def test_a_cabin_left_after_cleaning_time_is_cleaned_on_the_day_after():
    left_at = datetime(2026, 7, 9, 15, tzinfo=ZONE)
    meter = cabin_left(left_at, left_at.date())
    assert why(meter, left_at + 22 * HOUR) == Why.CLEANING
    assert why(meter, left_at + 24 * HOUR) == Why.LEFT
    assert why(meter, left_at + 36 * HOUR - MINUTE) == Why.LEFT


def test_a_cabin_from_which_the_guest_moved_is_cleaned_then_and_not_when_he_leaves_the_other():
    noon = datetime(2026, 7, 10, 12, tzinfo=ZONE)
    meter = cabin_left(noon, noon.date() + DAY, Reason.MOVE)
    Stay.objects.update(status="in_house", ended_at=None, pitch=make.pitch(kind="cabin"))
    assert why(meter, noon + HOUR) == Why.CLEANING
    assert why(meter, noon + DAY) == Why.LEFT_ALONE


def test_dates_that_make_no_sense_are_no_day_of_departure():
    noon = datetime(2026, 7, 10, 12, tzinfo=ZONE)
    meter = cabin_left(noon - 3 * DAY, noon.date(), arrival=noon.date() + DAY)
    assert why(meter, noon) == Why.LEFT_ALONE


# --- occupied --------------------------------------------------------------------------------------------------------


def test_a_pitch_is_occupied_until_its_guest_should_leave(now):
    pitch = make.pitch()
    stay = make.stay(pitch, late_until=now + 9 * DAY)
    follow.apply(None, now)
    pitch.refresh_from_db()
    assert pitch.occupied_until == now + 9 * DAY
    Stay.objects.filter(pk=stay.pk).update(status="left")
    follow.apply(None, now)
    pitch.refresh_from_db()
    assert pitch.occupied_until is None


def test_who_should_have_left_still_depends_on_his_power(now):
    meter = on_pitch()
    guest(meter, departure=timezone.localdate() - 3 * DAY, arrival=None)
    follow.apply([meter.pk], now)
    pitch = Pitch.objects.get()
    assert pitch.occupied_until > now + DAY - HOUR
    with pytest.raises(commands.NeedsReason):
        commands.want(meter, Source.STAFF, False)


def test_the_same_is_not_told_twice(now):
    make.stay(make.pitch())
    follow.apply(None, now)
    with CaptureQueriesContext(connection) as queries:
        follow.apply(None, now)
    assert not [query for query in queries if "UPDATE" in query["sql"]]


# --- soon ------------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_soon_waits_for_the_commit_and_rules_exist_in_an_emptied_database():
    line = guest(on_pitch())
    with transaction.atomic():
        follow.soon([line.meter_id])
        assert wanted(line.meter) is None
    assert wanted(line.meter) == ("policy", True)
    assert PowerRule.objects.count() == len(Pitch.Kind.values)


@pytest.mark.django_db(transaction=True)
def test_soon_decides_as_of_the_moment_that_it_is_told():
    """A history that is replayed: the guest of long ago is not overdue, and nothing is enforced any more."""
    at = datetime(2025, 7, 10, 12, tzinfo=ZONE)
    meter = make.switchable()
    make.installed(meter, make.pitch(), since=at - DAY)
    line = guest(meter, arrival=at.date(), departure=at.date() + DAY)
    follow.soon([line.meter_id], at)
    assert Pitch.objects.get().occupied_until == datetime(2025, 7, 11, 11, tzinfo=ZONE)
    assert wanted(meter) is None


def test_a_single_meter_is_looked_at_once_and_its_lease_renewed(now):
    line = guest(on_pitch())
    with CaptureQueriesContext(connection) as queries:
        assert follow.apply([line.meter_id], now) == 1
    assert len([query for query in queries if 'FROM "bookings_powerrule"' in query["sql"]]) == 1
    assert follow.apply([line.meter_id], now + MINUTE) == 0
    assert Want.objects.get().until == now + MINUTE + settings.POLICY_LEASE_MIN * MINUTE


def test_what_is_rolled_back_switches_nothing(now, django_capture_on_commit_callbacks):
    line = guest(on_pitch())
    with django_capture_on_commit_callbacks(execute=True) as callbacks, transaction.atomic():
        follow.soon([line.meter_id])
        transaction.set_rollback(True)
    assert not callbacks
    assert wanted(line.meter) is None


@pytest.mark.django_db(transaction=True)
def test_what_reception_does_is_followed_at_once():
    """By the verbs themselves, up to the command that will be sent."""
    PowerRule.objects.update(grace_min=0)
    line, elsewhere = guest(on_pitch()), on_pitch()
    follow.apply(None, timezone.now())
    stays.move(line.stay, elsewhere.installations.get().pitch, make.staff(), timezone.now())
    assert (wanted(line.meter), wanted(elsewhere)) == (("policy", False), ("policy", True))
    stays.check_out(line.stay, User.objects.get(), timezone.now())
    assert wanted(elsewhere) == ("policy", False)
    stays.reopen(line.stay, User.objects.get(), timezone.now())
    assert wanted(elsewhere) == ("policy", True)


def test_a_chosen_outlet_on_no_pitch_goes_off_after_its_guest_left():
    now = timezone.now()
    outlet = make.switchable(relay=True)
    stay = make.stay(make.pitch(), status=Stay.Status.LEFT, ended_at=now - timedelta(hours=1))
    line = make.line(stay, outlet, pitch=None)
    end = make.snapshot(outlet, stay.ended_at)
    StayMeter.objects.filter(pk=line.pk).update(
        period=DateTimeTZRange(line.period.lower, stay.ended_at), end=end, ended_by=StayMeter.Reason.CHECK_OUT
    )
    follow.apply([outlet.pk], now)
    assert (
        Want.objects.get(meter=outlet, ended_at=None).state is False
    )  # not left on, though no rule of a pitch is its own


def test_a_chosen_outlet_on_no_pitch_goes_off_also_after_a_guest_whose_pitch_nobody_knew(now):
    line = make.line(make.stay(None), make.switchable(relay=True))
    left(line, now - HOUR)
    assert follow.decisions([line.meter_id], now)[line.meter_id].state is False


def test_what_was_on_while_the_software_stood_still_is_off_when_nobody_is_there_any_more(now):
    line = guest(on_pitch(relay=True))
    follow.apply(None, now)
    Want.objects.update(until=now - 12 * HOUR)
    commands.end_expired(now)
    left(line, now - 13 * HOUR)
    follow.apply(None, now)
    assert wanted(line.meter) == (Source.POLICY, False)
    MeterState.objects.update(relay=False)
    follow.apply(None, now)
    assert wanted(line.meter) is None
