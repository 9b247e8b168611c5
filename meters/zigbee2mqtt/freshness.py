"""Which properties of a state message were just received, and which may be a repeat of Zigbee2MQTT's cache.

By default every publish holds the whole merged cache. A property is sure to be fresh only where the cache is off or
`filtered_cache` keeps this property out of it (lib/state.ts: each entry must match the whole name).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any


def fresh_properties(configuration: Mapping[str, Any], ieee_address: str, properties: Iterable[str]) -> frozenset[str]:
    """Those of `properties` that were just received whenever they are present. Unknown configuration: none."""
    if _option(configuration, "advanced", "cache_state") is False:
        return frozenset(properties)
    own = _option(configuration, "devices", ieee_address, "filtered_cache")
    patterns = own if isinstance(own, list) else _option(configuration, "device_options", "filtered_cache")
    filters = (
        [compiled for pattern in patterns or [] if (compiled := _compiled(pattern))]
        if isinstance(patterns, list)
        else []
    )
    return frozenset(name for name in properties if any(f.search(name) for f in filters))


def tells_last_seen(configuration: Mapping[str, Any]) -> bool:
    """Whether this Zigbee2MQTT sends `last_seen`; where it does not, times are those of receipt: approximate."""
    return _option(configuration, "advanced", "last_seen") not in (None, "disable")


def _option(configuration: Mapping[str, Any], *path: str) -> Any:
    value: Any = configuration
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _compiled(pattern: Any) -> re.Pattern[str] | None:
    if not isinstance(pattern, str) or len(pattern) > 100:
        return None
    try:
        return re.compile(f"^{pattern}$")
    except re.error:
        return None
