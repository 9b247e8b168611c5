"""The stop: nothing automatic is switched while one is open; persons' clicks still go."""

from datetime import timedelta
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.db import transaction
from django.utils import timezone

from meters import commands
from meters.commands import queue, wants
from meters.models import AutomaticStop, Command, Source, Want
from tests import make
from tests.meters.commands import in_thread, wait_for_a_lock

pytestmark = pytest.mark.django_db


def look(**how: Any) -> commands.drift.Findings:
    now = timezone.now()
    return commands.correct(now, now - timedelta(hours=1), **how)


def unasked_on() -> Want:
    """A meter that went on by itself although its booking wants it off."""
    return make.want(
        make.switchable(relay=True), False, Source.POLICY, fulfilled_at=timezone.now() - timedelta(hours=1)
    )


def automatic(ago_s: float = 0) -> Command:
    meter = make.switchable(relay=True)
    return make.command(make.want(meter, False, Source.POLICY), automatic=True, ago_s=ago_s)


def test_there_is_one_stop_at_a_time() -> None:
    commands.stop.press(None, "smell of fire")
    with pytest.raises(commands.AlreadyStopped):
        commands.stop.press(None)
    assert AutomaticStop.objects.count() == 1
    commands.stop.release(None)
    with pytest.raises(commands.NotStopped):
        commands.stop.release(None)
    commands.stop.press(None)


def test_pressing_and_releasing_are_noted_with_the_person() -> None:
    chief = make.superuser()
    made = commands.stop.press(chief, "smell of fire")
    commands.stop.release(chief)
    entries = LogEntry.objects.filter(content_type__model="automaticstop", object_id=made.pk).order_by("pk")
    assert [entry.actor for entry in entries] == [chief, chief]
    assert entries[0].changes["reason"] == ["", "smell of fire"]


def test_a_stop_cancels_what_waits_by_itself_and_leaves_the_clicks() -> None:
    waiting, retried = automatic(), automatic()
    Command.objects.filter(pk=retried.pk).update(attempts=1, not_before=timezone.now() + timedelta(seconds=30))
    click = commands.want(make.switchable(), Source.STAFF, True).commands.get()
    commands.stop.press(None)
    assert set(Command.objects.filter(status="cancelled")) == {waiting, retried}
    assert queue.claim(click.pk, click.meter.device.area_id, timezone.now())


def test_while_stopped_nothing_is_corrected_and_it_says_why() -> None:
    want = unasked_on()
    commands.stop.press(None)
    assert look().switched == 0
    want.refresh_from_db()
    assert want.hold == "stopped"
    commands.stop.release(None)
    assert look().switched == 1


def test_an_automatic_attempt_under_way_is_not_repeated_once_stopped() -> None:
    command = automatic()
    at = timezone.now()
    queue.claim(command.pk, command.meter.device.area_id, at)
    commands.stop.press(None)
    queue.fail_attempt(command.pk, at, Command.Failure.NO_ANSWER, at + timedelta(seconds=10))
    assert not queue.claim(command.pk, command.meter.device.area_id, at + timedelta(seconds=40))


def test_an_attempt_of_a_person_under_way_is_repeated_though_stopped() -> None:
    click = commands.want(make.switchable(), Source.STAFF, True).commands.get()
    at = timezone.now()
    queue.claim(click.pk, click.meter.device.area_id, at)
    commands.stop.press(None)
    queue.fail_attempt(click.pk, at, Command.Failure.NO_ANSWER, at + timedelta(seconds=10))
    assert queue.claim(click.pk, click.meter.device.area_id, at + timedelta(seconds=40))


# --- the limit -------------------------------------------------------------------------------------------------------


def test_too_many_offs_at_once_stop_everything_before_one_is_switched(settings: Any) -> None:
    settings.AUTOMATIC_OFFS_AN_HOUR = 2
    for _ in range(3):
        unasked_on()
    make.want(make.switchable(relay=False), True, Source.POLICY, until=timezone.now() + timedelta(minutes=5))
    look()
    assert not Command.objects.exists()
    stop = commands.stop.current()
    assert (stop.cause, stop.by) == ("limit", None)
    look()
    assert set(Want.objects.values_list("hold", flat=True)) == {"stopped"}


def test_the_offs_of_the_last_hour_count(settings: Any) -> None:
    settings.AUTOMATIC_OFFS_AN_HOUR = 2
    for ago_s in (10, 3000, 3700):
        command = automatic(ago_s)
        Command.objects.filter(pk=command.pk).update(
            status="confirmed", attempts=1, finished_at=timezone.now(), load="none"
        )
    assert commands.stop.offs_left(timezone.now()) == 0
    more = unasked_on()
    look()
    assert commands.stop.current().cause == "limit"
    assert not more.commands.exists()


def test_exactly_as_many_as_allowed_are_switched(settings: Any) -> None:
    settings.AUTOMATIC_OFFS_AN_HOUR = 2
    unasked_on(), unasked_on()
    assert look().switched == 2
    assert commands.stop.current() is None


def test_ons_and_persons_offs_are_not_limited(settings: Any) -> None:
    settings.AUTOMATIC_OFFS_AN_HOUR = 0
    commands.order([make.switchable(relay=True) for _ in range(3)], False)
    make.want(make.switchable(relay=False), True, Source.POLICY, until=timezone.now() + timedelta(minutes=5))
    assert look().switched == 1
    assert commands.stop.current() is None


def test_a_person_who_lets_it_go_on_gives_a_new_hour(settings: Any) -> None:
    settings.AUTOMATIC_OFFS_AN_HOUR = 1
    unasked_on(), unasked_on()
    look()
    commands.stop.release(make.staff())
    Want.objects.filter(pk=Want.objects.first().pk).update(ended_at=timezone.now())
    assert look().switched == 1


# --- pressed while a look is under way -------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_stop_pressed_in_the_middle_of_a_look_stops_what_the_look_finds() -> None:
    want = unasked_on()
    with transaction.atomic():
        wants.lock([want.meter_id])
        looking = in_thread(look)
        wait_for_a_lock()  # it has looked, and is about to make the command
        pressing = in_thread(lambda: commands.stop.press(None))
        pressing.join()
    looking.join()
    for command in Command.objects.all():
        assert not queue.claim(command.pk, command.meter.device.area_id, timezone.now())


def test_a_repeat_that_waited_through_the_stop_is_no_decision_of_now() -> None:
    """Cancelled by the next look: after the release the relay is looked at anew."""
    command = automatic()
    at = timezone.now()
    queue.claim(command.pk, command.meter.device.area_id, at)
    commands.stop.press(None)
    queue.fail_attempt(command.pk, at, Command.Failure.NO_ANSWER, at)
    commands.close_overdue(timezone.now())
    command.refresh_from_db()
    assert command.status == "cancelled"


def test_what_a_restored_database_holds_as_under_way_is_forgotten_whoever_ordered_it() -> None:
    by_itself, click = automatic(), commands.want(make.switchable(), Source.STAFF, True).commands.get()
    queue.claim(click.pk, make.area().pk, timezone.now())
    assert commands.forget_open(timezone.now()) == 2
    assert not Command.objects.filter(status__in=Command.OPEN).exists()
    assert by_itself.want.ended_at is None  # what is wanted stays; it is pursued once the stop is lifted
