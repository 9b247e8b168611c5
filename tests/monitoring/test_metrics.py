"""What Prometheus is told: read with its own parser, compared with what stands in the tables."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from django_q.models import Schedule
from prometheus_client.parser import text_string_to_metric_families

from bookings.models import WebhookEvent, WebhookToken
from meters import partitions
from meters.models import AreaHealth, Command, WorkerState
from monitoring import metrics
from monitoring.models import Alert, AlertRoute, BackupCopy, BackupRun, Incident, RestoreDrill, RouteState
from tests import make

TOKEN = "for-prometheus-and-nobody-else"
NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)


@pytest.fixture
def asked(settings, db: None) -> Client:
    settings.METRICS_TOKEN = TOKEN
    return Client(headers={"Authorization": f"Bearer {TOKEN}"})


Told = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parsed(page: bytes) -> Told:
    families = list(text_string_to_metric_families(page.decode()))
    names = [family.name for family in families]
    assert len(set(names)) == len(names)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def told(now: datetime | None = None) -> Told:
    return parsed(metrics.told(now or timezone.now()))


def value(found: Told, metric: str, /, **labels: str) -> float | None:
    return found.get((f"campsite_{metric}", frozenset(labels.items())))


# --- who is told -----------------------------------------------------------------------------------------------------


def test_without_a_token_in_the_settings_there_is_no_such_page(asked: Client, settings) -> None:
    settings.METRICS_TOKEN = ""
    assert asked.get("/metrics").status_code == 404
    assert Client(headers={"Authorization": "Bearer "}).get("/metrics").status_code == 404


@pytest.mark.parametrize("said", ["", TOKEN, "Bearer ", f"Bearer {TOKEN}x", f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}ø"])
def test_without_the_right_token_nothing_is_told(asked: Client, said: str) -> None:
    answer = Client(headers={"Authorization": said}).get("/metrics")
    assert (answer.status_code, answer.content, answer.headers["WWW-Authenticate"]) == (401, b"", "Bearer")


def test_not_even_staff_without_it(asked: Client) -> None:
    client = Client()
    client.force_login(make.superuser())
    assert client.get("/metrics").status_code == 401


def test_with_it_prometheus_is_answered_in_its_own_format(asked: Client) -> None:
    answer = asked.get("/metrics")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert "no-store" in answer.headers["Cache-Control"]
    assert value(parsed(answer.content), "database_up") == 1


def test_it_is_only_read(asked: Client) -> None:
    assert asked.post("/metrics").status_code == 405


# --- what it costs ---------------------------------------------------------------------------------------------------


def populate(areas: int, meters: int) -> None:
    for _ in range(areas):
        area = make.area(in_service=True)
        AreaHealth.objects.create(area=area, generated_at=timezone.now(), devices={})
        for _ in range(meters):
            make.state(make.meter(area=area), power_w=5)


def test_the_number_of_queries_does_not_grow(asked: Client, django_assert_num_queries) -> None:
    make.worker()
    for areas, meters in ((1, 1), (5, 4)):
        populate(areas, meters)
        with django_assert_num_queries(27):
            asked.get("/metrics")


# --- when the database is slow or away -------------------------------------------------------------------------------


def test_the_database_that_is_away_is_told_and_nothing_that_nobody_knows(
    asked: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    make.area("North")
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "PORT", "1")
    answer = asked.get("/metrics")
    found = parsed(answer.content)
    assert (answer.status_code, value(found, "database_up")) == (200, 0)
    assert {name for name, _ in found if name.startswith("campsite_")} == {"campsite_database_up"}


@pytest.mark.django_db(transaction=True)
def test_a_database_that_hangs_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    make.worker()
    monkeypatch.setattr(metrics, "TIMEOUT_MS", 200)
    with psycopg.connect(**{k: v for k, v in connection.get_connection_params().items() if k in WHERE}) as other:
        other.execute("LOCK TABLE meters_workerstate IN ACCESS EXCLUSIVE MODE")
        found = told()
    assert value(found, "database_up") == 1
    assert value(found, "collector_success", collector="areas") == 0
    assert value(found, "collector_success", collector="alerts") == 0, "none is tried after the first that hung"
    assert value(found, "worker_up") is None
    assert value(told(), "worker_up") == 1


WHERE = {"dbname", "user", "password", "host", "port"}


# --- areas and meters ------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_an_area_tells_its_bridge_and_its_meters() -> None:
    make.worker()
    north = make.area("North", in_service=True, reported={"version": "2.14.1", "channel": 20, "permit_join": False})
    make.area("South", bridge="offline", reported={"confirmed_at": timezone.now()})
    make.state(make.meter(area=north), power_w=1200)
    make.state(make.meter(area=north), power_w=300)
    silent = make.meter(area=north)
    make.state(silent, power_w=2000, heard_at=timezone.now() - timedelta(hours=5))
    make.meter(area=north)
    found = told()
    assert value(found, "area_info", area="north", name="North", version="2.14.1") == 1
    assert value(found, "area_bridge_up", area="north") == 1
    assert value(found, "area_bridge_up", area="south") == 0
    assert value(found, "area_in_service", area="south") == 0
    assert value(found, "area_zigbee_channel", area="north") == 20
    statuses = [value(found, "area_meters", area="north", status=status) for status in ("online", "offline", "unknown")]
    assert statuses == [2, 1, 1]
    assert value(found, "area_meters", area="south", status="online") == 0
    assert value(found, "area_power_watts", area="north") == 1500, "what a silent meter used hours ago is not used now"
    assert value(found, "area_power_meters", area="north") == 2


@pytest.mark.django_db
def test_what_nobody_knows_is_left_out() -> None:
    make.worker(heartbeat_at=timezone.now() - timedelta(minutes=5), queued=9, lag_s=9)
    make.state(make.meter(area=make.area("North")), power_w=1200)
    found = told()
    assert value(found, "worker_up") == 0
    for name in ("ingest_queue_messages", "ingest_lag_seconds"):
        assert value(found, name) is None, name
    for name in ("area_bridge_up", "area_power_watts", "area_energy_joules", "area_zigbee_channel"):
        assert value(found, name, area="north") is None, name
    assert value(found, "area_meters", area="north", status="unknown") == 1


@pytest.mark.django_db
def test_energy_is_told_in_joules_and_a_meter_takes_its_own_along() -> None:
    north, south = make.area("North"), make.area("South")
    moving = make.meter(area=north)
    make.state(moving, energy_kwh=Decimal("2.5"), counter_at=timezone.now())
    make.state(make.meter(area=south), energy_kwh=Decimal(1), counter_at=timezone.now())
    found = told()
    energy = [value(found, "area_energy_joules", area=area) for area in ("north", "south")]
    assert (energy, value(found, "energy_joules_total")) == ([9_000_000, 3_600_000], 12_600_000)
    moving.device.area = south
    moving.device.save()
    found = told()
    energy = [value(found, "area_energy_joules", area=area) for area in ("north", "south")]
    assert (energy, value(found, "energy_joules_total")) == ([None, 12_600_000], 12_600_000)


@pytest.mark.django_db
def test_messages_are_those_of_the_last_report_of_health() -> None:
    north = make.area("North")
    now = timezone.now()
    AreaHealth.objects.create(area=north, generated_at=now - timedelta(hours=1), devices={"0x1": {"messages": 1}})
    devices = {"0x1": {"messages": 35}, "0x2": {"messages": 7}, "0x3": {"messages": "many"}, "0x4": None}
    AreaHealth.objects.create(area=north, generated_at=now, devices=devices, mqtt_queued=3, mqtt_published=50)
    found = told()
    assert value(found, "area_zigbee_messages_total", area="north") == 42
    assert value(found, "area_mqtt_published_messages_total", area="north") == 50
    assert value(found, "area_mqtt_queue_messages", area="north") == 3
    assert value(found, "area_health_timestamp_seconds", area="north") == pytest.approx(now.timestamp())


@pytest.mark.django_db
def test_names_and_versions_that_others_chose_break_no_line() -> None:
    make.area('No"rth\\\n{}', slug="north", reported={"version": '1\n"campsite_database_up 0'})
    found = told()
    assert value(found, "area_info", area="north", name='No"rth\\\n{}', version='1\n"campsite_database_up 0') == 1
    assert value(found, "database_up") == 1


@pytest.mark.django_db
def test_neither_meters_nor_guests_are_named() -> None:
    area = make.area("North", in_service=True)
    make.meter("101,2", area=area, ieee="0xa4c1380000000001")
    make.guest(make.booking(), last_name="Zimmermann", email="anna@example.com")
    page = metrics.told(timezone.now()).decode()
    for secret in ("101,2", "0xa4c138", "Zimmermann", "anna@"):
        assert secret not in page


# --- ourselves -------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_worker_tells_what_it_took_in() -> None:
    now = timezone.now()
    make.worker(heartbeat_at=now, received=1000, stored=990, rejected=10, queued=4, lag_s=0.25)
    found = told(now)
    totals = [value(found, f"ingest_{what}_messages_total") for what in ("received", "stored", "rejected")]
    assert totals == [1000, 990, 10]
    assert (value(found, "ingest_queue_messages"), value(found, "ingest_lag_seconds")) == (4, 0.25)
    assert value(found, "worker_heartbeat_timestamp_seconds") == pytest.approx(now.timestamp())
    assert (value(found, "worker_up"), value(found, "broker_connected")) == (1, 1)
    WorkerState.objects.update(connected_at=None)
    assert value(told(now), "broker_connected") == 0


@pytest.mark.django_db
def test_each_of_several_workers_tells_of_itself() -> None:
    now = timezone.now()
    for name, stored in (("north", 5), ("south", 7)):
        make.worker(name=f"mqtt-{name}", areas=[make.area(name).pk], stored=stored, queued=stored)
    WorkerState.objects.filter(pk="mqtt-south").update(heartbeat_at=now - timedelta(minutes=1))
    found = told(now)
    assert [value(found, "worker_up", shard=name) for name in ("north", "south")] == [1, 0]
    assert [value(found, "ingest_stored_messages_total", shard=name) for name in ("north", "south")] == [5, 7]
    assert [value(found, "ingest_queue_messages", shard=name) for name in ("north", "south")] == [5, None]


@pytest.mark.django_db
def test_late_jobs_partitions_and_the_size_of_the_database() -> None:
    now = timezone.now()
    partitions.ensure_ahead()
    Schedule.objects.update(next_run=now + timedelta(minutes=1))
    Schedule.objects.filter(func="meters.tasks.make_partitions").update(next_run=now - timedelta(minutes=9))
    found = told(now)
    assert value(found, "jobs_late") == 1
    assert value(found, "jobs_next_run_timestamp_seconds") == pytest.approx((now - timedelta(minutes=9)).timestamp())
    assert value(found, "reading_partitions_ahead") == partitions.DAYS_AHEAD
    assert 1_000_000 < value(found, "database_size_bytes") < 1e12


# --- what was done ---------------------------------------------------------------------------------------------------


def confirmed(took_s: float, at: datetime) -> None:
    command = make.command(make.want(make.switchable()))
    times = {"created_at": at - timedelta(seconds=took_s), "confirmed_at": at, "finished_at": at}
    Command.objects.filter(pk=command.pk).update(status="confirmed", **times)


@pytest.mark.django_db
def test_commands_are_counted_by_their_end_and_timed_from_wish_to_proof() -> None:
    for took_s in (0.4, 1, 4, 2000):
        confirmed(took_s, NOON)
    failed = make.command(make.want(make.switchable()), automatic=True)
    Command.objects.filter(pk=failed.pk).update(status="failed", finished_at=NOON)
    make.command(make.want(make.switchable()), sent_ago_s=1)
    make.want(make.switchable(), hold="observe")
    found = told(NOON + timedelta(hours=1))
    assert value(found, "commands_total", outcome="confirmed", automatic="false") == 4
    assert value(found, "commands_total", outcome="failed", automatic="true") == 1
    assert value(found, "commands_total", outcome="expired", automatic="false") == 0
    assert value(found, "commands_open", status="sent") == 1
    assert value(found, "wants_held", hold="observe") == 1
    below = {le: value(found, "command_duration_seconds_bucket", le=le) for le in ("0.5", "1.0", "2.0", "5.0", "+Inf")}
    assert below == {"0.5": 1, "1.0": 2, "2.0": 2, "5.0": 3, "+Inf": 4}
    assert value(found, "command_duration_seconds_sum") == pytest.approx(2005.4)
    assert value(found, "command_duration_seconds_count") == 4


@pytest.mark.django_db
def test_counters_begin_anew_at_midnight_and_only_rise_until_then() -> None:
    confirmed(1, NOON)
    before = value(told(NOON + timedelta(minutes=1)), "commands_total", outcome="confirmed", automatic="false")
    confirmed(1, NOON + timedelta(minutes=2))
    after = value(told(NOON + timedelta(minutes=3)), "commands_total", outcome="confirmed", automatic="false")
    assert (before, after) == (1, 2)
    anew = told(NOON + timedelta(hours=12))
    assert value(anew, "commands_total", outcome="confirmed", automatic="false") == 0
    assert value(anew, "command_duration_seconds_count") == 0


@pytest.mark.django_db
def test_sirvoys_events_by_what_became_of_them() -> None:
    now = NOON + timedelta(hours=2)
    for status, received_at in (("applied", NOON), ("failed", NOON - timedelta(days=3)), ("failed", NOON)):
        WebhookEvent.objects.create(status=status, received_at=received_at, body=b"{}", size=2, digest="x")
    WebhookToken.objects.create(name="Sirvoy", digest="y", last_event_at=NOON)
    revoked = {"revoked_at": now, "last_event_at": now}
    WebhookToken.objects.create(name="old", digest="z", **revoked)
    found = told(now)
    assert value(found, "webhook_events_received_total") == 2
    assert value(found, "webhook_events_last_day", status="failed") == 1
    assert value(found, "webhook_events_unfinished", status="failed") == 2
    assert value(found, "webhook_last_event_timestamp_seconds") == NOON.timestamp()
    assert value(found, "webhook_last_check_timestamp_seconds") is None


def incident(code: str, severity: str, **values: object) -> Incident:
    now = timezone.now()
    values = {"key": f"{code}:{severity}", "since": now, "found_at": now, "opened_at": now} | values
    return Incident.objects.create(code=code, severity=severity, **values)


@pytest.mark.django_db
def test_open_incidents_by_how_bad_they_are_and_which() -> None:
    incident("many_silent", "critical", key="many_silent:north", seen_at=timezone.now())
    incident("meter_silent", "warning", part_of="many_silent:north")
    incident("disk_full", "warning")
    incident("redis_away", "warning", closed_at=timezone.now())
    found = told()
    assert [value(found, "incidents_open", severity=each) for each in ("critical", "warning", "notice")] == [1, 1, 0]
    assert value(found, "incidents_open_by_code", code="many_silent", severity="critical") == 1
    assert value(found, "incidents_open_by_code", code="meter_silent", severity="warning") is None
    assert value(found, "incidents_unattended") == 1


@pytest.mark.django_db
def test_alerts_that_do_not_get_through_by_route() -> None:
    now = timezone.now()
    on_duty, mail = (AlertRoute.objects.create(name=name) for name in ("on_duty", "mail"))
    RouteState.objects.create(route=on_duty, failures=4)
    for number in range(2):
        of = incident("disk_full", "warning", key=f"disk_full:{number}")
        Alert.objects.create(route=on_duty, incident=of, kind="opened", made_at=now, due_at=now)
        Alert.objects.create(route=mail, incident=of, kind="opened", made_at=now, due_at=now, told_at=now)
    found = told()
    assert (value(found, "alerts_waiting", route="on_duty"), value(found, "alert_route_failures", route="on_duty")) == (
        2,
        4,
    )
    assert (value(found, "alerts_waiting", route="mail"), value(found, "alert_route_failures", route="mail")) == (0, 0)


# --- the names -------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_names_follow_prometheus_conventions() -> None:
    """https://prometheus.io/docs/practices/naming: base units, counters end in _total."""
    populate(1, 1)
    for family in text_string_to_metric_families(metrics.told(timezone.now()).decode()):
        assert family.documentation
        is_counter = any(sample.name.endswith("_total") for sample in family.samples)
        assert not is_counter or family.type == "counter", family.name
        assert not any(family.name.endswith(unit) for unit in ("_ms", "_kwh", "_minutes", "_percent", "_mb")), (
            family.name
        )


