"""The rows of commands: claimed once, followed, repeated with growing gaps, closed, forgotten."""

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from meters import commands, tasks
from meters.commands import queue
from meters.models import Area, Command, Meter, Order, Pitch, Source, Want
from tests import make
from tests.meters.commands import in_thread, wait_for_a_lock

pytestmark = pytest.mark.django_db
Failure = Command.Failure


def waiting(state: bool = True, **values: Any) -> Command:
    return make.command(make.want(make.switchable(), state), **values)


def claim(command: Command, at: datetime | None = None) -> bool:
    return queue.claim(command.pk, command.meter.device.area_id, at or timezone.now())


def status(command: Command) -> str:
    command.refresh_from_db()
    return command.status


def plus(at: datetime, seconds: float) -> datetime:
    return at + timedelta(seconds=seconds)


# --- claiming --------------------------------------------------------------------------------------------------------


def test_a_command_is_claimed_once() -> None:
    command = waiting()
    assert [claim(command), claim(command)] == [True, False]
    command.refresh_from_db()
    assert (command.attempts, command.area) == (1, command.meter.device.area)


@pytest.mark.django_db(transaction=True)
def test_of_two_workers_one_gets_it() -> None:
    command = waiting()
    got: list[bool] = []
    barrier = threading.Barrier(4)

    def work() -> None:
        barrier.wait()
        got.append(claim(command))

    for thread in [in_thread(work) for _ in range(4)]:
        thread.join()
    assert sorted(got) == [False, False, False, True]


def test_after_its_deadline_nothing_is_claimed() -> None:
    command = waiting()
    assert not claim(command, command.expires_at)
    assert claim(command, plus(command.expires_at, -1))


def test_a_want_that_ended_or_ran_out_is_never_sent() -> None:
    ended, over = waiting(), waiting()
    Want.objects.filter(pk=ended.want_id).update(ended_at=timezone.now())
    Want.objects.filter(pk=over.want_id).update(until=timezone.now())
    assert not claim(ended)
    assert not claim(over)


def test_an_overtaken_on_is_never_claimable() -> None:
    meter = make.switchable()
    on = commands.want(meter, Source.STAFF, True).commands.get()
    commands.want(meter, Source.STAFF, False)
    assert not claim(on)
    assert not claim(on, plus(timezone.now(), 3600))


def test_an_on_of_a_guest_is_never_claimable_once_staff_want_off() -> None:
    meter = make.switchable()
    on = commands.want(meter, Source.GUEST, True).commands.get()
    commands.want(meter, Source.STAFF, False)
    assert not claim(on)


def test_what_was_certainly_not_published_was_never_claimed() -> None:
    command = waiting()
    at = timezone.now()
    claim(command, at)
    queue.unclaim(command.pk, at)
    command.refresh_from_db()
    assert (command.claimed_at, command.attempts, command.status) == (None, 0, "queued")
    assert claim(command)


def test_an_older_claim_is_not_undone_by_its_late_owner() -> None:
    command = waiting()
    at = timezone.now()
    claim(command, at)
    queue.unclaim(command.pk, plus(at, -1))
    assert not claim(command)


@pytest.mark.parametrize("change", ["observe", "never_cut", "manual"])
def test_an_automatic_off_is_not_sent_where_it_is_forbidden_meanwhile(change: str) -> None:
    meter = make.switchable(relay=True)
    pitch = make.pitch()
    make.installed(meter, pitch)
    want = commands.want(meter, Source.POLICY, False, until=plus(timezone.now(), 300))
    commands.correct(timezone.now(), timezone.now())
    command = want.commands.get()
    if change == "observe":
        Area.objects.update(control="observe")
    else:
        Pitch.objects.update(policy=change)
    commands.close_overdue(timezone.now())
    assert status(command) == "cancelled"


def test_an_automatic_on_is_sent_to_a_pitch_that_is_never_cut() -> None:
    meter = make.switchable(relay=False)
    make.installed(meter, make.pitch(policy="never_cut"))
    command = make.command(make.want(meter, True, Source.POLICY), automatic=True)
    commands.close_overdue(timezone.now())
    assert claim(command)


# --- what is told of an attempt --------------------------------------------------------------------------------------


