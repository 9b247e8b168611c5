"""How a guest comes in: by a link that is left at once, known again by a cookie; by the form; and nobody else does."""

import re
from datetime import date, timedelta
from io import StringIO

import pytest
from django.core import signing
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from bookings import links
from bookings.models import Booking, Guest, PortalLink, Stay
from bookings.portal import door, find
from tests import make
from tests.bookings.guest import COMES_IN, enter, page, post, read

pytestmark = pytest.mark.django_db
TODAY = date(2026, 7, 10)


def here(pitch: str = "101", **guest: object) -> Stay:
    stay = make.stay(make.pitch(pitch))
    make.guest(stay.booking, **({"language": "en"} | guest))
    return stay


def asked(browser: Client, stay: Stay, **other: str):
    booking = stay.booking
    told = {"number": str(booking.sirvoy_id), "surname": "Müller", "arrival": booking.arrival.isoformat()}
    return post(browser, "portal-find", **(told | other))


# --- by the link -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_secure", [True, False])
def test_the_secret_is_left_at_once_and_a_cookie_of_these_pages_alone_remains(settings, is_secure):
    settings.SESSION_COOKIE_SECURE = is_secure
    secret = links.make(here(), None)
    answer = Client().get(links.path(secret))
    assert (answer.status_code, answer["Location"]) == (303, COMES_IN)
    assert answer["Referrer-Policy"] == "strict-origin"
    assert "no-store" in answer["Cache-Control"]
    (cookie,) = answer.cookies.values()
    assert cookie.key == door.COOKIE
    assert secret not in cookie.value
    assert (cookie["path"], cookie["samesite"], cookie["httponly"]) == ("/stay/", "Lax", True)
    assert bool(cookie["secure"]) is is_secure


def test_no_page_holds_the_secret():
    stay = here()
    secret = links.make(stay, None)
    browser = Client()
    answer = browser.get(links.path(secret), follow=True)
    assert answer.redirect_chain == [(COMES_IN, 303)]
    assert secret not in read(answer) + str(answer.headers) + str(browser.cookies)


def test_each_browser_sees_its_own_stay_alone():
    mine, others = here("101"), here("102", last_name="Jensen")
    browser = enter(mine)
    assert "Pitch 101" in page(browser)
    assert "Pitch 102" not in page(browser)
    browser.get(links.path(links.make(others, None)))
    assert "Pitch 102" in page(browser)


def test_what_was_not_signed_by_us_opens_nothing():
    link = links.check(links.make(here(), None), timezone.now())
    mark = links.mark(link)
    right = enter(here("103")).cookies[door.COOKIE].value
    other_salt = signing.TimestampSigner(salt="x").sign(mark)
    for forged in (mark, f"{mark}:x:y", right[:-1] + "x", other_salt, "", "ø", "1-" + "0" * 16, "x" * 9000):
        browser = Client()
        browser.cookies[door.COOKIE] = forged
        answer = browser.get("/stay/")
        assert (answer.status_code, answer["Location"]) == (303, "/stay/find/"), forged
    for bad in ("", "-", f"{link.pk}-", f"{link.pk}-{'0' * 16}", "²-" + "0" * 16, "9" * 30 + "-" + "0" * 16):
        assert links.stay_of(bad, timezone.now()) is None


def test_a_page_that_is_open_closes_when_the_link_is_revoked_or_the_stay_is_over():
    stay = here()
    browser = enter(stay)
    assert page(browser)
    Stay.objects.update(status=Stay.Status.LEFT, ended_at=timezone.now() - timedelta(hours=25))
    assert browser.get("/stay/").status_code == 303
    Stay.objects.update(status=Stay.Status.IN_HOUSE, ended_at=None)
    assert page(browser)
    links.revoke_all(stay, None, timezone.now())
    assert browser.get("/stay/").status_code == 303


def test_who_closes_his_page_must_come_in_anew():
    browser = enter(here())
    find = post(browser, "portal-leave")["Location"]
    assert "Your page is closed on this phone." in browser.get(find).content.decode()
    assert "is closed" not in browser.post(find).content.decode()
    assert "is closed" not in browser.get("/stay/find/").content.decode()
    assert browser.get("/stay/").status_code == 303


