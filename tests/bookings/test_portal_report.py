"""A guest reports a problem on his page, reads what became of it, and sees nothing that is not his."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from bookings import reports
from bookings.models import ProblemReport, Stay
from meters.models import Meter
from tests import make
from tests.bookings.guest import enter, page, post, read

pytestmark = pytest.mark.django_db
FORM = reverse("portal-report")


def camper(number: str = "101", meters: int = 1, language: str = "en", **values: Any) -> tuple[Stay, list[Meter]]:
    stay = make.stay(make.pitch(number), **values)
    make.guest(stay.booking, language=language)
    found = [make.switchable(f"{number},{each}", relay=True) for each in range(1, meters + 1)]
    for meter in found:
        make.line(stay, meter, pitch=stay.pitch)
    return stay, found


def send(browser: Client, **told: str) -> HttpResponse:
    return post(browser, "portal-report", **told)


def form(browser: Client) -> str:
    answer = browser.get(FORM)
    assert answer.status_code == 200
    return read(answer)


# --- sent ------------------------------------------------------------------------------------------------------------


def test_it_is_sent_and_stands_on_his_page(settings: Any) -> None:
    stay, (meter,) = camper()
    browser = enter(stay)
    answer = send(browser, kind="no_power", text="Since ten <b>o'clock</b>")
    assert (answer.status_code, answer["Location"]) == (303, "/stay/#reports")
    made = ProblemReport.objects.get()
    assert (made.stay, made.meter, made.kind, made.language) == (stay, meter, "no_power", "en")
    shown = page(browser)
    assert "I have no power" in shown
    assert "reception sees it." in shown
    assert "Since ten &lt;b&gt;o&#x27;clock&lt;/b&gt;" in shown
    assert "<b>o" not in shown


def test_the_language_is_that_in_which_he_reads() -> None:
    stay, _meters = camper(language="sv")
    send(enter(stay), kind="kwh")
    assert ProblemReport.objects.get().language == "sv"


def test_what_is_solved_is_told_without_staffs_note() -> None:
    stay, _meters = camper()
    browser = enter(stay)
    send(browser, kind="trips")
    reports.solve(ProblemReport.objects.get(), make.staff("Birgit"), "guest is difficult", timezone.now())
    shown = page(browser)
    assert "Reception has noted it as solved." in shown
    assert "difficult" not in shown
    assert "Birgit" not in shown


def test_another_day_is_told_with_its_date() -> None:
    stay, _meters = camper()
    browser = enter(stay)
    send(browser, kind="trips")
    at = timezone.localtime() - timedelta(days=3)
    ProblemReport.objects.update(made_at=at)
    assert f"You told us, {at.day} " in page(browser)


def test_pressed_twice_it_is_told_once() -> None:
    stay, _meters = camper()
    browser = enter(stay)
    for _time in range(2):
        assert send(browser, kind="no_power").status_code == 303
    assert page(browser).count("reception sees it.") == 1


def test_who_has_left_may_still_report() -> None:
    stay, _meters = camper(status=Stay.Status.LEFT, ended_at=timezone.now())
    assert send(enter(stay), kind="kwh", text="Too many").status_code == 303


# --- the form --------------------------------------------------------------------------------------------------------


def test_the_form_says_what_to_do_oneself_and_how_to_reach_reception(settings: Any) -> None:
    settings.SITE_PHONE = "+45 12 34 56 78"
    stay, _meters = camper()
    shown = form(enter(stay))
    for words in ("Look at the breaker on the stand first", 'href="tel:+4512345678"', "from 08:00 to 20:00"):
        assert words in shown
    assert 'name="outlet"' not in shown
    settings.SITE_PHONE = ""
    assert "come to reception at once" in form(enter(stay))


def test_of_several_outlets_he_chooses_one() -> None:
    stay, (_first, second) = camper(meters=2)
    browser = enter(stay)
    assert f'<option value="{second.pk}">Outlet 101,2</option>' in form(browser)
    send(browser, kind="no_power", outlet=str(second.pk))
    assert ProblemReport.objects.get().meter == second


@pytest.mark.parametrize("language", ["da", "de", "nl", "en", "nb", "sv"])
def test_it_is_whole_in_each_language(language: str) -> None:
    stay, _meters = camper(meters=2, language=language)
    browser = enter(stay)
    send(browser, kind="trips")
    for shown in (form(browser), page(browser)):
        assert f'<html lang="{language}"' in shown
        for english in ("The breaker trips", "Report a problem"):
            assert (english in shown) == (language == "en")


def test_who_chooses_a_language_meanwhile_keeps_what_he_wrote(settings: Any) -> None:
    settings.PORTAL_REPORTS_AN_HOUR = 1
    stay, _meters = camper()
    browser = enter(stay)
    answers = [send(browser, language="da", kind="other", text="Not yet <all>") for _time in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200], "it counts for no report"
    shown = read(answers[-1])
    assert '<html lang="da"' in shown
    assert "Not yet &lt;all&gt;</textarea>" in shown
    assert "checked" in shown
    assert not ProblemReport.objects.exists()
    assert '<html lang="da"' in page(browser)
    assert '<html lang="da"' in read(send(browser, language="xx", kind="other"))


# --- refused ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"kind": "other", "text": " "}, "a few words are enough"),
        ({"kind": "<script>", "text": "x"}, "Choose what is wrong"),
        ({"text": "x"}, "Choose what is wrong"),
        ({"kind": "kwh", "text": "\U0001f525" * 10_000}, "At most 1,000 letters"),
        ({"kind": "kwh", "text": "\x00" + "x" * 1001}, "At most 1,000 letters"),
        *(({"kind": "no_power", "outlet": bad}, "not yours any more") for bad in ("0", "-1", "x", "²", "9" * 40)),
    ],
)
def test_what_makes_no_sense_is_refused_and_stays_in_the_form(told: dict[str, str], words: str) -> None:
    stay, _meters = camper()
    answer = send(enter(stay), **told)
    assert answer.status_code == 422
    shown = read(answer)
    assert words in shown
    assert told.get("text", "").replace("\x00", "") in shown
    assert "<script>" not in shown
    assert ("checked" in shown) == (told.get("kind") in reports.Kind.values)
    assert not ProblemReport.objects.exists()


def test_the_text_area_cannot_be_closed_by_what_is_typed() -> None:
    stay, _meters = camper()
    shown = send(enter(stay), kind="", text="</textarea><img src=x>").content.decode()
    assert "&lt;/textarea&gt;&lt;img src=x&gt;</textarea>" in shown


def test_a_neighbours_outlet_is_not_his_and_neither_are_his_reports() -> None:
    stay, _meters = camper()
    neighbour, (others,) = camper("102")
    browser = enter(stay)
    assert send(browser, kind="no_power", outlet=str(others.pk)).status_code == 422
    send(enter(neighbour), kind="other", text="neighbour's secret")
    assert "secret" not in page(browser) + form(browser)


def test_without_the_cookie_nobody_reports() -> None:
    answer = Client().get(FORM)
    assert (answer.status_code, answer["Location"]) == (303, "/stay/find/")
    assert Client().post(FORM, {"kind": "no_power"}).status_code == 303
    assert not ProblemReport.objects.exists()


def test_a_foreign_site_sends_nothing() -> None:
    stay, _meters = camper()
    assert enter(stay).post(FORM, {"kind": "no_power"}).status_code == 403
    assert not ProblemReport.objects.exists()


def test_who_reports_often_is_asked_to_call_and_keeps_what_he_wrote(settings: Any) -> None:
    settings.PORTAL_REPORTS_AN_HOUR = 2
    stay, _meters = camper()
    other, _meters = camper("102")
    browser = enter(stay)
    answers = [send(browser, kind="other", text=f"Number {each}") for each in range(3)]
    assert [answer.status_code for answer in answers] == [303, 303, 429]
    assert 0 < int(answers[-1]["Retry-After"]) <= 3600
    assert "Call reception" in answers[-1].content.decode()
    assert "Number 2</textarea>" in answers[-1].content.decode()
    assert send(enter(other), kind="no_power").status_code == 303
    assert ProblemReport.objects.count() == 3


# --- cost ------------------------------------------------------------------------------------------------------------


def test_his_page_asks_for_them_once() -> None:
    stay, _meters = camper()
    browser = enter(stay)
    for number in range(4):
        send(browser, kind="other", text=f"Number {number}")
    with CaptureQueriesContext(connection) as asked:
        page(browser)
    assert len([query for query in asked if "problemreport" in query["sql"]]) == 1
    assert not [query for query in asked if "problemreport" in query["sql"] and "JOIN" in query["sql"]]