def test_the_echo_may_come_before_it_is_noted_as_sent() -> None:
    command = waiting()
    at = timezone.now()
    claim(command, at)
    assert queue.acknowledge(command.pk, at, plus(at, 0.2))
    queue.note_sent(command.pk, at, plus(at, 0.3))
    command.refresh_from_db()
    assert (command.status, command.sent_at) == ("acknowledged", plus(at, 0.3))


def test_what_was_overtaken_between_claim_and_sent_stays_overtaken() -> None:
    command = waiting()
    at = timezone.now()
    claim(command, at)
    commands.want(command.meter, Source.STAFF, False)
    queue.note_sent(command.pk, at, plus(at, 0.3))
    assert status(command) == "superseded"


def test_an_overtaken_command_proves_and_fails_nothing_more() -> None:
    command = waiting()
    at = timezone.now()
    claim(command, at)
    commands.want(command.meter, Source.STAFF, False)
    assert not queue.acknowledge(command.pk, at, at)
    assert not queue.confirm(command.pk, at, at)
    assert not queue.fail_attempt(command.pk, at, Failure.REFUSED, at)
    assert Want.objects.get(commands=command).fulfilled_at is None


def test_an_earlier_attempt_tells_nothing_of_the_present_one() -> None:
    command = waiting()
    at, again = timezone.now(), plus(timezone.now(), 40)
    claim(command, at)
    queue.fail_attempt(command.pk, at, Failure.NO_ANSWER, plus(at, 10))
    claim(command, again)
    assert not queue.confirm(command.pk, at, plus(at, 41))
    assert not queue.fail_attempt(command.pk, at, Failure.NO_ANSWER, plus(at, 41))
    assert status(command) == "queued"


def test_a_confirmation_fulfils_the_want_and_clears_its_failure() -> None:
    command = waiting(failure="no_answer", detail="x")
    Want.objects.update(hold="failed", hold_at=timezone.now())
    at = timezone.now()
    claim(command, at)
    assert queue.confirm(command.pk, at, plus(at, 3))
    command.refresh_from_db()
    assert (command.status, command.failure, command.detail) == ("confirmed", "", "")
    assert (command.want.fulfilled_at, command.want.hold) == (plus(at, 3), "")


def test_a_new_attempt_begins_without_the_traces_of_the_last_one() -> None:
    command = waiting()
    at = timezone.now()
    claim(command, at)
    queue.note_sent(command.pk, at, at)
    queue.acknowledge(command.pk, at, at)
    queue.note_asked(command.pk, at, at)
    queue.note_read(command.pk, at, True)
    queue.fail_attempt(command.pk, at, Failure.NOT_MOVED, at)
    claim(command, plus(at, 35))
    command.refresh_from_db()
    told = (command.sent_at, command.acknowledged_at, command.asked_at, command.read_state, command.not_before)
    assert (command.status, told) == ("queued", (None,) * 5)


# --- attempts --------------------------------------------------------------------------------------------------------


def test_the_gaps_grow_and_the_third_failure_is_the_last() -> None:
    command = waiting()
    at = timezone.now()
    gaps = []
    for _ in range(queue.ATTEMPTS):
        assert claim(command, at)
        queue.fail_attempt(command.pk, at, Failure.NO_ANSWER, plus(at, 5), "timed out")
        command.refresh_from_db()
        if command.not_before:
            gaps.append((command.not_before - at).total_seconds())
            at = command.not_before
    assert gaps == [35, 70]
    assert (command.status, command.failure, command.detail) == ("failed", "no_answer", "timed out")
    assert command.want.fulfilled_at is None


def test_a_failure_known_late_is_not_repeated_in_the_past() -> None:
    command = waiting()
    at = timezone.now()
    claim(command, at)
    queue.fail_attempt(command.pk, at, Failure.UNANSWERED, plus(at, 47))
    command.refresh_from_db()
    assert command.not_before == plus(at, 47)


def test_a_meter_heard_elsewhere_is_sent_to_there_at_once() -> None:
    command = waiting()
    at = timezone.now()
    claim(command, at)
    queue.fail_attempt(command.pk, at, Failure.MOVED, plus(at, 1))
    command.refresh_from_db()
    assert command.not_before == plus(at, 1)


