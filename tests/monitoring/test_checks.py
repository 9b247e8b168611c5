"""What is found wrong, and what is not: by the tables, at a moment."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation
from django_q.models import Schedule

from bookings.models import WebhookEvent
from meters import partitions
from meters.models import (
    Area,
    AreaHealth,
    CounterEpoch,
    Device,
    MeterState,
    QuarantinedReading,
    Reading,
    ReadingDay,
    WorkerState,
)
from monitoring import checks, incidents, words
from monitoring.checks import areas, ourselves, sirvoy
from monitoring.findings import Finding, Severity
from tests import make

pytestmark = pytest.mark.django_db
NOW = timezone.now()
ROOT = Path(__file__).resolve().parent.parent.parent
LONG_AGO = timedelta(hours=5)


def codes(found: object) -> list[str]:
    return [finding.code for finding in found]  # type: ignore[attr-defined]


def silent(area, count: int, of: int) -> None:
    """So many meters of the area that have not been heard for hours, and others that were just now."""
    for number in range(of):
        heard_at = timezone.now() - (LONG_AGO if number < count else timedelta())
        make.state(make.meter(f"{area.slug} {number}", area=area), heard_at=heard_at, gap_s=60)


# --- ourselves -------------------------------------------------------------------------------------------------------


def test_a_worker_that_never_ran_or_is_dead_is_told() -> None:
    assert codes(ourselves.worker(timezone.now())) == ["worker_silent"]
    make.worker(heartbeat_at=timezone.now() - timedelta(minutes=1))
    assert codes(ourselves.worker(timezone.now())) == ["worker_silent"]


def test_a_worker_without_its_broker_and_one_that_does_not_keep_up() -> None:
    worker = make.worker(connected_at=None)
    assert codes(ourselves.worker(timezone.now())) == ["broker_away"]
    type(worker).objects.update(connected_at=timezone.now(), lag_s=300, queued=9000)
    assert codes(ourselves.worker(timezone.now())) == ["worker_lags"]
    type(worker).objects.update(lag_s=0)
    assert codes(ourselves.worker(timezone.now())) == []


def two_workers() -> tuple[Area, Area]:
    """North and south in service, each with a worker of its own."""
    made = make.area("North", in_service=True), make.area("South", in_service=True)
    for area in made:
        make.worker(name=f"mqtt-{area.slug}", areas=[area.pk])
    return made


def test_of_several_workers_the_one_that_is_away_is_named_with_its_areas() -> None:
    _, south = two_workers()
    dead, deaf = {"heartbeat_at": timezone.now() - timedelta(minutes=1)}, {"connected_at": None}
    assert codes(ourselves.worker(timezone.now())) == []
    for told, code in (deaf, "shard_deaf"), (dead, "shard_silent"):
        WorkerState.objects.filter(pk="mqtt-north").update(**told)
        (found,) = ourselves.worker(timezone.now())
        assert (found.key, found.facts) == (f"{code}:north", {"worker": "north", "areas": "North"})
    Area.objects.exclude(pk=south.pk).update(in_service=False)
    assert codes(ourselves.worker(timezone.now())) == []  # nobody misses it


def test_that_all_of_several_workers_are_away_is_one_finding_with_its_parts() -> None:
    two_workers()
    WorkerState.objects.update(connected_at=None)
    told = [(each.key, each.part_of) for each in ourselves.worker(timezone.now())]
    assert told == [("broker_away", ""), ("shard_deaf:north", "broker_away"), ("shard_deaf:south", "broker_away")]
    WorkerState.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=1))
    told = [(each.key, each.part_of) for each in ourselves.worker(timezone.now())]
    silent = [(f"shard_silent:{name}", "worker_silent") for name in ("north", "south")]
    assert told == [("worker_silent", ""), *silent]


def test_an_area_in_service_that_all_lists_forget_is_told() -> None:
    two_workers()
    make.area("West", in_service=True)
    make.area("East")
    (found,) = ourselves.worker(timezone.now())
    assert (found.key, found.facts) == ("area_untaken:west", {"area": "West", "slug": "west"})


def test_jobs_that_are_due_and_not_run_are_told_with_since_when() -> None:
    now = timezone.now()
    Schedule.objects.update(next_run=now + timedelta(minutes=1))
    assert codes(ourselves.background_jobs(now)) == []
    Schedule.objects.filter(func="meters.tasks.make_partitions").update(next_run=now - timedelta(minutes=9))
    (found,) = ourselves.background_jobs(now)
    assert (found.code, found.facts["jobs"], found.since) == ("jobs_wait", 1, now - timedelta(minutes=9))


def test_redis_that_answers_is_no_finding_and_one_that_does_not_is(settings) -> None:
    assert codes(ourselves.redis(NOW)) == []
    settings.REDIS_URL = "redis://127.0.0.1:1"
    assert codes(ourselves.redis(NOW)) == ["redis_away"]


def test_the_table_for_tomorrows_readings_is_looked_for() -> None:
    assert codes(ourselves.partitions(timezone.now() + timedelta(days=400))) == ["partition_missing"]


def test_a_day_of_readings_that_may_not_go_is_told_until_it_is_proven() -> None:
    day = ReadingDay.objects.create(day=NOW.date(), packed_at=NOW)
    assert codes(ourselves.retention(NOW)) == []
    ReadingDay.objects.update(looked_at=NOW, raw_wh=2400, hours_wh=2399, problem="meter 1")
    (found,) = ourselves.retention(NOW)
    assert (found.code, found.about) == ("usage_unproven", day.day.isoformat())
    assert (found.facts["raw_kwh"], found.facts["kwh"]) == (2.4, 2.399)
    ReadingDay.objects.update(proven_at=NOW)
    assert codes(ourselves.retention(NOW)) == []


def test_a_disk_is_told_by_how_little_is_left(settings, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    settings.WATCHED_DISKS = [str(tmp_path)]
    for free, told in ((50, []), (9, [Severity.WARNING]), (2, [Severity.CRITICAL])):
        usage = type("Usage", (), {"total": 100, "free": free})
        monkeypatch.setattr(ourselves.shutil, "disk_usage", lambda folder, usage=usage: usage)
        assert [finding.severity for finding in ourselves.disk(NOW)] == told


# --- areas -----------------------------------------------------------------------------------------------------------


def test_an_area_whose_zigbee2mqtt_is_away_is_one_finding_and_its_meters_are_none() -> None:
    make.worker()
    area = make.area("North", bridge="offline", in_service=True, reported={"confirmed_at": timezone.now()})
    silent(area, 9, 9)
    assert codes(areas.bridges(timezone.now())) == ["bridge_offline"]
    assert codes(areas.silent_meters(timezone.now())) == []


def test_an_area_being_commissioned_never_alarms() -> None:
    make.worker()
    area = make.area("New", bridge="offline", reported={"confirmed_at": timezone.now(), "retained_commands": ["a/set"]})
    silent(area, 9, 9)
    told = {"info_at": timezone.now() - LONG_AGO, "permit_join": True, "channel": 11, "restart_required": True}
    online = make.area("Newer", reported=told, expected_channel=20)
    silent(online, 9, 9)
    assert [
        finding.key
        for check in (
            areas.bridges,
            areas.silent_meters,
            areas.ping_cascades,
            areas.open_networks,
            areas.retained_commands,
            areas.health_reports,
            areas.channels,
            areas.waiting_restarts,
        )
        for finding in check(timezone.now())
    ] == []


def test_many_meters_that_fall_silent_together_are_one_finding_of_their_area() -> None:
    make.worker()
    silent(make.area("North", in_service=True), 8, 20)
    worst, *each = areas.silent_meters(timezone.now())
    assert (worst.key, worst.severity, worst.facts["silent"], worst.facts["meters"]) == (
        *("many_silent:north", Severity.CRITICAL),
        *(8, 20),
    )
    assert {finding.part_of for finding in each} == {"many_silent:north"}
    assert len(each) == 8


def test_single_meters_stand_for_themselves() -> None:
    make.worker()
    silent(make.area("North", in_service=True), 2, 20)
    found = list(areas.silent_meters(timezone.now()))
    assert codes(found) == ["meter_silent", "meter_silent"]
    assert {finding.part_of for finding in found} == {""}


def test_what_left_or_was_removed_or_disabled_is_not_missed() -> None:
    make.worker()
    area = make.area("North", in_service=True)
    silent(area, 3, 3)
    first, second, third = Device.objects.all()
    Device.objects.filter(pk=first.pk).update(removed_at=timezone.now())
    Device.objects.filter(pk=second.pk).update(disabled=True)
    Device.objects.filter(pk=third.pk).update(left_at=timezone.now())
    assert codes(areas.silent_meters(timezone.now())) == []


def test_nothing_is_said_of_meters_that_nobody_listens_to() -> None:
    make.worker(heartbeat_at=timezone.now() - timedelta(minutes=9))
    silent(make.area("North", in_service=True), 9, 9)
    assert codes(areas.silent_meters(timezone.now())) == []


@pytest.mark.parametrize(
    ("value", "told"), [(None, ["ping_cascade"]), (0, ["ping_cascade"]), (15, []), (16, ["ping_cascade"])]
)
def test_a_fuse_that_could_grow_into_a_cascade_of_pings(value: int | None, told: list[str]) -> None:
    active = {} if value is None else {"pause_on_backoff_gt": value}
    reported = {"info_at": timezone.now(), "configuration": {"availability": {"active": active}}}
    make.area("North", in_service=True, reported=reported)
    assert codes(areas.ping_cascades(timezone.now())) == told


def test_an_area_left_open_for_new_devices() -> None:
    now = timezone.now()
    area = make.area(
        "North", in_service=True, reported={"permit_join": True, "permit_join_until": now + timedelta(minutes=4)}
    )
    (notice,) = areas.open_networks(now)
    assert (notice.code, notice.severity) == ("network_open", Severity.NOTICE)
    type(area.state).objects.update(permit_join_until=None)
    assert [found.severity for found in areas.open_networks(now)] == [Severity.WARNING]
    type(area.state).objects.update(permit_join_until=now - timedelta(seconds=1))
    assert codes(areas.open_networks(now)) == []


def test_a_network_that_is_opened_again_and_again_is_left_open() -> None:
    """Zigbee2MQTT opens for 254 s at most."""
    now = timezone.now()
    area = make.area("North", in_service=True, reported={"permit_join": True})
    severities = []
    for minute in range(20):
        at = now + timedelta(minutes=minute)
        type(area.state).objects.update(permit_join_until=at + timedelta(minutes=3))
        found = list(areas.open_networks(at))
        incidents.take(found, at)
        severities.append(found[0].severity)
    assert severities == [Severity.NOTICE] * 16 + [Severity.WARNING] * 4


def test_a_zigbee2mqtt_that_tells_nothing_of_its_health_any_more() -> None:
    now = timezone.now()
    make.worker()
    area = make.area("North", in_service=True)
    AreaHealth.objects.create(area=area, generated_at=now - timedelta(minutes=25))
    assert codes(areas.health_reports(now)) == []
    assert codes(areas.health_reports(now + timedelta(seconds=6))) == []
    AreaHealth.objects.update(generated_at=now - timedelta(minutes=31))
    assert codes(areas.health_reports(now)) == ["health_silent"]


def test_an_antenna_that_was_lost_is_told_as_such_while_its_zigbee2mqtt_is_away() -> None:
    make.worker()
    told = {"confirmed_at": timezone.now(), "coordinator_lost_at": timezone.now()}
    area = make.area("North", bridge="offline", in_service=True, reported=told)
    assert codes(areas.bridges(timezone.now())) == ["coordinator_lost"]
    type(area.state).objects.update(bridge="online")
    assert codes(areas.bridges(timezone.now())) == []


@pytest.mark.parametrize(
    ("planned", "channel", "told"), [(20, 11, ["channel_differs"]), (20, 20, []), (None, 11, []), (20, None, [])]
)
def test_a_channel_that_was_not_planned(planned: int | None, channel: int | None, told: list[str]) -> None:
    make.area("North", in_service=True, expected_channel=planned, reported={"channel": channel})
    assert codes(areas.channels(NOW)) == told


def test_a_changed_configuration_that_waits_for_a_restart_for_an_hour() -> None:
    reported = {"restart_required": True, "info_at": NOW - timedelta(minutes=59)}
    area = make.area("North", in_service=True, reported=reported)
    assert codes(areas.waiting_restarts(NOW)) == []
    assert codes(areas.waiting_restarts(NOW + timedelta(minutes=2))) == ["restart_waits"]
    type(area.state).objects.update(restart_required=False)
    assert codes(areas.waiting_restarts(NOW + timedelta(minutes=2))) == []


def test_a_restart_that_waits_is_not_over_because_zigbee2mqtt_tells_something_else() -> None:
    """A technician who opens the area, a setting that needs no restart: each makes it tell all of itself anew."""
    reported = {"restart_required": True, "info_at": NOW - timedelta(hours=3)}
    area = make.area("North", in_service=True, reported=reported)
    for minute in range(5):
        at = NOW + timedelta(minutes=minute)
        (found,) = areas.waiting_restarts(at)
        incidents.take([found], at)
        type(area.state).objects.update(info_at=at)
    assert found.since == NOW - timedelta(hours=3)


# --- Sirvoy ----------------------------------------------------------------------------------------------------------


def test_events_that_failed_or_lie_there_are_told() -> None:
    now = timezone.now()
    for status, ago in (("failed", 20), ("received", 11), ("received", 1), ("applied", 90)):
        WebhookEvent.objects.create(
            received_at=now - timedelta(minutes=ago), body=b"", size=0, digest="", status=status
        )
    assert {(f.code, f.facts["events"]) for f in sirvoy.unworked_events(now)} == {
        ("events_failed", 1),
        ("events_wait", 1),
    }


# --- all of them -----------------------------------------------------------------------------------------------------


def test_a_check_that_fails_is_a_finding_and_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    def broken(now):
        yield Finding("network_open", Severity.WARNING, "lost with the rest of it")
        raise ZeroDivisionError

    found = checks.run(timezone.now(), [broken, ourselves.worker])
    assert [(finding.code, finding.facts.get("error")) for finding in found] == [
        ("worker_silent", None),
        ("check_failed", "ZeroDivisionError"),
    ]
    assert "failed" in caplog.text


def test_a_look_over_the_whole_site_costs_few_queries_however_much_is_wrong() -> None:
    make.worker()

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            checks.run(timezone.now())
        return len(captured)

    wrong_area("a", meters=10)
    once = queries()
    assert once <= 77
    for name in "bcdef":
        wrong_area(name, meters=20)
    WorkerState.objects.update(heartbeat_at=timezone.now())
    assert queries() == once


def wrong_area(name: str, meters: int) -> None:
    """Half of its meters are silent; the others chatter, are weak, off plan, have a counter of their own."""
    now = timezone.now()
    partitions.ensure_ahead()
    area = make.area(name, in_service=True, reported={"info_at": now})
    silent(area, meters // 2, meters)
    devices = {}
    for device in area.devices.select_related("meter"):
        meter = device.meter
        devices[device.ieee_address] = {"leave_count": 0}
        make.want(meter, True, ago_s=86400, hold="failed", hold_at=now - LONG_AGO)
        counts = {"first_wh": 0, "last_wh": 9, "last_at": now}
        CounterEpoch.objects.create(meter=meter, number=2, reason="fall", first_at=now - timedelta(hours=1), **counts)
        values = {"measured_at": now - timedelta(hours=1), "counter_wh": 5, "reason": "glitch"}
        QuarantinedReading.objects.create(meter=meter, **values)
        MeterState.objects.filter(meter=meter).update(relay=False, relay_at=now - LONG_AGO, current_a=5, current_at=now)
        seconds = (now - number * timedelta(seconds=1) for number in range(100))
        Reading.objects.bulk_create(Reading(meter=meter, measured_at=at, linkquality=5) for at in seconds)
    MeterState.objects.update(linkquality=5, voltage_v=47, voltage_at=now - timedelta(days=8))
    for minutes, left in ((20, 0), (10, 5), (0, 9)):
        told = {address: {"leave_count": left, "messages": left * 500} for address in devices}
        AreaHealth.objects.create(area=area, generated_at=now - timedelta(minutes=minutes), mqtt_queued=5, devices=told)


def test_every_finding_has_words_and_they_take_its_facts(settings) -> None:
    """With a site where nearly everything is wrong."""
    settings.REDIS_URL = "redis://127.0.0.1:1"
    now = timezone.now()
    make.worker()
    Schedule.objects.update(next_run=now - timedelta(hours=1))
    told = {"info_at": now, "permit_join": True, "retained_commands": ["z2m_north/101/set"]}
    silent(make.area("North", in_service=True, reported=told), 6, 10)
    make.area("South", in_service=True, bridge="offline", reported={"confirmed_at": now})
    found = checks.run(now)
    assert len({finding.code for finding in found}) >= 7
    for finding in found:
        assert finding.code in words.WORDS
        for text in (words.what(finding.code, finding.facts), words.todo(finding.code, finding.facts)):
            assert text
            assert "%(" not in text


def test_figures_are_written_as_the_reader_does() -> None:
    facts = {"seconds": 2.5, "meter": None}
    with translation.override("da"):
        assert "2,5 s" in words.what("broker_slow", facts)
    with translation.override("en"):
        assert "2.5 s" in words.what("broker_slow", facts)


def test_the_table_names_every_finding() -> None:
    table = (ROOT / "docs" / "monitoring.md").read_text()
    assert [code for code in words.WORDS if f"`{code}`" not in table] == []
