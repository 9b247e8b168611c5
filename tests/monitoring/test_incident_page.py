"""An incident's page: who looks after it, what was said and told, until when it is snoozed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from meters import clock
from monitoring import alerts, incidents
from monitoring.admin.incident import lengths
from monitoring.findings import Finding, Severity
from monitoring.models import AlertRoute, Incident, IncidentNote, MaintenanceWindow
from tests import make

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
OFFLINE = Finding("bridge_offline", Severity.CRITICAL, "north", {"area": "North"})
MANY = Finding("many_silent", Severity.CRITICAL, "north", {"area": "North", "silent": 9, "meters": 20})
PARTS = [
    Finding("meter_silent", Severity.WARNING, f"0x{n}", {"meter": f"{100 + n}", "area": "North"}, None, MANY.key)
    for n in range(9)
]


def opened(*found: Finding) -> Incident:
    """Those are open; the first of them."""
    for ago in (3, 2):
        incidents.take(found, timezone.now() - ago * MINUTE)
    return Incident.objects.get(key=found[0].key, closed_at=None)


def somebody(group: str = "reception") -> Client:
    client, user = Client(headers={"accept-language": "en"}), make.staff(f"one of {group}")
    user.groups.add(Group.objects.get(name=group))
    client.force_login(user)
    return client


def address(incident: Incident) -> str:
    return reverse("admin:monitoring_incident_change", args=[incident.pk])


def page(client: Client, incident: Incident) -> str:
    return client.get(address(incident)).content.decode()


def act(client: Client, incident: Incident, what: str, **more: Any) -> str:
    """What the page says afterwards."""
    return client.post(address(incident), {"act": what, **more}, follow=True).content.decode()


def test_one_click_says_that_one_looks_after_it_and_what_one_found() -> None:
    incident, client = opened(OFFLINE), somebody()
    assert "Nobody looks after it yet" in page(client, incident)
    told = act(client, incident, "look_after", comment="loose  plug\nbehind the shed")
    assert "one of reception has looked after it" in told
    assert "loose plug behind the shed" in told
    incident.refresh_from_db()
    assert (incident.seen_by.username, incident.comment) == ("one of reception", "loose plug behind the shed")


def test_it_leads_to_what_to_do_step_by_step_where_that_is_known() -> None:
    incident, client, way = opened(OFFLINE), somebody(), f'href="{reverse("runbook")}#'
    assert f'{way}bridge_offline"' in page(client, incident)
    Incident.objects.update(code="of_an_older_version")
    assert way not in page(client, incident)


def test_a_comment_alone_changes_nothing_of_who_looks_after_it() -> None:
    incident, client = opened(OFFLINE), somebody()
    assert "Write a comment first" in act(client, incident, "say", comment="  ")
    assert "called Lars" in act(client, incident, "say", comment="called Lars")
    assert Incident.objects.get().seen_by is None
    act(client, incident, "look_after")
    assert Incident.objects.get().comment == "called Lars"
    assert "Nobody looks after it any more." in act(client, incident, "leave")
    assert Incident.objects.get().seen_at is None
    assert list(IncidentNote.objects.values_list("kind", flat=True)) == ["said", "looked_after", "left"]


@pytest.mark.parametrize(("how", "until_h"), [({"length": "1h"}, 1), ({"length": "4h"}, 4), ({"until": "+30"}, 30)])
def test_it_is_snoozed_for_as_long_as_one_says(how: dict[str, str], until_h: int) -> None:
    incident, client = opened(OFFLINE), somebody()
    if "until" in how:
        how = {"until": f"{timezone.localtime() + timedelta(hours=30):%Y-%m-%dT%H:%M}"}
    assert "Snoozed until" in act(client, incident, "snooze", **how)
    incident.refresh_from_db()
    assert incident.snoozed_until is not None
    assert abs(incident.snoozed_until - timezone.now() - timedelta(hours=until_h)) < 2 * MINUTE
    assert "snoozed until" in client.get(reverse("admin:monitoring_incident_changelist")).content.decode()
    assert "It is told again" in act(client, incident, "wake")
    assert Incident.objects.get().snoozed_until is None


@pytest.mark.parametrize("until", ["", "yesterday", "2020-01-01T08:00", "2999-01-01T08:00"])
def test_until_when_must_be_a_time_within_a_month(until: str) -> None:
    incident, client = opened(OFFLINE), somebody()
    assert "Say until when" in act(client, incident, "snooze", until=until)
    assert Incident.objects.get().snoozed_until is None


@pytest.mark.parametrize(
    ("now", "day"),
    [
        (datetime(2026, 7, 1, 20, tzinfo=UTC), 2),
        (datetime(2026, 7, 1, 23, tzinfo=UTC), 2),  # after midnight, by the campsite's clock
        (datetime(2026, 7, 2, 5, 30, tzinfo=UTC), 3),  # half past seven
        (datetime(2026, 10, 24, 20, tzinfo=UTC), 25),  # the clock changes that night
    ],
)
def test_the_morning_is_eight_oclock_by_the_campsites_clock(now: datetime, day: int) -> None:
    morning = timezone.localtime(lengths(now)["morning"], timezone.get_default_timezone())
    assert (morning.day, morning.hour, morning.minute) == (day, 8, 0)
    assert clock.day_of(morning).day == day


def test_what_is_over_can_not_be_looked_after_any_more() -> None:
    incident, client = opened(OFFLINE), somebody()
    Incident.objects.update(closed_at=timezone.now())
    for what in ("look_after", "leave", "wake"):
        assert "It is over by now" in act(client, incident, what)
    assert not IncidentNote.objects.exists()


def test_who_may_only_see_sees_no_button_and_presses_none() -> None:
    incident, client = opened(OFFLINE), somebody()
    Group.objects.get(name="reception").permissions.remove(
        *Group.objects.get(name="reception").permissions.filter(codename="change_incident")
    )
    assert "I look after it" not in page(client, incident)
    assert client.post(address(incident), {"act": "look_after"}).status_code == 403
    assert Incident.objects.get().seen_by is None


def test_its_history_tells_who_was_told_and_what_people_did() -> None:
    AlertRoute.objects.create(name="on_duty")
    incident, client = opened(OFFLINE), somebody()
    now = timezone.now()
    alerts.plan(now)
    alerts.tell_due(now)  # it has no address
    told = page(client, incident)
    assert "could not be told: it began (attempts: 1)" in told
    assert "found twice in a row" in told


def test_the_whole_lists_its_parts_and_a_part_leads_to_its_whole() -> None:
    incident, client = opened(MANY, *PARTS), somebody()
    assert "108 in North is not heard any more" in page(client, incident)
    assert MANY.facts["area"] in page(client, Incident.objects.get(about="0x3"))
    assert "It is a part of:" in page(client, Incident.objects.get(about="0x3"))
    shown = client.get(reverse("admin:monitoring_incident_changelist")).content.decode()
    assert "9 of 20 meters" in shown
    assert "108 in North" not in shown
    with_parts = client.get(reverse("admin:monitoring_incident_changelist"), {"state": "parts"}).content.decode()
    assert "108 in North" in with_parts


def test_it_leads_to_the_page_of_its_area_and_of_its_meter() -> None:
    make.worker()
    area = make.area("North", in_service=True)
    meter = make.meter("101", area=area)
    silent = Finding("meter_silent", Severity.WARNING, meter.device.ieee_address, {"meter": "101", "area": "North"})
    html = page(somebody("technician"), opened(silent))
    assert f'href="{reverse("area_page", args=["north"])}"' in html
    assert f'href="{reverse("meter", args=[meter.device.ieee_address])}"' in html


def test_list_and_page_say_that_something_is_worked_on() -> None:
    incident, client = opened(OFFLINE), somebody()
    now = timezone.now()
    MaintenanceWindow.objects.create(from_at=now - MINUTE, to_at=now + MINUTE, why="new antenna")
    for told in (page(client, incident), client.get(reverse("admin:monitoring_incident_changelist")).content.decode()):
        assert "Maintenance of the whole site until" in told
        assert "new antenna" in told


def test_the_same_before_is_told_with_how_long_it_lasted() -> None:
    now = timezone.now()
    Incident.objects.create(
        **{"key": OFFLINE.key, "code": OFFLINE.code, "severity": "critical", "since": now - timedelta(days=3, hours=2)},
        **{"opened_at": now - timedelta(days=3, hours=2), "closed_at": now - timedelta(days=3), "found_at": now},
    )
    assert "2 hours" in page(somebody(), opened(OFFLINE))


def test_hostile_names_are_shown_as_text() -> None:
    incident = opened(Finding("network_open", Severity.WARNING, "x", {"area": "<script>alert(1)</script>"}))
    client = somebody()
    act(client, incident, "say", comment="<img src=x>")
    told = page(client, incident)
    assert "<script>alert(1)" not in told
    assert "<img src=x>" not in told


def test_an_incident_that_never_was_is_not_found() -> None:
    for pk in ("999", "x"):
        assert (
            somebody("technician" if pk == "x" else "manager")
            .get(f"/admin/monitoring/incident/{pk}/change/")
            .status_code
            == 404
        )


def test_the_pages_cost_few_queries(django_assert_max_num_queries) -> None:
    incident, client = opened(MANY, *PARTS), somebody()
    page(client, incident)
    with django_assert_max_num_queries(13):
        page(client, incident)
    with django_assert_max_num_queries(16):
        client.get(reverse("admin:monitoring_incident_changelist"))
