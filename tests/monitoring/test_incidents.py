"""What is wrong for longer than a moment: opened once, closed once, whatever flaps."""

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from monitoring import incidents
from monitoring.findings import Finding, Severity
from monitoring.models import Incident, Look
from tests import make

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
NOW = timezone.now()
OFFLINE = Finding("bridge_offline", Severity.CRITICAL, "north", {"area": "North"}, NOW - 5 * MINUTE)
MANY = Finding("many_silent", Severity.CRITICAL, "north", {"area": "North", "silent": 9, "meters": 20})
ONE = Finding("meter_silent", Severity.WARNING, "0x1", {"meter": "101", "area": "North"}, part_of="many_silent:north")


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    with translation.override("en"):
        yield


def looks(*found: list[Finding]) -> datetime:
    """One look a minute; when the last one was."""
    start = (Look.objects.exists() and Look.objects.latest("until").until + MINUTE) or NOW
    for number, findings in enumerate(found):
        incidents.take(findings, start + number * MINUTE)
    return start + (len(found) - 1) * MINUTE


def told() -> list[str]:
    return [incident.key for incident in incidents.open_now()]


def test_what_is_found_twice_in_a_row_opens_and_keeps_when_it_began() -> None:
    looks([OFFLINE])
    assert told() == []
    opened_at = looks([OFFLINE])
    (incident,) = incidents.open_now()
    assert (incident.since, incident.opened_at) == (OFFLINE.since, opened_at)
    assert incident.what == "North: Zigbee2MQTT is not running. None of its meters is heard or switched"


def test_what_is_missed_twice_in_a_row_closes() -> None:
    looks([OFFLINE], [OFFLINE])
    looks([])
    assert told() == ["bridge_offline:north"]
    closed_at = looks([], [])
    assert told() == []
    assert Incident.objects.get().closed_at == closed_at - MINUTE


def test_what_flaps_neither_opens_nor_closes() -> None:
    looks([OFFLINE], [], [OFFLINE], [], [OFFLINE], [])
    assert not Incident.objects.exists()
    looks([OFFLINE], [OFFLINE], [], [OFFLINE], [], [OFFLINE])
    assert told() == ["bridge_offline:north"]
    assert Incident.objects.count() == 1


def test_what_comes_back_is_a_new_incident_and_the_old_one_stays_as_history() -> None:
    looks([OFFLINE], [OFFLINE], [], [])
    incidents.take([OFFLINE], NOW + 20 * MINUTE)
    incidents.take([OFFLINE], NOW + 21 * MINUTE)
    assert Incident.objects.filter(closed_at=None).count() == 1
    assert Incident.objects.count() == 2


def test_what_another_incident_explains_is_not_told_beside_it_but_without_it() -> None:
    looks([MANY, ONE], [MANY, ONE])
    assert told() == ["many_silent:north"]
    looks([ONE], [ONE])
    assert told() == ["meter_silent:0x1"]


def test_a_part_is_not_told_while_the_whole_may_still_be() -> None:
    """What explained it is missed once, and not over yet; then it is over, and the part remains."""
    looks([MANY, ONE], [MANY, ONE], [ONE])
    assert told() == ["many_silent:north"]
    looks([ONE])
    assert told() == ["meter_silent:0x1"]


def test_a_part_waits_until_the_whole_has_opened() -> None:
    looks([ONE], [MANY, ONE])
    assert told() == []
    looks([MANY, ONE])
    assert told() == ["many_silent:north"]


def test_what_comes_back_shortly_after_it_was_over_closes_later_and_stays_with_who_looks_after_it() -> None:
    person = make.superuser()
    looks([OFFLINE], [OFFLINE])
    incidents.look_after(Incident.objects.get(), person, "loose plug", NOW)
    looks([], [])
    looks([], [OFFLINE], [OFFLINE])
    again = Incident.objects.get(closed_at=None)
    assert (again.comebacks, again.seen_by, again.comment) == (1, person, "loose plug")
    looks(*([[]] * 14))
    assert told() == ["bridge_offline:north"]
    looks(*([[]] * 16))
    assert told() == []


def test_what_flaps_for_hours_is_few_incidents() -> None:
    looks(*([[OFFLINE]] * 3 + [[]] * 3) * 40)
    assert Incident.objects.count() == 2