def test_a_failure_of_what_nobody_wants_any_more_is_not_repeated() -> None:
    command = waiting()
    at = timezone.now()
    claim(command, at)
    commands.end(command.meter, Source.STAFF)
    queue.fail_attempt(command.pk, at, Failure.NO_ANSWER, plus(at, 5))
    assert status(command) == "cancelled"


def test_the_name_is_tried_once_and_costs_no_attempt() -> None:
    command = waiting()
    at = timezone.now()
    claim(command, at)
    assert queue.call_by_name(command.pk, at)
    command.refresh_from_db()
    assert (command.by_name, command.attempts, command.not_before, command.claimed_at) == (True, 0, None, None)
    claim(command, plus(at, 1))
    assert not queue.call_by_name(command.pk, plus(at, 1))


def test_the_database_allows_one_open_command_a_meter() -> None:
    command = waiting()
    with pytest.raises(IntegrityError), transaction.atomic():
        make.command(command.want)


def test_a_command_lives_no_longer_than_its_want() -> None:
    until = plus(timezone.now(), 60)
    assert commands.want(make.switchable(), Source.STAFF, True, until=until).commands.get().expires_at == until


def test_a_renewed_lease_keeps_its_command_alive() -> None:
    """Else a short lease never comes to its third attempt, and is called a flipping relay instead of a failed one."""
    meter = make.switchable(relay=True)
    now = timezone.now()
    want = commands.want(meter, Source.POLICY, False, until=plus(now, 90))
    commands.correct(now, now)
    commands.renew(Source.POLICY, [meter.pk], plus(now, 600))
    commands.close_overdue(plus(now, 100))
    assert want.commands.get().status == "queued"


# --- the load --------------------------------------------------------------------------------------------------------


def test_a_load_that_flows_fails_the_off_after_all() -> None:
    off = waiting(False)
    at = timezone.now()
    claim(off, at)
    queue.confirm(off.pk, at, plus(at, 3))
    assert queue.settle_load(off.pk, Command.Load.FLOWING, plus(at, 17), "1.84 A")
    off.refresh_from_db()
    assert (off.status, off.failure, off.detail, off.load) == ("failed", "load", "1.84 A", "flowing")
    assert (off.want.hold, off.want.fulfilled_at) == ("load", None)
    assert not queue.settle_load(off.pk, Command.Load.NONE, plus(at, 20))


@pytest.mark.parametrize("load", [Command.Load.NONE, Command.Load.UNKNOWN])
def test_no_load_and_an_unknown_one_leave_the_off_confirmed(load: str) -> None:
    off = waiting(False, status="confirmed", confirmed_at=timezone.now(), finished_at=timezone.now())
    assert queue.settle_load(off.pk, load, timezone.now())
    off.refresh_from_db()
    assert (off.status, off.load, off.want.hold) == ("confirmed", load, "")


def test_a_newer_on_ends_the_question_whether_current_still_flows() -> None:
    """The current that flows then is wanted."""
    meter = make.switchable()
    off = commands.want(meter, Source.STAFF, False).commands.get()
    at = timezone.now()
    claim(off, at)
    queue.confirm(off.pk, at, plus(at, 3))
    commands.want(meter, Source.STAFF, True)
    queue.settle_load(off.pk, Command.Load.FLOWING, plus(at, 17))
    assert status(off) == "confirmed"


# --- the end ---------------------------------------------------------------------------------------------------------


def test_what_ran_out_of_time_is_closed_once() -> None:
    command = waiting()
    at = plus(command.expires_at, 1)
    assert commands.close_overdue(at) == {command.meter_id}
    before = list(Command.objects.values())
    assert commands.close_overdue(plus(at, 60)) == set()
    assert list(Command.objects.values()) == before
    assert status(command) == "expired"


def test_before_its_time_nothing_is_closed() -> None:
    command = waiting()
    assert commands.close_overdue(plus(command.expires_at, -1)) == set()


