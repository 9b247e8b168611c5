"""All guests' pages that are open in this process: they are told together, in a few queries, however many there are.

The worker tells each tick which meters changed; whose page shows one of them is told, once a second at most. Its
link and stay are asked of the database again each time; where they are over, the page is closed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Protocol
from weakref import WeakKeyDictionary

from channels.db import database_sync_to_async
from django.utils import timezone

from bookings.portal import pulse
from bookings.portal.pulse import Pulse
from meters import live

logger = logging.getLogger(__name__)
REST_S = 0.1
"""Between two rounds: pages that open at the same time are told together. Ticks come once a second."""
CHECKED_EVERY_S = 10.0
"""All pages, also where no meter told anything: stays end. With the next tick, or without one where none comes."""
TICK_S = 1.5
"""So soon the next tick comes, where the worker lives."""
LISTEN_AGAIN_S = 5.0
SIGN_OF_LIFE_S = 5.0
"""A page that was told nothing for so long hears at the next look that all is as it was, after 16 s at the latest. One
that hears nothing for 25 s says that it does not know: this process, or the database, hangs, or the line is dead."""
MOST_OF_A_LINK = 10
NOT_OPEN, TOO_SLOW, TOO_MANY = 4404, 1013, 4429
"""Why a page is closed: its stay or its link is over; it takes nothing; its link has too many."""


class Page(Protocol):
    """An open page: the mark of its link, and how to reach it."""

    mark: str

    async def tell(self, told: Pulse) -> None:
        """Raises what goes wrong, in any case within a second or so: all others wait for it."""

    async def end(self, code: int) -> None: ...


class Hub:
    """The pages of one event loop."""

    def __init__(self) -> None:
        self._pages: dict[Page, Pulse | None] = {}
        self._told_at: dict[Page, float] = {}
        self._changed: set[int] = set()
        self._is_all_due = False
        self._checked_at = time.monotonic()
        self._due = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._ends: set[asyncio.Task[None]] = set()

    def join(self, page: Page) -> None:
        """Within a second the page is told all that there is to tell, and from then on what changes. Of too many pages
        of one link the oldest is closed.
        """
        others = [other for other in self._pages if other.mark == page.mark]
        for other in others[: len(others) + 1 - MOST_OF_A_LINK]:
            self._end(other, TOO_MANY)
        self._pages[page] = None
        self._told_at[page] = float("-inf")
        self._due.set()
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._run())]

    def leave(self, page: Page) -> None:
        self._pages.pop(page, None)
        self._told_at.pop(page, None)
        if not self._pages:
            for task in self._tasks:
                task.cancel()
            self._tasks = []

    # --- inside ------------------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        while True:
            try:
                async for message in live.ticks():
                    self._changed |= {meter["id"] for meter in message.get("meters", ())}
                    self._is_all_due |= any(message.get(name) for name in ("areas", "whole", "switching"))
                    self._is_all_due |= time.monotonic() >= self._checked_at + CHECKED_EVERY_S
                    self._due.set()
            except Exception:
                logger.exception("the worker's ticks cannot be heard; open pages of guests are told every 10 s")
                await asyncio.sleep(LISTEN_AGAIN_S)

    async def _run(self) -> None:
        while True:
            await self._wait_due()
            try:
                await self._round(self._take_due())
            except Exception:
                logger.exception("the open pages of guests could not be told")
            await asyncio.sleep(REST_S)

    async def _wait_due(self) -> None:
        """Until something changed; where nobody says so for too long, all pages are due."""
        patience_s = self._checked_at + CHECKED_EVERY_S + TICK_S - time.monotonic()
        try:
            await asyncio.wait_for(self._due.wait(), max(0.0, patience_s))
        except TimeoutError:
            self._is_all_due = True

    def _take_due(self) -> list[Page]:
        changed, is_all = self._changed, self._is_all_due
        if is_all:
            self._checked_at = time.monotonic()
        self._changed, self._is_all_due = set(), False
        self._due.clear()
        return [
            page
            for page, told in self._pages.items()
            if is_all or told is None or not changed.isdisjoint(pulse.meters_of(told))
        ]

    async def _round(self, pages: list[Page]) -> None:
        if not pages:
            return
        told = await database_sync_to_async(pulse.of_marks)({page.mark for page in pages}, timezone.now())
        done = await asyncio.gather(*(self._tell(page, told[page.mark]) for page in pages), return_exceptions=True)
        for page, failure in zip(pages, done, strict=True):
            if isinstance(failure, Exception):
                logger.info("a page could not be told: %s", type(failure).__name__)
                self._end(page, TOO_SLOW)

    async def _tell(self, page: Page, told: Pulse | None) -> None:
        if page not in self._pages:
            return
        if told is None:
            self._end(page, NOT_OPEN)
            return
        former, now = self._pages[page], time.monotonic()
        self._pages[page] = told
        if former is None or told | {"now": 0} != former | {"now": 0} or now >= self._told_at[page] + SIGN_OF_LIFE_S:
            self._told_at[page] = now
            await page.tell(told)

    def _end(self, page: Page, code: int) -> None:
        """No round waits for it: a line that takes nothing does not take its end either."""
        self.leave(page)
        ending = asyncio.create_task(page.end(code))
        self._ends.add(ending)
        ending.add_done_callback(self._ends.discard)


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def here() -> Hub:
    """The hub of the running loop."""
    return _hubs.setdefault(asyncio.get_running_loop(), Hub())
