"""Where bookings, what should be, and the meters disagree: found, healed, listed; and the rules' page."""

import threading
from datetime import datetime, timedelta

import pytest
from django.db import connection, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation

from bookings import problems, stays, tasks
from bookings.models import Booking, PowerRule, Room, Stay, StayMeter
from bookings.power import follow
from bookings.problems import Kind
from meters import commands
from meters.models import Device, Meter, MeterState, Pitch, Source, Want, WorkerState
from tests import make
from tests.meters.commands import in_thread

pytestmark = pytest.mark.django_db
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LATER = 2 * MINUTE


@pytest.fixture
def now() -> datetime:
    return timezone.now()


def on_pitch(pitch: Pitch | None = None, relay: bool | None = True) -> Meter:
    meter = make.switchable(relay=relay)
    make.installed(meter, pitch or make.pitch())
    return meter


def guest(meter: Meter, **values: object) -> StayMeter:
    pitch = meter.installations.get().pitch
    return make.line(make.stay(pitch, **values), meter, pitch=pitch)


def kinds(now: datetime) -> list[str]:
    WorkerState.objects.update(heartbeat_at=now)
    return [problem.kind for problem in problems.find(now)]


# --- problems --------------------------------------------------------------------------------------------------------


def test_where_all_is_well_nothing_is_told(now):
    guest(on_pitch())
    on_pitch(relay=False)
    follow.apply(None, now)
    assert kinds(now) == []


def test_nor_one_that_was_switched_off_before_anybody_knew_that_he_had_come(now):
    line = guest(on_pitch(relay=False), began_at=now - 5 * HOUR, noted_at=now)
    make.want(line.meter, False, ago_s=4 * 3600)
    follow.apply(None, now)
    assert kinds(now + LATER) == [Kind.DARK]


def test_a_meter_switched_off_for_the_guest_before_keeps_nobody_in_the_dark_unseen(now):
    line = guest(on_pitch(relay=False), began_at=now - HOUR)
    make.want(line.meter, False, ago_s=7200)
    follow.apply(None, now)
    [problem] = problems.find(now)
    with translation.override("en"):
        assert (problem.kind, str(problem.why)) == (Kind.DARK, "it was switched off by hand before this guest came")


def test_a_guest_whose_meter_left_its_network_is_told(now):
    line = guest(on_pitch())
    Device.objects.filter(meter=line.meter).update(removed_at=now - HOUR)
    assert kinds(now) == [Kind.SILENT]


def test_a_guest_in_the_dark_is_told_with_the_cause_until_it_is_on(now):
    line = guest(on_pitch(relay=False))
    follow.apply(None, now)
    assert kinds(now + MINUTE / 2) == []  # it is being switched
    assert kinds(now + LATER) == [Kind.DARK]
    Want.objects.update(hold="unasked_off", hold_at=now)
    (problem,) = problems.find(now)
    assert (problem.kind, problem.stay, problem.meter) == (Kind.DARK, line.stay, line.meter)
    assert problem.why == Want.Hold.UNASKED_OFF.label
    assert str(problem.words)
    MeterState.objects.update(relay=True)
    Want.objects.update(hold="")
    assert kinds(now + LATER) == []


def test_a_guest_whose_meter_is_not_heard_is_told_apart_by_its_last_word(now):
    dark, silent = guest(on_pitch(relay=False)), guest(on_pitch(relay=True))
    follow.apply(None, now)
    Device.objects.update(available=False)
    WorkerState.objects.update(heartbeat_at=now)
    found = {problem.kind: problem for problem in problems.find(now)}
    assert found[Kind.DARK].stay == dark.stay
    assert found[Kind.SILENT].stay == silent.stay
    assert "Zigbee2MQTT" in str(found[Kind.SILENT].why)


def test_a_guest_on_a_pitch_that_only_hands_switch_is_told_of_too(now):
    guest(on_pitch(make.pitch(policy="manual"), relay=False))
    follow.apply(None, now)
    assert kinds(now) == [Kind.DARK]


def test_what_staff_switched_off_is_no_problem(now):
    line = guest(on_pitch(relay=False))
    follow.apply(None, now)
    commands.want(line.meter, Source.STAFF, False, "works")
    assert kinds(now + LATER) == []


