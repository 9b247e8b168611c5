"""How often somebody may try, or do, something. Counted in the cache: by all processes together."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.core.cache import cache
from django.http import HttpRequest

from bookings import addresses

SECONDS = {"second": 1, "minute": 60, "hour": 3600}
View = TypeVar("View", bound=Callable[..., Any])


def wait_s(what: str, most: int, per: str, who: object) -> int | None:
    """None: he may, and it is counted; else in how many seconds he may again. `per`: a key of SECONDS, and so long from
    the first try on. It is counted first and looked at then: of many at once no more get through.
    """
    key, long_s, now = f"{what}-{who}", SECONDS[per], time.time()
    cache.add(key, 0, long_s)
    try:
        tries = cache.incr(key)
    except ValueError:  # it just ended, or Redis went or came between the two
        tries = 1
    if tries == 1:
        cache.touch(key, long_s)  # what ended while it was counted would else be counted on for ever, and nobody let in
        cache.set(f"{key}-began", now, long_s)
    if tries <= most:
        return None
    began: float = cache.get(f"{key}-began", now)
    return max(1, math.ceil(began + long_s - now))


def address(request: HttpRequest) -> str:
    """Where he comes from; of IPv6 the subscriber's network."""
    return address_of(request.META)


def address_of(meta: dict[str, Any]) -> str:
    """The same, of a request's META."""
    found = addresses.of_client(meta)
    return f"{int(found) >> 64:x}" if found is not None and found.version == 6 else str(found)


def counts_itself(view: View) -> View:
    """Marks a view that counts wrong tries by itself and never refuses right ones (campsite/strangers.py)."""
    view.counts_itself = True  # type: ignore[attr-defined]
    return view
