"""How soon a guest sees something on a slow network: `python -m bench.first_paint [--rounds 5]`.

Chromium as a telephone on 3G, against a page of the same server that is nothing but a heading; the two in turns.
"""

from __future__ import annotations

import argparse
from statistics import median

from playwright.sync_api import Browser, ViewportSize, sync_playwright

from bench.run import Run, alone
from bench.table import Figure
from bench.webhook import web

PHONE: ViewportSize = {"width": 390, "height": 844}
THIRD_GENERATION = {
    "offline": False,
    "latency": 300,
    "downloadThroughput": 1_600_000 / 8,
    "uploadThroughput": 750_000 / 8,
    "connectionType": "cellular3g",
}
"""Milliseconds and bytes a second; Chromium's own words for a telephone's network."""
NAME = "a guest's page on 3G: first contentful paint"
PATHS = ("/stay/", "/heading/")


def first_paint_ms(browser: Browser, address: str, path: str, link: str) -> float:
    """On a telephone that has used its link, and keeps no file."""
    with browser.new_context(base_url=address, viewport=PHONE, service_workers="block") as context:
        context.request.get(link)
        page = context.new_page()
        context.new_cdp_session(page).send("Network.emulateNetworkConditions", THIRD_GENERATION)
        page.goto(path)
        page.wait_for_function("() => performance.getEntriesByName('first-contentful-paint').length")
        painted: float = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        return painted


def measure(run: Run, rounds: int = 5) -> list[Figure]:
    from bookings import links
    from tests import chromium
    from tests.bookings.test_portal_browser import camper

    if not chromium.program():
        return [Figure(NAME, None, note="Chromium is not installed: apt-get install chromium")]
    taken: dict[str, list[float]] = {path: [] for path in PATHS}
    with run.product() as product:
        stay, _meter = camper()
        link = links.path(links.make(stay, None))
        with web(product.database_url, "bench.bare:application") as port, sync_playwright() as playwright:
            browser = chromium.launch(playwright)
            address = f"http://127.0.0.1:{port}"
            for number in range(rounds + 1):
                for path in PATHS:
                    ms = first_paint_ms(browser, address, path, link)
                    if number:  # the first of each warms the server up
                        taken[path].append(ms)
            browser.close()
    ours, bare = (median(taken[path]) for path in PATHS)
    return [Figure(NAME, ours, "ms", "a heading alone", bare)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    alone(lambda run: measure(run, rounds))


if __name__ == "__main__":
    main()
