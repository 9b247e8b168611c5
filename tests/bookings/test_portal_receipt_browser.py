"""The receipt in a real browser, without JavaScript: on small and large screens, and as it is printed."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from bookings import ledger
from bookings.models import Stay
from tests import make
from tests.bookings import test_portal_browser as portal

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
browser, server, context, page = portal.browser, portal.server, portal.context, portal.page  # fixtures
AT_LEAST_PX = 44


def camper(language: str) -> Stay:
    """A guest with an outlet in use, one that he had before, a correction, and a second pitch."""
    stay, _meter = portal.camper(language, last_name="Christoffersen-van-der-Bergh")
    now = timezone.now()
    make.served(stay, stay.pitch, now - timedelta(days=3), now - timedelta(days=2), "12.345")
    ledger.correct(stay, Decimal("-2.5"), "Naboens varmeovn var sat i stikket om natten", make.staff())
    make.used(make.stay(make.pitch("102"), booking=stay.booking), "10")
    return stay


def is_read_at_once(page: Page, elements: str) -> bool:
    """Whether all words stand out by 7:1 and more on their ground. Read from what the browser computed."""
    found: list[list[str]] = page.locator(f"article.receipt :is({elements})").evaluate_all(
        """elements => elements.filter(each => each.checkVisibility()).map(element => {
            let ground = element;
            while (ground.parentElement && getComputedStyle(ground).backgroundColor === "rgba(0, 0, 0, 0)")
                ground = ground.parentElement;
            return [getComputedStyle(element).color, getComputedStyle(ground).backgroundColor];
        })"""
    )
    assert found
    return all(contrast(colours) >= 7 for colours in found)


def contrast(colours: list[str]) -> float:
    """By WCAG 2: of the words' colour on the first ground below them that is one."""
    light, dark = sorted((luminance(each) for each in colours), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_it_fits_and_leads_on_and_back(page: Page) -> None:
    portal.enter(page, camper("de"))
    page.get_by_role("link", name="Abrechnung mit allen Zählerständen").click()
    expect(page.locator("h1")).to_have_text("Vorläufige Stromabrechnung")
    assert portal.fits(page)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert is_read_at_once(page, "h1, h2, p, dt, dd, th, td, a"), scheme
    for each in page.locator("article.receipt a").all():
        box = each.bounding_box()
        assert box is not None
        assert box["height"] >= AT_LEAST_PX
    answer = page.request.get(page.get_by_role("link", name="Als PDF").get_attribute("href") or "")
    assert answer.headers["content-type"] == "application/pdf"
    page.get_by_role("link", name="Zurück zu meiner Seite").click()
    expect(page.locator(".state").first).to_have_text("Der Strom ist an")


def test_what_is_pressed_is_not_printed(page: Page) -> None:
    portal.enter(page, camper("de"))
    page.goto("/stay/receipt/")
    page.emulate_media(media="print", color_scheme="dark")
    for hidden in ("details.languages", "footer", "article.receipt nav"):
        expect(page.locator(hidden)).to_be_hidden()
    expect(page.locator("thead").first).to_be_visible()
    assert is_read_at_once(page, "h1, h2, p, dt, dd, th, td")
