"""What the guest's page costs a telephone: bytes and requests of the first view, and how soon something is seen on 3G.

The figures are printed (`pytest -s`); bytes and requests are promised, the time is only told, as a ratio.
"""

from statistics import median
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from bookings import links
from tests.bookings.test_portal_browser import camper
from tests.meters import test_board_browser as boards

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.bookings.bare_urls"),
]
browser, server = boards.browser, boards.server  # fixtures
THIRD_GENERATION = {
    "offline": False,
    "latency": 300,
    "downloadThroughput": 1_600_000 / 8,
    "uploadThroughput": 750_000 / 8,
    "connectionType": "cellular3g",
}
ROUNDS = 3


@pytest.fixture
def address(server: boards.Server) -> str:
    return f"http://127.0.0.1:{server.port}"


def first_view(browser: Browser, address: str, path: str) -> tuple[Page, list[dict[str, Any]]]:
    """A telephone that was never here, with all that it receives, socket included."""
    context = browser.new_context(base_url=address, viewport={"width": 390, "height": 844}, service_workers="block")
    page = context.new_page()
    watch = context.new_cdp_session(page)
    watch.send("Network.enable")
    received: dict[str, dict[str, Any]] = {}

    def note(told: dict[str, Any]) -> None:
        if "redirectResponse" in told:
            received[f"{told['requestId']} before"] = {"url": told["redirectResponse"]["url"], "bytes": 0}
        received.setdefault(told["requestId"], {"url": told.get("request", told)["url"], "bytes": 0})

    def count(told: dict[str, Any]) -> None:
        received[told["requestId"]]["bytes"] = told["encodedDataLength"]

    watch.on("Network.requestWillBeSent", note)
    watch.on("Network.webSocketCreated", note)
    watch.on("Network.loadingFinished", count)
    page.goto(path)
    expect(page.locator("[data-watts]")).to_be_visible()
    page.wait_for_load_state("networkidle")
    return page, list(received.values())


def first_paint_ms(browser: Browser, address: str, path: str, cookies: Any) -> float:
    context = browser.new_context(base_url=address, viewport={"width": 390, "height": 844}, service_workers="block")
    context.add_cookies(cookies)
    page = context.new_page()
    context.new_cdp_session(page).send("Network.emulateNetworkConditions", THIRD_GENERATION)
    page.goto(path)
    page.wait_for_function("() => performance.getEntriesByName('first-contentful-paint').length")
    painted: float = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    context.close()
    return painted


def test_the_first_view_is_small(browser: Browser, address: str) -> None:
    stay, _meter = camper()
    page, received = first_view(browser, address, links.path(links.make(stay, None)))
    whole = sum(each["bytes"] for each in received)
    scripts = sum(each["bytes"] for each in received if each["url"].endswith(".js"))
    print(f"\nfirst view: {whole / 1000:.1f} kB in all, {scripts / 1000:.1f} kB JavaScript, {len(received)} requests")
    for each in received:
        print(f"  {each['bytes']:6} {each['url'].removeprefix(address)[:40]}")
    page.context.close()
    assert whole <= 60_000
    assert scripts <= 15_000
    assert len(received) <= 6, [each["url"] for each in received]


def test_something_is_seen_nearly_as_soon_as_on_a_bare_page(browser: Browser, address: str) -> None:
    stay, _meter = camper()
    page, _received = first_view(browser, address, links.path(links.make(stay, None)))
    cookies = page.context.cookies()
    page.context.close()
    times: dict[str, list[float]] = {"/bare/": [], "/stay/": []}
    for _round in range(ROUNDS):
        for path, taken in times.items():
            taken.append(first_paint_ms(browser, address, path, cookies))
    bare, ours = (median(taken) for taken in times.values())
    print(f"\nfirst paint on 3G: {ours:.0f} ms, {ours / bare:.2f}× a bare page of the same server ({bare:.0f} ms)")
    assert ours <= 2 * bare