def test_a_guest_without_an_outlet_is_told_of(now):
    stay = make.stay(make.pitch())
    lost = make.stay(unclear="unknown_room")
    found = {problem.stay: problem for problem in problems.find(now)}
    assert {problem.kind for problem in found.values()} == {Kind.NO_METER}
    assert found[stay].why != found[lost].why == Stay.Unclear.UNKNOWN_ROOM.label


def test_who_should_have_left_is_told_of(now):
    line = guest(on_pitch(), departure=timezone.localdate() - DAY)
    follow.apply(None, now)
    (problem,) = [p for p in problems.find(now) if p.kind == Kind.OVERDUE]
    assert problem.stay == line.stay
    assert problem.since < now


def test_power_without_a_guest_is_told_of_where_it_should_be_off_or_is_used(now):
    meter = on_pitch(relay=True)
    follow.apply(None, now)
    assert kinds(now + LATER) == []  # left as it is
    MeterState.objects.update(power_w=800)
    assert kinds(now + LATER) == [Kind.LIT]
    MeterState.objects.update(power_w=0)
    PowerRule.objects.update(when_vacant="off")
    follow.apply(None, now)
    assert kinds(now + LATER) == [Kind.LIT]
    commands.want(meter, Source.STAFF, True, "for the electrician")
    assert kinds(now + LATER) == []


def test_what_was_switched_on_by_hand_for_nobody_is_told_of_with_who_and_when_and_left_on(now):
    """Staff gave it without an end to a guest who has left since."""
    meter = on_pitch()
    line = guest(meter)
    by = make.staff("anna", first_name="Anna", last_name="Holm")
    want = make.want(meter, True, by=by, ago_s=12.5 * 3600)
    assert kinds(now) == []
    end = make.snapshot(meter, now - HOUR)
    StayMeter.objects.filter(pk=line.pk).update(
        period=DateTimeTZRange(line.period.lower, now - HOUR), end=end, ended_by="check_out"
    )
    Stay.objects.update(status="left", ended_at=now - HOUR)
    follow.apply(None, now)
    assert commands.in_force([meter.pk], now)[meter.pk] == want
    WorkerState.objects.update(heartbeat_at=now)
    with translation.override("en"):
        (problem,) = problems.find(now)
        assert (problem.kind, problem.pitch, problem.stay, problem.since) == (
            Kind.LIT,
            line.pitch,
            None,
            want.created_at,
        )
        assert str(problem.why).startswith("it was switched on by hand by Anna Holm, ")
    stays.advance(now)
    follow.apply(None, now)
    assert commands.in_force([meter.pk], now)[meter.pk] == want


@pytest.mark.parametrize(
    ("wanted", "pitch"),
    [
        ({"ago_s": 11.5 * 3600}, {}),
        ({"ago_s": 13 * 3600, "source": Source.CLEANING}, {}),
        ({"ago_s": 13 * 3600}, {"policy": "manual"}),
        ({"ago_s": 13 * 3600}, {"policy": "never_cut"}),
        ({"ago_s": 13 * 3600}, {"kind": "service"}),
    ],
    ids=["not for long", "cleaning", "switched by hand only", "never cut", "service"],
)
def test_what_may_be_on_without_a_guest_is_no_problem(now, wanted, pitch):
    make.want(on_pitch(make.pitch(**pitch)), True, **wanted)
    assert kinds(now) == []


def test_what_a_program_switched_on_by_hand_is_told_of_too(now):
    make.want(on_pitch(), True, ago_s=13 * 3600)
    WorkerState.objects.update(heartbeat_at=now)
    with translation.override("en"):
        (problem,) = problems.find(now)
        assert str(problem.why).startswith("it was switched on by hand, ")


def test_service_places_are_nobodys_problem(now):
    on_pitch(make.pitch(kind="service"))
    MeterState.objects.update(power_w=800)
    assert kinds(now) == []


def test_the_worst_stands_first(now):
    guest(on_pitch(), departure=timezone.localdate() - DAY)
    make.stay(make.pitch())
    guest(on_pitch(relay=False))
    follow.apply(None, now)
    assert kinds(now + LATER) == [Kind.DARK, Kind.NO_METER, Kind.OVERDUE]


