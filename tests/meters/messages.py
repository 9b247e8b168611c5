"""Messages as a Zigbee2MQTT sends them, for the tests of the ingest."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from meters.mqtt import Message

T0 = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
IEEE = "0xa4c138d630000001"
EXPOSES = [
    {"type": "switch", "features": [{"type": "binary", "name": "state", "property": "state", "access": 7}]},
    *(
        {"type": "numeric", "name": name, "property": name, "unit": unit, "access": 1}
        for name, unit in [("power", "W"), ("current", "A"), ("voltage", "V"), ("energy", "kWh")]
    ),
]


COORDINATOR = {"ieee_address": "0x00124b00d63091d2", "friendly_name": "Coordinator", "type": "Coordinator"}


def message(
    topic: str, payload: Any = b"", *, retained: bool = False, minute: float = 0, generation: int = 1
) -> Message:
    """`payload`: bytes as they are, anything else as JSON."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload, ensure_ascii=False).encode()
    return Message(topic, body, 1, retained, T0 + timedelta(minutes=minute), generation, 1)


def listed(name: str, ieee: str = IEEE, *, measures: bool = True, **entry: Any) -> dict[str, Any]:
    definition = {"model": "TO-Q-SY1-JZT", "vendor": "Tongou", "exposes": EXPOSES if measures else []}
    return {"ieee_address": ieee, "friendly_name": name, "type": "Router", "definition": definition} | entry


def inventory(base: str, *entries: dict[str, Any], **how: Any) -> Message:
    return message(f"{base}/bridge/devices", [COORDINATOR, *entries], **how)


def state(base: str, name: str, minute: float = 0, **told: Any) -> Message:
    """A live state measured at `minute`."""
    values = {"linkquality": 100, "last_seen": (T0 + timedelta(minutes=minute)).isoformat()} | told
    return message(f"{base}/{name}", values, minute=minute)
