"""Power follows the bookings: what the meters' own switching was told, by the real verbs."""

from datetime import datetime, timedelta

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bookings import follow, stays
from bookings.models import PackageNotice, PowerRule, Stay, StayMeter
from bookings.power import Why
from meters import commands
from meters.models import Command, Meter, Pitch, Source, Want
from tests import make

pytestmark = pytest.mark.django_db
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
Reason = StayMeter.Reason


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


# --- on and off ------------------------------------------------------------------------------------------------------


def test_a_guest_who_is_here_has_power_by_a_lease(now):
    line = guest(on_pitch())
    assert follow.apply(None, now) == 1
    want = Want.objects.get(ended_at=None)
    assert (want.source, want.state, want.until) == ("policy", True, now + settings.POLICY_LEASE_MIN * MINUTE)
    assert want.reason == f"Booking {line.stay.booking.sirvoy_id}"


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
