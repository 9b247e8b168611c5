"""The pages of backups: what lies where, how one is getting on, who may ask for one."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_q.models import OrmQ

from monitoring.backup import sealing
from monitoring.models import BackupCopy, BackupRun, Origin
from tests import make

pytestmark = pytest.mark.django_db
LIST, MAKE = "admin:monitoring_backuprun_changelist", "admin:monitoring_backuprun_make"
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def two_targets(settings) -> None:
    settings.BACKUP_TARGETS = {"nas": "file:///mnt/nas", "cloud": "s3://akey:s3cr3t@example.com/bucket"}
    settings.BACKUP_RECIPIENTS = [sealing.new_key()[1]]


def somebody(group: str = "technician") -> Client:
    client, user = Client(headers={"accept-language": "en"}), make.staff(f"one of {group}")
    user.groups.add(Group.objects.get(name=group))
    client.force_login(user)
    return client


def run(ago: timedelta = HOUR, **values: Any) -> BackupRun:
    at = timezone.now() - ago
    ended = {"status": "done", "finished_at": at + timedelta(seconds=90), "bytes": 3_000_000}
    return BackupRun.objects.create(**{"started_at": at, "heartbeat": timezone.now()} | ended | values)


def copy(run: BackupRun, target: str = "nas", **values: Any) -> BackupCopy:
    return BackupCopy.objects.create(run=run, target=target, **{"status": "done", "bytes": 3_000_100} | values)


def listed(client: Client) -> str:
    return client.get(reverse(LIST)).content.decode()


def shown(client: Client, run: BackupRun) -> str:
    return client.get(reverse("admin:monitoring_backuprun_change", args=[run.pk])).content.decode()


def test_the_list_tells_what_lies_where_and_no_secret() -> None:
    copy(run(5 * HOUR))
    page = listed(somebody())
    assert "5 hours ago" in page
    assert "s3://example.com/bucket" in page
    assert "no backup yet" in page
    assert "s3cr3t" not in page
    assert "akey" not in page


def test_a_backup_tells_where_it_lies_what_is_in_it_and_what_is_missing() -> None:
    part = {
        "name": "north",
        "file": "zigbee2mqtt-north.zip.age",
        "bytes": 40_000,
        "facts": {"devices": 79},
        "warnings": ["<b>One</b>."],
    }
    missing = {"name": "south", "kind": "zigbee2mqtt", "why": "It did not answer."}
    told = {"parts": [part], "missing": [missing], "software": "0.1", "postgres": "18.6"}
    made = run(status="incomplete", manifest=told, origin=Origin.PERSON, by=make.superuser())
    copy(made)
    copy(made, "cloud", status="failed", error="It is full.")
    page = shown(somebody(), made)
    for text in ("zigbee2mqtt-north.zip.age", "79 devices", "south", "It did not answer.", "It is full.", "chief"):
        assert text in page
    assert "<b>One</b>" not in page


def test_one_that_is_under_way_is_followed_and_one_that_was_killed_is_doubted() -> None:
    made = run(status="running", finished_at=None, step="copying to nas")
    copy(made, status="running")
    technician = somebody()
    for address in (reverse(LIST), reverse("admin:monitoring_backuprun_change", args=[made.pk])):
        answer = technician.get(address)
        assert "copying to nas" in answer.content.decode()
        assert answer.headers["Refresh"].startswith("5;")
    BackupRun.objects.update(heartbeat=timezone.now() - HOUR)
    assert "probably ended" in listed(technician)
    BackupRun.objects.update(status="failed")
    assert "Refresh" not in technician.get(reverse(LIST)).headers


def test_a_technician_asks_for_one_and_reception_cannot() -> None:
    technician = somebody()
    assert "Back up now" in listed(technician)
    answer = technician.post(reverse(MAKE), follow=True)
    assert "as soon as a background job is free" in answer.content.decode()
    assert OrmQ.objects.get().task["func"] == "monitoring.tasks.back_up_for"
    assert somebody("reception").post(reverse(MAKE)).status_code == 403
    assert technician.get(reverse(MAKE)).status_code == 405
    assert OrmQ.objects.count() == 1


def test_without_a_target_the_page_says_so_and_asks_for_nothing(settings) -> None:
    settings.BACKUP_TARGETS = {}
    technician = somebody()
    page = listed(technician)
    assert "Nothing is backed up" in page
    assert "Back up now" not in page
    technician.post(reverse(MAKE))
    assert not OrmQ.objects.exists()


def test_the_pages_cost_the_same_queries_however_many_there_are(django_assert_num_queries) -> None:
    technician = somebody()
    for hours in (1, 2):
        made = run(hours * HOUR)
        for target in ("nas", "cloud"):
            copy(made, target)
    listed(technician)
    for more in (0, 20):
        for hours in range(more):
            copy(run((5 + hours) * HOUR))
        with django_assert_num_queries(10):
            listed(technician)
    with django_assert_num_queries(6):
        shown(technician, made)