def test_a_wrong_link_says_what_to_do_in_the_browsers_language():
    answer = Client(headers={"accept-language": "fr-FR, de-AT;q=0.8"}).get("/p/wrong/")
    assert answer.status_code == 404
    assert 'lang="de"' in read(answer)
    assert 'href="/stay/find/"' in read(answer)


# --- languages -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("guest", "browser", "spoken"),
    [
        ({"spoken": "sv", "language": "de", "country": "NL"}, "en", "sv"),
        ({"language": "de", "country": "NL"}, "en", "de"),
        ({"language": "no", "country": ""}, "en", "nb"),
        ({"language": "fr", "country": "NL"}, "en", "nl"),
        ({"language": "", "country": "ch"}, "en", "de"),
        ({"language": "", "country": "BE"}, "nl-BE,nl;q=0.9", "nl"),
        ({"language": "", "country": ""}, "xx, nn;q=0.5", "nb"),
        ({"language": "", "country": ""}, "", "en"),
        ({"language": "", "country": "FR"}, "fr", "en"),
    ],
)
def test_the_guests_language_then_his_country_then_his_browser(guest, browser, spoken):
    answer = enter(here(**guest), headers={"accept-language": browser}).get("/stay/")
    assert answer.headers["Content-Language"] == spoken
    assert f'<html lang="{spoken}"' in read(answer)


def test_what_he_chooses_rules_and_leads_back_to_where_he_was():
    browser = enter(here())
    answer = post(browser, "portal-language", language="nl", next="portal-page")
    assert (answer.status_code, answer["Location"]) == (303, "/stay/")
    assert 'lang="nl"' in page(browser)
    assert post(browser, "portal-language", language="xx", next="portal-page").status_code == 303
    assert 'lang="nl"' in page(browser)


@pytest.mark.parametrize("back", ["https://evil.example/stay/", "//evil.example", "/admin/", "", "/stay/\r\nX: y"])
def test_it_leads_nowhere_else(back):
    answer = post(enter(here()), "portal-language", language="nl", next=back)
    assert answer["Location"] == "/stay/"


# --- by the form -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("surname", ["Müller", "muller", "MUELLER", " Mül ler ", "mu\u0308ller"])
def test_number_surname_and_day_of_arrival_lead_to_the_page(surname):
    stay, browser = here("101"), Client(enforce_csrf_checks=True)
    answer = asked(browser, stay, surname=surname)
    assert (answer.status_code, answer["Location"]) == (303, COMES_IN)
    assert "101" in page(browser)
    links.revoke_all(stay, None, timezone.now())
    assert browser.get("/stay/").status_code == 303


def test_names_of_the_north_may_be_typed_without_their_letters():
    for name, typed in (("Sørensen", "Sorensen"), ("Sørensen", "Soerensen"), ("Ågård", "Agard"), ("Ågård", "Aagaard")):
        assert find._is_called(Guest(last_name=name), typed), typed
    assert not find._is_called(Guest(last_name="", business_name=""), "")
    assert not find._is_called(Guest(last_name="!"), "?")
    assert find._is_called(Guest(business_name="Telte ApS"), "telte aps")


def test_what_is_wrong_is_answered_alike_whether_there_is_such_a_booking_or_not():
    stay = here()
    wrong = [
        {"surname": "Jensen"},
        {"arrival": "2020-01-01"},
        {"number": "999999"},
        {"number": "999999", "surname": "x"},
    ]
    shown = []
    for other in wrong:
        answer = asked(Client(enforce_csrf_checks=True, headers={"accept-language": "en"}), stay, **other)
        assert answer.status_code == 422
        text = read(answer)
        for typed in (*other.values(), str(stay.booking.sirvoy_id), stay.booking.arrival.isoformat(), "Müller"):
            text = text.replace(f'value="{typed}"', "")
        shown.append(re.sub(r'name="csrfmiddlewaretoken" value="[^"]*"|nonce="[^"]*"', "", text))
    assert len(set(shown)) == 1
    assert "Nothing fits" in shown[0]


