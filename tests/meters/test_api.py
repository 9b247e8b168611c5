"""The API's lists and single resources."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from rest_framework.authtoken.models import Token

from meters.models import Pitch
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Client:
    token = Token.objects.create(user=make.staff("machine"))
    return Client(headers={"authorization": f"Token {token.key}"})


def get(api: Client, path: str, status: int = 200) -> Any:
    answer = api.get(f"/api/v1/{path}")
    assert answer.status_code == status, answer.content
    return answer.json()


def names(api: Client, query: str) -> list[str]:
    return [row["name"] for row in get(api, f"meters/?{query}")["results"]]


# --- who may ---------------------------------------------------------------------------------------------------------


def test_without_a_token_nothing_is_told():
    error = get(Client(), "meters/", 401)["error"]
    assert error == {
        "code": "not_authenticated",
        "message": "Authentication credentials were not provided.",
        "fields": {},
    }


def test_a_wrong_token_is_refused():
    answer = Client(headers={"authorization": "Token wrong"}).get("/api/v1/meters/")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "authentication_failed")


def test_a_user_who_is_no_staff_is_refused(django_user_model):
    token = Token.objects.create(user=django_user_model.objects.create_user("guest"))
    answer = Client(headers={"authorization": f"Token {token.key}"}).get("/api/v1/meters/")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "permission_denied")


def test_staff_with_a_session_may_read(client):
    client.force_login(make.staff())
    assert get(client, "areas/")["count"] == 0


def test_nothing_can_be_written(api):
    answer = api.post("/api/v1/meters/", {})
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")


# --- meters ----------------------------------------------------------------------------------------------------------


def test_a_meter_tells_its_latest_values_with_their_times(api):
    make.worker()
    now = timezone.now()
    meter = make.meter("101,2", area=make.area("Area 2"), ieee="0xa4c1380000000001")
    make.installed(meter, make.pitch("101"))
    make.state(
        meter, relay=True, power_w=1234, power_at=now, voltage_v="230.5", counter_kwh="858.320", counter_at=now,
        energy_kwh="12.345", linkquality=116,
    )  # fmt: skip
    told = get(api, "meters/0xa4c1380000000001/")
    expected = {
        "ieee_address": "0xa4c1380000000001", "name": "101,2", "area": "area-2", "pitch": "101",
        "kind": "single_phase", "online": True, "online_reason": "ok", "relay": "on", "wanted": None,
        "power_w": 1234, "voltage_v": 230.5, "current_a": None, "counter_kwh": 858.32, "energy_kwh": 12.345,
        "phases": None, "linkquality": 116, "removed_at": None,
    }  # fmt: skip
    assert {key: told[key] for key in expected} == expected
    assert told["power_at"] == now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_a_meter_that_was_never_heard_is_unknown_and_tells_no_values(api):
    make.worker()
    make.meter(area=make.area(), ieee="0xa4c1380000000001")
    told = get(api, "meters/0xa4c1380000000001/")
    assert (told["online"], told["online_reason"]) == (None, "never")
    assert told["relay"] is told["power_w"] is told["energy_kwh"] is told["seen_at"] is told["pitch"] is None


def test_a_three_phase_meter_tells_each_phase(api):
    meter = make.meter(kind="three_phase", phases=["a", "b", "c"], ieee="0xa4c1380000000001")
    make.state(meter, phase_power_w=[10, 20, None], phase_voltage_v=["230.1", "231.0", None], phases_at=timezone.now())
    assert get(api, "meters/0xa4c1380000000001/")["phases"] == [
        {"name": "a", "power_w": 10, "voltage_v": 230.1, "current_a": None},
        {"name": "b", "power_w": 20, "voltage_v": 231.0, "current_a": None},
        {"name": "c", "power_w": None, "voltage_v": None, "current_a": None},
    ]


def test_an_ieee_address_may_be_written_in_capitals(api):
    make.meter("x", ieee="0xa4c1380000000abc")
    assert get(api, "meters/0xA4C1380000000ABC/")["name"] == "x"


def test_an_unknown_meter_is_not_found(api):
    assert get(api, "meters/0x1/", 404)["error"]["code"] == "not_found"


@pytest.mark.parametrize("path", ["meters/%00/", "meters/%00/usage/", "areas/%00/", "pitches/a%00/"])
def test_a_name_that_no_row_can_have_is_not_found(api, path):
    assert get(api, path, 404)["error"]["code"] == "not_found"


def test_a_forgotten_slash_is_added(api):
    assert api.get("/api/v1/meters")["Location"] == "/api/v1/meters/"


def test_an_address_that_leads_nowhere_is_answered_in_the_same_shape(api):
    assert get(api, "metres/", 404)["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("online=true", ["on"]),
        ("online=false", ["silent"]),
        ("online=unknown", ["never"]),
        ("relay=on", ["on"]),
        ("relay=off", ["silent"]),
        ("area=north", ["never", "on"]),
        ("pitch=K101", ["on"]),
        ("search=K1", ["on"]),
        ("search=SIL", ["silent"]),
        ("kind=three_phase", ["never"]),
        ("ordering=-name", ["silent", "on", "never"]),
        ("limit=1&offset=1", ["on"]),
        ("removed=true", []),
    ],
)
def test_meters_can_be_chosen_and_ordered(api, query, expected):
    make.worker()
    north, south = make.area("North"), make.area("South")
    on = make.meter("on", area=north)
    make.state(on, relay=True)
    make.installed(on, make.pitch("K101"))
    make.state(make.meter("silent", area=south), relay=False, heard_at=timezone.now() - timedelta(hours=1))
    make.meter("never", area=north, kind="three_phase")
    assert names(api, query) == expected


def test_a_former_pitch_is_not_told(api):
    meter = make.meter("m")
    now = timezone.now()
    make.installed(meter, make.pitch("101"), since=now - timedelta(days=9), until=now - timedelta(days=2))
    make.installed(meter, make.pitch("102"), since=now - timedelta(days=2))
    assert get(api, "meters/")["results"][0]["pitch"] == "102"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("onlin=true", "onlin"),
        ("online=yes", "online"),
        ("area=nowhere", "area"),
        ("ordering=password", "ordering"),
        ("limit=1000", "limit"),
        ("limit=x", "limit"),
        ("offset=-1", "offset"),
        ("area=a&area=b", "area"),
        ("search=%00", "search"),
    ],
)
def test_a_parameter_that_is_unknown_or_wrong_is_refused_by_name(api, query, field):
    error = get(api, f"meters/?{query}", 400)["error"]
    assert error["code"] == "invalid"
    assert list(error["fields"]) == [field]
    assert error["message"].startswith(f"{field}: ")


def test_errors_are_english_whatever_the_browser_prefers(api):
    answer = api.get("/api/v1/meters/?online=yes", headers={"accept-language": "da"})
    assert "not one of the available choices" in answer.json()["error"]["message"]


# --- areas and pitches -----------------------------------------------------------------------------------------------


def test_an_area_tells_what_its_zigbee2mqtt_reported_and_counts_its_meters(api):
    make.worker()
    reported = {
        "version": "2.6.0",
        "channel": 20,
        "info_at": timezone.now(),
        "configuration": {"availability": {"active": {"pause_on_backoff_gt": 15}}},
    }
    area = make.area("Area 2", expected_channel=20, reported=reported)
    make.state(make.meter(area=area))
    make.meter(area=area)
    make.meter(area=area, removed_at=timezone.now())
    told = get(api, "areas/area-2/")
    expected = {
        "bridge": "online", "version": "2.6.0", "channel": 20, "expected_channel": 20, "pause_on_backoff_gt": 15,
        "backoff_safe": True, "control": "observe", "meters": {"online": 1, "offline": 0, "unknown": 1},
    }  # fmt: skip
    assert {key: told[key] for key in expected} == expected


def test_an_area_that_never_reported_is_unknown(api):
    area = make.area("Area 2")
    area.state.delete()
    told = get(api, "areas/area-2/")
    assert (told["bridge"], told["version"], told["backoff_safe"]) == ("unknown", None, None)


def test_a_pitch_tells_the_meters_that_serve_it_now(api):
    cabin = make.pitch("Hytte 26", kind=Pitch.Kind.CABIN, policy=Pitch.Policy.NEVER_CUT)
    now = timezone.now()
    make.installed(make.meter("new"), cabin)
    make.installed(make.meter("old"), cabin, since=now - timedelta(days=9), until=now - timedelta(days=2))
    told = get(api, "pitches/Hytte%2026/")
    assert (told["number"], told["kind"], told["policy"], told["occupied_until"]) == (
        "Hytte 26", "cabin", "never_cut", None,
    )  # fmt: skip
    assert [meter["name"] for meter in told["meters"]] == ["new"]


def test_pitches_can_be_chosen_by_kind(api):
    make.pitch("101")
    make.pitch("26", kind=Pitch.Kind.CABIN)
    assert [row["number"] for row in get(api, "pitches/?kind=cabin")["results"]] == ["26"]


# --- how many queries ------------------------------------------------------------------------------------------------


def fill(meters: int) -> None:
    area = make.area()
    for _ in range(meters):
        meter = make.meter(area=area)
        make.state(meter)
        make.installed(meter, make.pitch())


@pytest.mark.parametrize(
    ("path", "queries"),
    [("meters/", 6), ("meters/?online=true", 9), ("pitches/", 4), ("areas/", 6)],
)
def test_a_list_asks_a_constant_number_of_queries(
    api, path, queries, django_assert_num_queries: DjangoAssertNumQueries
):
    make.worker()
    for _ in range(2):
        fill(10)
        with django_assert_num_queries(queries):
            get(api, path)


# --- the description -------------------------------------------------------------------------------------------------


def test_the_schema_is_complete_and_valid(tmp_path):
    from django.core.management import call_command

    call_command("spectacular", "--fail-on-warn", "--validate", file=str(tmp_path / "schema.yml"))
    assert "/api/v1/meters/{ieee}/usage/" in (tmp_path / "schema.yml").read_text()


def test_the_docs_are_for_staff_and_allow_only_styles_beyond_the_sites_policy(client):
    assert client.get("/api/v1/docs/").status_code == 302
    client.force_login(make.staff())
    answer = client.get("/api/v1/docs/")
    policy = dict(part.strip().split(" ", 1) for part in answer["Content-Security-Policy"].split(";"))
    assert answer.status_code == 200
    assert policy["style-src"] == "'self' 'unsafe-inline'"
    assert "unsafe" not in policy["script-src"]
