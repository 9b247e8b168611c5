"""Trying again what is wanted, whoever wants it."""

from datetime import timedelta
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.utils import timezone

from meters import commands
from meters.models import Command, Device, Meter, Pitch, Source, Want
from tests import make

pytestmark = pytest.mark.django_db


def left_alone(hold: str = "failed", state: bool = True, **values: Any) -> tuple[Meter, Want]:
    """A booking wants it; the software has given up."""
    meter = make.switchable(relay=not state, area=make.area(control="observe"))
    until = timezone.now() + timedelta(minutes=5)
    want = make.want(meter, state, Source.POLICY, ago_s=3600, until=until, hold=hold, hold_at=timezone.now(), **values)
    return meter, want


def test_what_a_booking_wants_is_tried_again_by_a_person_and_stays_the_bookings_want() -> None:
    meter, want = left_alone()
    made = commands.again(meter, make.staff())
    assert (made.want, made.state, made.automatic, made.status) == (want, True, False, "queued")
    want.refresh_from_db()
    assert (want.source, want.hold, want.ended_at) == (Source.POLICY, "", None)
    assert Want.objects.count() == 1


def test_it_goes_where_nothing_automatic_may() -> None:
    meter, _ = left_alone("stopped")
    commands.stop.press(None, "a test")
    made = commands.again(meter, make.staff())
    assert commands.queue.claim(made.pk, meter.device.area_id, timezone.now())


def test_what_is_under_way_for_it_is_not_sent_twice() -> None:
    meter, want = left_alone("")
    under_way = make.command(want, sent_ago_s=2, automatic=True)
    assert commands.again(meter, make.staff()) == under_way
    under_way.refresh_from_db()
    assert (under_way.status, under_way.automatic) == ("sent", False)
    assert Command.objects.count() == 1


def test_what_waits_for_its_next_attempt_goes_at_once() -> None:
    meter, want = left_alone("")
    waiting = make.command(want, automatic=True, attempts=1, not_before=timezone.now() + timedelta(minutes=1))
    made = commands.again(meter, make.staff())
    waiting.refresh_from_db()
    assert (waiting.status, made.not_before) == ("superseded", None)


def test_it_is_noted_with_the_person_the_source_and_the_reason() -> None:
    meter, _ = left_alone()
    anna = make.staff("anna")
    commands.again(meter, anna, " the guest called ")
    entry = LogEntry.objects.get(content_type__model="meter", object_id=meter.pk, changes__has_key="source")
    assert entry.actor == anna
    assert entry.changes == {"tried again": ["", "on"], "source": ["", "policy"], "reason": ["", "the guest called"]}


def test_where_nobody_wants_anything_there_is_nothing_to_try_again() -> None:
    with pytest.raises(commands.NotManaged):
        commands.again(make.switchable(), make.staff())


def test_a_removed_meter_is_refused() -> None:
    meter, _ = left_alone()
    Device.objects.update(removed_at=timezone.now())
    meter.device.refresh_from_db()
    with pytest.raises(commands.Gone):
        commands.again(meter, make.staff())
    assert not Command.objects.exists()


def test_cutting_a_protected_pitch_again_needs_a_reason() -> None:
    meter, _ = left_alone("never_cut", state=False)
    make.installed(meter, make.pitch(policy=Pitch.Policy.NEVER_CUT))
    with pytest.raises(commands.NeedsReason):
        commands.again(meter, make.staff())
    assert not commands.again(meter, make.staff("anna"), "its cable burns").state


def test_the_highest_want_is_the_one_that_is_tried() -> None:
    meter, _ = left_alone()
    guests = make.want(meter, False, Source.GUEST)
    assert commands.again(meter, make.staff()).want == guests
