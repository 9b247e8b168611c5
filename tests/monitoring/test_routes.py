"""Who is told of what, and when: snoozed, worked on, collected for the day, passed on when nobody looks after it."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta

import pytest
from django.utils import timezone

from meters import clock
from monitoring import alerts, components, incidents, routes, words
from monitoring.findings import Finding, Severity
from monitoring.models import Alert, AlertRoute, Incident, MaintenanceWindow
from tests import make
from tests.sink import Sink

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
NOON = datetime(2026, 7, 1, 10, tzinfo=UTC)  # by the campsite's clock
OFFLINE = Finding("bridge_offline", Severity.CRITICAL, "north", {"area": "North"}, NOON)
OPEN = Finding("network_open", Severity.WARNING, "north", {"area": "North"}, NOON)
BROKER = Finding("broker_away", Severity.CRITICAL, since=NOON)
LITTLE_ROOM = {
    severity: Finding("disk_full", severity, "/", {"folder": "/", "percent": percent, "free_gb": 1})
    for severity, percent in ((Severity.WARNING, 8), (Severity.CRITICAL, 2))
}


@pytest.fixture(autouse=True)
def sinks(settings) -> Iterator[dict[str, Sink]]:
    """Of the first route, and of the next one."""
    sinks = {"first": Sink(), "next": Sink()}
    settings.ALERT_URLS = {name: f"json://127.0.0.1:{sink.port}/" for name, sink in sinks.items()}
    yield sinks
    for sink in sinks.values():
        sink.close()


@pytest.fixture
def sink(sinks: dict[str, Sink]) -> Sink:
    return sinks["first"]


@pytest.fixture
def route() -> AlertRoute:
    return AlertRoute.objects.create(name="first", language="en")


def minutes(count: int, *found: Finding, since: int = 0, every: int = 1) -> None:
    """The site is looked at, and told about; minutes count from noon."""
    for minute in range(since, since + count, every):
        now = NOON + minute * MINUTE
        incidents.take(found, now)
        alerts.plan(now)
        alerts.tell_due(now)


def window(since: int, until: int, **of: object) -> MaintenanceWindow:
    return MaintenanceWindow.objects.create(
        from_at=NOON + since * MINUTE, to_at=NOON + until * MINUTE, why="new antenna", **of
    )


# --- snoozed ---------------------------------------------------------------------------------------------------------


def test_what_is_snoozed_is_told_to_nobody_until_then_and_comes_back_by_itself(sink: Sink, route: AlertRoute) -> None:
    minutes(2, OFFLINE)
    assert incidents.snooze(Incident.objects.get(), make.superuser(), NOON + 240 * MINUTE, NOON + 2 * MINUTE)
    minutes(238, OFFLINE, since=2, every=8)
    assert len(sink.told) == 1
    assert [each.code for each in incidents.open_now()] == ["bridge_offline"]
    minutes(30, OFFLINE, since=240)
    assert len(sink.told) == 2
    assert "nobody looks after it yet" in sink.told[1]["message"]


def test_what_is_over_while_it_is_snoozed_is_told_once(sink: Sink, route: AlertRoute) -> None:
    minutes(2, OFFLINE)
    incidents.snooze(Incident.objects.get(), make.superuser(), NOON + 240 * MINUTE, NOON + 2 * MINUTE)
    minutes(10, since=2)
    assert [told["message"][:5] for told in sink.told][1:] == ["Over:"]


def test_what_gets_worse_is_snoozed_no_more(sink: Sink, route: AlertRoute) -> None:
    minutes(2, LITTLE_ROOM[Severity.WARNING])
    incidents.snooze(Incident.objects.get(), make.superuser(), NOON + 240 * MINUTE, NOON + 2 * MINUTE)
    minutes(5, LITTLE_ROOM[Severity.CRITICAL], since=2)
    assert len(sink.told) == 2
    assert "it got worse" in sink.told[1]["message"]


def test_what_is_as_bad_again_as_before_the_snoozing_is_snoozed_no_more(sink: Sink, route: AlertRoute) -> None:
    """Who snoozed it saw a warning: that somebody had made a little room."""
    minutes(2, LITTLE_ROOM[Severity.CRITICAL])
    minutes(2, LITTLE_ROOM[Severity.WARNING], since=2)
    incidents.snooze(Incident.objects.get(), make.superuser(), NOON + 240 * MINUTE, NOON + 4 * MINUTE)
    minutes(5, LITTLE_ROOM[Severity.WARNING], since=4)
    assert len(sink.told) == 1
    minutes(5, LITTLE_ROOM[Severity.CRITICAL], since=9)
    assert len(sink.told) == 2


def test_what_comes_back_worse_than_it_was_when_it_was_snoozed_is_told(sink: Sink, route: AlertRoute) -> None:
    minutes(2, LITTLE_ROOM[Severity.WARNING])
    incidents.snooze(Incident.objects.get(), make.superuser(), NOON + 240 * MINUTE, NOON + 2 * MINUTE)
    minutes(5, since=2)
    minutes(5, LITTLE_ROOM[Severity.CRITICAL], since=7)
    assert Incident.objects.get(closed_at=None).snoozed_until is None
    assert sink.told[-1]["message"].startswith("Critical")


def test_what_comes_back_while_it_is_snoozed_is_told_to_nobody(sink: Sink, route: AlertRoute) -> None:
    minutes(2, OFFLINE)
    incidents.snooze(Incident.objects.get(), make.superuser(), NOON + 240 * MINUTE, NOON + 2 * MINUTE)
    minutes(10, since=2)
    minutes(10, OFFLINE, since=12)
    assert len(sink.told) == 2
    assert Incident.objects.get(closed_at=None).snoozed_until


# --- worked on -------------------------------------------------------------------------------------------------------


def test_what_is_worked_on_is_noted_and_told_only_when_it_goes_on_afterwards(sink: Sink, route: AlertRoute) -> None:
    make.area("North")
    window(0, 60)
    minutes(30, OFFLINE, BROKER)
    minutes(30, OFFLINE, since=30)
    assert sink.told == []
    assert Incident.objects.get(code="broker_away").closed_at
    minutes(5, OFFLINE, since=60)
    (told,) = sink.told
    assert "Zigbee2MQTT is not running" in told["title"]


@pytest.mark.parametrize(
    ("of", "told"),
    [({"area": "North"}, "broker_away"), ({"component": "broker"}, "bridge_offline"), ({"area": "South"}, "both")],
)
def test_a_window_is_of_its_area_or_part_alone(of: dict, told: str, sink: Sink, route: AlertRoute) -> None:
    areas = {name: make.area(name) for name in ("North", "South")}
    window(0, 60, **({"area": areas[of["area"]]} if "area" in of else of))
    minutes(5, OFFLINE, BROKER)
    assert set(Alert.objects.values_list("incident__code", flat=True)) == (
        {"broker_away", "bridge_offline"} if told == "both" else {told}
    )


# --- of which part ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("areas", "components", "told"),
    [
        ([], [], {"bridge_offline", "broker_away", "disk_full"}),
        (["North"], [], {"bridge_offline"}),
        (["South"], [], set()),
        (["North"], ["broker"], {"bridge_offline", "broker_away"}),
        ([], ["networks"], {"bridge_offline"}),
        ([], ["storage", "broker"], {"disk_full", "broker_away"}),
    ],
)
def test_a_route_is_told_of_its_areas_and_its_parts(
    areas: list[str], components: list[str], told: set[str], route: AlertRoute
) -> None:
    known = {name: make.area(name) for name in ("North", "South")}
    AlertRoute.objects.update(components=components)
    route.areas.set(known[name] for name in areas)
    minutes(5, OFFLINE, BROKER, LITTLE_ROOM[Severity.WARNING])
    assert set(Alert.objects.values_list("incident__code", flat=True)) == told


def test_each_kind_is_of_a_part_and_what_counts_as_away_is_a_kind() -> None:
    assert set(words.WORDS) == set(components.OF)
    assert set().union(*components.DOWN.values()) <= set(words.WORDS)


def test_what_a_route_wants_no_more_is_not_told_any_more(sink: Sink, route: AlertRoute) -> None:
    AlertRoute.objects.update(digest="warning", digest_at=time(8))
    minutes(2, OPEN)
    AlertRoute.objects.update(severity="critical")
    minutes(24 * 60, OPEN, since=2, every=20)
    assert sink.told == []
    assert not Alert.objects.exists()


def test_that_a_route_fails_is_not_told_by_itself(route: AlertRoute) -> None:
    minutes(3, Finding("route_fails", Severity.WARNING, "first", {"route": "first"}))
    assert not Alert.objects.exists()


# --- collected for the day -------------------------------------------------------------------------------------------


def test_warnings_are_collected_into_one_message_a_day(sink: Sink, route: AlertRoute) -> None:
    AlertRoute.objects.update(digest="warning", digest_at=time(8))
    warning = LITTLE_ROOM[Severity.WARNING]
    minutes(20 * 60, OPEN, warning, every=60)
    minutes(1, OPEN, warning, since=20 * 60 - 1)  # 7:59
    assert sink.told == []
    minutes(12 * 60, OPEN, warning, since=20 * 60, every=60)
    (told,) = sink.told
    assert "2 things" in told["title"]
    minutes(18 * 60, warning, since=32 * 60, every=60)
    assert len(sink.told) == 2
    assert "Over: North is open" in sink.told[1]["message"]
    assert "nobody looks after it yet" in sink.told[1]["message"]


def test_something_critical_is_told_at_once_also_when_it_was_a_warning_before(sink: Sink, route: AlertRoute) -> None:
    AlertRoute.objects.update(digest="warning", digest_at=time(8))
    minutes(10, LITTLE_ROOM[Severity.WARNING])
    assert sink.told == []
    minutes(10, LITTLE_ROOM[Severity.CRITICAL], since=10)
    assert len(sink.told) == 1
    minutes(10, since=20)
    assert len(sink.told) == 2


def test_notices_alone_may_be_collected() -> None:
    route = AlertRoute(digest="notice", digest_at=time(8))
    assert routes.due(route, Severity.WARNING, NOON) == NOON
    assert routes.due(route, Severity.NOTICE, NOON) == NOON + timedelta(hours=20)


@pytest.mark.parametrize("day", [datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 10, 24, 12, tzinfo=UTC)])
def test_the_days_message_keeps_its_hour_when_the_clock_changes(day: datetime) -> None:
    at = routes.due(AlertRoute(digest="warning", digest_at=time(8)), Severity.WARNING, day)
    assert at == clock.moment(clock.day_of(day) + timedelta(days=1), time(8))


# --- passed on -------------------------------------------------------------------------------------------------------


@pytest.fixture
def next_route(route: AlertRoute) -> AlertRoute:
    return AlertRoute.objects.create(name="next", language="en", after_min=15)


def test_when_nobody_looks_after_it_the_next_is_told(sinks: dict[str, Sink], next_route: AlertRoute) -> None:
    minutes(16, OFFLINE)
    assert (len(sinks["first"].told), len(sinks["next"].told)) == (1, 0)
    minutes(5, OFFLINE, since=16)
    assert (len(sinks["first"].told), len(sinks["next"].told)) == (1, 1)
    minutes(5, since=21)
    assert (len(sinks["first"].told), len(sinks["next"].told)) == (2, 2)


def test_when_somebody_looks_after_it_the_next_is_not_told(sinks: dict[str, Sink], next_route: AlertRoute) -> None:
    minutes(10, OFFLINE)
    incidents.look_after(Incident.objects.get(), make.superuser(), "on my way", NOON + 10 * MINUTE)
    minutes(120, OFFLINE, since=10, every=10)
    assert sinks["next"].told == []


def test_when_nobody_looks_after_it_any_more_the_next_is_told(sinks: dict[str, Sink], next_route: AlertRoute) -> None:
    minutes(10, OFFLINE)
    person = make.superuser()
    incidents.look_after(Incident.objects.get(), person, "", NOON + 10 * MINUTE)
    minutes(30, OFFLINE, since=10)
    incidents.leave(Incident.objects.get(), person, NOON + 40 * MINUTE)
    minutes(2, OFFLINE, since=40)
    assert len(sinks["next"].told) == 1


def test_the_next_route_is_told_though_the_first_one_fails(sinks: dict[str, Sink], next_route: AlertRoute) -> None:
    sinks["first"].status = 500
    minutes(20, OFFLINE)
    assert len(sinks["next"].told) == 1


def test_after_a_window_the_next_route_waits_for_its_turn(sinks: dict[str, Sink], next_route: AlertRoute) -> None:
    window(0, 60)
    minutes(60, OFFLINE, every=4)
    minutes(10, OFFLINE, since=60)
    assert (len(sinks["first"].told), len(sinks["next"].told)) == (1, 0)
    minutes(10, OFFLINE, since=70)
    assert len(sinks["next"].told) == 1


# --- worse, out of use, given up -------------------------------------------------------------------------------------


def test_who_wants_the_worst_only_is_told_when_it_has_become_critical(
    sinks: dict[str, Sink], route: AlertRoute
) -> None:
    AlertRoute.objects.create(name="next", language="en", severity="critical")
    minutes(10, LITTLE_ROOM[Severity.WARNING])
    assert (len(sinks["first"].told), len(sinks["next"].told)) == (1, 0)
    incidents.look_after(Incident.objects.get(), make.superuser(), "", NOON + 10 * MINUTE)
    minutes(10, LITTLE_ROOM[Severity.CRITICAL], since=10)
    assert (len(sinks["first"].told), len(sinks["next"].told)) == (2, 1)
    for minute in range(20, 50):
        minutes(1, LITTLE_ROOM[list(LITTLE_ROOM)[minute % 2]], since=minute)
    assert (len(sinks["first"].told), len(sinks["next"].told)) == (2, 1)


def test_what_is_true_for_days_is_told_when_its_route_works_again(sink: Sink, route: AlertRoute) -> None:
    sink.status = 500
    minutes(50 * 60, OFFLINE, every=60)
    sink.status = 200
    minutes(40, OFFLINE, since=50 * 60, every=4)
    assert len(sink.told) == 1


def test_a_route_that_was_out_of_use_is_told_of_what_is_wrong_now_and_of_nothing_old(
    sink: Sink, route: AlertRoute
) -> None:
    minutes(5, OFFLINE)
    AlertRoute.objects.update(is_active=False)
    minutes(5, since=5)
    minutes(60 * 60, BROKER, since=10, every=120)
    AlertRoute.objects.update(is_active=True)
    minutes(5, BROKER, since=61 * 60)
    assert [told["title"].partition(": ")[2][:30] for told in sink.told[1:]] == ["The MQTT broker cannot be reac"]


def test_what_was_planned_for_a_route_that_went_out_of_use_is_not_told(sink: Sink, route: AlertRoute) -> None:
    incidents.take([OFFLINE], NOON)
    incidents.take([OFFLINE], NOON + MINUTE)
    alerts.plan(NOON + MINUTE)
    AlertRoute.objects.update(is_active=False)
    alerts.tell_due(NOON + MINUTE)
    assert sink.told == []


def test_what_is_snoozed_between_plan_and_message_is_not_told(sink: Sink, route: AlertRoute) -> None:
    incidents.take([OFFLINE], NOON)
    incidents.take([OFFLINE], NOON + MINUTE)
    alerts.plan(NOON + MINUTE)
    incidents.snooze(Incident.objects.get(), make.superuser(), NOON + 60 * MINUTE, NOON + MINUTE)
    alerts.tell_due(NOON + MINUTE)
    assert sink.told == []


def test_a_clock_that_was_ahead_and_was_set_back_holds_nothing_up(
    sinks: dict[str, Sink], next_route: AlertRoute, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was a year ahead when the machine started."""
    sinks["first"].status = 500
    year = 365 * 24 * 60
    minutes(5, OFFLINE, since=year)
    sinks["first"].status = 200
    told = []
    for minute in (0, 1, 2, 16, 17, 62, 63):
        monkeypatch.setattr(timezone, "now", lambda minute=minute: NOON + minute * MINUTE)
        minutes(1, OFFLINE, since=minute)
        told.append((len(sinks["first"].told), len(sinks["next"].told)))
    assert told == [(1, 0), (1, 0), (1, 0), (1, 1), (1, 1), (2, 1), (2, 1)]


def test_planning_costs_few_queries(route: AlertRoute, django_assert_max_num_queries) -> None:
    silent = [Finding("meter_silent", Severity.WARNING, f"0x{n}", {"meter": n, "area": "N"}) for n in range(40)]
    for minute in range(2):
        incidents.take(silent, NOON + minute * MINUTE)
    with django_assert_max_num_queries(14):
        alerts.plan(NOON + MINUTE)
    assert Alert.objects.count() == 40
    with django_assert_max_num_queries(13):
        alerts.plan(NOON + MINUTE)
