"""How long the disk lasts, and whether clocks agree."""

from datetime import UTC, timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone

from meters import partitions, rejected
from meters.models import MeterState
from monitoring.checks import database
from monitoring.findings import Severity
from tests import make

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture
def week() -> int:
    """Seven closed days with readings; how many bytes a day takes."""
    days = [(NOW - timedelta(days=n)).astimezone(UTC).date() for n in range(1, 8)]
    partitions.ensure(days)
    make.reading(make.meter(), NOW - timedelta(days=1), power_w=5)
    sizes = partitions.sizes(days)
    assert len(sizes) == 7
    return sum(sizes.values()) // 7


@pytest.mark.parametrize(("days", "told"), [(31, []), (29, [(Severity.WARNING, 29)]), (0, [(Severity.WARNING, 0)])])
def test_days_until_the_fullest_disk_is_full(
    week: int, settings, monkeypatch: pytest.MonkeyPatch, days: int, told: list[object]
) -> None:
    free = {"/roomy": 10**15, "/full": week * days + week // 2}
    settings.WATCHED_DISKS = list(free)
    monkeypatch.setattr(database.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free[folder]))
    assert [(found.severity, found.facts["days"]) for found in database.growth(NOW)] == told


def test_after_a_few_days_nobody_knows_how_fast_it_grows(settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database.shutil, "disk_usage", lambda folder: SimpleNamespace(free=1))
    assert list(database.growth(NOW + timedelta(days=400))) == []


def test_the_databases_clock_is_compared_with_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(database.clock(NOW)) == []
    for minutes in (-3, 3):
        ours = timezone.now() + timedelta(minutes=minutes)
        monkeypatch.setattr(database, "timezone", SimpleNamespace(now=lambda ours=ours: ours))
        (found,) = database.clock(NOW)
        assert found.facts["seconds"] in (179, 180, 181)


def test_a_zigbee2mqtt_whose_meters_are_heard_in_the_future_has_a_clock_of_its_own() -> None:
    meter = make.meter(area=make.area("North", in_service=True))
    make.state(meter, heard_at=timezone.now() + timedelta(seconds=9))
    assert list(database.clocks_of_areas(NOW)) == []
    MeterState.objects.update(heard_at=timezone.now() + timedelta(seconds=90))
    (found,) = database.clocks_of_areas(NOW)
    assert found.key == "area_clock_ahead:north"


def test_one_whose_messages_are_refused_as_of_the_future_too() -> None:
    make.area("North", in_service=True)
    make.area("North west", in_service=True)
    make.area("New")
    for topic in ("z2m_north-west/101", "z2m_new/5"):
        rejected.note([rejected.Refusal(topic, "from_the_future", "", b"", NOW - timedelta(minutes=5))])
    assert [found.about for found in database.clocks_of_areas(NOW)] == ["north-west"]
    assert list(database.clocks_of_areas(NOW + timedelta(minutes=11))) == []
