"""The WebSocket of a guest's page: only of the stay that its cookie proves, closed when that ends."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer
from django.urls import path

from bookings.portal import door, hub
from bookings.portal.pulse import Pulse

SEND_TIMEOUT_S = 5.0
NOT_OPEN = 4404
TOO_SLOW = 1013


class StayConsumer(AsyncWebsocketConsumer):
    """One open page. What it says itself is not listened to."""

    mark = ""

    async def connect(self) -> None:
        self.mark = door.mark_of(self.scope.get("cookies", {}))
        await self.accept()
        if self.mark:
            hub.here().join(self)
        else:
            await self.end()

    async def disconnect(self, code: int) -> None:
        hub.here().leave(self)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        pass

    async def tell(self, told: Pulse) -> None:
        """A telephone that takes nothing for 5 s is dropped: when it comes back it is told all there is."""
        try:
            await asyncio.wait_for(self.send(json.dumps(told, separators=(",", ":"))), SEND_TIMEOUT_S)
        except TimeoutError:
            hub.here().leave(self)
            await self.close(TOO_SLOW)

    async def end(self) -> None:
        """The stay is over, or the link is: its page leads on to what is to be done."""
        await self.close(NOT_OPEN)


socket: Any = StayConsumer.as_asgi()  # Channels takes Django's `path`, whose types know only views
websocket_urlpatterns = [path("stay/live/", socket)]
