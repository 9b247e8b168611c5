"""The admin: lists and forms of staff's tables, and what is read-only."""

from datetime import datetime, timedelta

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from rest_framework.authtoken.models import Token

from campsite.urls import admin
from meters.models import (
    Area,
    AutomaticStop,
    BridgeRequest,
    CounterEpoch,
    FoundInstance,
    Installation,
    Meter,
    Order,
    Pitch,
    QuarantinedReading,
    RejectedMessage,
)
from tests import make

pytestmark = pytest.mark.django_db
ENGLISH = {"accept-language": "en"}


@pytest.fixture
def chief() -> Client:
    client = Client(headers=ENGLISH)
    client.force_login(make.superuser())
    return client


def page(client: Client, view: str, *args: object, **query: str) -> str:
    answer = client.get(reverse(f"admin:{view}", args=args), query)
    assert answer.status_code == 200
    return answer.content.decode()


def fill(meters: int) -> None:
    """As many meters, each with a state, an area and a pitch of its own, and a line in every table."""
    now = timezone.now()
    for _ in range(meters):
        meter, pitch = make.meter(area=make.area()), make.pitch()
        make.state(meter, power_w=10, relay=True, counter_at=now)
        make.installed(meter, pitch)
        CounterEpoch.objects.create(
            meter=meter, number=1, reason="first", first_wh=0, first_at=now, last_wh=9, last_at=now
        )
        QuarantinedReading.objects.create(meter=meter, measured_at=now, counter_wh=99, reason="jump")
        RejectedMessage.objects.create(topic=f"z/{meter.pk}", code="not_json", first_at=now, last_at=now)
        FoundInstance.objects.create(base_topic=f"found_{meter.pk}", first_seen_at=now, seen_at=now)
        fill_switching(meter, now)


def fill_switching(meter: Meter, now: datetime) -> None:
    """A line in every table of what is switched and asked, each by somebody else."""
    person = make.staff(f"person {meter.pk}")
    order = Order.objects.create(state=True, by=person, created_at=now)
    make.command(make.want(meter, by=person), order=order, area=meter.device.area)
    make.want(meter, False, "policy", until=now)
    AutomaticStop.objects.create(since=now, by=person, ended_at=now, ended_by=person)
    BridgeRequest.objects.create(
        area=meter.device.area, request="restart", transaction=str(meter.pk), by=person, created_at=now
    )
    LogEntry.objects.log_create(meter, action=1, changes={"wanted": ["None", "on"]}, actor=person)


LISTS = ["area", "counterepoch", "device", "foundinstance", "installation", "meter", "pitch", "quarantinedreading"]
LISTS += ["rejectedmessage", "workerstate", "automaticstop", "bridgerequest", "command", "order", "want"]
READ_ONLY = ["counterepoch", "device", "foundinstance", "quarantinedreading", "rejectedmessage", "workerstate"]
READ_ONLY += ["automaticstop", "bridgerequest", "command", "order", "want"]


# --- every page ------------------------------------------------------------------------------------------------------


def test_a_list_of_50_asks_as_many_queries_as_a_list_of_2(chief):
    make.worker()
    fill(2)
    queries(chief)  # fills caches
    few = queries(chief)
    fill(48)
    assert queries(chief) == few
    assert max(few.values()) <= 13


def queries(chief: Client) -> dict[str, int]:
    """How many each list asks."""
    found = {}
    for name in LISTS:
        with CaptureQueriesContext(connection) as asked:
            page(chief, f"meters_{name}_changelist")
        found[name] = len(asked)
    return found


@pytest.mark.parametrize("name", LISTS)
def test_every_row_has_a_page(chief, name):
    make.worker()
    fill(1)
    model = next(model for model in admin.site._registry if model._meta.label_lower == f"meters.{name}")
    row = model._default_manager.first()
    assert row is not None
    page(chief, f"meters_{name}_change", row.pk)


