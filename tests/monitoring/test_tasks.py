"""A minute of the background jobs: looked, planned, told, and a sign of life given."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from monitoring import incidents, tasks
from monitoring.models import Alert, AlertRoute, Incident, Look, MaintenanceWindow
from tests import make
from tests.sink import Sink

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def sink(settings) -> Iterator[Sink]:
    sink = Sink()
    settings.DEAD_MANS_SWITCH_URL = f"http://127.0.0.1:{sink.port}/ping"
    settings.ALERT_URLS = {"on_duty": f"json://127.0.0.1:{sink.port}/"}
    yield sink
    sink.close()


def a_minute_later() -> None:
    """As if a minute had passed."""
    Look.objects.update(until=timezone.now() - MINUTE)
    tasks.check_site()
    tasks.tell_alerts()


def test_what_is_wrong_is_told_and_no_sign_of_life_is_given(sink: Sink) -> None:
    """No worker runs here."""
    AlertRoute.objects.create(name="on_duty", language="en", severity="critical")
    tasks.check_site()
    a_minute_later()
    assert "no sign of life" in sink.told[0]["message"]
    assert sink.called == []


def test_while_it_is_worked_on_nobody_is_told_inside_nor_outside(sink: Sink) -> None:
    AlertRoute.objects.create(name="on_duty", language="en")
    now = timezone.now()
    MaintenanceWindow.objects.create(from_at=now - MINUTE, to_at=now + 60 * MINUTE, why="the NAS gets a new disk")
    tasks.check_site()
    a_minute_later()
    assert Incident.objects.filter(code="worker_silent", opened_at__isnull=False).exists()
    assert not Alert.objects.exists()
    assert sink.called == ["/ping", "/ping"]


def test_a_critical_thing_that_is_snoozed_does_not_silence_the_dead_mans_switch(sink: Sink) -> None:
    """Otherwise, while an antenna is on order, nobody would notice that the whole NAS is gone."""
    now = timezone.now()
    tasks.check_site()
    a_minute_later()
    assert sink.called == []
    chief = make.superuser()
    for incident in Incident.objects.filter(severity="critical"):
        assert incidents.snooze(incident, chief, now + 60 * MINUTE, now)
    a_minute_later()
    assert sink.called == ["/ping"]
