"""Whether meters become what is wanted of them."""

from datetime import timedelta

import pytest
from django.utils import timezone

from meters.models import Area, AutomaticStop, Command, MeterState, Want
from monitoring.checks import switching
from monitoring.findings import Severity
from tests import make

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def told(found: object) -> list[str]:
    return [finding.code for finding in found]  # type: ignore[attr-defined]


def wanted(state: bool, relay: bool | None, *, minutes: int = 20, hold: str = "failed", **area: object) -> Want:
    """Left as it is for so many minutes."""
    meter = make.switchable(area=make.acting(in_service=True, **area), relay=relay)
    hold_at = timezone.now() - minutes * MINUTE
    MeterState.objects.filter(meter=meter).update(relay_at=hold_at)
    return make.want(meter, state, ago_s=86400, hold=hold, hold_at=hold_at)


@pytest.mark.parametrize(
    ("state", "relay", "hold", "severity"),
    [
        (True, False, "failed", Severity.WARNING),
        (True, False, "unasked_off", Severity.NOTICE),
        (False, True, "flips", Severity.WARNING),
        (False, True, "", Severity.WARNING),
    ],
)
def test_a_relay_that_is_not_as_wanted_for_long(state: bool, relay: bool | None, hold: str, severity: str) -> None:
    want = wanted(state, relay, hold=hold)
    (found,) = switching.off_plan(timezone.now())
    assert (found.code, found.severity) == ("not_on" if state else "not_off", severity)
    assert found.part_of == f"commands_fail:{want.meter.device.area.slug}"
    MeterState.objects.update(relay=state)
    assert told(switching.off_plan(timezone.now())) == []
    MeterState.objects.update(relay=relay)
    Want.objects.filter(pk=want.pk).update(ended_at=timezone.now())
    assert told(switching.off_plan(timezone.now())) == []


def test_what_is_being_switched_is_not_yet_off_plan() -> None:
    wanted(True, False, minutes=14)
    wanted(True, False, minutes=14, hold="")
    assert told(switching.off_plan(timezone.now())) == []


def test_of_a_relay_that_nobody_told_nothing_is_said() -> None:
    wanted(True, None)
    wanted(False, None, hold="")
    assert told(switching.off_plan(timezone.now())) == []


@pytest.mark.parametrize("hold", ["asked", "offline", "observe", "stopped", "never_cut", "manual"])
def test_what_is_left_alone_for_a_reason_told_elsewhere_is_no_finding(hold: str) -> None:
    wanted(False, True, hold=hold)
    assert told(switching.off_plan(timezone.now())) == []


def test_a_meter_that_is_silent_or_of_an_area_being_commissioned_is_no_finding() -> None:
    want = wanted(True, False)
    MeterState.objects.filter(meter=want.meter).update(heard_at=timezone.now() - timedelta(hours=9))
    other = wanted(True, False)
    Area.objects.filter(pk=other.meter.device.area_id).update(in_service=False)
    assert told(switching.off_plan(timezone.now())) == []


def ended(count: int, status: str, area: object, *, minutes: int = 10, failure: str = "no_answer") -> None:
    """Commands of as many meters of this area."""
    for _ in range(count):
        want = make.want(make.switchable(area=area))  # type: ignore[arg-type]
        make.command(
            want,
            status=status,
            area=area,
            failure=failure if status == "failed" else "",
            finished_at=timezone.now() - minutes * MINUTE,
        )


@pytest.mark.parametrize(("failed", "good", "is_told"), [(5, 11, True), (5, 12, False), (4, 0, False)])
def test_a_good_part_of_an_areas_commands_fails(failed: int, good: int, is_told: bool) -> None:
    area = make.acting("North", in_service=True)
    ended(failed, Command.Status.FAILED, area)
    ended(good, Command.Status.CONFIRMED, area)
    ended(9, Command.Status.FAILED, area, minutes=61)
    ended(9, Command.Status.FAILED, area, failure="moved")
    ended(9, Command.Status.EXPIRED, area)
    assert told(switching.failing_commands(timezone.now())) == (["commands_fail"] if is_told else [])


def test_a_meter_whose_last_three_commands_failed() -> None:
    want = make.want(make.switchable(area=make.acting("North", in_service=True)))
    area = want.meter.device.area
    for minutes in (50, 40, 30):
        assert told(switching.disobeying(timezone.now())) == []
        at = timezone.now() - minutes * MINUTE
        make.command(want, status=Command.Status.FAILED, area=area, failure="no_answer", finished_at=at)
    (found,) = switching.disobeying(timezone.now())
    assert (found.about, found.part_of) == (want.meter.device.ieee_address, f"not_on:{want.meter.device.ieee_address}")
    make.command(want, status=Command.Status.CONFIRMED, area=area, finished_at=timezone.now())
    assert told(switching.disobeying(timezone.now())) == []


@pytest.mark.parametrize(("cause", "severity"), [("limit", Severity.WARNING), ("person", Severity.NOTICE)])
def test_the_stop_of_everything_automatic(cause: str, severity: str) -> None:
    now = timezone.now()
    assert told(switching.stopped(now)) == []
    AutomaticStop.objects.create(since=now - MINUTE, cause=cause, reason="41 switch-offs were due at once")
    (found,) = switching.stopped(now)
    assert (found.severity, found.since) == (severity, now - MINUTE)
    AutomaticStop.objects.update(ended_at=now)
    assert told(switching.stopped(now)) == []
