"""Everything fails once: nothing committed is lost or doubled, all recovers by itself, the board says what it knows.

The worker is a real process, the services are real, and so are their deaths.
"""

from __future__ import annotations

import asyncio
import json
import queue
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.db import connection
from django_q.models import Schedule

from campsite.embedded import mosquitto
from meters import leader, live, mqtt, notify, rejected
from meters.models import Area, AreaState, Device, FoundInstance, Meter, RejectedMessage, WorkerState
from tests.meters import harness
from tests.meters.harness import ADVISORY, Fleet, Services, Workers, kill, says, terminate, until
from tests.meters.surroundings import with_own_services
from tests.sink import Sink

pytestmark = pytest.mark.services


@dataclass
class Site:
    """A database, a broker, workers, and Zigbee2MQTTs that only talk."""

    services: Services
    broker: Any
    workers: Workers
    database_url: str
    fleets: list[Fleet] = field(default_factory=list)

    def fleet(self, base: str = "z2m", meters: int = 50, **more: Any) -> Fleet:
        """An area of the site, present on the broker."""
        Area.objects.create(name=base, slug=base, base_topic=base)
        fleet = Fleet(self.broker.url, base, meters, **more)
        self.fleets.append(fleet)
        fleet.appear()
        return fleet

    def end(self) -> None:
        for fleet in self.fleets:
            fleet.talker.cut()
        self.workers.end_all()


@pytest.fixture
def site(services: Services, broker: Any, django_db_blocker: Any) -> Iterator[Site]:
    database_url = services.new_database()
    with django_db_blocker.unblock(), harness.speaking_to(database_url):
        site = Site(services, broker, Workers(services, database_url, broker.url), database_url)
        try:
            yield site
        finally:
            site.end()


on_mosquitto = pytest.mark.parametrize(
    "broker", [pytest.param("mosquitto", marks=pytest.mark.mosquitto)], indirect=True
)
on_either = pytest.mark.parametrize("broker", ["mosquitto" if mosquitto.program() else "iotcore"], indirect=True)
"""What takes long, and is our worker's doing rather than the broker's."""
on_iotcore = pytest.mark.parametrize("broker", ["iotcore"], indirect=True)


def scalar(sql: str, *values: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchone()[0]


def is_storing() -> bool:
    """Whether a batch is being written just now."""
    return bool(
        scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND xact_start IS NOT NULL AND query ~ 'meters_(reading|meterstate|hourlyusage)'"
        )
    )


def wait_for_batch() -> None:
    """Until one is being written, which takes some hundredths of each second: looked for closely."""
    until(is_storing, "a batch", every_s=0.002)


def bridge(fleet: Fleet) -> str:
    return AreaState.objects.get(area__base_topic=fleet.base).bridge


def online() -> set[str]:
    """What the board says of its meters."""
    return {meter["online"] for meter in live.snapshot()["meters"]}


def rate(site: Site) -> int:
    """Readings a second that the broker hands on; iotcore leaves at most 100 without an acknowledgement."""
    return 500 if site.broker.kind == "mosquitto" else 200


class Gate:
    """Holds back the storing of readings with this link quality until it is opened."""

    def __init__(self, database: psycopg.Connection[Any], linkquality: int) -> None:
        self._database, self.linkquality = database, linkquality
        database.execute("SELECT pg_advisory_lock(%s)", [linkquality])

    def wait_held(self) -> None:
        """Until a batch waits before it."""
        waits = f"SELECT count(*) {ADVISORY} AND NOT granted"
        until(lambda: scalar(waits, self.linkquality), f"a batch to wait before the gate {self.linkquality}")

    def open(self) -> None:
        self._database.execute("SELECT pg_advisory_unlock(%s)", [self.linkquality])


@pytest.fixture
def sink() -> Iterator[Sink]:
    found = Sink()
    yield found
    found.close()


@pytest.fixture
def gates(site: Site) -> Iterator[tuple[Gate, Gate]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN PERFORM pg_advisory_xact_lock_shared(NEW.linkquality); RETURN NEW; END';"
            "CREATE TRIGGER gate BEFORE INSERT ON meters_reading FOR EACH ROW WHEN (NEW.linkquality IN (1, 2)) "
            "EXECUTE FUNCTION wait_at_gate()"
        )
    with psycopg.connect(**connection.get_connection_params(), autocommit=True) as database:
        yield Gate(database, 1), Gate(database, 2)


# --- the worker dies -------------------------------------------------------------------------------------------------


