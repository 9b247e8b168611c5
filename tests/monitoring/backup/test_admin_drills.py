"""What staff see of restore drills."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from monitoring.models import RestoreDrill
from tests import make

pytestmark = pytest.mark.django_db
LIST = "admin:monitoring_restoredrill_changelist"
NOW = timezone.now()
REPORT = {
    "software": "1.2",
    "postgres": "18.6",
    "rows": 1234567,
    "tables": 99,
    "parts": [["north", "zigbee2mqtt", 4711, "4 files, 2 devices"]],
    "missing": [["south", "zigbee2mqtt", "It did not answer."]],
    "ledger": {"corrections_wh": [-15345, -15344]},
    "differing": [["meters_reading", 12, -1]],
    "forward": ["meters.0042_x"],
    "seconds": [["Fetching", 1.5]],
}


def drill(**values: Any) -> RestoreDrill:
    told = {"target": "nas", "status": "done", "started_at": NOW - timedelta(seconds=42), "finished_at": NOW}
    return RestoreDrill.objects.create(**told | values)


@pytest.fixture
def technician() -> Client:
    client, user = Client(headers={"accept-language": "en"}), make.staff("technician")
    user.groups.add(Group.objects.get(name="technician"))
    client.force_login(user)
    return client


def page(client: Client, made: RestoreDrill) -> str:
    answer = client.get(reverse("admin:monitoring_restoredrill_change", args=[made.pk]))
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_the_list_tells_which_backup_could_be_brought_back_and_why_another_could_not(technician: Client) -> None:
    drill(backup_at=NOW)
    drill(status="failed", error="It was cut short.\nAnd more")
    drill(status="running", finished_at=None, step="Fetching: 40%")
    text = technician.get(reverse(LIST)).content.decode()
    for told in (
        "can be brought back",
        "not proven",
        "It was cut short.",
        "under way",
        "Fetching: 40%",
        "42\N{NO-BREAK SPACE}s",
    ):
        assert told in text, told


def test_a_list_of_many_asks_no_more_than_one_of_few(technician: Client, django_assert_max_num_queries: Any) -> None:
    for _ in range(30):
        drill()
    technician.get(reverse(LIST))
    with django_assert_max_num_queries(9):
        technician.get(reverse(LIST))


def test_the_page_tells_all_that_was_found(technician: Client, django_assert_max_num_queries: Any) -> None:
    made = drill(status="failed", error="One.\nTwo.", report=REPORT, backup_at=NOW)
    page(technician, made)
    with django_assert_max_num_queries(7):
        text = page(technician, made)
    for told in ("One.", "Two.", "1,234,567 rows in 99 tables", "4 files, 2 devices", "It did not answer.", "-15,344"):
        assert told in text, told
    assert "Rows of meters_reading" in text
    assert "one migration" in text
    assert "1.5 s" in text


def test_the_page_of_one_that_found_no_backup_tells_why(technician: Client) -> None:
    assert "No whole backup" in page(technician, drill(status="failed", error="No whole backup lies on nas."))


def test_reception_does_not_see_them() -> None:
    client = Client()
    client.force_login(make.staff())
    assert client.get(reverse(LIST)).status_code == 403
    assert client.get(reverse("admin:monitoring_restoredrill_change", args=[drill().pk])).status_code == 403