@pytest.mark.parametrize("name", READ_ONLY)
def test_what_was_reported_can_neither_be_added_changed_nor_deleted(chief, rf, name):
    model = next(model for model in admin.site._registry if model._meta.label_lower == f"meters.{name}")
    request = rf.get("/")
    request.user = make.superuser("another")
    permissions = admin.site._registry[model].get_model_perms(request)
    assert permissions == {"add": False, "change": False, "delete": False, "view": True}


def test_the_log_in_and_the_first_page_stand(chief):
    assert Client().get(reverse("admin:login")).status_code == 200
    assert reverse("board") in page(chief, "index")


def test_every_table_of_the_menu_has_a_list(chief):
    for name in ("auth_user", "auth_group", "authtoken_tokenproxy", "auditlog_logentry"):
        page(chief, f"{name}_changelist")


def test_the_list_of_tokens_shows_no_key(chief):
    token = Token.objects.create(user=make.staff("machine"))
    assert token.key not in page(chief, "authtoken_tokenproxy_changelist")


# --- areas -----------------------------------------------------------------------------------------------------------


def test_the_list_of_areas_shows_what_each_reports_beside_what_is_planned(chief):
    make.worker()
    area = make.area("North", expected_channel=20, reported={"version": "2.6.0", "channel": 11})
    make.state(make.meter(area=area))
    make.meter(area=area)
    html = page(chief, "meters_area_changelist")
    for text in ("2.6.0", "11, planned 20", "1 / 2"):
        assert text in html


def test_an_instance_found_on_the_broker_is_offered_as_an_area(chief):
    now = timezone.now()
    FoundInstance.objects.create(base_topic="zigbee2mqtt_area5", channel=15, first_seen_at=now, seen_at=now)
    offered = page(chief, "meters_area_changelist")
    assert "base_topic=zigbee2mqtt_area5" in offered
    assert "slug=area5" in offered  # as areas.ini calls it, whose topic begins with zigbee2mqtt_
    form = page(chief, "meters_area_add", base_topic="zigbee2mqtt_area5", expected_channel="15")
    assert 'value="zigbee2mqtt_area5"' in form
    assert 'value="15"' in form


def test_an_instance_that_is_an_area_is_offered_no_more(chief):
    now = timezone.now()
    FoundInstance.objects.create(base_topic="z2m_north", first_seen_at=now, seen_at=now)
    make.area("North", base_topic="z2m_north")
    assert "base_topic=z2m_north" not in page(chief, "meters_area_changelist")


def test_an_area_is_made_by_its_form_and_noted(chief):
    form = {"name": "South", "slug": "south", "base_topic": "z2m_south", "wifi_channels": "1,6"}
    pace = {"commands_per_s": "4", "most_unanswered": "8"}
    answer = chief.post(reverse("admin:meters_area_add"), form | pace)
    assert answer.status_code == 302
    area = Area.objects.get(slug="south")
    assert area.wifi_channels == [1, 6]
    assert area.control == Area.Control.OBSERVE
    assert LogEntry.objects.get_for_object(area).get().actor.username == "chief"


def test_a_short_name_that_cannot_be_one_is_refused_in_words_that_anybody_understands(chief):
    answer = chief.post(reverse("admin:meters_area_add"), {"name": "Sø", "slug": "sø 1", "base_topic": "z2m_lake"})
    assert "Only letters from a to z, digits, - and _ can be in it." in answer.content.decode()
    assert "valid" not in str(answer.context["errors"])


# --- meters ----------------------------------------------------------------------------------------------------------


def names(client: Client, **query: str) -> set[str]:
    answer = client.get(reverse("admin:meters_meter_changelist"), query)
    return {str(meter) for meter in answer.context["cl"].result_list}


def test_the_list_of_meters_says_why_one_is_offline(chief):
    make.worker()
    make.state(make.meter(area=make.area()), heard_at=timezone.now() - timedelta(hours=9))
    assert "has not been heard for longer than usual" in page(chief, "meters_meter_changelist")


