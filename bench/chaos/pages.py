"""An open board and an open guest's page in Chromium: how old what they show is, and whether they say so."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Error, Page, sync_playwright

from bench.chaos.load import Town
from tests import chromium

EVERY_S = 0.5
PATIENCE_MS = 120_000
"""For the first page, on a machine that does much else."""
MOST_SEEN = 50_000
"""Some hours of looks."""
FRESH_S = 10.0
"""What is shown is not older: a report a second, a batch, a tick."""
EXPECTED = ("Failed to load resource", "ERR_", "WebSocket connection", "net::", "Failed to fetch")
"""What a browser says by itself of a server that is away."""
BOARD = """id => {
    const tile = document.querySelector(`#areas .tile[data-id="${id}"]`);
    return {
        watts: tile?.querySelector(".power").textContent, state: tile?.dataset.state,
        old: "old" in (tile?.dataset ?? {}), age: tile?.querySelector(".age").textContent,
        link: document.getElementById("lamp").dataset.link,
        same: window.sameAsEver === true,
    };
}"""
PORTAL = """id => {
    const outlet = document.querySelector(`.outlet[data-meter="${id}"]`);
    return {
        watts: outlet?.querySelector("[data-watts]")?.textContent, old: "old" in (outlet?.dataset ?? {}),
        same: window.sameAsEver === true, state: outlet?.dataset.relay, link: "", age: "",
    };
}"""


@dataclass(frozen=True)
class Seen:
    """`age_s`: of the watts that were shown; None: none were. `says_now`: shown as what is, not as what was."""

    at: float
    age_s: float | None
    says_now: bool
    told: Mapping[str, Any]


@dataclass
class Looked:
    name: str
    seen: deque[Seen] = field(default_factory=lambda: deque(maxlen=MOST_SEEN))
    complaints: list[str] = field(default_factory=list)

    def is_fresh(self) -> bool:
        last = self.seen[-1] if self.seen else None
        return last is not None and last.age_s is not None and last.age_s < FRESH_S and last.says_now


class Pages:
    """Chromium and both pages, in a thread of their own."""

    def __init__(
        self, address: str, cookies: Mapping[str, str], meters: Mapping[str, int], towns: Mapping[str, Town]
    ) -> None:
        """`cookies`, `meters` (id) and `towns` for "board" and "portal"."""
        self.looked = {name: Looked(name) for name in cookies}
        self._address, self._cookies, self._meters, self._towns = address, cookies, meters, towns
        self._stopping = threading.Event()
        self.failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="pages", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(30)

    def are_fresh(self) -> bool:
        return all(looked.is_fresh() for looked in self.looked.values())

    def _run(self) -> None:
        try:
            with sync_playwright() as playwright:
                browser = chromium.launch(playwright)
                pages = {name: self._open(browser, name) for name in self._cookies}
                while not self._stopping.wait(EVERY_S):
                    for name, page in pages.items():
                        self._look(name, page)
                browser.close()
        except BaseException as failed:  # noqa: BLE001  (told in the verdict)
            self.failed = failed

    def _open(self, browser: Any, name: str) -> Page:
        context = browser.new_context(viewport={"width": 1400, "height": 900}, locale="en-GB")
        cookie, _, value = self._cookies[name].partition("=")
        context.add_cookies([{"name": cookie, "value": value, "url": self._address}])
        page: Page = context.new_page()
        complaints = self.looked[name].complaints
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: self._hear(complaints, line.type, line.text))
        page.goto(self._address + {"board": "/board/", "portal": "/stay/"}[name], timeout=PATIENCE_MS)
        page.evaluate("window.sameAsEver = true")
        return page

    @staticmethod
    def _hear(complaints: list[str], kind: str, text: str) -> None:
        if kind == "error" and not any(words in text for words in EXPECTED):
            complaints.append(text)

    def _look(self, name: str, page: Page) -> None:
        try:
            told = page.evaluate(BOARD if name == "board" else PORTAL, self._meters[name])
        except Error as failed:
            self.looked[name].complaints.append(str(failed))
            return
        now, digits = time.time(), re.sub(r"\D", "", told["watts"] or "")
        said_at = self._towns[name].pulses.get(int(digits)) if digits else None
        age_s = None if said_at is None else max(0.0, now - said_at)
        says_now = not told["old"] and told["state"] not in ("unknown", "offline", None)
        self.looked[name].seen.append(Seen(now, age_s, says_now, told))
