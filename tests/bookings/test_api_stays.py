"""Stays in the API, and on a meter's page."""

from datetime import date
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries
from rest_framework.authtoken.models import Token

from bookings.models import Stay
from tests import make

pytestmark = pytest.mark.django_db


def user(*permissions: str) -> User:
    made = make.staff("machine")
    made.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return made


def api(*permissions: str) -> Client:
    return Client(headers={"authorization": f"Token {Token.objects.create(user=user(*permissions)).key}"})


@pytest.fixture
def seeing() -> Client:
    return api("view_stay")


def get(client: Client, path: str = "", status: int = 200) -> Any:
    answer = client.get(f"/api/v1/stays/{path}")
    assert answer.status_code == status, answer.content
    return answer.json()


def here(number: str = "101", **values: Any) -> Stay:
    pitch = make.pitch(number)
    stay = make.stay(pitch, booking=make.booking(arrival=date(2026, 7, 1), departure=date(2026, 7, 8)), **values)
    make.guest(stay.booking)
    make.line(stay, make.meter(f"{number},1"), pitch=pitch)
    make.used(stay, "12.345")
    return stay


def test_a_stay_tells_pitch_meters_and_what_the_ledger_says_it_used(seeing):
    stay = here()
    told = get(seeing, f"{stay.pk}/")
    assert (told["booking"], told["pitch"], told["status"]) == (stay.booking.sirvoy_id, "101", "in_house")
    assert (told["arrival"], told["departure"]) == ("2026-07-01", "2026-07-08")
    assert [meter["name"] for meter in told["meters"]] == ["101,1"]
    assert told["used_kwh"] == 12.345
    assert get(seeing)["results"] == [told]


def test_no_stay_is_on_two_pages_where_many_are_equal(seeing):
    for number in range(12):
        make.stay(booking=make.booking(), status=["left", "expected"][number % 2])
    pages = [get(seeing, f"?ordering=departure&limit=5&offset={start}")["results"] for start in (0, 5, 10)]
    assert len({told["id"] for page in pages for told in page}) == 12


def test_a_booking_is_asked_for_by_a_whole_number(seeing):
    get(seeing, "?booking=1.5", status=400)


def test_names_are_for_whoever_may_see_guests(seeing):
    stay = here()
    assert get(seeing, f"{stay.pk}/")["guest"] is None
    User.objects.get(username="machine").user_permissions.add(Permission.objects.get(codename="view_guest"))
    assert get(seeing, f"{stay.pk}/")["guest"] == "Anna Müller"


def test_no_cache_keeps_who_is_here(seeing):
    for path in ("", f"{here().pk}/"):
        assert "no-store" in seeing.get(f"/api/v1/stays/{path}").headers["Cache-Control"]


def test_staff_without_the_permission_see_nothing():
    stay = here()
    nobody = api()
    for path in ("", f"{stay.pk}/"):
        assert get(nobody, path, 403)["error"]["code"] == "permission_denied"
    assert Client().get("/api/v1/stays/").status_code == 401


def test_nothing_can_be_written(seeing):
    stay = here()
    for call in (seeing.post, seeing.put, seeing.patch, seeing.delete):
        assert call(f"/api/v1/stays/{stay.pk}/", {}, content_type="application/json").status_code == 405


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("pitch=101", 1),
        ("status=left", 0),
        ("status=in_house", 2),
        ("arrival_from=2026-07-01&departure_to=2026-07-08", 2),
        ("arrival_from=2026-07-02", 0),
        ("departure_from=2026-07-09", 0),
        ("arrival_to=2026-06-30", 0),
        ("booking=1", 0),
        ("ordering=-arrival&limit=1", 2),
    ],
)
def test_stays_can_be_chosen(seeing, query, count):
    here("101")
    here("102")
    assert get(seeing, f"?{query}")["count"] == count


@pytest.mark.parametrize("query", ["pitch=x", "status=x", "arrival_from=x", "booking=x", "booking=9e99", "guest=Anna"])
def test_a_parameter_that_is_unknown_or_wrong_is_refused_by_name(seeing, query):
    assert query.partition("=")[0] in get(seeing, f"?{query}", 400)["error"]["fields"]


def test_the_list_asks_as_many_queries_for_many_as_for_few(seeing, django_assert_num_queries: DjangoAssertNumQueries):
    for first in (0, 5):
        for number in range(5):
            here(str(100 + first + number))
        with django_assert_num_queries(9):
            get(seeing)


# --- a meter's page --------------------------------------------------------------------------------------------------


def page(stay: Stay, *permissions: str) -> str:
    client = Client()
    client.force_login(user(*permissions))
    device = stay.lines.get().meter.device
    answer = client.get(reverse("meter", args=[device.ieee_address]), headers={"accept-language": "en"})
    return answer.content.decode()


def test_a_meters_page_tells_who_has_it_and_what_he_used():
    stay = here()
    shown = page(stay, "view_stay", "view_guest")
    assert f"booking {stay.booking.sirvoy_id}" in shown
    assert reverse("reception_booking", args=[stay.booking.sirvoy_id]) in shown
    assert "Anna Müller" in shown
    assert "12.3 kWh" in shown


def test_it_names_nobody_to_whoever_may_not_see_guests():
    shown = page(here(), "view_stay")
    assert "booking" in shown
    assert "Müller" not in shown
    assert "/admin/reception/" not in shown


def test_it_tells_nothing_of_stays_to_whoever_may_not_see_them():
    stay = here()
    assert str(stay.booking.sirvoy_id) not in page(stay)


def test_it_says_so_where_nobody_has_it():
    stay = here()
    stay.lines.update(stay=here("102"))
    client = Client()
    client.force_login(user("view_stay"))
    unused = make.meter("free")
    answer = client.get(reverse("meter", args=[unused.device.ieee_address]), headers={"accept-language": "en"})
    assert "No guest has this meter now." in answer.content.decode()
