"""When silent meters of an area are one event, not each one's: a fuse, a coordinator, a mast. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from math import ceil

MANY, ONE_IN = 5, 5
"""So many meters of an area at once, and one in so many of them."""
IS_OF_ITSELF = ("silent", "unavailable")
"""Why a meter is offline that should not be (meters.online); what left, was removed or disabled was meant to go."""


def needed(meters: int) -> int:
    """Of so many meters, how many must be silent."""
    return max(MANY, ceil(meters / ONE_IN))


def since(heard_at: Iterable[datetime | None], meters: int) -> datetime | None:
    """When so many were silent that they were many: one that has been dead for weeks is not the beginning."""
    known = sorted(at for at in heard_at if at)
    return known[min(needed(meters), len(known)) - 1] if known else None