def test_an_attempt_under_way_is_left_to_the_worker_until_it_is_clearly_gone() -> None:
    command = waiting()
    at = plus(command.expires_at, -1)
    claim(command, at)
    assert commands.close_overdue(plus(at, 100)) == set()
    assert commands.close_overdue(plus(at, 160)) == {command.meter_id}
    command.refresh_from_db()
    assert (command.status, command.failure) == ("failed", "unanswered")


def test_a_load_that_nobody_asked_for_in_time_is_unknown() -> None:
    at = timezone.now()
    off = waiting(False, status="confirmed", confirmed_at=at, finished_at=at)
    commands.close_overdue(plus(at, 60))
    assert Command.objects.get(pk=off.pk).load == ""
    commands.close_overdue(plus(at, 130))
    assert Command.objects.get(pk=off.pk).load == "unknown"


def test_a_clock_set_back_leaves_no_attempt_under_way_for_ever() -> None:
    command = waiting()
    at = timezone.now()
    claim(command, at)
    commands.close_overdue(plus(at, -3600))
    assert status(command) == "failed"


def test_a_clock_set_back_makes_no_on_live_longer() -> None:
    command = waiting()
    commands.close_overdue(plus(command.created_at, -3600))
    assert status(command) == "expired"


def test_a_clock_set_forward_ends_what_waits_and_fails_what_is_under_way() -> None:
    command, under_way = waiting(), waiting()
    at = timezone.now()
    claim(under_way, at)
    commands.close_overdue(plus(at, 3600))
    assert (status(command), status(under_way)) == ("expired", "failed")


@pytest.mark.django_db(transaction=True)
def test_the_task_beside_a_busy_worker_closes_each_command_once() -> None:
    """Whoever is faster; none is lost between them, none is both sent and expired."""
    late = [waiting(ago_s=1000) for _ in range(10)]
    live = [waiting() for _ in range(10)]
    claimed: list[int] = []
    barrier = threading.Barrier(3)

    def send() -> None:
        barrier.wait()
        claimed.extend(command.pk for command in [*late, *live] if claim(command))

    def close() -> None:
        barrier.wait()
        tasks.close_overdue_commands()

    for thread in [in_thread(work) for work in (send, close, close)]:
        thread.join()
    assert claimed == [command.pk for command in live]
    assert {status(command) for command in late} == {"expired"}
    assert {status(command) for command in live} == {"queued"}


@pytest.mark.django_db(transaction=True)
def test_a_lease_renewed_at_the_last_moment_is_not_ended() -> None:
    meter = make.switchable()
    now = timezone.now()
    want = make.want(meter, False, Source.POLICY, until=plus(now, -1))
    with transaction.atomic():
        commands.renew(Source.POLICY, [meter.pk], plus(now, 600))
        ending = in_thread(lambda: commands.end_expired(timezone.now()))
        wait_for_a_lock()  # it has seen the old time, and is about to end it
    ending.join()
    want.refresh_from_db()
    assert want.ended_at is None


# --- forgetting ------------------------------------------------------------------------------------------------------


def test_old_commands_orders_and_ended_wants_are_forgotten_and_open_ones_kept() -> None:
    meter, other = make.switchable(), make.switchable()
    commands.order([meter], True)
    commands.order([meter], False)
    commands.order([other], True)
    at = timezone.now()
    Command.objects.filter(meter=other).update(status="confirmed", finished_at=at)
    assert commands.prune(plus(at, 1)) == 5
    assert list(Command.objects.values_list("state", "status")) == [(False, "queued")]
    assert set(Want.objects.values_list("meter", "state")) == {(meter.pk, False), (other.pk, True)}
    assert Order.objects.count() == 1
    assert commands.prune(plus(at, 1)) == 0


def test_what_is_younger_is_kept() -> None:
    command = waiting(status="failed", finished_at=timezone.now())
    assert commands.prune(plus(timezone.now(), -60)) == 0
    assert Command.objects.filter(pk=command.pk).exists()


def test_a_forgotten_want_takes_nothing_with_it() -> None:
    meter: Meter = make.switchable()
    commands.want(meter, Source.STAFF, True)
    newer = commands.want(meter, Source.STAFF, False)
    commands.prune(plus(timezone.now(), 1))
    newer.refresh_from_db()
    assert newer.replaces is None
