"""How far something is that takes its time: told by whoever does it, shown by whoever waits."""

from __future__ import annotations

import time
from typing import IO, Protocol

from django.template.defaultfilters import filesizeformat
from django.utils import formats
from django.utils.translation import gettext

WIDTH = 24
OFTEN_S = 0.2
SELDOM_S = 10
"""Where nobody looks at a screen, and each line is kept."""


class Progress(Protocol):
    def begin(self, what: str, total: int = 0) -> None:
        """What is done from now on; `total`: bytes that it will be, 0 where nobody knows."""

    def add(self, count: int) -> None:
        """So many bytes more are done."""


class Silent:
    """Nobody waits."""

    def begin(self, what: str, total: int = 0) -> None:
        pass

    def add(self, count: int) -> None:
        pass


class Bar:
    """A bar on a terminal, a line now and then elsewhere."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._is_screen = out.isatty()
        self._what, self._total, self._done = "", 0, 0
        self._begun_at = self._shown_at = 0.0

    def begin(self, what: str, total: int = 0) -> None:
        self.end()
        self._what, self._total, self._done = what, total, 0
        self._begun_at = self._shown_at = time.monotonic()
        self._show()

    def add(self, count: int) -> None:
        self._done += count
        now = time.monotonic()
        if now - self._shown_at >= (OFTEN_S if self._is_screen else SELDOM_S):
            self._shown_at = now
            self._show()

    def end(self) -> None:
        """The last of it, with how long it took."""
        if self._what:
            took = formats.number_format(time.monotonic() - self._begun_at, 1)
            size = f", {filesizeformat(self._done)}" if self._done else ""
            done = gettext("%(what)s: done in %(seconds)s s") % {"what": self._what, "seconds": took}
            self._write(done + size, is_last=True)
            self._what = ""

    def _show(self) -> None:
        if not self._total:
            self._write(f"{self._what} …", is_last=False)
            return
        share = min(1.0, self._done / self._total)
        bar = "█" * round(share * WIDTH) + "░" * (WIDTH - round(share * WIDTH))
        told = gettext("%(share)s of %(size)s") % {"share": f"{share:4.0%}", "size": filesizeformat(self._total)}
        self._write(f"{self._what} {bar} {told}{self._left(share)}", is_last=False)

    def _left(self, share: float) -> str:
        """How long it will still take, once it has gone on for a moment."""
        gone_s = time.monotonic() - self._begun_at
        if share < 0.02 or share == 1 or gone_s < 1:
            return ""
        return gettext(", %s left") % _span(gone_s / share - gone_s)

    def _write(self, text: str, *, is_last: bool) -> None:
        if self._is_screen:
            self._out.write(f"\r\x1b[K{text}" + ("\n" if is_last else ""))
        elif is_last or self._done:
            self._out.write(f"{text}\n")
        self._out.flush()


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
