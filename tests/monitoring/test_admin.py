"""Routes, maintenance windows and availability, as staff see and change them."""

from datetime import timedelta
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from monitoring.models import AlertRoute, Incident, Look, MaintenanceWindow, RouteState
from tests import make
from tests.sink import Sink

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def somebody(group: str) -> Client:
    client, user = Client(headers={"accept-language": "en"}), make.staff(f"one of {group}")
    user.groups.add(Group.objects.get(name=group))
    client.force_login(user)
    return client


def at(moment: Any, name: str) -> dict[str, str]:
    local = timezone.localtime(moment)
    return {f"{name}_0": f"{local:%Y-%m-%d}", f"{name}_1": f"{local:%H:%M:%S}"}


def window(**values: Any) -> MaintenanceWindow:
    now = timezone.now()
    told = {"from_at": now - HOUR, "to_at": now + HOUR, "why": "new antenna"} | values
    return MaintenanceWindow.objects.create(**told)


def sent(begin: Any, end: Any, **values: str) -> dict[str, str]:
    return {"area": "", "component": "", "why": "new antenna", **at(begin, "from_at"), **at(end, "to_at"), **values}


ADD = "admin:monitoring_maintenancewindow_add"
LIST = "admin:monitoring_maintenancewindow_changelist"


# --- maintenance windows ---------------------------------------------------------------------------------------------


def test_a_technician_says_what_is_worked_on_and_until_when() -> None:
    client, north, now = somebody("technician"), make.area("North"), timezone.now()
    assert client.get(reverse(ADD)).status_code == 200
    answer = client.post(reverse(ADD), sent(now, now + HOUR, area=str(north.pk)))
    assert answer.status_code == 302
    made = MaintenanceWindow.objects.get()
    assert (made.area, made.by.username, made.scope) == (north, "one of technician", "North")
    assert LogEntry.objects.get_for_object(made).exists()
    assert "going on" in client.get(reverse(LIST)).content.decode()


@pytest.mark.parametrize(
    ("begin_h", "end_h", "values", "said"),
    [
        (-2, 1, {}, "It begins now or later"),
        (0, -1, {}, "It must end later than now"),
        (3, 2, {}, "It must end after it began"),
        (0, 200, {}, "At most 7 days"),
        (0, 1, {"component": "broker", "area": "north"}, "Choose an area or a part, not both"),
    ],
)
def test_a_window_that_makes_no_sense_is_refused(begin_h: int, end_h: int, values: dict[str, str], said: str) -> None:
    client, north, now = somebody("technician"), make.area("North"), timezone.now()
    values = {name: str(north.pk) if name == "area" else value for name, value in values.items()}
    answer = client.post(reverse(ADD), sent(now + begin_h * HOUR, now + end_h * HOUR, **values))
    assert said in answer.content.decode()
    assert not MaintenanceWindow.objects.exists()


def test_a_window_that_has_begun_can_be_made_to_end_and_is_history_then() -> None:
    client, made = somebody("technician"), window()
    change = reverse("admin:monitoring_maintenancewindow_change", args=[made.pk])
    later = timezone.now() + 5 * HOUR
    client.post(change, {"why": "new antenna, and a mast", **at(later, "to_at"), **at(later, "from_at")})
    made.refresh_from_db()
    assert (made.why, made.from_at < timezone.now()) == ("new antenna, and a mast", True)
    assert abs(made.to_at - later) < timedelta(seconds=2)
    client.post(reverse(LIST), {"action": "end_now", "_selected_action": [made.pk]})
    made.refresh_from_db()
    assert made.to_at <= timezone.now()
    assert client.post(change, {"why": "x", **at(later, "to_at")}).status_code == 403
    delete = reverse("admin:monitoring_maintenancewindow_delete", args=[made.pk])
    assert client.post(delete, {"post": "yes"}).status_code == 403


def test_a_window_to_come_can_be_taken_back() -> None:
    client, now = somebody("technician"), timezone.now()
    made = window(from_at=now + HOUR, to_at=now + 2 * HOUR)
    client.post(reverse("admin:monitoring_maintenancewindow_delete", args=[made.pk]), {"post": "yes"})
    assert not MaintenanceWindow.objects.exists()


def test_reception_makes_no_window() -> None:
    assert somebody("reception").get(reverse(ADD)).status_code == 403


# --- routes ----------------------------------------------------------------------------------------------------------

TRY_OUT = "monitoring_alertroute_save_and_try_out"
ROUTE = {
    **{"name": "on_duty", "is_active": "on", "language": "da", "severity": "warning", "wakes": "on"},
    **{"digest": "notice", "digest_at": "08:00", "after_min": "0", "repeat_after_min": "60"},
}