@on_either
def test_killed_in_mid_batch_four_times_it_loses_and_doubles_nothing(site: Site) -> None:
    fleet = site.fleet()
    worker = site.workers.start()
    until(lambda: Meter.objects.count() == fleet.meters, "the meters")
    fleet.run(rate(site))
    for _ in range(4):
        enough = fleet.stored() + rate(site) // 4
        until(lambda enough=enough: fleet.stored() > enough, "readings")  # type: ignore[misc]
        wait_for_batch()
        kill(worker)
        worker = site.workers.start()
    fleet.rest()
    fleet.wait_stored()
    fleet.check()


def test_told_to_end_it_stores_and_acknowledges_what_it_has(site: Site, gates: tuple[Gate, Gate]) -> None:
    fleet, worker = site.fleet(), site.workers.start()
    until(lambda: Meter.objects.count() == fleet.meters, "the meters")
    fleet.report(50, linkquality=1)
    gates[0].wait_held()
    fleet.report(6000 if site.broker.kind == "mosquitto" else 40)
    fleet.talker.flush()
    until(lambda: WorkerState.objects.get().received >= fleet.total, "the worker to have them all")
    worker.popen.terminate()
    until(lambda: says(worker, "The worker is ending"), "the end to begin")
    gates[0].open()
    assert worker.popen.wait(harness.PATIENCE_S) == 0
    fleet.check()
    site.workers.start()
    fleet.report(50)
    fleet.wait_stored()
    until(lambda: WorkerState.objects.get().received >= 50, "the new worker's count")
    assert WorkerState.objects.get().received < 60  # nothing came twice


@on_either
def test_what_is_sent_while_no_worker_runs_is_stored_later(site: Site) -> None:
    fleet, worker = site.fleet(), site.workers.start()
    until(lambda: Meter.objects.count() == fleet.meters, "the meters")
    assert terminate(worker) == 0
    assert online() == {"unknown"}
    fleet.report(1000)
    fleet.talker.flush()
    assert not fleet.stored()
    site.workers.start()
    fleet.wait_stored()
    fleet.check()


# --- two workers -----------------------------------------------------------------------------------------------------


def leading() -> int | None:
    """The process that says it is the worker."""
    state = WorkerState.objects.first()
    return state.process_id if state and state.connected_at else None


@on_mosquitto
def test_a_second_worker_stands_by_and_takes_over(site: Site) -> None:
    fleet = site.fleet()
    first, second = site.workers.start(), site.workers.start(begun=False)
    until(lambda: says(second, "standing by"), "the second to stand by")
    fleet.run(per_second=200)
    until(lambda: fleet.stored() > 100, "readings")
    assert not says(second, "The worker has begun")
    kill(first)
    until(lambda: leading() == second.pid, "the second to lead")
    fleet.rest()
    fleet.wait_stored()
    fleet.check()


@on_mosquitto
def test_a_worker_that_lost_its_lock_to_another_leaves(site: Site) -> None:
    fleet = site.fleet()
    first, second = site.workers.start(), site.workers.start(begun=False)
    until(lambda: says(second, "standing by"), "the second to stand by")
    fleet.report(100)
    fleet.wait_stored()
    first.popen.send_signal(signal.SIGSTOP)  # it hangs, and its connection is cut
    locks = f"{ADVISORY} AND granted"
    scalar(f"SELECT pg_terminate_backend(pid) {locks}", leader.LOCK)
    until(lambda: leading() == second.pid, "the second to lead")
    fleet.run(per_second=200)
    first.popen.send_signal(signal.SIGCONT)
    assert first.popen.wait(harness.PATIENCE_S) == 1
    fleet.rest()
    fleet.wait_stored()
    fleet.check()
    assert scalar(f"SELECT count(*) {locks}", leader.LOCK) == 1
    until(lambda: leading() == second.pid, "the second to be connected")


# --- the broker dies -------------------------------------------------------------------------------------------------


@on_mosquitto
def test_a_broker_that_restarts_in_mid_flow_loses_nothing(site: Site) -> None:
    fleet, worker = site.fleet(), site.workers.start()
    until(lambda: Meter.objects.count() == fleet.meters, "the meters")
    fleet.run(per_second=500)
    for restart in (2, 3):
        wait_for_batch()
        site.broker.restart(keep=True)
        until(lambda restart=restart: says(worker, "Connected to") == restart, "a new connection")  # type: ignore[misc]
    fleet.rest()
    fleet.wait_stored()
    fleet.check()


