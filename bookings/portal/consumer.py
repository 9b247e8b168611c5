"""The WebSocket of a guest's page: only of the stay that its cookie proves, closed when that ends."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer
from django.urls import path

from bookings.portal import door, hub
from bookings.portal.pulse import Pulse

SEND_TIMEOUT_S = 1.0


class StayConsumer(AsyncWebsocketConsumer):
    """One open page. What it says itself is not listened to."""

    channel_layer_alias = ""  # the hub alone listens
    mark = ""

    async def connect(self) -> None:
        self.mark = door.mark_of(self.scope.get("cookies", {}))
        await self.accept()
        if self.mark:
            hub.here().join(self)
        else:
            await self.end(hub.NOT_OPEN)

    async def disconnect(self, code: int) -> None:
        hub.here().leave(self)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        pass

    async def tell(self, told: Pulse) -> None:
        """Raises TimeoutError where the telephone takes nothing for a second; it comes again by itself."""
        await asyncio.wait_for(self.send(json.dumps(told, separators=(",", ":"))), SEND_TIMEOUT_S)

    async def end(self, code: int) -> None:
        """The page leads on to what is to be done, or comes again. One that has gone needs no word more."""
        with suppress(OSError):  # uvicorn's ClientDisconnected is one
            await self.close(code)


socket: Any = StayConsumer.as_asgi()  # Channels takes Django's `path`, whose types know only views
websocket_urlpatterns = [path("stay/live/", socket)]