@pytest.mark.django_db
def test_the_age_of_backups_and_drills_is_told_by_target(settings) -> None:
    settings.BACKUP_TARGETS = {"nas": "file:///mnt/nas", "cloud": "s3://k:s@h/b"}
    now = timezone.now()
    for ago, pruned in ((1, None), (2, None), (3, now)):
        at = now - timedelta(hours=ago)
        run = BackupRun.objects.create(started_at=at, heartbeat=at, status="done")
        BackupCopy.objects.create(run=run, target="nas", status="done", bytes=100 + ago, pruned_at=pruned)
    RestoreDrill.objects.create(started_at=now - timedelta(days=3), target="nas", status="done")
    RestoreDrill.objects.create(started_at=now, target="nas", status="failed")
    found = told()
    newest = (now - timedelta(hours=1)).timestamp()
    assert value(found, "backup_newest_timestamp_seconds", target="nas") == pytest.approx(newest)
    assert value(found, "backup_newest_bytes", target="nas") == 101
    assert (value(found, "backups", target="nas"), value(found, "backups", target="cloud")) == (2, 0)
    assert value(found, "backup_newest_timestamp_seconds", target="cloud") is None
    tried = (now - timedelta(days=3)).timestamp()
    assert value(found, "restore_drill_newest_timestamp_seconds") == pytest.approx(tried)