@on_iotcore  # it never has a memory
def test_after_a_broker_lost_its_memory_nothing_is_online_until_it_is_heard(site: Site) -> None:
    fleet, worker = site.fleet(), site.workers.start()
    until(lambda: Meter.objects.count() == fleet.meters, "the meters")
    fleet.start = datetime.now(UTC) - timedelta(minutes=5)
    fleet.report(100)
    fleet.wait_stored()
    until(lambda: (bridge(fleet), online()) == ("online", {"online"}), "all to be online")
    site.broker.kill()  # no last will reaches anybody
    until(lambda: online() == {"unknown"}, "the board to know that it knows nothing")
    site.broker.server.forget()
    site.broker.start()
    until(lambda: says(worker, "Connected to") == 2, "a new connection")
    until(lambda: bridge(fleet) == "unknown", "the bridge to be doubted", 90)
    assert "online" not in online()
    fleet.report(50)
    until(lambda: online() == {"online"}, "the meters to be online")
    fleet.wait_stored()
    fleet.check()


def test_an_old_connections_acknowledgements_do_not_touch_a_new_sessions_messages(
    site: Site, gates: tuple[Gate, Gate]
) -> None:
    fleet, worker = site.fleet(meters=10), site.workers.start()
    until(lambda: Meter.objects.count() == fleet.meters, "the meters")
    fleet.report(30, linkquality=1)
    gates[0].wait_held()
    site.broker.kill()
    site.broker.server.forget()
    site.broker.start()
    until(lambda: says(worker, "Connected to") == 2, "a new connection")
    fleet.report(30, linkquality=2)  # under the same packet ids
    fleet.talker.flush()
    until(lambda: WorkerState.objects.get().queued >= 30, "the new ones to wait in the worker")
    gates[0].open()
    gates[1].wait_held()  # the old ones are committed, and were acknowledged as far as that goes
    assert fleet.stored() == 30
    kill(worker)
    gates[1].open()
    site.workers.start()
    fleet.wait_stored()
    fleet.check()


@on_iotcore
def test_what_another_thread_sends_goes_out_at_once(broker: Any) -> None:
    echoes: queue.Queue[mqtt.Message] = queue.Queue()
    ready = threading.Event()
    client = mqtt.Client(
        broker.url,
        "echo",
        on_messages=mqtt.one_by_one(echoes.put),
        topics=lambda: [("t", 1)],
        on_connect=ready.set,
        persistent=True,
    )
    client.start()
    assert ready.wait(harness.PATIENCE_S)
    began = time.monotonic()
    for _ in range(30):
        client.publish("t", "x", qos=1)
        client.ack([echoes.get(timeout=harness.PATIENCE_S)])
    client.stop()
    assert time.monotonic() - began < 15  # the network thread's own pace is a second each


# --- database and Redis die ------------------------------------------------------------------------------------------


@on_mosquitto
@with_own_services
def test_a_database_that_restarts_or_stays_away_costs_nothing(site: Site, sink: Sink) -> None:
    """And the worker itself tells people, who would hear it of nobody else."""
    emergency = {"EMERGENCY_URL": f"json://127.0.0.1:{sink.port}/", "EMERGENCY_AFTER_S": "0.5"}
    fleet, worker = site.fleet(), site.workers.start(**emergency)
    until(lambda: Meter.objects.count() == fleet.meters, "the meters")
    fleet.run(per_second=300)
    wait_for_batch()
    site.services.postgres.stop()
    site.services.postgres.start()
    connection.close()
    stored = fleet.stored()
    until(lambda: fleet.stored() > stored + 300, "more readings")
    connection.close()
    site.services.postgres.stop()
    until(lambda: says(worker, "trying again in 4.0 s"), "the worker to have tried several times")
    until(lambda: sink.told and "PostgreSQL" in sink.told[-1]["message"], "people to be told")
    site.services.postgres.start()
    until(lambda: sink.told and "PostgreSQL" not in sink.told[-1]["message"], "people to be told that it is over")
    fleet.rest()
    fleet.wait_stored()
    fleet.check()
    until(lambda: leading() == worker.pid, "the same worker to lead again")
    until(lambda: WorkerState.objects.get().queued == 0, "the queue to be empty")


@on_either
def test_background_jobs_that_are_killed_are_told_by_the_worker_and_again_when_they_are_back(
    site: Site, sink: Sink
) -> None:
    """Nobody else would: it is they who look at the site and tell people."""
    emergency = {"EMERGENCY_URL": f"json://127.0.0.1:{sink.port}/", "EMERGENCY_AFTER_S": "0.5"}
    jobs = {"database_url": site.database_url, "mqtt_url": site.broker.url}
    cluster = site.services.manage("qcluster", **jobs)
    try:
        due = Schedule.objects.filter(next_run__lt=datetime.now(UTC))
        until(lambda: not due.exists(), "the jobs to be run", timeout_s=90)
        site.workers.start(**emergency)
        cluster.kill()
        Schedule.objects.update(next_run=datetime.now(UTC) - timedelta(minutes=4))  # as after four minutes
        until(lambda: len(sink.told) == 1, "people to be told")
        assert "qcluster" in sink.told[0]["message"]
        cluster = site.services.manage("qcluster", **jobs)
        until(lambda: len(sink.told) == 2, "people to be told that it is over", timeout_s=90)
        assert "qcluster" not in sink.told[1]["message"]
    finally:
        cluster.kill()


