"""A guest says which outlet he uses, by the number on the socket."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from auditlog.models import LogEntry
from django.db import connections
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from bookings.models import Stay, StayMeter
from meters import commands
from meters.models import Area, Meter
from tests import make
from tests.bookings.guest import enter, page, post, read

db = pytest.mark.django_db
committing = pytest.mark.django_db(transaction=True)


def camper(language: str = "en", **values: object) -> tuple[Stay, Client]:
    """A guest on a pitch without a meter, and his browser."""
    stay = make.stay(make.pitch(), **values)
    make.guest(stay.booking, language=language)
    return stay, enter(stay)


def outlet(name: str = "12,1", **values: object) -> Meter:
    return make.switchable(name, **values)


def choose(browser: Client, number: str) -> HttpResponse:
    return post(browser, "portal-outlet", outlet=number)


def test_it_is_his_and_its_power_is_wanted(django_capture_on_commit_callbacks, db):
    stay, browser = camper()
    meter = outlet()
    with django_capture_on_commit_callbacks(execute=True):
        answer = choose(browser, " 12,1 ")
    assert (answer.status_code, answer["Location"]) == (303, "/stay/")
    line = StayMeter.objects.get()
    assert (line.stay, line.meter, line.begun_by) == (stay, meter, StayMeter.Reason.CHOSEN)
    assert commands.in_force([meter.pk], timezone.now())[meter.pk].state is True
    shown = page(browser)
    assert "Outlet 12,1" in shown
    assert "It is being switched on" in shown
    assert 'name="outlet"' not in shown
    assert LogEntry.objects.get_for_object(stay).filter(actor=None, changes__has_key="outlet").exists()


@pytest.mark.parametrize(("control", "stopped"), [(Area.Control.OBSERVE, False), (Area.Control.ACT, True)])
def test_where_nothing_switches_by_itself_no_power_is_promised(
    django_capture_on_commit_callbacks, db, control, stopped
):
    _stay, browser = camper()
    outlet(area=make.area(control=control))
    if stopped:
        commands.stop.press(make.superuser(), "storm")
    with django_capture_on_commit_callbacks(execute=True):
        choose(browser, "12,1")
    shown = page(browser)
    assert "being switched on" not in shown
    assert 'tell reception the number of your outlet, please. <a class="more fresh" href="/stay/report/">' in shown


@db
@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("99", "no outlet of this number"),
        ("", "no outlet of this number"),
        ("<b>🏕\x00</b>", "no outlet of this number"),
        ("x" * 10_000, "no outlet of this number"),
        ("7", "Another guest has this outlet"),
        ("H1", "no outlet of this number"),
        ("5", "Several outlets have this number"),
    ],
)
def test_a_refusal_says_what_to_do_and_keeps_what_was_typed(number, words):
    _stay, browser = camper()
    make.line(make.stay(make.pitch()), outlet("7"))
    make.installed(outlet("H1"), make.pitch("H1", kind="cabin"))
    stand = make.pitch("5")
    for name in ("5,1", "5,2"):
        make.installed(outlet(name), stand)
    answer = choose(browser, number)
    shown = read(answer)
    assert answer.status_code == 422
    assert words in shown
    assert "Müller" not in shown
    assert "<b>" not in shown
    assert 'name="outlet" value="' in shown
    if number in ("7", "H1", "99"):
        assert f'value="{number}"' in shown
    assert StayMeter.objects.count() == 1


@db
@pytest.mark.parametrize("language", ["da", "de", "nl", "en", "nb", "sv"])
def test_the_refusal_is_in_the_guests_language(language):
    _stay, browser = camper(language)
    answer = choose(browser, "99")
    assert f'lang="{language}"' in read(answer)
    assert ("There is no outlet" in read(answer)) == (language == "en")


@db
@pytest.mark.parametrize("status", [Stay.Status.EXPECTED, Stay.Status.LEFT])
def test_who_is_not_here_takes_none(status):
    now = timezone.now()
    stay, browser = camper(arrival=timezone.localdate(), departure=timezone.localdate() + timedelta(days=1))
    Stay.objects.filter(pk=stay.pk).update(status=status, ended_at=now if status == Stay.Status.LEFT else None)
    outlet()
    answer = choose(browser, "12,1")
    assert answer.status_code == 422
    assert not StayMeter.objects.exists()


@db
def test_who_has_an_outlet_gets_no_second_one():
    stay, browser = camper()
    make.line(stay, outlet("1"))
    outlet("2")
    assert choose(browser, "2").status_code == 303
    assert StayMeter.objects.count() == 1


@db
def test_many_numbers_in_a_minute_are_too_many_and_another_guest_is_not_held_up(settings):
    settings.PORTAL_CHOICES_A_MINUTE = 3
    _stay, browser = camper()
    answers = [choose(browser, str(number)) for number in range(100, 105)]
    assert [answer.status_code for answer in answers] == [422, 422, 422, 429, 429]
    assert int(answers[-1]["Retry-After"]) <= 60
    assert 'value="104"' in answers[-1].content.decode()
    assert page(browser)
    assert choose(camper()[1], "99").status_code == 422


@db
def test_nobody_chooses_without_a_link_or_from_another_site():
    outlet()
    answer = post(Client(enforce_csrf_checks=True), "portal-outlet", outlet="12,1")
    assert (answer.status_code, answer["Location"]) == (303, "/stay/find/")
    _stay, browser = camper()
    assert browser.post("/stay/outlet/", {"outlet": "12,1"}).status_code == 403
    assert not StayMeter.objects.exists()


@committing
def test_of_two_guests_who_take_one_outlet_one_has_it_and_the_other_is_told():
    outlet()
    browsers = [camper()[1], camper()[1]]

    def take(browser: Client) -> HttpResponse:
        try:
            return choose(browser, "12,1")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(take, browsers))
    assert sorted(answer.status_code for answer in answers) == [303, 422]
    (told,) = [read(answer) for answer in answers if answer.status_code == 422]
    assert "Another guest has this outlet" in told
    assert 'value="12,1"' in told
    assert StayMeter.objects.count() == 1


@db
def test_who_has_left_is_not_told_that_he_may_check_in():
    _stay, browser = camper(status=Stay.Status.LEFT, ended_at=timezone.now())
    shown = page(browser)
    assert "You have left." in shown
    assert "when you check in" not in shown
