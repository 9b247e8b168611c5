"""The board's WebSocket: the whole state first, then each tick of the worker, to staff only."""

from __future__ import annotations

import asyncio
import json
import time
from importlib import import_module
from typing import Any

from channels.auth import get_user
from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

from meters import live

SEND_TIMEOUT_S = 5.0
SNAPSHOT_EVERY_S = 2.0
"""A browser that asks more often is not answered; it asks again by itself."""
CHECK_STAFF_EVERY_S = 60.0
NOT_STAFF = 4403


class BoardConsumer(AsyncWebsocketConsumer):
    """One open board."""

    snapshot_at = staff_at = float("-inf")

    async def connect(self) -> None:
        if not await self._is_staff():
            await self.close()
            return
        await self.channel_layer.group_add(live.GROUP, self.channel_name)
        await self.accept()
        await self._send_snapshot()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(live.GROUP, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """`{"type": "snapshot"}` asks for the whole state; anything else is ignored."""
        try:
            wish = json.loads(text_data or "")
        except (ValueError, RecursionError):
            return
        if isinstance(wish, dict) and wish.get("type") == "snapshot":
            await self._send_snapshot()

    async def board_message(self, event: dict[str, Any]) -> None:
        if await self._is_staff():
            await self._send_or_drop(event["message"])
        else:
            await self.close(NOT_STAFF)

    async def _send_snapshot(self) -> None:
        now = time.monotonic()
        if now - self.snapshot_at >= SNAPSHOT_EVERY_S:
            self.snapshot_at = now
            await self._send_or_drop(await database_sync_to_async(live.snapshot)())

    async def _send_or_drop(self, message: dict[str, Any]) -> None:
        """A browser that takes no message for 5 s is dropped: when it comes back it gets the whole state."""
        try:
            await asyncio.wait_for(self.send(json.dumps(message, separators=(",", ":"))), SEND_TIMEOUT_S)
        except TimeoutError:
            await self.disconnect(1013)
            raise StopConsumer from None

    async def _is_staff(self) -> bool:
        """Asked of the database again each minute: a board stays open for days, a person's rights may not."""
        now = time.monotonic()
        if now - self.staff_at >= CHECK_STAFF_EVERY_S:
            key = self.scope["session"].session_key
            session = import_module(settings.SESSION_ENGINE).SessionStore(key)  # read anew: it may have ended
            user = await get_user({**self.scope, "session": session})
            if not (user.is_active and getattr(user, "is_staff", False)):
                return False
            self.staff_at = now
        return True