def all_that_may_be_wrong(now: datetime) -> None:
    yesterday = timezone.localdate() - DAY
    troubled = [guest(on_pitch(relay=False)), guest(on_pitch(), departure=yesterday), guest(on_pitch())]
    Device.objects.filter(meter=troubled[-1].meter).update(available=False)
    parties = [*(line.stay for line in troubled), make.stay(make.pitch()), make.stay(unclear="unknown_room")]
    gone = guest(on_pitch())
    Stay.objects.filter(pk=gone.stay_id).update(status="left", ended_at=now - DAY)
    for stay in (*parties, gone.stay):
        make.guest(stay.booking)
    by = make.staff(f"staff {gone.pk}")
    make.want(on_pitch(), True, by=by, ago_s=13 * 3600)
    lit = on_pitch()
    MeterState.objects.filter(meter=lit).update(power_w=800)


def shown(found: list[problems.Problem]) -> list[str]:
    """As a page would tell them."""
    return [
        f"{each.words} {each.why} {each.pitch} {each.meter} {each.stay and each.stay.booking.guest}" for each in found
    ]


def test_a_look_at_many_costs_no_more_queries(now):
    """With all that is shown of each of them, and whatever is wrong with it."""

    def count() -> int:
        follow.apply(None, now)
        WorkerState.objects.update(heartbeat_at=now + LATER)
        with CaptureQueriesContext(connection) as queries:
            found = problems.find(now + LATER)
            shown(found)
        assert {problem.kind for problem in found} == set(Kind)
        return len(queries)

    all_that_may_be_wrong(now)
    few = count()
    for _ in range(5):
        all_that_may_be_wrong(now)
    assert count() == few


# --- healing ---------------------------------------------------------------------------------------------------------


def sirvoys(pitch: Pitch, **values: object) -> Stay:
    """A stay as Sirvoy's event made it: its booking names its room."""
    room = Room.objects.create(name=pitch.number, pitch=pitch, named_at=timezone.now())
    booking = make.booking(**values)
    dates = {"arrival": str(booking.arrival), "departure": str(booking.departure)}
    booking.rooms = [{"room_id": None, "name": room.name, "adults": 2, **dates}]
    booking.save()
    return make.stay(pitch, booking=booking, room=room)


def test_a_guest_whose_meter_the_ledger_forgot_has_a_line_and_power_again(now):
    meter = on_pitch(relay=False)
    stay = sirvoys(meter.installations.get().pitch)
    assert (stays.advance(now), follow.apply(None, now)) == (1, 1)
    assert StayMeter.objects.get().stay == stay
    assert Want.objects.get(ended_at=None).state is True
    assert (stays.advance(now), follow.apply(None, now)) == (0, 0)


def test_a_line_that_stayed_open_after_its_guest_left_is_closed(now):
    line = guest(on_pitch(), position=None)
    Stay.objects.update(status="left", ended_at=now - HOUR)
    assert kinds(now) == [Kind.OPEN_LINE]
    assert stays.advance(now) == 1
    line.refresh_from_db()
    assert (line.ended_by, line.end is None) == ("check_out", False)
    assert Kind.OPEN_LINE not in kinds(now)


def test_closing_a_forgotten_line_lights_nothing_for_a_guest_who_left_long_ago(now):
    line = guest(on_pitch(relay=False), position=None)
    Stay.objects.update(status="left", ended_at=now - HOUR)
    stays.advance(now)
    follow.apply(None, now)
    assert commands.in_force([line.meter_id], now)[line.meter_id].state is False


@pytest.mark.django_db(transaction=True)
def test_a_guest_who_is_checked_in_while_forgotten_lines_are_closed_keeps_his(now):
    """His check-out is taken back in Sirvoy, at the same moment."""
    meter = on_pitch()
    stay = sirvoys(meter.installations.get().pitch, is_checked_out=True)
    Stay.objects.update(status="left", ended_at=now - HOUR)
    line = make.line(stay, meter, pitch=stay.pitch)
    with transaction.atomic():
        booking = Booking.objects.select_for_update(no_key=True).get()
        Booking.objects.update(is_checked_out=False)
        booking.refresh_from_db()
        Stay.objects.update(status="in_house", ended_at=None)
        healing = in_thread(lambda: stays.advance(now))
        while healing.is_alive() and not is_somebody_waiting():
            pass
    healing.join()
    line.refresh_from_db()
    assert line.end is None


