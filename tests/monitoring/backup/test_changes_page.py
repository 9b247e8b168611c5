"""What changed in an area's Zigbee2MQTT from backup to backup, as a page for technicians."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from meters.models import Area
from monitoring.backup import contents, history
from monitoring.pages import views
from tests import make
from tests.monitoring.backup import zips

pytestmark = pytest.mark.django_db


@pytest.fixture
def area(settings: Any, tmp_path: Path) -> Area:
    settings.BACKUP_HISTORY = str(tmp_path / "history")
    return make.area("Area 2", slug="area2")


@pytest.fixture
def technician() -> Client:
    return make.client_of("technician")


def page(client: Client, area: Area, **query: str) -> str:
    answer = client.get(reverse("area_changes", args=[area.slug]), query)
    assert answer.status_code == 200
    return answer.content.decode()


def note(area: Area, at: datetime, devices: int = 2, **config: Any) -> None:
    assert history.note(area, contents.read(zips.packed(zips.files(devices, **config))), at) == []


def test_a_technician_reads_what_changed_and_who_asked(area: Area, technician: Client) -> None:
    note(area, timezone.now() - timedelta(days=1), advanced={"channel": 15})
    note(area, timezone.now(), advanced={"channel": 20})
    told = page(technician, area)
    assert '<span class="went">-  channel: 15</span>' in told
    assert '<span class="came">+  channel: 20</span>' in told
    assert "somebody else changed it" in told
    assert (
        reverse("area_changes", args=[area.slug])
        in technician.get(reverse("area_page", args=[area.slug])).content.decode()
    )


def test_markup_in_it_is_shown_as_it_stands(area: Area, technician: Client) -> None:
    note(area, timezone.now(), note="</pre><script>alert(1)</script>")
    told = page(technician, area)
    assert "<script>alert" not in told
    assert "&lt;/pre&gt;&lt;script&gt;" in told


def test_older_changes_stand_on_pages_of_their_own(area: Area, technician: Client) -> None:
    begun = timezone.now() - timedelta(days=40)
    for night in range(views.CHANGES_SHOWN + 1):
        note(area, begun + timedelta(days=night), devices=night)
    (oldest,) = history.changes(area, 1, history.changes(area, views.CHANGES_SHOWN)[-1].id)
    newest = page(technician, area)
    assert "The first backup of this area." not in newest
    after = history.changes(area, views.CHANGES_SHOWN)[-1].id
    assert f'href="?after={after}"' in newest
    assert "The first backup of this area." in page(technician, area, after=after)
    assert "Nothing is noted here yet" in page(technician, area, after=oldest.id)


def test_it_says_why_there_is_nothing(area: Area, technician: Client, settings: Any, tmp_path: Path) -> None:
    assert "Nothing is noted here yet: the next backup begins." in page(technician, area)
    (tmp_path / "history" / "objects").mkdir(parents=True)
    assert "cannot be used" in page(technician, area)
    settings.BACKUP_HISTORY = ""
    assert "BACKUP_HISTORY names no folder" in page(technician, area)


def test_an_address_that_was_made_up_is_told_and_breaks_nothing(area: Area, technician: Client) -> None:
    note(area, timezone.now())
    for after in ("x", "../../etc/passwd", "0" * 40, "HEAD", "\0"):
        assert "knows no such change" in page(technician, area, after=after)


def test_reception_is_not_shown_who_changed_what(area: Area) -> None:
    client = make.client_of("reception")
    assert client.get(reverse("area_changes", args=[area.slug])).status_code == 403
    assert (
        reverse("area_changes", args=[area.slug])
        not in client.get(reverse("area_page", args=[area.slug])).content.decode()
    )


def test_it_costs_the_same_however_much_changed(area: Area, technician: Client, django_assert_num_queries: Any) -> None:
    for night in range(5):
        note(area, timezone.now() + timedelta(days=night), devices=night)
    page(technician, area)
    with django_assert_num_queries(5):
        page(technician, area)