def test_meters_are_found_by_online_status_pitch_name_and_address(chief):
    make.worker()
    area = make.area()
    here = make.meter("F12", area=area, ieee="0xa4c1380000000abc")
    make.state(here)
    make.installed(here, make.pitch("207"))
    make.meter("silent", area=area)
    make.meter("gone", area=area, removed_at=timezone.now())
    assert names(chief) == {"F12", "silent"}
    assert names(chief, present="all") == {"F12", "silent", "gone"}
    assert names(chief, online="online") == names(chief, on_pitch="yes") == {"F12"}
    assert names(chief, online="unknown") == names(chief, on_pitch="no") == {"silent"}
    assert names(chief, q="207") == names(chief, q="0000abc") == names(chief, q="f12") == {"F12"}


def test_a_name_that_zigbee2mqtt_cannot_work_with_is_flagged(chief):
    make.meter("bridge south")
    assert "bad name" in page(chief, "meters_meter_changelist")
    assert "bridge south" in page(chief, "meters_device_changelist", name="bad")


def test_a_meters_page_leads_to_its_other_pages(chief):
    meter = make.meter(ieee="0xa4c1380000000abc")
    html = page(chief, "meters_meter_change", meter.pk)
    for url in (
        reverse("meter", args=["0xa4c1380000000abc"]),
        reverse("admin:meters_meter_readings", args=[meter.pk]),
        reverse("admin:meters_meter_hours", args=[meter.pk]),
    ):
        assert f'href="{url}"' in html


def test_staff_write_the_note_and_nothing_that_was_reported(chief):
    meter = make.meter("101")
    make.state(meter, power_w=5)
    url = reverse("admin:meters_meter_change", args=[meter.pk])
    inlines = {f"{name}-{end}": "0" for name in INLINES for end in END}
    chief.post(url, {"rated_a": "16", "note": "behind the hedge", "power": "9", **inlines})
    meter = Meter.objects.get()
    assert (meter.rated_a, meter.note, meter.state.power_w) == (16, "behind the hedge", 5)


END = ["TOTAL_FORMS", "INITIAL_FORMS"]
INLINES = ["wants", "commands", "installations", "epochs", "quarantined"]


# --- installations ---------------------------------------------------------------------------------------------------


def hangs(meter: Meter) -> list[str]:
    rows = Installation.objects.filter(meter=meter, period__upper_inf=True)
    return [row.pitch.number for row in rows]


def test_one_click_installs_a_meter_on_the_pitch_that_its_name_suggests(chief):
    meter = make.meter("101,2")
    make.pitch("101")
    assert "Install on pitch 101" in page(chief, "meters_meter_change", meter.pk)
    chief.post(reverse("admin:meters_meter_install", args=[meter.pk]), {"pitch": "101"})
    assert hangs(meter) == ["101"]


def test_looking_at_the_address_of_the_click_changes_nothing(chief):
    meter = make.meter("101")
    make.pitch("101")
    assert chief.get(reverse("admin:meters_meter_install", args=[meter.pk])).status_code == 405
    assert hangs(meter) == []


def test_many_are_installed_after_a_list_of_what_would_be_done(chief):
    meters = [make.meter(name) for name in ("101", "101,2", "Kontor")]
    make.pitch("101")
    form = {"action": "install_on_suggested", "_selected_action": [meter.pk for meter in meters]}
    asked = chief.post(reverse("admin:meters_meter_changelist"), form).content.decode()
    assert "2 meters will be installed" in asked
    assert "its name suggests no pitch" in asked
    assert Installation.objects.count() == 0
    chief.post(reverse("admin:meters_meter_changelist"), form | {"confirmed": "yes"})
    assert [hangs(meter) for meter in meters] == [["101"], ["101"], []]


def at(moment) -> dict[str, str]:
    local = timezone.localtime(moment)
    return {"at_0": f"{local:%Y-%m-%d}", "at_1": f"{local:%H:%M:%S}"}


