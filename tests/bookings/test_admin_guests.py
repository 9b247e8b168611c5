"""Guests' names in the admin: for whoever may see guests, and for nobody else, also not by searching."""

import io
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from openpyxl import load_workbook

from bookings import accounts
from bookings.models import Booking, Mode
from tests import make

pytestmark = pytest.mark.django_db
BOOKINGS = reverse("admin:bookings_booking_changelist")
DEPARTURES = reverse("admin:bookings_charge_departures")
IMPORT = reverse("admin:bookings_booking_import")
SOLD = ["packagesale", "charge", "packagenotice"]


def of(user: User) -> Client:
    client = Client(headers={"accept-language": "en"})
    client.force_login(user)
    return client


@pytest.fixture
def bookkeeper() -> Client:
    """Sees and brings in all of bookings, but no guests."""
    user = make.staff("bookkeeper")
    all_of_it = Permission.objects.filter(content_type__app_label="bookings")
    user.user_permissions.set(all_of_it.exclude(codename="view_guest"))
    return of(user)


@pytest.fixture
def reception() -> Client:
    user = make.staff("one of reception")
    user.groups.add(Group.objects.get(name="reception"))
    return of(user)


@pytest.fixture
def booking() -> Booking:
    """Of Anna Müller, AB 12 345; she leaves today, and all of her package is used up and charged."""
    make.tariff(mode=Mode.PACKAGE)
    made = make.booking(departure=timezone.localdate())
    make.guest(made, plates="AB 12 345", business_name="Vandrefalken")
    make.used(make.stay(make.pitch("F44"), booking=made), "10")
    accounts.sell(made, Decimal(5), Decimal(25), make.staff("seller"))
    accounts.charge(made, make.staff("other"))
    accounts.watch_packages(timezone.now())
    return made


def count(client: Client, page: str, words: str) -> int:
    return client.get(page, {"q": words}).context["cl"].result_count


def names(html: str) -> set[str]:
    return {name for name in ("Anna", "Müller", "Vandrefalken", "AB 12 345") if name in html}


def test_the_list_of_bookings_shows_numbers_and_pitches_only(bookkeeper, reception, booking):
    html = bookkeeper.get(BOOKINGS).content.decode()
    assert str(booking) in html
    assert "F44" in html
    assert not names(html)
    assert "number plate" not in html
    seen = reception.get(BOOKINGS).content.decode()
    assert "Anna Müller" in seen
    assert "number plate" in seen


def test_a_booking_page_shows_no_name(bookkeeper, reception, booking):
    page = reverse("admin:bookings_booking_change", args=[booking.pk])
    assert not names(bookkeeper.get(page).content.decode())
    assert "Anna Müller" in reception.get(page).content.decode()


@pytest.mark.parametrize("words", ["müller", "anna", "vandrefalken", "AB 12"])
def test_bookings_are_not_found_by_what_is_personal(bookkeeper, reception, booking, words):
    assert count(bookkeeper, BOOKINGS, words) == 0
    assert count(reception, BOOKINGS, words) == 1


def test_bookings_are_still_found_by_number_and_pitch(bookkeeper, booking):
    assert count(bookkeeper, BOOKINGS, str(booking.sirvoy_id)) == count(bookkeeper, BOOKINGS, "F44") == 1


def test_nothing_personal_is_guessed_by_filtering_or_sorting(bookkeeper, booking):
    assert bookkeeper.get(BOOKINGS, {"guest__last_name__startswith": "M"}).status_code == 400
    query = str(bookkeeper.get(BOOKINGS, {"o": "2"}).context["cl"].queryset.query)
    assert "last_name" not in query.partition("ORDER BY")[2]


@pytest.mark.parametrize("table", SOLD)
def test_what_was_sold_is_not_found_by_a_name(bookkeeper, reception, booking, table):
    page = reverse(f"admin:bookings_{table}_changelist")
    found = count(bookkeeper, page, str(booking.sirvoy_id))
    assert found == count(reception, page, "müller") > 0
    assert count(bookkeeper, page, "müller") == 0
    html = bookkeeper.get(page).content.decode()
    assert not names(html)
    assert "last name" not in html
    assert "last name" in reception.get(page).content.decode()


def test_the_departures_list_names_nobody(bookkeeper, reception, booking):
    html = bookkeeper.get(DEPARTURES).content.decode()
    assert str(booking) in html
    assert not names(html)
    assert "Guest" not in html.partition("<table")[2].partition("</thead>")[0]
    assert "Anna Müller" in reception.get(DEPARTURES).content.decode()


def test_the_file_of_departures_names_nobody(bookkeeper, reception, booking):
    today = timezone.localdate().isoformat()
    query = {"from": today, "to": today, "kind": "departures", "format": "xlsx"}
    found = {}
    for who, client in (("bookkeeper", bookkeeper), ("reception", reception)):
        answer = client.get(reverse("admin:bookings_charge_export"), query)
        head, row = load_workbook(io.BytesIO(answer.content)).active.values
        found[who] = dict(zip(head, row, strict=True))
    assert found["reception"].pop("guest") == "Anna Müller"
    assert found["bookkeeper"] == found["reception"]
    assert found["bookkeeper"]["booking"] == booking.sirvoy_id


def test_a_file_of_sirvoys_which_is_full_of_names_is_not_brought_in(bookkeeper, booking):
    assert bookkeeper.get(IMPORT).status_code == 403
    assert bookkeeper.post(IMPORT, {"kept": "x"}).status_code == 403
    assert "Bring in a file" not in bookkeeper.get(BOOKINGS).content.decode()


def test_who_works_with_guests_may_see_them_and_nobody_else():
    who = Group.objects.filter(permissions__codename="view_guest").values_list("name", flat=True)
    assert set(who) == {"reception", "manager"}
