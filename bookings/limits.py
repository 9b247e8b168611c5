"""How often somebody may try, or do, something. Counted in the cache."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from rest_framework.throttling import SimpleRateThrottle

from bookings import addresses


def wait_s(what: str, rate: str, who: object) -> int | None:
    """None: he may, and it is counted; else in how many seconds he may again. `rate`: like DRF's, "6/hour"."""
    counter = _Counter(f"{what}-{who}", rate)
    return None if counter.allow_request(None, None) else max(1, int(counter.wait() or 0))  # type: ignore[arg-type]


def address(request: HttpRequest) -> str:
    """Where he comes from; of IPv6 the subscriber's network."""
    found = addresses.of_client(request.META)
    return f"{int(found) >> 64:x}" if found is not None and found.version == 6 else str(found)


class _Counter(SimpleRateThrottle):
    def __init__(self, key: str, rate: str) -> None:
        self.rate, self._key = rate, key
        super().__init__()

    def get_cache_key(self, request: Any, view: Any) -> str:
        return self._key
