"""What the guest's page costs a telephone: bytes and requests of the first view, printed (`pytest -s`) and promised.

How soon something is seen on a slow network: `python -m bench.first_paint`.
"""

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from bookings import links
from tests.bookings.test_portal_browser import camper
from tests.meters import test_board_browser as boards

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
browser, server = boards.browser, boards.server  # fixtures


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


def test_nothing_is_waited_for_before_something_is_seen(browser: Browser, address: str) -> None:
    stay, _meter = camper()
    page, _received = first_view(browser, address, links.path(links.make(stay, None)))
    status = "performance.getEntriesByType('resource').map(each => [each.name, each.renderBlockingStatus])"
    told = page.evaluate(status)
    page.context.close()
    assert any(name.endswith(".js") for name, _status in told)
    assert [name for name, status in told if status != "non-blocking"] == []
