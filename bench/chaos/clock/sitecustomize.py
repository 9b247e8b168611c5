"""Loaded by processes whose clock is set: libfaketime 0.9.10 breaks clock_nanosleep, on which time.sleep rests."""

import threading
import time


def sleep(seconds: float) -> None:
    threading.Event().wait(seconds)


time.sleep = sleep  # type: ignore[assignment]
