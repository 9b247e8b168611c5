"""Whatever a browser says on a socket: nobody is thrown out, and nothing but the snapshot is answered."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from meters import consumers
from tests.bookings import test_portal_live as portal
from tests.fuzz import mutation
from tests.fuzz.test_webhook import rows
from tests.meters import test_board as boards

group, open_socket, page = boards.group, boards.open_socket, portal.page
WISH = b'{"type": "snapshot"}'
MANY = 150


def said(number: int) -> str:
    return mutation.mutated(WISH, Random(number)).decode("utf-8", "replace")  # as uvicorn would hand it on


def asks(text: str) -> bool:
    try:
        wish = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(wish, dict) and wish.get("type") == "snapshot"


async def test_a_board_that_says_whatever_gets_a_snapshot_where_it_asks_for_one_and_stays_open(
    open_socket: boards.Socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_socket.hear()
    monkeypatch.setattr(consumers, "SNAPSHOT_EVERY_S", 0)
    for number in range(MANY):
        await open_socket.say(said(number))
        if asks(said(number)):
            assert (await open_socket.hear())["type"] == "snapshot"
    for strange in ({"bytes": b"\xff\x00"}, {"text": ""}, {"text": "[" * 100_000}, {"text": "9" * 10_000}):
        await open_socket.send_input({"type": "websocket.receive"} | strange)
    await open_socket.say(WISH.decode())
    assert (await open_socket.hear())["type"] == "snapshot"


async def test_what_a_guests_page_says_changes_nothing_and_is_not_answered(page: Any) -> None:
    socket, _stay, _meter = page
    await socket.hear()
    before = await sync_to_async(rows)()
    for number in range(MANY):
        await socket.say(said(number))
    await socket.send_input({"type": "websocket.receive", "bytes": b"\xff"})
    assert await socket.receive_nothing()
    assert await sync_to_async(rows)() == before