def is_somebody_waiting() -> bool:
    """For a lock in this database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT EXISTS "
            "(SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database())"
        )
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_the_night_waits_for_nobody_who_only_notes_something_about_a_booking(now):
    """A charge that is being noted holds its booking by a key, and lets it be changed."""
    meter = on_pitch()
    stay = sirvoys(meter.installations.get().pitch, is_checked_out=True)
    make.line(stay, meter, pitch=stay.pitch)
    noted, done = threading.Event(), threading.Event()

    def note() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT FROM bookings_booking FOR KEY SHARE")
            noted.set()
            done.wait()

    noting = in_thread(note)
    noted.wait()
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '2s'")
    try:
        stays.compare(now)
    finally:
        done.set()
        noting.join()
        with connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")
    stay.refresh_from_db()
    assert stay.status == "left"


def test_a_booking_that_cannot_be_set_right_holds_up_no_other(now, caplog):
    broken = sirvoys(make.pitch())
    Booking.objects.filter(pk=broken.booking_id).update(rooms=[{}])
    stay = sirvoys(on_pitch().installations.get().pitch, is_checked_out=True)
    stays.compare(now)
    stay.refresh_from_db()
    assert stay.status == "left"
    assert f"booking {broken.booking_id} could not" in caplog.text


def test_the_night_compares_every_stay_with_sirvoy_and_the_jobs_may_run_twice(now):
    meter = on_pitch()
    stay = sirvoys(meter.installations.get().pitch, is_checked_out=True)
    stays.compare(now)
    stay.refresh_from_db()
    assert stay.status == "left"
    for job in (tasks.advance_stays, tasks.apply_power, tasks.compare_stays) * 2:
        job()


# --- the rules in the admin ------------------------------------------------------------------------------------------


@pytest.fixture
def chief() -> Client:
    client = Client(headers={"accept-language": "en"})
    client.force_login(make.superuser())
    return client


def test_each_kind_of_pitch_has_its_rule_and_staff_see_them(chief):
    assert set(PowerRule.objects.values_list("kind", flat=True)) == set(Pitch.Kind.values)
    page = chief.get(reverse("admin:bookings_powerrule_changelist")).content.decode()
    assert "15 more minutes" in page
    assert "cabin" in page


def test_a_rule_is_changed_and_noted_and_never_added_or_deleted(chief):
    rule = PowerRule.objects.get(kind="cabin")
    address = reverse("admin:bookings_powerrule_change", args=[rule.pk])
    form = {"follows_bookings": "on", "when_vacant": "off", "grace_min": 30, "overdue_h": 12}
    times = {"cleaning_from": "09:00", "cleaning_until": "14:00"}
    assert chief.post(address, form | times).status_code == 302
    rule.refresh_from_db()
    assert (rule.when_vacant, rule.grace_min, rule.cleaning_from.hour) == ("off", 30, 9)
    history = chief.get(reverse("admin:bookings_powerrule_history", args=[rule.pk])).content.decode()
    assert "15 → 30" in history
    assert chief.get(reverse("admin:bookings_powerrule_add")).status_code == 403
    assert chief.post(reverse("admin:bookings_powerrule_delete", args=[rule.pk])).status_code == 403


@pytest.mark.parametrize(
    "times",
    [
        {"cleaning_from": "10:00", "cleaning_until": ""},
        {"cleaning_from": "15:00", "cleaning_until": "10:00"},
    ],
)
def test_a_cleaning_window_that_makes_no_sense_is_refused(chief, times):
    rule = PowerRule.objects.get(kind="cabin")
    form = {"when_vacant": "off", "grace_min": 30, "overdue_h": 12}
    answer = chief.post(reverse("admin:bookings_powerrule_change", args=[rule.pk]), form | times)
    assert answer.status_code == 200
    assert "Cleaning" in answer.content.decode()
    rule.refresh_from_db()
    assert rule.grace_min == 15
