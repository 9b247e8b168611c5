"""The broker, asked for real: a message goes there and comes back, or is said not to."""

import socket
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from meters import mqtt
from monitoring.checks import broker as checks
from monitoring.findings import Severity
from tests import make
from tests.meters.harness import Talker

pytestmark = pytest.mark.django_db


@pytest.fixture
def hanging() -> Iterator[int]:
    """The port of something that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def found(settings, url: str) -> list[tuple[str, Severity]]:
    settings.MQTT_URL = url
    return [(finding.code, finding.severity) for finding in checks.round_trip(timezone.now())]


def test_a_broker_that_works_is_no_finding_and_one_that_is_stopped_is(broker, settings) -> None:
    assert found(settings, broker.url) == []
    broker.stop()
    assert found(settings, broker.url) == [("broker_no_round_trip", Severity.CRITICAL)]


def test_a_broker_that_refuses_our_password_says_so(broker, settings) -> None:
    settings.MQTT_URL = broker.url.replace("campsite:", "campsite:wrong")
    (told,) = checks.round_trip(timezone.now())
    assert told.facts["how"] in ("refused", "away")  # iotcore closes the door without a word


def test_a_broker_that_takes_the_connection_and_hangs_is_given_up(
    hanging: int, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "TIMEOUT_S", 0.2)
    settings.MQTT_URL = f"mqtt://127.0.0.1:{hanging}"
    (told,) = checks.round_trip(timezone.now())
    assert (told.code, told.facts["how"]) == ("broker_no_round_trip", "lost")


def test_where_areas_are_heard_all_the_same_it_is_no_alarm_at_night(settings) -> None:
    """An access list that forgot our topic loses the message without a word."""
    make.area("North", reported={"seen_at": timezone.now() - timedelta(seconds=30)})
    assert found(settings, "mqtt://127.0.0.1:1") == [("broker_no_round_trip", Severity.WARNING)]


@pytest.mark.mosquitto
@pytest.mark.parametrize("broker", ["mosquitto"], indirect=True)
@pytest.mark.parametrize(("rate", "told"), [("57.42", [("broker_drops", Severity.WARNING)]), ("0.90", []), ("x", [])])
def test_messages_that_the_broker_drops(broker, settings, monkeypatch, rate: str, told: list[object]) -> None:
    """Said by somebody in the broker's stead: its own figure takes minutes to rise."""
    monkeypatch.setattr(mqtt, "SYS", "told/")
    talker = Talker(broker.url)
    talker.say("told/load/publish/dropped/5min", rate, retain=True)
    talker.stop()
    assert found(settings, broker.url) == told
