"""Which properties of a state message were just received, and which may be a repeat of Zigbee2MQTT's cache.

By default every publish holds the whole merged cache. A property is sure to be fresh only where the cache is off or
`filtered_cache` keeps this property out of it (lib/state.ts: each entry must match the whole name).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

LONGEST, MOST_PATTERNS, MOST_BRANCHES = 100, 50, 8
BRANCH, REPEATED_GROUP = re.compile(r"[*+?{|]"), re.compile(r"\)[*+{]")


def fresh_properties(configuration: Mapping[str, Any], ieee_address: str, properties: Iterable[str]) -> frozenset[str]:
    """Those of `properties` that were just received whenever they are present. Unknown configuration: none."""
    if _option(configuration, "advanced", "cache_state") is False:
        return frozenset(properties)
    own = _option(configuration, "devices", ieee_address, "filtered_cache")
    patterns = own if isinstance(own, list) else _option(configuration, "device_options", "filtered_cache")
    if not isinstance(patterns, list):
        return frozenset()
    kept_out = [pattern for pattern in patterns[:MOST_PATTERNS] if isinstance(pattern, str)]
    return frozenset(name for name in properties if any(_fits(pattern, name) for pattern in kept_out))


def tells_last_seen(configuration: Mapping[str, Any]) -> bool:
    """Whether this Zigbee2MQTT sends `last_seen`; where it does not, times are those of receipt: approximate."""
    return _option(configuration, "advanced", "last_seen") not in (None, "disable")


def _option(configuration: Mapping[str, Any], *path: str) -> Any:
    value: Any = configuration
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


@lru_cache(maxsize=10_000)
def _fits(pattern: str, name: str) -> bool:
    """A pattern that could take for ever fits nothing: whoever writes it would stop the worker, again at each start."""
    if len(pattern) > LONGEST or len(BRANCH.findall(pattern)) > MOST_BRANCHES or REPEATED_GROUP.search(pattern):
        return False
    try:
        return re.search(f"^{pattern}$", name) is not None
    except (re.error, OverflowError):  # "a{99999999999}" is the latter
        return False
