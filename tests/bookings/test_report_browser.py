"""The guest's form and reception's list in a real browser: on a telephone without scripts, and on a large screen."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, expect

from bookings import reports
from bookings.models import ProblemReport, Stay
from meters.models import Command, MeterState, Source
from tests import make
from tests.bookings import test_portal_browser as guests
from tests.bookings import test_reception_browser as desk
from tests.bookings.test_reception import settled, sheet
from tests.meters import test_board_browser as boards

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
browser, server = boards.browser, boards.server  # fixtures
context, page, staffs = guests.context, guests.page, boards.page
Server = boards.Server
LONG = "Kein Strom seit heute früh um zehn. Wasserkocher und Heizung waren an 😟 " + "w" * 90


@pytest.fixture
def person(transactional_db: None) -> User:
    make.worker(heartbeat_at=timezone.now() + timedelta(hours=1))
    return make.superuser()


def with_two_outlets(language: str = "de") -> Stay:
    stay, _meter = guests.camper(language)
    make.line(stay, make.switchable("101,2", relay=False))
    return stay


# --- the guest's form ------------------------------------------------------------------------------------------------


def test_a_guest_reports_a_problem_without_scripts(page: Page) -> None:
    stay = with_two_outlets()
    guests.enter(page, stay)
    page.get_by_role("link", name="Ein Problem melden").last.click()
    expect(page.locator("h1")).to_have_text("Ein Problem melden")
    assert guests.fits(page)
    expect(page.get_by_text("Sehen Sie zuerst nach der Sicherung")).to_be_hidden()
    page.get_by_label("Ich habe keinen Strom").check()
    expect(page.get_by_text("Sehen Sie zuerst nach der Sicherung")).to_be_visible()
    page.get_by_label("Welche Steckdose?").select_option(label="Steckdose 101,2")
    page.get_by_label("In Ihren eigenen Worten").fill(LONG)
    assert guests.fits(page)
    page.get_by_role("button", name="An die Rezeption senden").click()
    expect(page.locator(".reports li")).to_contain_text("Die Rezeption sieht es")
    assert guests.fits(page)
    made = ProblemReport.objects.get()
    assert (made.kind, made.text, made.language, str(made.meter)) == ("no_power", LONG, "de", "101,2")


def test_what_was_refused_stands_in_the_form(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    guests.enter(page, with_two_outlets())
    page.goto("/stay/report/")
    page.get_by_label("Etwas anderes").check()
    page.get_by_label("Welche Steckdose?").select_option(label="Steckdose 101,1")
    page.get_by_role("button", name="An die Rezeption senden").click()
    expect(page.get_by_role("alert")).to_contain_text("Ein paar Worte genügen")
    expect(page.get_by_label("Etwas anderes")).to_be_checked()
    expect(page.get_by_label("Welche Steckdose?").locator("option:checked")).to_have_text("Steckdose 101,1")
    assert guests.fits(page)


def test_it_is_done_by_keys_alone(page: Page) -> None:
    guests.enter(page, with_two_outlets("en"))
    page.goto("/stay/report/")
    page.get_by_role("radio").first.focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_label("The breaker trips again and again")).to_be_checked()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Which outlet?")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.type("The kettle")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".reports li")).to_contain_text("The kettle")


def test_who_chooses_a_language_meanwhile_keeps_what_he_wrote(page: Page) -> None:
    guests.enter(page, with_two_outlets("en"))
    page.goto("/stay/report/")
    page.get_by_label("The kWh look wrong").check()
    page.get_by_label("In your own words").fill("Since ten")
    page.locator("summary").click()
    page.get_by_role("button", name="Deutsch").click()
    expect(page.get_by_label("In Ihren eigenen Worten")).to_have_value("Since ten")
    page.get_by_role("radio", checked=True).press("Enter")  # sends it, and chooses no other language
    expect(page.locator(".reports li")).to_contain_text("Since ten")
    made = ProblemReport.objects.get()
    assert (made.kind, made.text, made.language) == ("kwh", "Since ten", "de")


def test_everything_that_is_pressed_is_large_enough_for_a_thumb(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    guests.enter(page, with_two_outlets())
    for address in ("/stay/", "/stay/report/"):
        page.goto(address)
        for each in page.locator("main a, button, summary, select, textarea, .kind label").all():
            box = each.bounding_box() if each.is_visible() else None
            assert box is None or box["height"] >= 44, each.inner_text()


# --- reception's list ------------------------------------------------------------------------------------------------


def reported() -> Stay:
    """One with much to tell, of a guest with a long name, and one with little."""
    now = timezone.now()
    stay, meter = settled("101", relay=False)
    stay.booking.guest.last_name = "Christoffersen-van-der-Bergh-Hohenlohe"
    stay.booking.guest.save()
    values = {"power_w": 1240, "power_at": now, "counter_kwh": "1234.5", "counter_at": now - timedelta(days=2)}
    MeterState.objects.filter(meter=meter).update(heard_at=now, **values)
    want = make.want(meter, True, Source.POLICY, reason="Booking 7", hold="unasked_off")
    make.command(want, status=Command.Status.FAILED, failure=Command.Failure.NOT_MOVED)
    silent = make.switchable("101,2", relay=None)
    make.line(stay, silent)
    MeterState.objects.filter(meter=silent).update(heard_at=now - timedelta(days=3), relay_at=None)
    reports.report(stay, "no_power", LONG, meter.pk, now, "de")
    reports.report(make.stay(make.pitch("F44")), "wrong_outlet", "", None, now, "nl")
    return stay


def test_reception_reads_it_at_the_top_and_notes_it_as_solved(staffs: Page) -> None:
    stay = reported()
    staffs.goto("/admin/reception/")
    first = staffs.locator("section.urgent").first
    expect(first).to_contain_text(LONG)
    assert desk.fits(staffs)
    staffs.goto(sheet(stay))
    assert desk.fits(staffs)
    staffs.locator(".reports input[name=note]").fill("Fuse")
    staffs.locator(".reports button").click()
    expect(staffs.locator(".reports")).to_contain_text("Fuse")
    expect(staffs.locator(".reports form")).to_have_count(0)
    staffs.goto("/admin/reception/")
    expect(staffs.locator(".reports > li")).to_have_count(1)


def test_a_note_being_typed_is_not_taken_away_by_what_follows(staffs: Page) -> None:
    reported()
    staffs.goto("/admin/reception/")
    field = staffs.locator(".reports input[name=note]").first
    field.fill("Fuse")
    staffs.locator("#find").focus()
    staffs.clock.run_for(6_000)
    expect(field).to_have_value("Fuse")
