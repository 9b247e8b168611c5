"""What live messages said by the plain words of their JSON, beside what is stored: nothing of ours reads them here."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from meters.models import QuarantinedReading, Reading
from meters.mqtt import Message

FACTORS = {"counter_wh": ("energy", 1000), "power_w": ("power", 1), "voltage_dv": ("voltage", 10)}
FACTORS |= {"current_ma": ("current", 1000), "linkquality": ("linkquality", 1)}
RELAY = {"ON": True, "OFF": False}
Said = tuple[datetime, str, Any]
"""When it was measured, and a column with its value."""


class Heard:
    """Of each address, and of who told none, what live messages said."""

    def __init__(self) -> None:
        self._said: set[tuple[str | None, Said]] = set()

    def note(self, messages: Iterable[Message]) -> None:
        for message in messages:
            if not message.retained:
                self._said |= _said(message)

    def untold(self) -> list[tuple[str, Said]]:
        """What readings hold that no live message said of that meter then."""
        kept = list(Reading.objects.values_list("meter__device__ieee_address", "measured_at", *FACTORS, "relay"))
        found = [
            (address, (at, column, value))
            for address, at, *values in kept
            for column, value in zip((*FACTORS, "relay"), values, strict=True)
            if value is not None
        ]
        doubted = QuarantinedReading.objects.values_list("meter__device__ieee_address", "measured_at", "counter_wh")
        found += [(address, (at, "counter_wh", value)) for address, at, value in doubted]
        return [(address, said) for address, said in found if not {(address, said), (None, said)} & self._said]


def _said(message: Message) -> set[tuple[str | None, Said]]:
    try:
        told = json.loads(message.payload)
        device = told.get("device")
        address = device.get("ieeeAddr") if isinstance(device, dict) else None
        moments = {message.received_at, _moment(told.get("last_seen"))}
        address = address.lower() if address else None
    except (ValueError, AttributeError, RecursionError, OverflowError, OSError):
        return set()
    return {(address, (at, *value)) for at in moments if at for value in _values(told)}


def _values(told: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    for column, (name, factor) in FACTORS.items():
        value = told.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 10**12:
            yield column, round(value * factor)
    if (relay := told.get("state")) in ("ON", "OFF"):
        yield "relay", RELAY[relay]


def _moment(told: Any) -> datetime | None:
    if isinstance(told, str):
        return datetime.fromisoformat(told).astimezone(UTC)
    return datetime.fromtimestamp(told / 1000, UTC) if isinstance(told, int | float) else None
