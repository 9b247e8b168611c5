"""The right person is told once: over real HTTP, to a sink of ours, by Apprise."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_q.models import OrmQ

from monitoring import alerts, incidents, routes, tasks
from monitoring.checks import alerting
from monitoring.findings import Finding, Severity
from monitoring.models import Alert, AlertRoute, Incident
from tests import make
from tests.sink import Sink

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
NOON = datetime(2026, 7, 1, 10, tzinfo=UTC)  # by the campsite's clock
OFFLINE = Finding("bridge_offline", Severity.CRITICAL, "north", {"area": "North"}, NOON)
OPEN = Finding("network_open", Severity.WARNING, "north", {"area": "North"}, NOON)


@pytest.fixture
def sink(settings) -> Iterator[Sink]:
    sink = Sink()
    settings.ALERT_URLS = {"on_duty": f"json://127.0.0.1:{sink.port}/"}
    yield sink
    sink.close()


@pytest.fixture
def route() -> AlertRoute:
    return AlertRoute.objects.create(name="on_duty", language="en")


def minutes(count: int, *found: Finding, since: int = 0, every: int = 1) -> None:
    """The site is looked at, and told about; minutes count from noon."""
    for minute in range(since, since + count, every):
        now = NOON + minute * MINUTE
        incidents.take(found, now)
        alerts.plan(now)
        alerts.tell_due(now)


def test_one_message_when_it_begins_and_one_when_it_is_over(sink: Sink, route: AlertRoute) -> None:
    minutes(30, OFFLINE)
    minutes(10, since=30)
    began, over = sink.told
    assert began["title"].endswith("North: Zigbee2MQTT is not running. None of its meters is heard or switched")
    assert "Look whether its antenna has power" in began["message"]
    assert over["message"].startswith("Over: North: Zigbee2MQTT is not running")


def test_it_is_told_in_the_routes_language(sink: Sink, route: AlertRoute) -> None:
    AlertRoute.objects.update(language="da")
    minutes(2, OFFLINE)
    assert "Zigbee2MQTT kører ikke" in sink.told[0]["title"]


def test_what_is_due_together_is_one_message(sink: Sink, route: AlertRoute) -> None:
    minutes(2, OFFLINE, OPEN)
    (told,) = sink.told
    assert "2 things, the worst: critical" in told["title"]
    assert "North is open for new devices" in told["message"]


def test_while_nobody_looks_after_it_it_is_told_again(sink: Sink, route: AlertRoute) -> None:
    minutes(2, OFFLINE)
    minutes(59, OFFLINE, since=2, every=10)
    assert len(sink.told) == 1
    minutes(2, OFFLINE, since=61)
    assert "nobody looks after it yet" in sink.told[1]["message"]
    incidents.look_after(Incident.objects.get(), make.superuser(), "", NOON + 64 * MINUTE)
    minutes(120, OFFLINE, since=65, every=10)
    assert len(sink.told) == 2


def test_a_mild_thing_is_not_told_to_who_wants_the_worst_only(sink: Sink, route: AlertRoute) -> None:
    AlertRoute.objects.update(severity="critical")
    minutes(5, OPEN)
    assert sink.told == []


def test_at_night_it_waits_for_the_morning_and_what_ended_before_is_not_told(sink: Sink, route: AlertRoute) -> None:
    AlertRoute.objects.update(from_time=time(13), to_time=time(22), wakes=False)
    minutes(59, OFFLINE)
    assert sink.told == []
    minutes(3, OFFLINE, since=59)
    assert len(sink.told) == 1
    AlertRoute.objects.update(from_time=time(20), to_time=time(22))
    minutes(5, OFFLINE, OPEN, since=62)
    minutes(5, OFFLINE, since=67)
    assert not Alert.objects.filter(incident__code="network_open").exists()


def test_something_critical_is_told_at_night_too(sink: Sink, route: AlertRoute) -> None:
    AlertRoute.objects.update(from_time=time(13), to_time=time(22))
    minutes(5, OFFLINE, OPEN)
    (told,) = sink.told
    assert "Zigbee2MQTT is not running" in told["title"]
    minutes(61, OFFLINE, OPEN, since=5)
    assert "North is open for new devices" in sink.told[1]["message"]


@pytest.mark.parametrize(("hour", "awake"), [(21, False), (22, True), (2, True), (6, False)])
def test_hours_may_reach_over_midnight(hour: int, awake: bool) -> None:
    route = AlertRoute(from_time=time(22), to_time=time(6))
    assert routes.is_awake(route, "warning", NOON.replace(hour=(hour - 2) % 24)) is awake


def test_what_did_not_get_through_is_tried_again_and_told_once(sink: Sink, route: AlertRoute) -> None:
    sink.status = 500
    minutes(4, OFFLINE)
    sink.status = 200
    minutes(30, OFFLINE, since=4)
    assert len(sink.told) == 1


def test_what_ended_while_it_could_not_be_told_is_told_to_nobody(sink: Sink, route: AlertRoute) -> None:
    sink.status = 500
    minutes(4, OFFLINE)
    minutes(3, since=4)
    assert Incident.objects.get().closed_at
    sink.status = 200
    minutes(60, since=7)
    assert sink.told == []
    assert not Alert.objects.exists()


def test_a_route_that_fails_is_told_by_another(sink: Sink, route: AlertRoute, settings) -> None:
    settings.ALERT_URLS["dead"] = "json://127.0.0.1:1/"
    AlertRoute.objects.create(name="dead", language="en")
    minutes(20, OFFLINE)
    now = NOON + 20 * MINUTE
    assert [finding.key for finding in alerting.failing_routes(now)] == ["route_fails:dead"]


def test_a_route_without_an_address_is_found(route: AlertRoute, settings) -> None:
    for url in ("", "no address", "unknown://x"):
        settings.ALERT_URLS = {"on_duty": url}
        assert [finding.key for finding in alerting.failing_routes(timezone.now())] == ["route_unknown:on_duty"]


def test_that_nobody_would_be_told_at_some_hour_is_found(route: AlertRoute) -> None:
    def alone() -> list[dict[str, object]]:
        return [dict(finding.facts) for finding in alerting.nobody_on_duty(NOON)]

    assert alone() == []
    by_day = AlertRoute.objects.filter(name="on_duty")
    by_day.update(from_time=time(8), to_time=time(20))
    assert alone() == [], "criticals at any time"
    by_day.update(wakes=False)
    assert alone() == [{"hours": 12}]
    AlertRoute.objects.create(name="night", from_time=time(20), to_time=time(8), wakes=False)
    assert alone() == []
    AlertRoute.objects.update(is_active=False)
    assert alone() == [{"hours": 24}]


def test_a_restart_in_between_tells_nothing_twice(sink: Sink, route: AlertRoute) -> None:
    minutes(2, OFFLINE)
    alerts.plan(NOON + MINUTE)
    alerts.tell_due(NOON + MINUTE)
    alerts.tell_due(NOON + 2 * MINUTE)
    assert len(sink.told) == 1


def test_its_test_button_says_whether_it_got_through(sink: Sink, route: AlertRoute, settings) -> None:
    client, address = Client(headers={"accept-language": "en"}), reverse("admin:monitoring_alertroute_changelist")
    client.force_login(make.superuser())
    press = {"action": "try_out", "_selected_action": [route.pk]}
    assert "was told. See whether it arrived" in client.post(address, press, follow=True).content.decode()
    assert "If you read this" in sink.told[0]["message"]
    settings.ALERT_URLS = {route.name: "json://127.0.0.1:1"}
    assert "could not be told" in client.post(address, press, follow=True).content.decode()
    settings.ALERT_URLS = {}
    assert "has no address: ALERT_URLS has no line" in client.post(address, press, follow=True).content.decode()


def test_staff_see_what_was_told(sink: Sink, route: AlertRoute) -> None:
    minutes(2, OFFLINE)
    client = Client(headers={"accept-language": "en"})
    client.force_login(make.superuser())
    page = client.get(reverse("admin:monitoring_alert_changelist")).content.decode()
    assert "North: Zigbee2MQTT is not running" in page
    assert "it began" in page


def test_what_a_look_finds_is_told_at_once_and_not_with_the_next_minute() -> None:
    """By a job beside it: a message that takes its time holds up no look."""
    tasks.check_site()
    assert OrmQ.objects.get().task["func"] == "monitoring.tasks.tell_alerts"
