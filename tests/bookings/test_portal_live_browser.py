"""The guest's page in a real browser with JavaScript: it stays true by itself, also without a socket or a network."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from django.utils import timezone, translation
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from bookings import links
from bookings.models import PortalLink, Stay
from bookings.portal import hub
from meters import ages, live
from meters.models import Meter, MeterState
from tests import make
from tests.bookings.test_portal_browser import camper, enter, fits
from tests.meters import test_board_browser as boards

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
browser, server = boards.browser, boards.server  # fixtures
Server = boards.Server
SOON_MS = 15_000


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "REST_S", 0.01)
    monkeypatch.setattr(hub, "TICK_S", 0.0)
    monkeypatch.setattr(hub, "CHECKED_EVERY_S", 0.2)


@pytest.fixture
def context(browser: Browser, server: Server) -> Iterator[BrowserContext]:
    address = f"http://127.0.0.1:{server.port}"
    with browser.new_context(base_url=address, locale="en-GB", viewport={"width": 390, "height": 844}) as context:
        yield context


@pytest.fixture
def page(context: BrowserContext, server: Server) -> Iterator[Page]:
    """A telephone whose scripts fail nowhere, and which asks nobody else for anything."""
    page = context.new_page()
    complaints: list[str] = []
    foreign: list[str] = []

    def watch(request: Request) -> None:
        if not request.url.startswith((f"http://127.0.0.1:{server.port}/", "data:", "blob:")):
            foreign.append(request.url)

    page.on("console", lambda line: complaints.append(line.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    context.on("request", watch)
    yield page
    assert foreign == []
    assert [text for text in complaints if "ERR_" not in text and "Failed to load resource" not in text] == []


@pytest.fixture
def shoot(request: pytest.FixtureRequest) -> Callable[[Page, str], None]:
    """Keeps a picture of the page: `pytest --screenshots docs/screenshots`."""
    folder: Path | None = request.config.getoption("--screenshots")

    def take(page: Page, name: str) -> None:
        if folder:
            folder.mkdir(exist_ok=True)
            page.screenshot(path=folder / f"{name}.png", full_page=True)

    return take


Shoot = Callable[[Page, str], None]


def tell(meter: Meter, **values: Any) -> None:
    """The meter tells something, and the worker that it did."""
    MeterState.objects.filter(pk=meter.pk).update(**values)
    live.send({"type": "tick", "meters": [{"id": meter.pk}], "areas": []})


def is_live(page: Page) -> None:
    page.wait_for_function("() => navigator.serviceWorker.controller || navigator.serviceWorker.ready")


# --- live ------------------------------------------------------------------------------------------------------------


def test_watts_change_by_themselves_and_power_too_without_loading_the_page(page: Page) -> None:
    stay, meter = camper("de")
    enter(page, stay)
    expect(page.locator("[data-watts]")).to_have_text("1,24 kW")
    page.evaluate("window.stood = true")
    tell(meter, power_w=300, power_at=timezone.now())
    expect(page.locator("[data-watts]")).to_have_text("300 W", timeout=SOON_MS)
    tell(meter, relay=False, relay_at=timezone.now(), power_w=0)
    expect(page.locator(".state")).to_have_text("Der Strom ist aus", timeout=SOON_MS)
    assert page.evaluate("window.stood")


def test_what_is_open_and_what_has_the_focus_stays_so(page: Page) -> None:
    stay, meter = camper()
    enter(page, stay)
    page.locator("figure details summary").first.click()
    expect(page.locator("figure details").first).to_have_attribute("open", "")
    tell(meter, relay=False, relay_at=timezone.now())
    expect(page.locator(".state")).to_have_text("The power is off", timeout=SOON_MS)
    expect(page.locator("figure details").first).to_have_attribute("open", "")
    expect(page.locator("figure details summary").first).to_be_focused()


def test_an_outlet_that_is_not_heard_any_more_turns_grey_by_itself(page: Page) -> None:
    """Nobody tells the page that: the silence alone does."""
    stand_alone(page)
    stay, meter = camper()
    enter(page, stay)
    outlet = page.locator(f".outlet[data-meter='{meter.pk}']")
    expect(outlet).not_to_have_attribute("data-old", re.compile(".*"))
    expect(outlet.locator(".warn.stale")).to_be_hidden()
    page.clock.run_for(16 * 60_000)
    expect(outlet).to_have_attribute("data-old", re.compile(".*"))
    expect(outlet.locator(".warn.stale")).to_contain_text("last heard 16 minutes ago")
    expect(outlet.locator("[data-watts]")).to_be_visible()


def test_a_page_that_is_told_nothing_at_all_says_so_within_half_a_minute(page: Page) -> None:
    """Its socket stands, and what it asks is not refused: a server, or its database, that hangs."""
    stand_alone(page)
    stay, meter = camper()
    enter(page, stay)
    outlet = page.locator(f".outlet[data-meter='{meter.pk}']")
    page.clock.run_for(20_000)
    expect(outlet).not_to_have_attribute("data-old", re.compile(".*"))
    page.clock.run_for(10_000)
    expect(outlet).to_have_attribute("data-old", re.compile(".*"))
    expect(page.locator("#offline")).to_be_visible()


def stand_alone(page: Page) -> None:
    """Its clock can be put forward; no socket opens, and what it asks is never answered: it has what it came with."""
    page.clock.install()
    page.route_web_socket(re.compile("/stay/live/"), lambda socket: None)
    page.add_init_script("window.fetch = () => new Promise(() => {})")


@pytest.mark.parametrize("language", ["da", "de", "nl", "en", "nb", "sv"])
def test_ages_and_watts_are_in_the_servers_words(page: Page, language: str) -> None:
    """They change by themselves: none may be called otherwise at that moment."""
    stand_alone(page)
    stay, _meter = camper(language)
    enter(page, stay)
    expect(page.locator("[data-watts]")).to_be_visible()
    passed_s = (5, 65, 100, 130, 3310, 5500, 9100, 80_000, 140_000, 86_400 * 6, 86_400 * 11, 86_400 * 40, 86_400 * 600)
    shown = page.evaluate(
        """(passed) => {
          const now = Number(document.getElementById("live").dataset.now);
          const made = passed.map((s) => Object.assign(document.createElement("time"), { textContent: "?" }));
          made.forEach((time, index) => (time.dataset.at = now - passed[index] * 1000 - 500));
          document.getElementById("live").append(...made);
          dispatchEvent(new Event("offline"));
          return made.map((time) => time.textContent);
        }""",
        list(passed_s),
    )
    now = timezone.now()
    with translation.override(language):
        told = [ages.ago(now - timedelta(seconds=passed, milliseconds=500), now) for passed in passed_s]
    assert shown == told


@pytest.mark.parametrize("over", ["left", "revoked"])
def test_when_the_stay_ends_the_page_leads_on(page: Page, over: str) -> None:
    stay, _meter = camper()
    enter(page, stay)
    is_live(page)
    if over == "revoked":
        PortalLink.objects.update(revoked_at=timezone.now())
    else:
        long_ago = timezone.now() - timedelta(days=9)
        days = {"arrival": long_ago.date(), "departure": long_ago.date()}
        Stay.objects.update(status=Stay.Status.LEFT, ended_at=long_ago, **days)
    expect(page.locator("h1")).to_have_text("Find your page", timeout=SOON_MS)


def test_without_a_socket_it_asks_now_and_then(page: Page) -> None:
    page.route_web_socket(re.compile("/stay/live/"), lambda socket: socket.close())
    page.clock.install()
    stay, meter = camper()
    enter(page, stay)
    expect(page.locator("[data-watts]")).to_have_text("1.24 kW")
    MeterState.objects.filter(pk=meter.pk).update(power_w=300)
    page.clock.run_for(40_000)
    expect(page.locator("[data-watts]")).to_have_text("300 W", timeout=SOON_MS)


def test_what_a_guest_types_stays_while_the_page_asks_and_is_no_sign_of_a_lost_connection(page: Page) -> None:
    page.route_web_socket(re.compile("/stay/live/"), lambda socket: socket.close())
    page.clock.install()
    make.worker()
    stay = make.stay(make.pitch("101"), began_at=timezone.now())
    make.guest(stay.booking, language="en")
    enter(page, stay)
    page.locator("#outlet").fill("12")
    for _ in range(3):
        with page.expect_response("**/stay/"):
            page.clock.run_for(25_000)
    expect(page.locator("#outlet")).to_have_value("12")
    expect(page.locator("#offline")).to_be_hidden()


def test_a_guest_switches_off_and_sees_it_happen(page: Page) -> None:
    stay, meter = camper()
    enter(page, stay)
    page.get_by_role("button", name="Switch off").click()
    expect(page.get_by_role("status").filter(visible=True)).to_contain_text("the outlet has not confirmed it yet")
    tell(meter, relay=False, relay_at=timezone.now())
    expect(page.locator(".state")).to_have_text("The power is off", timeout=SOON_MS)


# --- without a network -----------------------------------------------------------------------------------------------


def be_kept(page: Page) -> None:
    """The service worker has taken over, and has seen the page. Chromium lets sockets through that is told to be
    offline.
    """
    page.route_web_socket(re.compile("/stay/live/"), lambda socket: socket.close())
    page.wait_for_function("() => navigator.serviceWorker.ready.then((found) => found.active?.state === 'activated')")
    page.reload()
    page.wait_for_function(f"() => caches.match('{reverse('portal-page')}').then(Boolean)")


@pytest.mark.parametrize(
    ("language", "words"), [("da", "Ingen forbindelse i øjeblikket"), ("en", "No connection at the moment")]
)
def test_without_a_network_the_last_state_is_shown_with_its_age(
    page: Page, context: BrowserContext, shoot: Shoot, language: str, words: str
) -> None:
    stay, _meter = camper(language)
    enter(page, stay)
    be_kept(page)
    context.set_offline(True)
    banner = page.locator("#offline").filter(visible=True)
    expect(banner).to_contain_text(words)
    page.reload()
    expect(banner).to_contain_text(words, timeout=SOON_MS)
    expect(page.locator("[data-watts]")).to_be_visible()
    expect(page.locator(".outlet").first).to_have_attribute("data-old", re.compile(".*"))
    expect(page.locator(".switch button")).to_be_disabled()
    assert fits(page)
    shoot(page, f"portal-offline-{language}")
    context.set_offline(False)
    expect(page.locator("#offline")).to_be_hidden(timeout=SOON_MS)
    expect(page.locator(".switch button")).to_be_enabled()


def test_a_page_that_was_kept_for_hours_says_so(page: Page, context: BrowserContext) -> None:
    stay, _meter = camper()
    enter(page, stay)
    be_kept(page)
    context.set_offline(True)
    page.clock.install(time=timezone.now() + timedelta(hours=5))
    page.reload()
    banner = page.locator("#offline").filter(visible=True)
    expect(banner).to_contain_text("This is what was known: 5 hours ago", timeout=SOON_MS)
    expect(page.locator(".watts .stale")).to_contain_text("last known 5 hours ago")


def test_who_comes_in_on_the_same_telephone_never_sees_the_page_of_who_was_before(page: Page, server: Server) -> None:
    """Also where the server is slow: then he waits."""
    stay, _meter = camper()
    enter(page, stay)
    be_kept(page)
    other = make.stay(make.pitch("777"))
    make.guest(other.booking, language="en")
    enter(page, other)
    expect(page.locator("h1")).to_have_text("Pitch 777")
    assert "Pitch 101" not in page.evaluate("() => caches.match('/stay/').then((kept) => kept?.text() ?? '')")


def test_what_was_under_way_when_he_closed_his_page_is_not_kept(page: Page) -> None:
    stay, _meter = camper()
    enter(page, stay)
    be_kept(page)
    page.evaluate("() => { window.asked = fetch('/stay/').then((answer) => answer.text()); }")
    page.get_by_role("button", name="Close my page").click()
    expect(page.locator("h1")).to_have_text("Find your page")
    page.wait_for_load_state("networkidle")
    assert page.evaluate("() => caches.match('/stay/').then((kept) => kept === undefined)")


def test_who_closes_his_page_leaves_nothing_on_the_telephone(page: Page, context: BrowserContext) -> None:
    stay, _meter = camper()
    enter(page, stay)
    be_kept(page)
    page.get_by_role("button", name="Close my page").click()
    expect(page.locator("h1")).to_have_text("Find your page")
    page.wait_for_function(f"() => caches.match('{reverse('portal-page')}').then((kept) => !kept)")
    context.set_offline(True)
    with pytest.raises(Exception, match=r"ERR_INTERNET_DISCONNECTED|ERR_FAILED"):
        page.goto(reverse("portal-page"))


def test_a_stay_that_is_over_is_not_shown_without_a_network_either(page: Page, context: BrowserContext) -> None:
    stay, _meter = camper()
    enter(page, stay)
    be_kept(page)
    PortalLink.objects.update(revoked_at=timezone.now())
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.locator("h1")).to_have_text("Find your page", timeout=SOON_MS)
    page.wait_for_function(f"() => caches.match('{reverse('portal-page')}').then((kept) => !kept)")


# --- for everybody ---------------------------------------------------------------------------------------------------


def nothing_is_found(page: Page) -> None:
    """By axe, with contrast at 7:1 (WCAG AAA) and targets of 44 px."""
    rules = {"color-contrast-enhanced": {"enabled": True}, "target-size": {"enabled": True}}
    found = Axe().run(page, options={"resultTypes": ["violations"], "rules": rules})
    assert not found.violations_count, f"{page.url}: {found.generate_report()}"


def in_both_schemes(page: Page, look: Callable[[str], None]) -> None:
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        look(scheme)


@pytest.mark.parametrize(("language", "width"), [("da", 390), ("de", 1400), ("nl", 320)])
def test_axe_finds_nothing_on_the_page(page: Page, shoot: Shoot, language: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    stay, _meter = camper(language)
    second = make.switchable("101,2", relay=None)
    make.line(stay, second, pitch=stay.pitch, since=timezone.now() - timedelta(hours=3))
    enter(page, stay)
    expect(page.locator(".outlet")).to_have_count(2)
    in_both_schemes(page, lambda scheme: shoot(page, f"portal-{language}-{width}-{scheme}"))
    for summary in page.locator("summary").all():
        summary.click()
    in_both_schemes(page, lambda scheme: nothing_is_found(page))


def test_axe_finds_nothing_on_the_other_pages(page: Page, shoot: Shoot) -> None:
    stay, _meter = camper()
    enter(page, stay)
    for name in ("portal-find", "portal-report", "portal-receipt"):
        page.goto(reverse(name))
        in_both_schemes(page, lambda scheme: shoot(page, f"{name}-{scheme}"))  # noqa: B023  (called at once)
        in_both_schemes(page, lambda scheme: nothing_is_found(page))


def test_axe_finds_nothing_where_a_link_leads_nowhere(page: Page) -> None:
    page.goto("/p/wrong/")
    nothing_is_found(page)


def test_nothing_moves_while_the_page_comes_and_while_it_is_kept_true(page: Page) -> None:
    stay, meter = camper()
    page.add_init_script(
        "window.moved = 0; new PerformanceObserver((list) => {"
        " for (const each of list.getEntries()) if (!each.hadRecentInput) window.moved += each.value;"
        "}).observe({ type: 'layout-shift', buffered: true });"
    )
    enter(page, stay)
    expect(page.locator("[data-watts]")).to_have_text("1.24 kW")
    tell(meter, power_w=300, power_at=timezone.now())
    expect(page.locator("[data-watts]")).to_have_text("300 W", timeout=SOON_MS)
    assert page.evaluate("window.moved") < 0.01


def test_the_link_leaves_the_address_and_the_cookies_are_for_nobody_else(page: Page, context: BrowserContext) -> None:
    stay, _meter = camper()
    secret = links.make(stay, None)
    page.goto(links.path(secret))
    assert secret not in page.url
    assert secret not in page.evaluate("document.referrer + JSON.stringify(history.state) + document.cookie")
    (cookie,) = [each for each in context.cookies() if each["name"] == "stay"]
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Lax", "/stay/")