@pytest.mark.django_db(transaction=True)  # the message goes out after the commit
def test_a_manager_chooses_what_a_route_is_told_and_tries_it_out(settings) -> None:
    sink = Sink()
    settings.ALERT_URLS = {"on_duty": f"json://127.0.0.1:{sink.port}/"}
    client, north = somebody("manager"), make.area("North")
    assert TRY_OUT in client.get(reverse("admin:monitoring_alertroute_add")).content.decode()
    asked = ROUTE | {"areas": [str(north.pk)], "components": ["broker", "worker"], TRY_OUT: "1"}
    answer = client.post(reverse("admin:monitoring_alertroute_add"), asked, follow=True)
    sink.close()
    route = AlertRoute.objects.get()
    assert (list(route.areas.all()), route.components) == ([north], ["broker", "worker"])
    assert len(sink.told) == 1
    assert "was told. See whether it arrived" in answer.content.decode()
    shown = client.get(reverse("admin:monitoring_alertroute_changelist")).content.decode()
    assert "North, MQTT broker, MQTT worker" in shown


@pytest.mark.parametrize("hours", [{"from_time": "08:00"}, {"from_time": "08:00", "to_time": "08:00"}])
def test_hours_have_a_beginning_and_an_end(hours: dict[str, str]) -> None:
    answer = somebody("manager").post(reverse("admin:monitoring_alertroute_add"), ROUTE | hours)
    assert "Say both, from when and until when, or neither." in answer.content.decode()


def test_the_list_says_which_route_fails() -> None:
    route = AlertRoute.objects.create(name="on_duty")
    RouteState.objects.create(route=route, failures=3, failing_since=timezone.now())
    assert "fails" in somebody("technician").get(reverse("admin:monitoring_alertroute_changelist")).content.decode()


def test_the_list_of_routes_costs_few_queries(django_assert_max_num_queries) -> None:
    for number in range(9):
        AlertRoute.objects.create(name=f"r{number}").areas.add(make.area())
    client = somebody("technician")
    with django_assert_max_num_queries(12):
        client.get(reverse("admin:monitoring_alertroute_changelist"))


# --- availability ----------------------------------------------------------------------------------------------------


def a_month() -> None:
    now = timezone.now()
    month = timezone.localtime(now).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    north = make.area("=North", slug="north", in_service=True)
    Look.objects.create(area=north, since=month - 40 * 24 * HOUR, until=now)
    told = {"key": "x", "code": "bridge_offline", "severity": "critical", "area": north, "opened_at": month}
    Incident.objects.create(since=month - 5 * HOUR, found_at=month - 3 * HOUR, closed_at=month - 3 * HOUR, **told)


def test_staff_see_a_month_and_take_it_with_them() -> None:
    a_month()
    client = somebody("reception")
    address = reverse("admin:monitoring_incident_availability")
    assert "100.00 %" in client.get(address).content.decode()
    before = timezone.localtime().replace(day=1) - timedelta(days=1)
    month = {"month": f"{before:%Y-%m}"}
    shown = client.get(address, month).content.decode()
    assert "2 hours" in shown
    assert "99." in shown
    lines = client.get(reverse("admin:monitoring_incident_availability_csv"), month).content.decode("utf-8-sig")
    assert lines.splitlines()[1].startswith(f"{before:%Y-%m},'=North,99.")
    assert ",2.00,0.00,0.00,1" in lines.splitlines()[1]


def test_availability_as_csv_is_written_for_the_spreadsheet_of_its_reader() -> None:
    a_month()
    before = timezone.localtime().replace(day=1) - timedelta(days=1)
    address = reverse("admin:monitoring_incident_availability_csv")
    asked = somebody("reception").get(address, {"month": f"{before:%Y-%m}"}, headers={"accept-language": "da"})
    line = asked.content.decode("utf-8-sig").splitlines()[1]
    assert line.startswith(f"{before:%Y-%m};'=North;99,")
    assert ";2,00;0,00;0,00;1" in line


@pytest.mark.parametrize("month", ["", "x", "2026-13", "2999-01", "1999-01"])
def test_a_month_that_is_none_is_this_one(month: str) -> None:
    answer = somebody("reception").get(reverse("admin:monitoring_incident_availability"), {"month": month})
    assert f"{timezone.localtime():%B %Y}" in answer.content.decode()


def test_availability_costs_few_queries(django_assert_max_num_queries) -> None:
    a_month()
    client = somebody("reception")
    with django_assert_max_num_queries(12):
        client.get(reverse("admin:monitoring_incident_availability"))
