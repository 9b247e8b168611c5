"""Single values: each in the range of its column, or a named error."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

from meters.zigbee2mqtt.messages import Rejected

MAX_BYTES = 8 * 1024 * 1024
"""Largest payload that is read; `bridge/devices` has 7.5 kB a device."""

SMALLINT = 32_767
INT = 2_147_483_647
MAX_NAME = 250
MOST_REMEMBERED = 10_000
"""Names and addresses that were looked at before: each message brings one of a few hundred."""
IEEE_ADDRESS = re.compile(r"0x[0-9A-Fa-f]{16}")
"""These digits alone: what Python reads as a number may be written in many ways, each of which would be a device."""
UNFIT = re.compile(r"[+#\x00-\x1f\x7f-\x9f]")
"""In no name of a device: Zigbee2MQTT refuses it (lib/util/utils.ts), and nothing can be published to such a topic."""


def decode(payload: bytes) -> Any:
    """JSON by the letter: no NaN, no invalid UTF-8."""
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        code = "not_utf8" if "utf" in str(error).lower() or "surrogate" in str(error) else "not_json"
        raise Rejected(code, str(error)[:200]) from None


def decode_object(payload: bytes) -> dict[str, Any]:
    value = decode(payload)
    if not isinstance(value, dict):
        raise Rejected("not_an_object", type(value).__name__)
    return value


def number(source: Mapping[str, Any], key: str) -> float | int | None:
    """A finite number or None where absent or null. A text or a truth value is no number."""
    value = source.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Rejected("wrong_type", f"{key} is {type(value).__name__}")
    if not math.isfinite(value):
        raise Rejected("out_of_range", f"{key} is {value}")
    return value


def scaled(source: Mapping[str, Any], key: str, factor: int, low: int, high: int) -> int | None:
    """`source[key]` times `factor`, rounded, within low..high."""
    value = source.get(key)
    if value is None:
        return None
    if type(value) is int:
        result = value * factor
    elif type(value) is float and -INT <= value <= INT:
        result = round(value * factor)
    else:
        number(source, key)  # says what is wrong with it, but for its size
        result = high + 1
    if not low <= result <= high:
        raise Rejected("out_of_range", f"{key} is {value}")
    return result


def whole(source: Mapping[str, Any], key: str, high: int = INT) -> int | None:
    return scaled(source, key, 1, 0, high)


def text(source: Mapping[str, Any], key: str, longest: int = 100) -> str:
    """A text cut to `longest` without NUL, "" where absent, null or no text."""
    value = source.get(key)
    return value.replace("\0", "")[:longest] if isinstance(value, str) else ""


def flag(source: Mapping[str, Any], key: str) -> bool | None:
    value = source.get(key)
    return value if isinstance(value, bool) else None


def name_of(value: Any, what: str = "friendly_name") -> str:
    """A name as a key: whole, and one that Zigbee2MQTT takes; or Rejected."""
    if not isinstance(value, str) or not _is_name(value):
        raise Rejected("bad_name", f"{what} is {str(value)[:60]!r}")
    return value


@lru_cache(maxsize=MOST_REMEMBERED)
def _is_name(value: str) -> bool:
    return 0 < len(value) <= MAX_NAME and not UNFIT.search(value)


def ieee_of(value: Any) -> str:
    """An IEEE address as Zigbee2MQTT writes it: 0x and sixteen hexadecimal digits."""
    if isinstance(value, str) and (address := _address(value)):
        return address
    raise Rejected("bad_ieee_address", str(value)[:60])


@lru_cache(maxsize=MOST_REMEMBERED)
def _address(value: str) -> str | None:
    return value.lower() if IEEE_ADDRESS.fullmatch(value) else None


def moment(value: Any) -> datetime | None:
    """Zigbee2MQTT's last_seen: ISO 8601 with any offset, or epoch milliseconds; None where absent. In UTC.

    Raises Rejected("bad_time") for anything else, also for times without an offset or at the end of time.
    """
    if value is None:
        return None
    try:
        if isinstance(value, str):
            when = datetime.fromisoformat(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            when = datetime.fromtimestamp(value / 1000, UTC)
        else:
            raise ValueError
        if when.tzinfo is not None and 1 < when.year < 9999:
            return when if when.tzinfo is UTC else when.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise Rejected("bad_time", str(value)[:60])