def test_what_makes_no_sense_is_said_at_the_field_and_kept():
    answer = asked(
        Client(enforce_csrf_checks=True, headers={"accept-language": "en"}), here(), number="12a", arrival="x"
    )
    shown = read(answer)
    assert answer.status_code == 422
    assert "only digits" in shown
    assert 'value="12a"' in shown
    assert 'value="Müller"' in shown


def test_whose_data_are_forgotten_or_whose_page_is_closed_is_not_found():
    stay = here()
    Stay.objects.update(status=Stay.Status.CANCELLED)
    assert asked(Client(enforce_csrf_checks=True), stay).status_code == 422
    Stay.objects.update(status=Stay.Status.IN_HOUSE)
    Guest.objects.update(last_name="", first_name="", erased_at=timezone.now())
    assert asked(Client(enforce_csrf_checks=True), stay, surname=" ").status_code == 422


def test_a_booking_with_several_pitches_asks_which_one():
    stay = here("101")
    make.stay(make.pitch("102"), booking=stay.booking, position=1)
    browser = Client(enforce_csrf_checks=True, headers={"accept-language": "en"})
    shown = asked(browser, stay).content.decode()
    signed = dict(zip(("101", "102"), re.findall(r'name="stay" value="([^"]+)"', shown), strict=True))
    assert "Pitch 101" in shown
    assert post(browser, "portal-choose", stay=signed["102"])["Location"] == COMES_IN
    assert "Pitch 102" in page(browser)
    for forged in (str(stay.pk), signed["101"][:-1], signing.dumps(stay.pk, salt="x"), ""):
        other = Client(enforce_csrf_checks=True)
        assert post(other, "portal-choose", stay=forged)["Location"] == "/stay/find/"
        assert door.COOKIE not in other.cookies


def test_tries_are_counted_for_each_booking_also_for_one_that_is_none(settings):
    settings.PORTAL_FINDS_OF_A_BOOKING_AN_HOUR = 2
    stay = here()
    for number in (str(stay.booking.sirvoy_id), "999999"):
        tried = [asked(Client(enforce_csrf_checks=True), stay, number=number, surname="x") for _ in range(3)]
        assert [answer.status_code for answer in tried] == [422, 422, 429]
        assert int(tried[-1]["Retry-After"]) > 0
    assert asked(Client(enforce_csrf_checks=True), stay).status_code == 429, "the right answer is not told either"
    assert page(enter(stay)), "a link always opens"


def test_tries_are_counted_for_each_address(settings):
    settings.PORTAL_FINDS_A_MINUTE = 2
    stay = here()
    for number, status in ((1, 422), (2, 422), (3, 429)):
        assert asked(Client(enforce_csrf_checks=True), stay, number=str(number)).status_code == status
    elsewhere = Client(enforce_csrf_checks=True, REMOTE_ADDR="203.0.113.9")
    assert asked(elsewhere, stay).status_code == 303


def test_the_form_makes_one_link_not_one_each_time():
    stay = here()
    for _ in range(3):
        asked(Client(enforce_csrf_checks=True), stay)
    assert PortalLink.objects.count() == 1


# --- by the command --------------------------------------------------------------------------------------------------


def test_the_command_prints_the_address_of_each_stay_and_revokes_older_ones(settings):
    settings.SITE_URL = "https://power.example.com"
    stay = here("101")
    make.stay(make.pitch("102"), booking=stay.booking, position=1)
    old = links.make(stay, None)
    told = StringIO()
    call_command("portal_link", stay.booking.sirvoy_id, revoke=True, stdout=told)
    lines = dict(line.split("\t") for line in told.getvalue().splitlines())
    assert lines.keys() == {"101", "102"}
    path = lines["101"].removeprefix("https://power.example.com")
    assert Client().get(path).status_code == 303
    assert Client().get(links.path(old)).status_code == 404
    with pytest.raises(CommandError, match="no booking 5"):
        call_command("portal_link", 5)
    assert Booking.objects.count() == 1