def test_the_form_installs_through_the_verb(chief):
    meter, since = make.meter("m"), timezone.now() - timedelta(hours=1)
    make.installed(meter, make.pitch("101"))
    form = {"meter": meter.pk, "pitch": make.pitch("102").pk, **at(since)}
    assert chief.post(reverse("admin:meters_installation_add"), form).status_code == 302
    assert hangs(meter) == ["102"]
    assert Installation.objects.count() == 2


def test_the_form_says_why_a_meter_cannot_be_installed(chief):
    meter, pitch = make.meter("m"), make.pitch("101")
    make.installed(meter, pitch)
    form = {"meter": meter.pk, "pitch": pitch.pk, **at(timezone.now())}
    answer = chief.post(reverse("admin:meters_installation_add"), form)
    assert "m hangs on 101 already." in answer.content.decode()


def test_an_installation_is_never_edited_in_place(chief):
    meter, other = make.meter("m"), make.pitch("102")
    installation = make.installed(meter, make.pitch("101"))
    url = reverse("admin:meters_installation_change", args=[installation.pk])
    assert chief.post(url, {"meter": meter.pk, "pitch": other.pk}).status_code == 403
    assert hangs(meter) == ["101"]


def test_an_installation_is_ended_at_a_time(chief):
    meter, until = make.meter("m"), timezone.now().replace(microsecond=0) - timedelta(hours=1)
    installation = make.installed(meter, make.pitch("101"))
    assert "End this installation" in page(chief, "meters_installation_change", installation.pk)
    chief.post(reverse("admin:meters_installation_end", args=[installation.pk]), at(until))
    installation.refresh_from_db()
    assert installation.period.upper == until


def test_an_ended_installation_does_not_end_the_next_one(chief):
    meter, now = make.meter("m"), timezone.now()
    former = make.installed(meter, make.pitch("101"), since=now - timedelta(days=9), until=now - timedelta(days=2))
    make.installed(meter, make.pitch("102"))
    chief.post(reverse("admin:meters_installation_end", args=[former.pk]), at(now))
    assert hangs(meter) == ["102"]


def test_selected_installations_are_ended_now(chief):
    meters = [make.meter() for _ in range(2)]
    rows = [make.installed(meter, make.pitch()) for meter in meters]
    form = {"action": "end_now", "_selected_action": [row.pk for row in rows]}
    chief.post(reverse("admin:meters_installation_changelist"), form)
    assert Installation.objects.filter(period__upper_inf=True).count() == 0


def test_staff_without_the_permission_can_install_nothing():
    client, meter, reader = Client(headers=ENGLISH), make.meter("101"), make.staff()
    make.pitch("101")
    reader.user_permissions.add(Permission.objects.get(codename="view_meter"))
    client.force_login(reader)
    assert "Install on pitch" not in page(client, "meters_meter_change", meter.pk)
    answer = client.post(reverse("admin:meters_meter_install", args=[meter.pk]), {"pitch": "101"})
    assert (answer.status_code, hangs(meter)) == (403, [])


# --- pitches ---------------------------------------------------------------------------------------------------------


def test_the_list_of_pitches_shows_the_meters_that_serve_each_now(chief):
    pitch, now = make.pitch("101"), timezone.now()
    make.installed(make.meter("present"), pitch)
    make.installed(make.meter("past"), pitch, since=now - timedelta(days=9), until=now - timedelta(days=2))
    html = page(chief, "meters_pitch_changelist")
    assert "present" in html
    assert "past" not in html


def test_a_pitch_with_a_history_cannot_be_deleted(chief):
    pitch = make.pitch("101")
    make.installed(make.meter(), pitch)
    chief.post(reverse("admin:meters_pitch_delete", args=[pitch.pk]), {"post": "yes"})
    assert Pitch.objects.filter(pk=pitch.pk).exists()