def next_tick(site: Site) -> dict[str, Any]:
    """What the boards are told next."""

    async def listen() -> Any:
        hosts = [{"address": site.services.redis_url}]
        layer = RedisPubSubChannelLayer(hosts=hosts, prefix=harness.channels(site.database_url))
        channel = await layer.new_channel()
        await layer.group_add(live.GROUP, channel)
        try:
            return await asyncio.wait_for(layer.receive(channel), harness.PATIENCE_S)
        finally:
            await layer.flush()

    told: dict[str, Any] = asyncio.run(listen())["message"]
    return told


@on_mosquitto
@with_own_services
def test_boards_are_told_again_after_redis_was_away_and_readings_do_not_mind(site: Site) -> None:
    fleet, worker = site.fleet(), site.workers.start()
    until(lambda: Meter.objects.count() == fleet.meters, "the meters")
    fleet.run(per_second=100)
    before = until(lambda: next_tick(site), "a tick")
    site.services.valkey.stop()
    until(lambda: says(worker, "The browsers could not be told"), "the worker to miss it")
    stored = fleet.stored()
    until(lambda: fleet.stored() > stored + 100, "readings to be stored all the same")
    site.services.valkey.start()
    after = until(lambda: next_tick(site), "a tick")
    assert after["boot"] == before["boot"]
    assert after["tick"] > before["tick"]
    assert until(lambda: next_tick(site)["meters"], "meters in a tick")
    fleet.rest()
    fleet.wait_stored()
    fleet.check()


# --- too much, and rubbish -------------------------------------------------------------------------------------------


@on_either
def test_an_inventory_of_2_mb_and_a_burst_are_taken(site: Site) -> None:
    fleet = site.fleet(meters=330, step_s=60)
    worker = site.workers.start()
    until(lambda: Meter.objects.count() == fleet.meters, "the meters")
    fleet.report(10_000 if site.broker.kind == "mosquitto" else 1000)
    fleet.wait_stored()
    fleet.check()
    assert worker.is_alive()


RUBBISH: list[Any] = [
    b"\xff\xfe\x00",
    b"\x00",
    b"nonsense",
    b'{"power":NaN,"linkquality":1}',
    b'{"power":1e999,"linkquality":1}',
    b"[" * 5000,
    b"[]",
    b"null",
    b'"ON"',
    {"power": "12"},
    {"power": True},
    {"power": 3_000_000_000},
    {"voltage": 4000},
    {"voltage": -1},
    {"current": 1e9},
    {"energy": 1e12},
    {"energy": -5},
    {"linkquality": 300},
    {"state": "BLUE"},
    {"state": {"state": "ON"}},
    {"last_seen": "yesterday"},
    {"last_seen": "2026-07-01T10:00:00"},
    {"last_seen": "1970-01-01T00:00:00Z"},
    {"last_seen": 1e300},
    {"last_seen": (datetime.now(UTC) + timedelta(hours=1)).isoformat()},
    {"device": {"ieeeAddr": "0xnothing"}},
    {"device": {"ieeeAddr": "0xffffffffffffffff"}},
]
ELSEWHERE = [
    ("z2m/bridge/state", "perhaps"),
    ("z2m/bridge/info", "[1]"),
    ("z2m/bridge/devices", '{"not": "a list"}'),
    ("z2m/bridge/devices", "["),
    ("z2m/bridge/event", "{}"),
    ("z2m/bridge/health", "{}"),
    ("z2m/bridge/logging", '"\\u0000"'),
    ("z2m/bridge/something/new", "\0"),
    ("z2m/bridge", "?"),
    ("z2m/nobody", '{"power": 1, "linkquality": 1}'),
    ("z2m/nobody/availability", "online"),
    ("z2m/nobody/set", '{"state": "OFF"}'),
    ("z2m//", "{}"),
    (f"z2m/{'long' * 100}", '{"linkquality": 1}'),
    ("z2m/<script>alert(1)</script>", '{"linkquality": 1}'),
    ("z2m/\N{SNOWMAN}/availability", '{"state": 1}'),
    (f"{'long' * 100}/bridge/state", "online"),
    (f"{'long' * 100}/bridge/info", '{"version": "\\u0000"}'),
    ("other/bridge/info", '{"network": {"channel": 1e9}}'),
]


