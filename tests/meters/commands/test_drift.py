"""Where the relay is not as wanted: what is corrected by itself, what is asked for, what is only shown."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from meters import commands
from meters.models import Area, AreaState, Command, Device, Meter, MeterState, Pitch, Source, Want, WorkerState
from tests import make

pytestmark = pytest.mark.django_db


def look(session_ago_s: float | None = 3600) -> commands.drift.Findings:
    now = timezone.now()
    return commands.correct(now, None if session_ago_s is None else now - timedelta(seconds=session_ago_s))


def ago(seconds: float) -> timezone.datetime:
    return timezone.now() - timedelta(seconds=seconds)


def wanted(meter: Meter, state: bool, source: str = Source.POLICY, *, done: bool = True, **values: Any) -> Want:
    """A want of two hours ago, fulfilled an hour ago."""
    values = {"ago_s": 7200, "fulfilled_at": ago(3600) if done else None} | values
    if source in (Source.POLICY, Source.CLEANING):
        values = {"until": timezone.now() + timedelta(minutes=5)} | values
    return make.want(meter, state, source, **values)


def hold(want: Want) -> str:
    want.refresh_from_db()
    return want.hold


def tell(meter: Meter, relay: bool, seconds_ago: float = 0) -> None:
    """The meter tells its position."""
    MeterState.objects.filter(meter=meter).update(relay=relay, relay_at=ago(seconds_ago), heard_at=timezone.now())


def finish(**values: Any) -> None:
    """Whatever is open ends so."""
    Command.objects.filter(finished_at=None).update(finished_at=timezone.now(), load="none", attempts=1, **values)


# --- unasked ---------------------------------------------------------------------------------------------------------


def test_an_unasked_on_is_corrected() -> None:
    meter = make.switchable(relay=True)
    wanted(meter, False)
    found = look()
    command = Command.objects.get()
    assert (command.meter, command.state, command.automatic, command.status) == (meter, False, True, "queued")
    assert (found.switched, found.changed) == (1, {meter.pk})


def test_what_is_being_done_is_not_done_twice() -> None:
    wanted(make.switchable(relay=True), False)
    assert [look().switched, look().switched] == [1, 0]


def test_an_unasked_off_is_only_shown_and_stays_shown() -> None:
    meter = make.switchable(relay=False)
    want = wanted(meter, True)
    assert look().changed == {meter.pk}
    assert hold(want) == "unasked_off"
    first = want.hold_at
    assert look().changed == set()
    want.refresh_from_db()
    assert want.hold_at == first
    assert not Command.objects.exists()


def test_an_unasked_off_that_a_person_puts_right_is_right_again() -> None:
    meter = make.switchable(relay=False)
    want = wanted(meter, True)
    look()
    tell(meter, True)
    assert look().changed == {meter.pk}
    assert hold(want) == ""


def test_a_meter_that_nobody_manages_is_left_alone() -> None:
    make.switchable(relay=True)
    assert look() == commands.drift.Findings()


def test_the_highest_want_is_the_one_that_is_enforced() -> None:
    meter = make.switchable(relay=True)
    wanted(meter, False)
    wanted(meter, True, Source.GUEST)
    assert look().switched == 0


def test_a_want_whose_time_ran_out_is_not_enforced() -> None:
    wanted(make.switchable(relay=True), False, until=ago(1))
    assert look().switched == 0


# --- the power comes back --------------------------------------------------------------------------------------------


def announce(seconds_ago: float = 5) -> None:
    Device.objects.update(announced_at=ago(seconds_ago), available=True, available_since=ago(seconds_ago))


def test_after_a_power_cut_what_was_on_is_switched_on_again_once() -> None:
    meter = make.switchable(relay=True)
    want = wanted(meter, True)
    look()
    announce()
    tell(meter, False)
    assert look().switched == 1
    finish(status="confirmed")
    Want.objects.update(fulfilled_at=timezone.now())
    tell(meter, False)
    assert look().switched == 0
    assert hold(want) == "unasked_off"


def test_without_an_announcement_an_off_is_no_power_cut() -> None:
    meter = make.switchable(relay=False)
    want = wanted(meter, True)
    Device.objects.update(available_since=ago(5))
    look()
    assert hold(want) == "unasked_off"


def test_a_tripped_breaker_stays_off_through_a_power_cut() -> None:
    """Off by itself, then away, then back: it was off before."""
    meter = make.switchable(relay=False)
    want = wanted(meter, True)
    look()
    assert hold(want) == "unasked_off"
    make.later(600)
    Device.objects.update(available=False, available_since=ago(300))
    look()
    make.later(600)
    announce()
    tell(meter, False)
    assert look().switched == 0
    assert hold(want) == "unasked_off"


def test_a_tripped_breaker_stays_off_through_a_lost_broker_and_a_power_cut() -> None:
    meter = make.switchable(relay=False)
    want = wanted(meter, True)
    look()
    make.later(60)
    WorkerState.objects.update(connected_at=None)
    look(None)
    WorkerState.objects.update(connected_at=timezone.now())
    make.later(60)
    announce()
    tell(meter, False)
    assert look(30).switched == 0
    assert hold(want) == "unasked_off"


# --- only what was told in this session ------------------------------------------------------------------------------


def test_after_a_start_a_position_of_before_is_asked_for_first() -> None:
    meter = make.switchable(relay=True)
    want = wanted(meter, False)
    tell(meter, True, 120)
    found = look(session_ago_s=60)
    assert (found.asking, found.switched, hold(want)) == ({meter.pk}, 0, "asked")
    tell(meter, True)
    assert look(session_ago_s=60).switched == 1


def test_while_not_connected_nothing_is_corrected() -> None:
    meter = make.switchable(relay=True)
    wanted(meter, False)
    assert look(session_ago_s=None).switched == 0


def test_a_position_that_nobody_ever_told_is_asked_for() -> None:
    meter = make.switchable(relay=None)
    wanted(meter, False)
    assert look().asking == {meter.pk}


def test_a_want_that_was_never_done_needs_no_position() -> None:
    wanted(make.switchable(relay=None), False, done=False)
    assert look().switched == 1


# --- what forbids it -------------------------------------------------------------------------------------------------


def test_an_area_that_observes_switches_nothing_and_shows_what_it_would() -> None:
    observing = make.area(control="observe")
    meter = make.switchable("101,2", area=observing, relay=True)
    want = wanted(meter, False)
    wanted(make.switchable(area=observing, relay=False), False)
    look()
    assert hold(want) == "observe"
    assert commands.would_switch(timezone.now()) == [want]
    Area.objects.update(control="act")
    assert look().switched == 1
    assert commands.would_switch(timezone.now()) == []


def test_a_pitch_that_became_never_cut_or_manual_is_left_alone() -> None:
    for policy, expected in [(Pitch.Policy.NEVER_CUT, "never_cut"), (Pitch.Policy.MANUAL, "manual")]:
        meter = make.switchable(relay=True)
        want = wanted(meter, False)
        make.installed(meter, make.pitch(policy=policy))
        look()
        assert hold(want) == expected


@pytest.mark.parametrize("how", ["unavailable", "silent", "bridge", "removed", "worker"])
def test_a_meter_that_is_not_online_waits(how: str) -> None:
    meter = make.switchable(relay=True)
    want = wanted(meter, False)
    match how:
        case "unavailable":
            Device.objects.update(available=False)
        case "silent":
            MeterState.objects.update(heard_at=ago(3600))
        case "bridge":
            AreaState.objects.update(bridge="offline")
        case "removed":
            Device.objects.update(removed_at=timezone.now())
        case "worker":
            WorkerState.objects.update(heartbeat_at=ago(60))
    assert look().switched == 0
    assert hold(want) == "offline"


def test_a_meter_without_an_area_is_left_alone() -> None:
    meter = make.switchable(relay=True)
    Device.objects.update(area=None)
    wanted(meter, False)
    assert look().switched == 0


def test_a_relay_that_flips_again_and_again_is_left_alone_and_reported(settings: Any) -> None:
    settings.CORRECTIONS_AN_HOUR = 2
    meter = make.switchable(relay=True)
    want = wanted(meter, False)
    for _ in range(2):
        tell(meter, True)
        assert look().switched == 1
        finish(status="confirmed")
        tell(meter, False)
        look()
    tell(meter, True)
    assert look().switched == 0
    assert hold(want) == "flips"
    make.later(3700)
    commands.renew(Source.POLICY, [meter.pk], timezone.now() + timedelta(minutes=5))
    tell(meter, True)
    assert look().switched == 1


def test_what_a_booking_itself_changes_is_no_correction_however_often(settings: Any) -> None:
    """Check-in, check-out, the next guest: each want is switched once, and only what is repeated counts."""
    settings.CORRECTIONS_AN_HOUR = 1
    meter = make.switchable(relay=False)
    for state in (True, False, True, False):
        want = commands.want(meter, Source.POLICY, state, until=timezone.now() + timedelta(minutes=5))
        assert look().switched == 1
        finish(status="confirmed")
        tell(meter, state)
        look()
    tell(meter, True)
    assert look().switched == 1
    finish(status="confirmed")
    tell(meter, True)
    assert look().switched == 0
    assert hold(want) == "flips"


def test_what_comes_into_force_again_is_switched_again_and_that_is_no_correction(settings: Any) -> None:
    settings.CORRECTIONS_AN_HOUR = 1
    meter = make.switchable(relay=True)
    commands.want(meter, Source.POLICY, False, until=timezone.now() + timedelta(minutes=5))
    for _ in range(3):
        assert look().switched == 1
        finish(status="confirmed")
        commands.want(meter, Source.STAFF, True)
        finish(status="confirmed")
        tell(meter, True)
        commands.end(meter, Source.STAFF)


def test_efforts_that_fail_again_and_again_are_corrections_too(settings: Any) -> None:
    """Its radio comes and goes: it is not tried for ever."""
    settings.CORRECTIONS_AN_HOUR = 2
    meter = make.switchable(relay=True)
    want = wanted(meter, False, done=False)
    for _ in range(3):
        assert look().switched == 1
        finish(status="failed", failure="no_answer")
        Device.objects.update(announced_at=timezone.now())
    assert look().switched == 0
    assert hold(want) == "flips"


def test_a_repeated_failure_is_left_alone_until_the_meter_was_away() -> None:
    meter = make.switchable(relay=True)
    want = wanted(meter, False, done=False)
    look()
    finish(status="failed", failure="not_moved")
    assert look().switched == 0
    assert hold(want) == "failed"
    Device.objects.update(announced_at=timezone.now())
    assert look().switched == 1


def test_a_click_after_a_failure_is_sent() -> None:
    meter = make.switchable(relay=True)
    wanted(meter, False, Source.STAFF, done=False)
    look()
    finish(status="failed")
    assert commands.want(meter, Source.STAFF, False).commands.get().status == "queued"


def test_a_stale_on_is_shown_and_not_sent() -> None:
    want = wanted(make.switchable(relay=False), True, Source.STAFF, done=False)
    assert look().switched == 0
    assert hold(want) == "stale"


def test_a_click_on_a_meter_that_stays_away_goes_by_itself_no_more() -> None:
    """Hours later it is heard again: the ON is not sent, an OFF is."""
    on, off = make.switchable(relay=False), make.switchable(relay=True)
    Device.objects.update(available=False)
    commands.want(on, Source.STAFF, True)
    commands.want(off, Source.STAFF, False)
    make.later(3 * 3600)
    commands.close_overdue(timezone.now())
    assert set(Command.objects.values_list("status", flat=True)) == {"expired"}
    Device.objects.update(available=True)
    tell(on, False), tell(off, True)
    look()
    assert list(Command.objects.filter(finished_at=None).values_list("meter", "state")) == [(off.pk, False)]


def test_a_newer_want_while_looking_is_not_overruled() -> None:
    """A click has made its own command: drift makes none beside it."""
    meter = make.switchable(relay=True)
    wanted(meter, False)
    commands.want(meter, Source.STAFF, False)
    assert look().switched == 0
    assert Command.objects.count() == 1


# --- a welded relay --------------------------------------------------------------------------------------------------


def test_a_welded_relay_is_held_and_cleared_when_its_current_is_gone() -> None:
    meter = make.switchable(relay=False, current_a=1.84)
    want = wanted(meter, False, done=False)
    make.command(want, status="failed", failure="load", load="flowing", finished_at=ago(60))
    look()
    assert hold(want) == "load"
    MeterState.objects.update(current_a=0)
    look()
    assert hold(want) == ""
    assert want.fulfilled_at is not None


def test_a_welded_relay_that_falls_back_to_an_off_of_the_booking_is_still_welded() -> None:
    meter = make.switchable(relay=False, current_a=1.84)
    policy = wanted(meter, False)
    staff = wanted(meter, False, Source.STAFF, done=False)
    make.command(staff, status="failed", failure="load", load="flowing", finished_at=ago(60))
    commands.end(meter, Source.STAFF)
    look()
    assert hold(policy) == "load"


# --- what is done is noted -------------------------------------------------------------------------------------------


def test_a_want_that_is_so_already_is_fulfilled_without_a_command() -> None:
    want = wanted(make.switchable(relay=True), True, done=False)
    look()
    want.refresh_from_db()
    assert want.fulfilled_at is not None
    assert not Command.objects.exists()


def test_a_look_where_all_is_well_asks_the_database_once(django_assert_num_queries: Any) -> None:
    for _ in range(5):
        wanted(make.switchable(relay=True), True)
    with django_assert_num_queries(1):
        look()
