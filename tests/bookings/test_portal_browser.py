"""The guest's pages in a real browser: by link and by form, on small and large screens, with and without JavaScript."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, expect

from bookings import links
from bookings.models import Stay
from bookings.power import follow
from meters import commands
from meters.models import Command, Meter, Source
from tests import make
from tests.meters import test_board_browser as boards

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
browser, server = boards.browser, boards.server  # fixtures
Server = boards.Server
SIZES = [(320, 640), (390, 844), (1400, 900)]


@pytest.fixture
def context(browser: Browser, server: Server) -> Iterator[BrowserContext]:
    """A guest's telephone without JavaScript, in German: nothing here needs any."""
    address = f"http://127.0.0.1:{server.port}"
    with browser.new_context(base_url=address, locale="de-DE", java_script_enabled=False) as context:
        yield context


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """Whose policy is broken by nothing that is shown."""
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda line: complaints.append(line.text))
    yield page
    assert [text for text in complaints if "Content Security Policy" in text] == []


def camper(language: str = "en", **guest: Any) -> tuple[Stay, Meter]:
    """A guest whose power is on, with two days of use."""
    now = timezone.now()
    make.worker(heartbeat_at=now + timedelta(hours=1))
    stay = make.stay(make.pitch("101", fuse_a=16), began_at=now - timedelta(days=2))
    make.guest(stay.booking, language=language, **guest)
    meter = make.switchable("101,1", relay=True)
    type(meter.state).objects.update(power_w=1240, power_at=now, counter_at=now)
    make.installed(meter, stay.pitch)
    make.line(stay, meter, pitch=stay.pitch, since=now - timedelta(days=2))
    for hour in range(48):
        at = (now - timedelta(hours=hour)).replace(minute=0, second=0, microsecond=0)
        make.hour(meter, at, 200 + 10 * hour)
    make.counted(meter, "20", now)
    make.tariff()
    follow.apply([meter.pk], now)
    return stay, meter


def enter(page: Page, stay: Stay) -> None:
    page.goto(links.path(links.make(stay, None)))


def fits(page: Page) -> bool:
    """Nothing is wider than the window, whatever its size; which is then what it was."""
    before = page.viewport_size
    assert before is not None
    found = True
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        found = found and _fits(page, width)
    page.set_viewport_size(before)
    return found


def _fits(page: Page, width: int) -> bool:
    """By what the browser lays out, also where the page's scripts are off."""
    sides: list[tuple[float, float]] = page.locator("main *, header *").evaluate_all(
        """elements => elements.filter(each => each.checkVisibility()).map(each => each.getBoundingClientRect())
            .filter(box => box.width && box.height).map(box => [box.left, box.right])"""
    )
    assert sides
    return all(left >= 0 and right <= width + 0.5 for left, right in sides)


@pytest.mark.parametrize(("language", "words"), [("da", "Strømmen er tændt"), ("de", "Der Strom ist an")])
def test_the_page_fits_in_two_languages(page: Page, language: str, words: str) -> None:
    stay, _meter = camper(language, last_name="Christoffersen-van-der-Bergh")
    enter(page, stay)
    expect(page).to_have_url(re.compile(r"/stay/\?in$"))
    expect(page.locator(".state").first).to_have_text(words)
    expect(page.locator("figure.chart svg rect").first).to_be_visible()
    assert page.locator("figure.chart").count() == 2
    assert fits(page)


def test_he_switches_off_and_sees_what_the_outlet_confirms(page: Page) -> None:
    stay, meter = camper()
    enter(page, stay)
    page.get_by_role("button", name="Switch off").click()
    expect(page.get_by_role("status")).to_contain_text("the outlet has not confirmed it yet")
    assert commands.in_force([meter.pk], timezone.now())[meter.pk].source == Source.GUEST
    now = timezone.now()
    Command.objects.update(status=Command.Status.CONFIRMED, claimed_at=now, confirmed_at=now, finished_at=now)
    type(meter.state).objects.update(relay=False, relay_at=now)
    expect(page.locator(".state")).to_have_text("The power is off", timeout=15_000)  # the page looks again by itself
    expect(page.get_by_role("button", name="Switch on")).to_be_visible()


def test_by_keys_alone_the_language_is_chosen(page: Page) -> None:
    stay, _meter = camper()
    enter(page, stay)
    page.keyboard.press("Tab")
    expect(page.locator("summary").first).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Dansk")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("html")).to_have_attribute("lang", "da")
    expect(page.locator(".state").first).to_have_text("Strømmen er tændt")


def test_without_a_link_the_form_leads_in(page: Page) -> None:
    stay, _meter = camper()
    page.goto("/stay/")
    expect(page.locator("h1")).to_have_text("Ihre Seite finden")
    assert fits(page)
    page.get_by_label("Buchungsnummer").fill(str(stay.booking.sirvoy_id))
    page.get_by_label("Nachname").fill("Jensen")
    page.get_by_label("Anreisetag").fill(stay.booking.arrival.isoformat())
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Nichts passt dazu")
    expect(page.get_by_label("Nachname")).to_have_value("Jensen")
    assert fits(page)
    page.get_by_label("Nachname").fill("Mueller")
    page.get_by_role("button", name="Meine Seite zeigen").click()
    expect(page.locator("h1")).to_have_text("Pitch 101")  # Sirvoy says that she speaks English


def test_a_wrong_link_leads_to_the_form_in_the_language_that_is_chosen_there(page: Page) -> None:
    page.goto("/p/wrong/")
    expect(page.locator("h1")).to_have_text("Dieser Link öffnet keine Seite")
    page.locator("summary").click()
    page.get_by_role("button", name="Svenska").click()
    expect(page.locator("h1")).to_have_text("Hitta din sida")


def test_everything_that_is_pressed_is_large_enough_for_a_thumb(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    stay, _meter = camper()
    enter(page, stay)
    for each in page.locator("button, summary, input:not([type=hidden])").all():
        box = each.bounding_box() if each.is_visible() else None
        assert box is None or box["height"] >= 44, each.inner_text()
