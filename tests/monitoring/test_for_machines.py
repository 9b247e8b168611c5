"""What programs are told: a command's exit code, and health over HTTP."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation
from django_q.models import Schedule

from meters import partitions
from meters.models import AreaState, WorkerState
from monitoring.backup import sealing
from monitoring.models import AlertRoute
from tests import make


@pytest.fixture
def well(db: None, settings) -> None:
    """A site where all is well."""
    make.worker()
    partitions.ensure_ahead()
    AlertRoute.objects.create(name="on_duty")
    settings.ALERT_URLS = {"on_duty": "json://127.0.0.1:1/"}
    settings.BACKUP_TARGETS, settings.BACKUP_RECIPIENTS = {"nas": "file:///mnt/nas"}, [sealing.new_key()[1]]
    Schedule.objects.update(next_run=timezone.now() + timedelta(minutes=1))


def check(*words: str) -> tuple[int, str]:
    told = StringIO()
    try:
        with translation.override("en"):
            call_command("check_site", *words, stdout=told)
    except SystemExit as ended:
        return int(ended.code or 0), told.getvalue()
    return 0, told.getvalue()


def test_all_is_well(well: None) -> None:
    assert check() == (0, "All is well.\n")


def test_a_warning_and_something_critical_have_codes_of_their_own(well: None) -> None:
    make.area("North", in_service=True, reported={"permit_join": True})
    code, text = check()
    assert code == 1
    assert "North is open for new devices" in text
    assert text.endswith("\n    docs/runbook.md#network_open\n")
    AreaState.objects.update(bridge="offline", confirmed_at=timezone.now())
    code, text = check("--json")
    assert code == 2
    told = json.loads(text)
    assert [finding["key"] for finding in told] == ["bridge_offline:north", "network_open:north"]
    assert told[0]["runbook"] == "docs/runbook.md#bridge_offline"


def test_what_another_finding_explains_is_counted_and_listed_only_when_asked_for(well: None) -> None:
    area = make.area("North", in_service=True)
    for number in range(6):
        made = make.meter(f"plug {number}", area=area)
        make.state(made, heard_at=timezone.now() - timedelta(hours=5), gap_s=60)
    code, text = check()
    assert code == 2
    assert "6 of 6 meters are not heard" in text
    assert "plug" not in text
    assert "6 more are explained by these" in text
    assert check("--all")[1].count("is not heard any more") == 6
    told = json.loads(check("--json")[1])
    assert [finding["part_of"] for finding in told] == [None] + ["many_silent:north"] * 6


def test_the_web_process_lives_without_a_database() -> None:
    """pytest-django refuses each query here."""
    answer = Client().get("/health/live")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
def test_nor_does_it_ask_who_it_is_where_somebody_is_logged_in(django_assert_num_queries) -> None:
    """A technician looks there with his own browser, while the database is away."""
    client = Client()
    client.force_login(make.superuser())
    with django_assert_num_queries(0):
        assert client.get("/health/live").status_code == 200
    with CaptureQueriesContext(connection) as asked:
        client.get("/health/ready")
    assert not any("django_session" in query["sql"] or "auth_user" in query["sql"] for query in asked)


def test_ready_tells_each_part_and_503_where_one_is_away(well: None) -> None:
    answer = Client().get("/health/ready")
    parts = {"database": "ok", "worker": "ok", "jobs": "ok", "redis": "ok"}
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "parts": parts})
    WorkerState.objects.update(connected_at=None, broker="mqtt.example")
    answer = Client().get("/health/ready")
    assert (answer.status_code, answer.json()["parts"]["worker"]) == (503, "broker_away")
    assert "mqtt.example" not in answer.content.decode()


def test_redis_alone_is_no_reason_not_to_be_ready(well: None, settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1"
    answer = Client().get("/health/ready")
    assert (answer.status_code, answer.json()["parts"]["redis"]) == (200, "redis_away")


def test_ready_is_cheap(well: None, django_assert_max_num_queries) -> None:
    with django_assert_max_num_queries(3):
        Client().get("/health/ready")


@pytest.mark.django_db
def test_ready_says_that_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "PORT", "1")
    answer = Client().get("/health/ready")
    assert (answer.status_code, answer.json()) == (503, {"status": "down", "parts": {"database": "database_away"}})


def alive(process: str, **how: str) -> tuple[int, str]:
    told = StringIO()
    try:
        call_command("alive", process, stdout=told, **how)
    except SystemExit as ended:
        return int(ended.code or 0), told.getvalue()
    return 0, told.getvalue()


@pytest.mark.django_db
def test_a_worker_lives_as_long_as_it_beats_whatever_the_broker_does() -> None:
    assert alive("worker") == (1, "worker_silent\n")
    make.worker(connected_at=None)
    assert alive("worker") == (0, "broker_away\n")
    WorkerState.objects.update(connected_at=timezone.now())
    assert alive("worker") == (0, "ok\n")
    WorkerState.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=1))
    assert alive("worker") == (1, "worker_silent\n")


@pytest.mark.django_db
def test_one_of_several_workers_is_asked_for_by_its_name() -> None:
    for name in ("north", "south"):
        make.worker(name=f"mqtt-{name}", areas=[make.area(name, in_service=True).pk])
    WorkerState.objects.filter(pk="mqtt-north").update(heartbeat_at=timezone.now() - timedelta(minutes=1))
    assert alive("worker", name="south") == (0, "ok\n")
    assert alive("worker", name="north") == alive("worker") == (1, "shard_silent\n")


@pytest.mark.django_db
def test_background_jobs_live_as_long_as_none_waits() -> None:
    Schedule.objects.update(next_run=timezone.now() + timedelta(minutes=1))
    assert alive("qcluster") == (0, "ok\n")
    Schedule.objects.update(next_run=timezone.now() - timedelta(minutes=10))
    assert alive("qcluster") == (1, "jobs_wait\n")