@on_either
def test_rubbish_between_good_messages_stops_none_of_them(site: Site) -> None:
    fleet, worker = site.fleet(meters=10), site.workers.start()
    until(lambda: Meter.objects.count() == fleet.meters, "the meters")
    fleet.report(10)
    for rubbish in RUBBISH:
        text = json.dumps({"linkquality": 1} | rubbish) if isinstance(rubbish, dict) else rubbish
        fleet.talker.say(f"z2m/{fleet.name(3)}", text)
        fleet.report(3)
    for topic, text in ELSEWHERE:
        fleet.talker.say(topic, text)
        fleet.report(3)
    for number in range(rejected.MOST_ROWS + 200):
        fleet.talker.say(f"z2m/nobody-{number}", '{"linkquality": 1}')
    fleet.report(10)
    fleet.wait_stored()
    fleet.check()
    assert worker.is_alive()
    assert RejectedMessage.objects.count() == rejected.MOST_ROWS
    rows = RejectedMessage.objects.filter(topic=f"z2m/{fleet.name(3)}")
    told = set(rows.values_list("code", flat=True)) or {"pushed out by newer ones"}
    assert told <= {
        "pushed out by newer ones",
        *("not_utf8", "not_json", "not_an_object", "wrong_type", "out_of_range", "bad_time", "before_retention"),
        *("from_the_future", "bad_ieee_address", "unknown_device"),
    }
    until(lambda: WorkerState.objects.get().rejected >= rejected.MOST_ROWS + 200 + len(RUBBISH), "the count")


def test_odd_names_are_only_names(site: Site) -> None:
    fleet = site.fleet(meters=3)
    names = ["x/set", "<b>Bold</b>", "bridge 7"]
    devices = [harness.listed(fleet.ieee(i), name) for i, name in enumerate(names)]
    odd = [harness.COORDINATOR, *devices, {"ieee_address": "nonsense"}, 7]
    fleet.talker.say("z2m/bridge/devices", odd, retain=True)
    site.workers.start()
    until(lambda: Device.objects.filter(friendly_name="x/set").exists(), "the inventory")
    for i, name in enumerate(names):
        fleet.talker.say(f"z2m/{name}", fleet.reading(i, 0))
        fleet.sent[i] += 1
    fleet.wait_stored()
    fleet.check()
    assert {meter["name"] for meter in live.snapshot()["meters"]} == set(names)


# --- a Zigbee2MQTT that nobody knows ---------------------------------------------------------------------------------


def test_an_unknown_zigbee2mqtt_is_found_and_becomes_an_area_without_a_restart(site: Site) -> None:
    site.workers.start()
    fleet = Fleet(site.broker.url, "new/place", 5)
    site.fleets.append(fleet)
    fleet.talker.say("new/place/100,1/availability", {"state": "offline"}, retain=True)
    fleet.appear()
    until(lambda: FoundInstance.objects.exclude(version=""), "the instance to be found")
    found = FoundInstance.objects.get()
    assert (found.base_topic, found.version, found.channel) == ("new/place", "2.14.1", 15)
    fleet.report(5)
    fleet.talker.flush()
    assert not Device.objects.exists()

    Area.objects.create(name="New", slug="new", base_topic="new/place")
    notify.touch()
    until(lambda: Meter.objects.count() == fleet.meters, "its meters")
    until(lambda: not FoundInstance.objects.exists(), "the instance to be found no longer")
    until(lambda: bridge(fleet) == "online", "its bridge")
    fleet.sent = [1] * 5
    fleet.report(10)
    until(lambda: fleet.stored() >= 10, "its readings")
    until(lambda: Device.objects.get(friendly_name="100,1").available is False, "the device that is off the air")


@on_mosquitto
def test_a_zigbee2mqtt_that_is_cut_off_is_offline_by_its_last_will(site: Site) -> None:
    fleet = site.fleet(meters=3)
    site.workers.start()
    fleet.start = datetime.now(UTC) - timedelta(minutes=5)
    fleet.report(3)
    fleet.wait_stored()
    until(lambda: online() == {"online"}, "the meters to be online")
    fleet.talker.cut()
    until(lambda: bridge(fleet) == "offline", "the last will")
    assert {(meter["online"], meter["reason"]) for meter in live.snapshot()["meters"]} == {("offline", "bridge")}
