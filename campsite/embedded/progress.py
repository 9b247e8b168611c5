"""Tells the person at the terminal how it goes, on standard error; the terminal may be gone."""

import sys
import time
from contextlib import suppress

_started = time.monotonic()


def say(text: str) -> None:
    with suppress(OSError, ValueError):
        print(f"[{time.monotonic() - _started:6.1f} s] {text}", file=sys.stderr, flush=True)
