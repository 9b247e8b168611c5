"""A backup of a Zigbee2MQTT holds the network's key: it is stored for the one who asked, until he takes it."""

from __future__ import annotations

import base64
import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from meters import requests
from meters.ingest import Ingest
from meters.models import Area, BridgeRequest, RejectedMessage
from meters.zigbee2mqtt.values import MAX_BYTES
from tests import make
from tests.meters.messages import message

pytestmark = pytest.mark.django_db

KEY = "4d6441327f7dcfa926a3bc59a1805e33"
ZIP = base64.b64encode(KEY.encode()).decode()


@pytest.fixture
def area() -> Area:
    return make.area()


def asked(area: Area) -> BridgeRequest:
    made = requests.ask_backup(area)
    assert requests.claim(made.pk, timezone.now())
    return made


def hear(area: Area, payload: Any, topic: str = "bridge/response/backup", **how: Any) -> None:
    Ingest().process([message(f"{area.base_topic}/{topic}", payload, **how)])


def answered(made: BridgeRequest, data: Any = None, **other: Any) -> BridgeRequest:
    told = {"data": {"zip": ZIP} if data is None else data, "status": "ok", "transaction": made.transaction}
    hear(made.area, told | other)
    made.refresh_from_db()
    return made


def texts() -> str:
    """Every column of every table that may hold words."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' "
            "AND data_type IN ('text', 'character varying', 'json', 'jsonb', 'bytea', 'ARRAY')"
        )
        columns = cursor.fetchall()
        assert len(columns) > 100
        found = []
        for table, column in columns:
            cursor.execute(f'SELECT "{column}"::text FROM "{table}" WHERE "{column}" IS NOT NULL')
            found += [row[0] for row in cursor.fetchall()]
    return "\n".join(found)


def test_a_backup_is_handed_out_once(area: Area) -> None:
    made = answered(asked(area))
    assert made.status == "done"
    assert [requests.take_backup(made.pk), requests.take_backup(made.pk)] == [ZIP, None]


def test_after_it_was_taken_no_table_and_no_log_holds_it(area: Area, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    made = answered(asked(area))
    assert ZIP in texts()
    requests.take_backup(made.pk)
    held = texts()
    assert made.transaction in held
    assert not {ZIP, KEY} & set(held.split("\n"))
    assert ZIP not in held + caplog.text


def test_what_nobody_took_within_minutes_is_erased(area: Area) -> None:
    made = answered(asked(area))
    now = made.finished_at
    assert now
    requests.close_overdue(now + timedelta(minutes=4))
    assert ZIP in texts()
    requests.close_overdue(now + timedelta(minutes=6))
    assert ZIP not in texts()
    assert requests.take_backup(made.pk) is None


def test_what_comes_too_late_is_never_stored(area: Area) -> None:
    made = asked(area)
    requests.close_overdue(timezone.now() + timedelta(minutes=3))
    assert answered(made).status == "timed_out"
    assert ZIP not in texts()


def test_what_somebody_else_asked_for_is_never_stored(area: Area) -> None:
    made = asked(area)
    assert answered(made, transaction="theirs").status == "sent"
    assert ZIP not in texts()


def test_only_its_zip_is_kept_of_a_backup(area: Area) -> None:
    made = answered(asked(area), {"zip": ZIP, "network_key": KEY, "note": KEY})
    assert made.response == {"zip": ZIP}


@pytest.mark.parametrize("data", [{"zip": f"{ZIP}\ud800"}, {"zip": f"{ZIP}'"}, {"zip": 7}, {"zip": ""}, {}, [ZIP], ZIP])
def test_what_is_no_base64_is_an_answer_without_a_backup(area: Area, data: Any) -> None:
    made = asked(area)
    body = json.dumps({"data": data, "status": "ok", "transaction": made.transaction})
    hear(area, body.encode())
    made.refresh_from_db()
    assert (made.status != "sent", requests.take_backup(made.pk)) == (True, None)
    assert ZIP not in texts()


def test_a_refusal_tells_why(area: Area) -> None:
    made = answered(asked(area), {}, status="error", error="EACCES: permission denied")
    assert (made.status, made.error) == ("refused", "EACCES: permission denied")


def test_a_backup_that_is_too_big_to_be_read_is_an_answer_at_once(area: Area) -> None:
    made, other = asked(area), asked(make.area())
    hear(area, b'{"data":{"zip":"' + b"A" * MAX_BYTES + b'"}}')
    made.refresh_from_db()
    other.refresh_from_db()
    assert (made.status, other.status) == ("refused", "sent")
    assert made.error == f"The answer cannot be read: too_big ({MAX_BYTES + 19} bytes)"
    assert RejectedMessage.objects.get().sample == ""


def test_of_a_zigbee2mqtt_that_logs_what_it_publishes_nothing_is_sampled(area: Area) -> None:
    line = f"z2m:mqtt: MQTT publish: topic 'a/bridge/response/backup', payload '{{\"zip\":\"{ZIP}\"}}'"
    hear(area, {"level": "info", "message": line}, "bridge/logging")
    hear(area, {"level": "error", "message": line}, "bridge/logging")
    hear(area, f'{{"level":"info","message":"{ZIP}'.encode(), "bridge/logging")
    assert RejectedMessage.objects.get().code == "not_json"
    assert ZIP not in texts()


def test_that_it_was_asked_for_is_noted_with_the_person(area: Area) -> None:
    chief = make.superuser()
    requests.ask_backup(area, by=chief)
    entry = LogEntry.objects.get(content_type__model="area", changes__has_key="request")
    assert (entry.actor, entry.changes["request"]) == (chief, ["", "backup"])


def test_the_admin_shows_that_it_was_answered_and_not_what(area: Area) -> None:
    made = answered(asked(area))
    client = Client(headers={"accept-language": "en"})
    client.force_login(make.superuser())
    page = client.get(reverse("admin:meters_bridgerequest_change", args=[made.pk])).content.decode()
    assert "it holds the network&#x27;s key" in page
    assert ZIP not in page
    assert ZIP not in client.get(reverse("admin:meters_bridgerequest_changelist")).content.decode()
    area_page = client.get(reverse("area_page", args=[area.slug]), {"asked": made.pk}).content.decode()
    assert f"bridge/request/{requests.BACKUP}" in area_page
    assert ZIP not in area_page


@pytest.mark.django_db(transaction=True)
def test_what_the_server_cannot_store_stands_in_no_statement(area: Area) -> None:
    """The server writes statements that failed into its log, and shows each connection's last one."""
    answered(asked(area))
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE seen (query text)")
        cursor.execute(
            "CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN INSERT INTO seen VALUES (current_query()); RETURN NEW; END';"
            "CREATE TRIGGER look BEFORE UPDATE ON meters_bridgerequest FOR EACH ROW EXECUTE FUNCTION look()"
        )
        try:
            made = answered(asked(area))
            requests.take_backup(made.pk)
            cursor.execute("SELECT string_agg(query, ';') FROM seen WHERE query LIKE '%response%'")
            (queries,) = cursor.fetchone()
        finally:
            cursor.execute("DROP FUNCTION look CASCADE; DROP TABLE seen")
    assert queries.count("UPDATE") >= 2
    assert ZIP not in queries
