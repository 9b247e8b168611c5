"""Events as Sirvoy would send them, of made-up bookings."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from bookings import inbox, sirvoy, sync
from bookings.models import WebhookEvent

NOON = datetime(2026, 7, 12, 10, tzinfo=UTC)
"""12:00 by the campsite's clock, a day on which most of the bookings here are on."""
NUMBER = 47101


def room(name: str | None = "101", **values: Any) -> dict[str, Any]:
    """A room by its name; `id`, `arrival`, `departure` where they matter."""
    short = {"id": "RoomId", "arrival": "arrivalDate", "departure": "departureDate", "guest": "guestName"}
    return {"RoomName": name} | {short.get(key, key): value for key, value in values.items()}


def booking(*rooms: dict[str, Any], minute: float = 0, number: int = NUMBER, **values: Any) -> dict[str, Any]:
    """A body made `minute` minutes after the first; short names for the flags: came, left, cancelled."""
    short = {"came": "bookingIsCheckedIn", "left": "bookingIsCheckedOut", "arrival": "arrivalDate"}
    short |= {"departure": "departureDate", "adults": "totalAdults"}
    told = {
        "generatedAt": (NOON - timedelta(days=30) + timedelta(minutes=minute)).isoformat(),
        "event": "modified",
        "bookingId": number,
        "arrivalDate": "2026-07-10",
        "departureDate": "2026-07-17",
        "cancelled": False,
        "bookingIsConfirmed": True,
        "bookingIsCheckedIn": False,
        "bookingIsCheckedOut": False,
        "totalAdults": 2,
        "guest": {"firstName": "Anna", "lastName": "Müller", "language": "de", "country": "DE"},
        "rooms": list(rooms),
    }
    return told | {short.get(key, key): value for key, value in values.items()}


def received(body: dict[str, Any], now: datetime = NOON) -> WebhookEvent:
    raw = json.dumps(body).encode()
    return inbox.store(None, raw, now)


def work(event: WebhookEvent, now: datetime = NOON) -> WebhookEvent.Status:
    """As the inbox does, but however often."""
    told = sirvoy.read(bytes(event.body))
    outcome = sync.apply(told, event, now)
    read = {"sirvoy_id": told.sirvoy_id, "generated_at": told.generated_at}
    WebhookEvent.objects.filter(pk=event.pk).update(**read, processed_at=now)
    return outcome


def send(body: dict[str, Any], now: datetime = NOON) -> WebhookEvent.Status:
    return work(received(body, now), now)
