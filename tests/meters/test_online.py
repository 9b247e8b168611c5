"""Online, offline, unknown: one rule, and its history."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from meters import areas, live, online
from meters.models import Area, AreaState, Meter, OnlineSpan, Watch
from tests import make

pytestmark = pytest.mark.django_db


def status(meter: Meter, later: timedelta = timedelta(0)) -> tuple[str, str]:
    now = timezone.now() + later
    told = online.status(online.meters().get(pk=meter.pk), online.link(now), now)
    assert online.statuses(now)[meter.pk] == told
    return told.status.value, told.reason


@pytest.fixture
def meter() -> Meter:
    make.worker()
    made = make.meter(area=make.area())
    make.state(made)
    return made


def test_a_meter_heard_within_its_interval_is_online(meter: Meter) -> None:
    assert status(meter) == ("online", "ok")


def test_a_meter_never_heard_is_unknown_and_never_online() -> None:
    make.worker()
    assert status(make.meter(area=make.area())) == ("unknown", "never")


def test_without_a_worker_nothing_is_known(meter: Meter) -> None:
    assert status(meter, timedelta(minutes=1)) == ("unknown", "worker")


def test_without_a_connection_to_the_broker_nothing_is_known() -> None:
    make.worker(connected_at=None)
    made = make.meter(area=make.area())
    make.state(made)
    assert status(made) == ("unknown", "worker")


@pytest.mark.parametrize(
    ("bridge", "expected"), [("offline", ("offline", "bridge")), ("unknown", ("unknown", "bridge_unknown"))]
)
def test_behind_a_bridge_that_is_not_online_no_meter_is(bridge: str, expected: tuple[str, str]) -> None:
    make.worker()
    made = make.meter(area=make.area(bridge=bridge))
    make.state(made)
    assert status(made) == expected


def test_a_worker_that_cannot_store_what_comes_knows_nothing() -> None:
    make.worker(lag_s=120)
    made = make.meter(area=make.area())
    make.state(made)
    assert status(made) == ("unknown", "worker")


def test_a_bridge_that_was_offline_before_we_connected_is_unknown_until_this_session_says_so() -> None:
    now = timezone.now()
    make.worker(connected_at=now - timedelta(seconds=2))
    made = make.meter(area=make.area(bridge="offline", reported={"confirmed_at": now - timedelta(minutes=3)}))
    make.state(made)
    assert status(made) == ("unknown", "bridge_unknown")
    assert live.describe_areas(Area.objects.all(), online.link(now))[0]["bridge"] == "unknown"
    AreaState.objects.update(confirmed_at=now)  # retained by the broker
    assert status(made) == ("offline", "bridge")
    assert live.describe_areas(Area.objects.all(), online.link(now))[0]["bridge"] == "offline"


def test_after_our_own_absence_a_silence_counts_only_from_when_we_listen_again() -> None:
    now = timezone.now()
    make.worker()
    Watch.objects.all().delete()
    Watch.objects.create(since=now - timedelta(days=9), until=now - timedelta(hours=3))
    Watch.objects.create(since=now - timedelta(minutes=1), until=now)
    made = make.meter(area=make.area())
    make.state(made, heard_at=now - timedelta(hours=3))
    assert status(made) == ("unknown", "unheard")
    gone = make.meter(area=make.area(), available=False)
    make.state(gone, heard_at=now - timedelta(hours=3))
    assert status(gone) == ("offline", "unavailable")
    Watch.objects.filter(until=now).update(since=now - timedelta(minutes=16))
    assert status(made) == ("offline", "silent")


def test_before_anybody_noted_that_we_listen_again_a_silence_counts_from_our_connection() -> None:
    make.worker()
    Watch.objects.update(until=timezone.now() - timedelta(hours=3))
    made = make.meter(area=make.area())
    make.state(made, heard_at=timezone.now() - timedelta(hours=3))
    assert status(made) == ("unknown", "unheard")


def test_listening_is_noted_without_breaks_and_with_them() -> None:
    now = timezone.now()
    online.watch(now)
    online.watch(now + timedelta(seconds=5))
    online.watch(now + timedelta(minutes=5))
    assert [(w.until - w.since).seconds for w in Watch.objects.order_by("since")] == [5, 0]


@pytest.mark.parametrize(
    ("device", "reason"),
    [
        ({"available": False}, "unavailable"),
        ({"disabled": True}, "disabled"),
        ({"left_at": timezone.now()}, "left"),
        ({"removed_at": timezone.now()}, "removed"),
    ],
)
def test_what_is_certain_of_the_device_counts(device: dict[str, Any], reason: str) -> None:
    make.worker()
    made = make.meter(area=make.area(), **device)
    make.state(made)
    assert status(made) == ("offline", reason)


def test_availability_that_is_switched_off_in_zigbee2mqtt_says_nothing() -> None:
    make.worker()
    made = make.meter(area=make.area(), available=None)
    make.state(made)
    assert status(made) == ("online", "ok")


@pytest.mark.parametrize(
    ("gap_s", "silent_min", "expected"), [(60, 16, "offline"), (1200, 45, "online"), (1200, 51, "offline")]
)
def test_how_long_silence_is_normal_is_learned_for_each_meter(gap_s: float, silent_min: int, expected: str) -> None:
    make.worker()
    made = make.meter(area=make.area())
    make.state(made, gap_s=gap_s, heard_at=timezone.now() - timedelta(minutes=silent_min))
    assert status(made)[0] == expected


def test_spans_open_and_close_with_the_reason(meter: Meter) -> None:
    now = timezone.now()
    assert online.record(online.statuses(now), now) == {meter.pk}
    assert online.record(online.statuses(now), now) == set()
    later = now + timedelta(minutes=20)
    make.WorkerState.objects.update(heartbeat_at=later)
    assert online.record(online.statuses(later), later) == {meter.pk}
    span = OnlineSpan.objects.get()
    assert (span.since, span.until, span.ended_by) == (now, later, "silent")


def test_no_span_reaches_into_a_time_when_nobody_watched(meter: Meter) -> None:
    now = timezone.now()
    online.record(online.statuses(now), now)
    online.close_after_outage(now + timedelta(minutes=3))
    assert OnlineSpan.objects.get().until == now + timedelta(minutes=3)
    online.close_after_outage(None)


def test_old_times_online_are_forgotten_but_why_a_meter_is_gone(meter: Meter) -> None:
    now = timezone.now()
    for ago in (9, 7, 3):
        OnlineSpan.objects.create(
            meter=meter, since=now - timedelta(days=ago + 1), until=now - timedelta(days=ago), ended_by="silent"
        )
    gone = make.meter()
    OnlineSpan.objects.create(
        meter=gone, since=now - timedelta(days=99), until=now - timedelta(days=98), ended_by="left"
    )
    Watch.objects.create(since=now - timedelta(days=99), until=now - timedelta(days=98))
    assert online.prune(now - timedelta(days=5)) == 3
    assert OnlineSpan.objects.filter(meter=meter).count() == 1
    assert OnlineSpan.objects.get(meter=gone).ended_by == "left"
    assert Watch.objects.count() == 1


def test_a_bridge_that_stays_silent_after_a_new_connection_is_doubted() -> None:
    now = timezone.now()
    silent = make.area(reported={"confirmed_at": now - timedelta(minutes=5)})
    make.area(reported={"confirmed_at": now})
    assert areas.doubt(now - timedelta(minutes=1)) == [silent.pk]
    assert AreaState.objects.get(area=silent).bridge == "unknown"