def test_a_look_that_was_handed_out_twice_counts_once() -> None:
    incidents.take([OFFLINE], NOW)
    incidents.take([OFFLINE], NOW + timedelta(seconds=2))
    assert told() == []
    incidents.take([OFFLINE], NOW + MINUTE)
    assert told() == ["bridge_offline:north"]


def test_a_slow_look_that_was_overtaken_changes_nothing() -> None:
    past = NOW - timedelta(hours=1)
    incidents.take([OFFLINE], past)
    incidents.take([OFFLINE], past + 2 * MINUTE)
    incidents.take([], past + MINUTE)
    assert Incident.objects.get().times_missed == 0


def test_a_clock_that_was_set_back_stops_nothing() -> None:
    late = timezone.now() + timedelta(hours=1)
    incidents.take([], late)
    incidents.take([OFFLINE], late - 50 * MINUTE)
    incidents.take([OFFLINE], late - 49 * MINUTE)
    assert told() == ["bridge_offline:north"]


@pytest.mark.django_db(transaction=True)
def test_of_two_looks_at_once_one_counts() -> None:
    barrier = threading.Barrier(4)

    def look() -> None:
        barrier.wait()
        incidents.take([OFFLINE, ONE], NOW)
        connection.close()

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(Incident.objects.values_list("key", "times_found")) == [
        ("bridge_offline:north", 1),
        ("meter_silent:0x1", 1),
    ]


def test_a_name_that_is_too_long_stops_no_look() -> None:
    long = Finding("job_failed", Severity.WARNING, "x" * 500, {"job": "x" * 500, "times": 1}, check="y" * 500)
    looks([long, OFFLINE], [long, OFFLINE])
    assert len(told()) == 2
    looks([OFFLINE], [OFFLINE])
    assert told() == ["bridge_offline:north"]


def test_the_worst_is_told_first() -> None:
    notice = Finding("job_failed", Severity.NOTICE, "a", {"job": "a", "times": 1}, NOW - 90 * MINUTE)
    warning = Finding("network_open", Severity.WARNING, "north", {"area": "North"})
    looks([notice, warning, OFFLINE], [notice, warning, OFFLINE])
    assert told() == ["bridge_offline:north", "network_open:north", "job_failed:a"]


def test_its_facts_are_those_of_the_last_look() -> None:
    grown = Finding("many_silent", Severity.CRITICAL, "north", {"area": "North", "silent": 12, "meters": 20})
    looks([MANY], [grown])
    assert "12 of 20" in incidents.open_now()[0].what


def test_staff_see_it_with_what_to_do_and_a_technician_looks_after_it() -> None:
    looks([OFFLINE], [OFFLINE])
    client, incident = Client(headers={"accept-language": "en"}), Incident.objects.get()
    client.force_login(make.superuser())
    address = reverse("admin:monitoring_incident_changelist")
    assert "North: Zigbee2MQTT is not running" in client.get(address).content.decode()
    page = client.get(reverse("admin:monitoring_incident_change", args=[incident.pk])).content.decode()
    assert "Look whether its antenna has power" in page
    client.post(address, {"action": "look_after", "_selected_action": [incident.pk]})
    assert Incident.objects.get().seen_by.username == "chief"
    looks([], [])
    assert "North: Zigbee2MQTT is not running" not in client.get(address).content.decode()
    assert "North: Zigbee2MQTT is not running" in client.get(f"{address}?state=closed").content.decode()


def test_old_ones_are_forgotten_and_open_ones_never() -> None:
    looks([OFFLINE], [OFFLINE], [], [])
    looks([MANY], [MANY])
    incidents.prune(NOW + timedelta(days=900))
    assert [incident.code for incident in Incident.objects.all()] == ["many_silent"]


def test_what_a_restored_database_holds_as_open_is_not_told_until_a_look_has_found_it() -> None:
    last = looks([OFFLINE], [OFFLINE])
    incidents.nobody_looks(last)
    assert incidents.to_tell(last) == []
    found_at = looks([OFFLINE])
    assert [each.key for each in incidents.to_tell(found_at)] == ["bridge_offline:north"]
