"""What the worker's main thread tells the browsers without a message from anybody."""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from meters import live, mqtt, notify, online
from meters.leader import GONE_WITHIN_S, Ear, Leader
from meters.models import MeterState, Watch
from meters.shards import Shard
from meters.worker import Worker
from tests import make

pytestmark = pytest.mark.django_db


def test_a_meter_that_turns_by_the_clock_alone_is_told_once(settings: Any) -> None:
    settings.MQTT_URL = "mqtt://127.0.0.1:1"  # nobody connects
    worker, now = Worker(), timezone.now()
    worker._state = make.worker()
    meter = make.meter(area=make.area())
    make.state(meter, heard_at=now - timedelta(hours=3))
    Watch.objects.update(since=now - timedelta(minutes=1))
    assert worker._watch(now) == {meter.pk}  # unknown: it is not heard yet since we listen
    assert worker._watch(now) == set()
    Watch.objects.update(since=now - timedelta(minutes=16))
    assert worker._watch(now) == {meter.pk}  # silent
    assert worker._watch(now) == set()
    MeterState.objects.update(heard_at=now)
    assert worker._watch(now) == {meter.pk}


def test_a_quiet_second_of_the_only_worker_costs_one_query_and_a_look_at_who_is_online_three(
    settings: Any, django_assert_num_queries: Any
) -> None:
    settings.MQTT_URL = "mqtt://127.0.0.1:1"
    worker, now = Worker(), timezone.now()
    worker._state, worker._shard.tells = make.worker(connected_at=None), True
    with django_assert_num_queries(1):  # its sign of life
        worker._gather(now)
        worker._beat(None)
        worker._send(notify.News())
    with django_assert_num_queries(3):  # that it listens, each area's bridge, each meter
        online.watch(now)
        online.statuses(now, worker._shard.scope, worker._known())


@pytest.mark.django_db(transaction=True)
def test_who_finds_its_areas_taken_stores_no_more_of_them(settings: Any) -> None:
    """The other is the same client to the broker, and is handed what this one did not acknowledge."""
    settings.MQTT_URL = "mqtt://127.0.0.1:1"
    other, worker = Leader(()), Worker()
    assert other.acquire(Shard()) == ""
    worker._intake._inbox.put([mqtt.Message("z2m/1", b"{}", 1, False, timezone.now(), 1, 1)], 0)
    try:
        assert worker._round() is False  # its own connection, and the lock with it, is gone
    finally:
        other.release()
    assert worker._intake.queued == 0


@pytest.mark.django_db(transaction=True)
def test_who_leads_again_is_not_kept_from_it_by_its_own_last_connection() -> None:
    leader = Leader(())
    try:
        assert leader.acquire(Shard()) == ""
        assert leader._connection
        leader._connection.pgconn.send_query(b"SELECT pg_sleep(0.3)")  # so long it does not see that we left
        assert leader.acquire(Shard()) == ""
    finally:
        leader.release()


@pytest.mark.django_db(transaction=True)
def test_who_leads_again_waits_for_nobody_who_has_been_given_its_number() -> None:
    """After a restart of PostgreSQL another process may have it."""
    leader, stranger = Leader(()), Ear(())
    stranger.open()
    try:
        assert stranger._connection
        leader._backend, began = stranger._connection.info.backend_pid, time.monotonic()
        assert leader.acquire(Shard()) == ""
        assert time.monotonic() - began < GONE_WITHIN_S
    finally:
        leader.release()
        stranger.release()


def test_the_number_of_a_whole_state_is_read_before_all_that_it_must_hold() -> None:
    make.worker()
    make.meter(area=make.area())
    with CaptureQueriesContext(connection) as asked:
        live.snapshot()
    assert "meters_workerstate" in asked[0]["sql"]
