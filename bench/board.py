"""A board of 400 meters in Chromium, while 20 boards and 300 guests' pages are open: is it smooth, and what it costs.

Frame times are those between two calls of requestAnimationFrame; a long task keeps the page from answering for 50 ms
and more. Beside them a page that is nothing but a heading, in the same browser, and the same board while nothing
changes. Bytes are those over the wire, compressed, as the kernel counts them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench import cpu, portal
from bench.generator import Site
from bench.latency import percentile
from bench.run import Product, Run, generated
from bench.sockets import Sockets, Told, staffs_cookies
from bench.table import Figure
from campsite.embedded.processes import Process
from tests.meters.harness import until

SITE = Site(meters=400)
BOARDS, GUESTS = 20, 300
SECONDS, QUICK_S = 20, 2
RATES, QUICK_RATES = (6, 400), (400,)
"""Messages a second: a campsite's, and sixty times as many."""
FRAME_MS = 1000 / 60
HEADING = "data:text/html,<!doctype html><h1>1</h1>"
WATCH = """
() => {
    const seen = window.seen = {frames: [], long: 0, longest: 0};
    let before = performance.now();
    const step = now => { seen.frames.push(now - before); before = now; requestAnimationFrame(step); };
    requestAnimationFrame(now => { before = now; requestAnimationFrame(step); });
    try {
        new PerformanceObserver(list => list.getEntries().forEach(entry => {
            seen.long += 1;
            seen.longest = Math.max(seen.longest, entry.duration);
        })).observe({type: "longtask"});
    } catch (error) { seen.long = null; }
}
"""


@dataclass(frozen=True)
class Smooth:
    frames_ms: Sequence[float]
    long_tasks: int
    longest_ms: float

    @property
    def p99_ms(self) -> float | None:
        return percentile(self.frames_ms, 99)


def measure(run: Run) -> list[Figure]:
    from tests import chromium

    if not chromium.program():
        return [Figure("a board of 400 meters", None, note="Chromium is not installed: apt-get install chromium")]
    seconds, rates = (QUICK_S, QUICK_RATES) if run.is_quick else (SECONDS, RATES)
    with run.product() as product:
        product.worker()
        product.settle(SITE)
        web, port = product.web()
        staff = staffs_cookies(BOARDS + 1)
        guests = list(portal.cookies(GUESTS))
        sockets = Sockets(port, staff[1:], guests)
        try:
            sockets.open()
            return looked_at(product, web, port, staff[0], sockets, seconds, rates)
        finally:
            sockets.close()


def looked_at(
    product: Product, web: Process, port: int, cookie: str, sockets: Sockets, seconds: int, rates: Sequence[int]
) -> list[Figure]:
    from playwright.sync_api import sync_playwright

    from tests import chromium

    with sync_playwright() as playwright:
        browser = chromium.launch(playwright)
        try:
            page = browser.new_page()
            page.goto(HEADING)
            bare = watched(page, seconds)
            name, _, value = cookie.partition("=")
            page.context.add_cookies([{"name": name, "value": value, "url": f"http://127.0.0.1:{port}"}])
            page.goto(f"http://127.0.0.1:{port}/board/")
            page.wait_for_function(f"() => document.querySelectorAll('.tile').length >= {SITE.meters}")
            still = watched(page, seconds)
            found = smooth("while nothing changes", still, bare, "a heading")
            for rate in rates:
                found += under_load(product, web, page, sockets, rate, seconds, still)
            return found
        finally:
            browser.close()


def under_load(
    product: Product, web: Process, page: Any, sockets: Sockets, rate: int, seconds: int, still: Smooth
) -> list[Figure]:
    """The board again, while so many messages a second change it."""
    sockets.heard()
    generator = product.generate(SITE, rate * (seconds + 5), rate)
    until(lambda: sockets.heard().shown, "the first reading on a board")
    before, began = cpu.cpu_s(web.pid), time.monotonic()
    seen = watched(page, seconds)
    share, took_s = cpu.cpu_s(web.pid) - before, time.monotonic() - began
    heard = sockets.heard()
    generated(generator)
    what = f"at {rate} a second"
    return [
        *smooth(what, seen, still, "while nothing changes"),
        *weight(f"a board {what}", heard.boards, BOARDS, took_s),
        *weight(f"a guest's page {what}", heard.guests, GUESTS, took_s),
        Figure(f"web process {what}, {BOARDS} boards, {GUESTS} guests", 100 * share / took_s, "% of a core"),
        Figure(f"sockets closed {what}", heard.closed, "", goal="= 0"),
    ]


def watched(page: Any, seconds: int) -> Smooth:
    page.evaluate(WATCH)
    page.wait_for_timeout(1000 * seconds)
    seen = page.evaluate("window.seen")
    return Smooth(seen["frames"], seen["long"] or 0, seen["longest"])


def smooth(what: str, seen: Smooth, reference: Smooth, name: str) -> list[Figure]:
    p50, reference_p50 = percentile(seen.frames_ms, 50), percentile(reference.frames_ms, 50)
    return [
        Figure(f"board of {SITE.meters} meters {what}: frame, p50", p50, "ms", name, reference_p50),
        Figure("… frame, p99", seen.p99_ms, "ms", name, reference.p99_ms),
        Figure(
            "… long tasks", seen.long_tasks, "", name, reference.long_tasks, note=f"longest {seen.longest_ms:.0f} ms"
        ),
    ]


def weight(what: str, told: Told, sockets: int, seconds: float) -> list[Figure]:
    wire, text = (each / sockets / seconds for each in (told.wire_bytes, told.text_bytes))
    return [Figure(f"{what} is sent", wire, "B a second", "uncompressed", text)]
