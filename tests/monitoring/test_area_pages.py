"""The areas side by side, an area's page, and Apply: one request, with its answer shown as it is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import yaml
from auditlog.models import LogEntry
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from meters import requests
from meters.models import Area, AreaHealth, BridgeRequest
from meters.zigbee2mqtt import Response
from monitoring.audit import applying
from monitoring.pages import charts
from monitoring.pages.traffic import SPANS, messages_between, traffic
from tests import make
from tests.monitoring.test_audit import listed, recommended, reported

pytestmark = pytest.mark.django_db
PAUSE = "availability.active.pause_on_backoff_gt"


@pytest.fixture
def technician() -> Client:
    return make.client_of("technician")


def page(client: Client, area: Area, **query: Any) -> str:
    answer = client.get(reverse("area_page", args=[area.slug]), query)
    assert answer.status_code == 200
    return answer.content.decode()


def apply(client: Client, area: Area, rule: str, about: str = "") -> str:
    """What the page says then."""
    answer = client.post(reverse("area_apply", args=[area.slug]), {"rule": rule, "about": about}, follow=True)
    return answer.content.decode()


def without_pause(**told: Any) -> Area:
    return reported(configuration=recommended(availability={"active": {"pause_on_backoff_gt": 0}}), **told)


# --- all areas -------------------------------------------------------------------------------------------------------


def test_the_owner_sees_at_a_glance_in_how_many_areas_the_pause_of_pings_is_in_force(technician) -> None:
    for name in ("South", "West"):
        reported(name)
    without_pause()
    assert "is in force in 2 of 3 areas" in technician.get(reverse("areas_overview")).content.decode()


def test_a_pause_that_waits_for_a_restart_or_whose_zigbee2mqtt_is_away_is_not_in_force(technician) -> None:
    reported("North")
    reported("South", restart_required=True)
    area = reported("West")
    type(area.state).objects.filter(pk=area.pk).update(bridge="offline")
    make.area("New")
    text = technician.get(reverse("areas_overview")).content.decode()
    assert "is in force in 1 of 4 areas" in text
    assert "nothing reported" in text


def test_without_areas_the_overview_says_so(technician) -> None:
    assert "There are no areas yet." in technician.get(reverse("areas_overview")).content.decode()


def test_the_overview_costs_the_same_however_many_areas_and_meters(technician, django_assert_num_queries) -> None:
    for name in "abcdef":
        area = reported(name)
        for number in range(4):
            listed(area, f"{name}{number}")
    technician.get(reverse("areas_overview"))
    with django_assert_num_queries(9):
        technician.get(reverse("areas_overview"))


def test_the_areas_list_and_form_lead_to_it(technician) -> None:
    area = reported()
    assert reverse("areas_overview") in technician.get(reverse("admin:meters_area_changelist")).content.decode()
    form = technician.get(reverse("admin:meters_area_change", args=[area.pk])).content.decode()
    assert reverse("area_page", args=[area.slug]) in form


# --- one area --------------------------------------------------------------------------------------------------------


def test_an_area_that_was_never_heard_says_so_and_nothing_else(technician) -> None:
    text = page(technician, make.area("New"))
    assert "has not reported its configuration: nothing is known of it" in text
    assert "Nothing that was reported deviates" not in text
    assert "Nothing was reported in this time." in text


def test_a_deviation_tells_why_now_and_wanted(technician) -> None:
    text = page(technician, without_pause())
    for told in (
        PAUSE,
        "a burnt fuse cannot become a cascade",
        "<code>0</code>",
        "<code>8–15</code>",
        "after a restart",
    ):
        assert told in text


def test_what_devices_and_zigbee2mqtt_call_themselves_is_shown_as_text(technician) -> None:
    evil = "<script>alert(1)</script>"
    area = reported(
        version=evil,
        coordinator={"type": evil, "meta": {"revision": evil}},
        configuration=recommended(advanced={"output": evil}),
        network={"pan_id": evil, "extended_pan_id": evil},
    )
    make.state(listed(area, evil, disabled=True, software_build=evil, model_id=evil), linkquality=9)
    AreaHealth.objects.create(area=area, generated_at=timezone.now(), devices={evil: {"messages": "x"}})
    text = page(technician, area)
    assert evil not in text
    assert "&lt;script&gt;" in text


def test_an_areas_page_costs_the_same_however_many_meters_and_reports(technician, django_assert_num_queries) -> None:
    area = without_pause()
    now = timezone.now()
    for number in range(6):
        make.state(listed(area, str(number), disabled=True), linkquality=20 * number)
        AreaHealth.objects.create(area=area, generated_at=now - timedelta(minutes=10 * number))
    page(technician, area)
    with django_assert_num_queries(11):
        page(technician, area)


def test_weak_links_are_named_the_weakest_first(technician) -> None:
    area = reported()
    for name, quality in (("101", 90), ("102", 12), ("103", None)):
        make.state(listed(area, name), linkquality=quality, linkquality_at=timezone.now())
    text = page(technician, area)
    assert text.index(">102</a>") < text.index(">101</a>")
    assert ">103</a>" not in text


def test_reception_sees_and_may_not_apply() -> None:
    client, area = make.client_of("reception"), without_pause()
    html = page(client, area)
    assert "Apply</button>" not in html
    assert "Technicians and managers set these right on this page." in html
    assert client.post(reverse("area_apply", args=[area.slug]), {"rule": PAUSE}).status_code == 403
    assert not BridgeRequest.objects.exists()


# --- Apply -----------------------------------------------------------------------------------------------------------


def test_apply_asks_exactly_what_the_rule_says_and_the_audit_log_has_it(technician) -> None:
    area = without_pause()
    text = apply(technician, area, PAUSE)
    asked = BridgeRequest.objects.get()
    assert asked.request == "options"
    assert asked.payload == {"options": {"availability": {"active": {"pause_on_backoff_gt": 15}}}}
    assert LogEntry.objects.get_for_object(area).filter(actor__username="technician").exists()
    assert "is being asked" in text
    assert "disabled>Apply" in text


def test_the_page_looks_again_until_the_answer_is_there(technician) -> None:
    area = without_pause()
    apply(technician, area, PAUSE)
    asked = BridgeRequest.objects.get()
    address = f"{reverse('area_page', args=[area.slug])}?asked={asked.pk}"
    assert technician.get(address).headers["Refresh"] == f"2; url={address}"
    answered(area, asked, restart_required=True)
    answer = technician.get(address)
    assert "Refresh" not in answer.headers
    assert "has taken it" in answer.content.decode()
    assert "It says that a restart is needed" in answer.content.decode()


def answered(area: Area, asked: BridgeRequest, error: str = "", **data: Any) -> None:
    requests.claim(asked.pk, timezone.now())
    requests.answer(area.pk, Response(asked.request, asked.transaction, error, data), timezone.now())


def test_a_refusal_is_shown_in_zigbee2mqtts_own_words(technician) -> None:
    area = without_pause()
    apply(technician, area, PAUSE)
    asked = BridgeRequest.objects.get()
    answered(area, asked, error="availability must be <object>")
    text = page(technician, area, asked=asked.pk)
    assert "has refused it" in text
    assert "availability must be &lt;object&gt;" in text


def test_no_answer_is_not_said_to_be_a_no(technician) -> None:
    area = without_pause()
    apply(technician, area, PAUSE)
    asked = BridgeRequest.objects.get()
    requests.close_overdue(timezone.now() + timedelta(minutes=1))
    assert "No answer came in time" in page(technician, area, asked=asked.pk)


def test_one_after_the_other(technician) -> None:
    wrong = recommended(advanced={"log_level": "debug"}, availability={"active": {"pause_on_backoff_gt": 0}})
    area = reported(configuration=wrong)
    apply(technician, area, PAUSE)
    assert "One after the other" in apply(technician, area, "advanced.log_level")
    assert BridgeRequest.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_eight_clicks_at_once_one_is_asked_for() -> None:
    area, chief = without_pause(), make.superuser()

    def click(_number: int) -> bool:
        try:
            applying.apply(area, PAUSE, "", chief, timezone.now())
        except applying.StillAsked:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(click, range(8))) == 1
    assert BridgeRequest.objects.count() == 1


def test_what_deviates_no_more_is_not_asked_for(technician) -> None:
    area = reported()
    for rule, about in ((PAUSE, ""), ("no.rule", ""), ("disabled", "0x1"), ("pan_id", "")):
        assert "does not deviate any more" in apply(technician, area, rule, about)
    assert not BridgeRequest.objects.exists()


def test_a_device_is_cured_by_itself(technician) -> None:
    area = reported()
    listed(area, "101", disabled=True)
    meter = listed(area, "102", disabled=True)
    apply(technician, area, "disabled", meter.device.ieee_address)
    assert BridgeRequest.objects.get().payload == {"id": meter.device.ieee_address, "options": {"disabled": False}}


def test_a_restart_is_offered_only_where_one_is_due_and_never_done_by_itself(technician) -> None:
    assert "waits for a restart" not in page(technician, reported("North"))
    text = page(technician, reported("South", restart_required=True))
    assert "waits for a restart" in text
    assert reverse("admin:meters_area_ask", args=[Area.objects.get(name="South").pk, "restart"]) in text
    assert not BridgeRequest.objects.exists()


@pytest.mark.parametrize("asked", ["x", "-1", "²", "9" * 30, "1"])
def test_another_areas_request_or_nonsense_is_not_shown(technician, asked: str) -> None:
    made = requests.ask(make.area("Other"), "health_check")
    assert 'role="status"' not in page(technician, reported(), asked=made.pk if asked == "1" else asked)


# --- the file --------------------------------------------------------------------------------------------------------


def test_the_fragment_comes_as_a_file_named_after_the_area(technician) -> None:
    area = without_pause()
    answer = technician.get(reverse("area_configuration", args=[area.slug]))
    assert answer.headers["Content-Disposition"] == 'attachment; filename="configuration-north.yaml"'
    assert yaml.safe_load(answer.content)["availability"]["active"]["pause_on_backoff_gt"] == 15
    assert technician.get(reverse("area_configuration", args=["nowhere"])).status_code == 404


# --- its health ------------------------------------------------------------------------------------------------------


def test_messages_a_second_are_differences_and_a_gap_stays_empty() -> None:
    area, now = make.area("North"), timezone.now()
    for minutes, count in ((60, 100), (50, 700), (9, 100), (0, 160)):  # between them it was restarted, and away
        at = now - timedelta(minutes=minutes)
        devices = {"0x1": {"messages": count}, "0x2": {"messages": 0}, "0x3": "nonsense"}
        AreaHealth.objects.create(area=area, generated_at=at, devices=devices, mqtt_queued=minutes)
    told = traffic(area, SPANS["24h"], now)
    assert [value for value in told.messages_per_s if value is not None] == [1, pytest.approx(60 / 540)]
    assert len(told.messages_per_s) == len(told.queued) == 144
    assert told.by_device["0x1"] == pytest.approx(660 * 60 / 1140)
    assert told.newest
    assert told.newest.mqtt_queued == 0


def test_of_many_reports_a_step_only_the_last_is_read(django_assert_num_queries) -> None:
    area, now = make.area("North"), timezone.now()
    for minutes in range(0, 120):
        AreaHealth.objects.create(area=area, generated_at=now - timedelta(minutes=minutes), mqtt_queued=minutes)
    with django_assert_num_queries(1):
        told = traffic(area, SPANS["7d"], now)
    assert len(told.queued) == 168
    assert [value for value in told.queued if value is not None][-1] == 0


def test_after_a_restart_all_that_was_counted_since_is_new() -> None:
    older, newer = {"a": {"messages": 100}, "b": {"messages": 5}}, {"a": {"messages": 30}, "c": {"messages": 2}}
    assert messages_between(older, newer) == {"a": 30, "c": 2}


def test_an_axis_ends_at_a_number_that_people_can_read() -> None:
    assert [charts.round_top(value, 1) for value in (0, 1, 1.2, 3, 7, 11, 40, 101)] == [1, 1, 2, 5, 10, 20, 50, 200]
    drawn = charts.chart([None, 0, 0.001, 2])
    assert [(bar.x, bar.height) for bar in drawn.bars] == [(1, 0), (11, 0), (21, 1), (31, 100)]
    assert (drawn.last, drawn.highest, drawn.width) == (2, 2, 40)
    assert charts.chart([5, None, None]).last == 5


@pytest.mark.parametrize("value", [1.7e308, -5.0, 5e-324])
def test_a_value_beyond_all_reason_breaks_no_page(technician, value: float) -> None:
    area = reported()
    AreaHealth.objects.create(area=area, generated_at=timezone.now(), memory_percent=value, uptime_s=2**31 - 1)
    assert "Memory in use" in page(technician, area)


def test_a_value_that_was_told_long_ago_is_not_said_to_be_the_present_one() -> None:
    drawn = charts.chart([5, None, None, None])
    assert (drawn.last, drawn.highest) == (None, 5)
