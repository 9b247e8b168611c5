"""Open boards and guests' pages: the sockets that browsers hold, all in a process of their own, with real sessions."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import websockets

PATIENCE_S = 60.0
BYTES_RECEIVED = 128
"""Where in Linux's struct tcp_info it stands."""
Shown = tuple[int, int, float]
"""Meter (id), when it was heard in ms, and when a board was told so, in ms of time.time()."""


@dataclass
class Told:
    """What sockets of a kind were told: messages, their text, and what came over the wire (compressed)."""

    messages: int = 0
    text_bytes: int = 0
    wire_bytes: int = 0


@dataclass
class Heard:
    """`shown`: by the first board. `closed`: sockets that the server closed."""

    shown: list[Shown] = field(default_factory=list)
    boards: Told = field(default_factory=Told)
    guests: Told = field(default_factory=Told)
    closed: int = 0


class Sockets:
    """Open from `open` to `close`."""

    def __init__(self, port: int, boards: Sequence[str], guests: Sequence[str] = ()) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        words = (port, list(boards), list(guests), theirs)
        self._process = multiprocessing.get_context("spawn").Process(target=_listen, args=words, daemon=True)

    def open(self) -> None:
        self._process.start()
        if not self._pipe.poll(PATIENCE_S):
            raise TimeoutError("not all sockets were told something")
        self._pipe.recv()

    def heard(self) -> Heard:
        """Since they were opened or since this was last asked."""
        self._pipe.send("tell")
        told: Heard = self._pipe.recv()
        return told

    def close(self) -> None:
        self._process.terminate()
        self._process.join(20)


def staffs_cookies(count: int) -> list[str]:
    from django.test import Client

    from tests import make

    found = []
    for number in range(count):
        client = Client()
        client.force_login(make.staff(f"reception{number}"))
        found.append(f"sessionid={client.cookies['sessionid'].value}")
    return found


# --- in the other process --------------------------------------------------------------------------------------------


def _listen(port: int, boards: Sequence[str], guests: Sequence[str], pipe: Connection) -> None:
    asyncio.run(_Listener(port).run(boards, guests, pipe))


class _Listener:
    def __init__(self, port: int) -> None:
        self._port, self._heard = port, Heard()
        self._known: dict[int, int] = {}

    async def run(self, boards: Sequence[str], guests: Sequence[str], pipe: Connection) -> None:
        wanted = [("/ws/board/", cookie, "boards") for cookie in boards]
        wanted += [("/stay/live/", cookie, "guests") for cookie in guests]
        events = [asyncio.Event() for _ in wanted]
        tasks = []
        for number, (path, cookie, kind) in enumerate(wanted):
            tasks.append(asyncio.create_task(self._page(path, cookie, kind, events[number], looks=not number)))
            await asyncio.sleep(0.005)
        await asyncio.wait_for(asyncio.gather(*(each.wait() for each in events)), PATIENCE_S)
        pipe.send("open")
        while True:
            await asyncio.to_thread(pipe.recv)
            told, self._heard = self._heard, Heard()
            pipe.send(told)

    async def _page(self, path: str, cookie: str, kind: str, is_told: asyncio.Event, *, looks: bool) -> None:
        headers = {"Cookie": cookie, "Origin": f"http://127.0.0.1:{self._port}"}
        address = f"ws://127.0.0.1:{self._port}{path}"
        async with websockets.connect(address, additional_headers=headers, max_size=None) as page:
            before = received(page)
            async for text in page:
                at_ms, told = 1000 * time.time(), getattr(self._heard, kind)
                told.messages += 1
                told.text_bytes += len(text)
                told.wire_bytes += (now := received(page)) - before
                before = now
                if looks:
                    self._look(json.loads(text), at_ms)
                is_told.set()
        self._heard.closed += 1

    def _look(self, message: dict[str, Any], at_ms: float) -> None:
        for meter in message["meters"]:
            heard_at = meter["heard_at"]
            if heard_at and heard_at != self._known.get(meter["id"]):
                self._known[meter["id"]] = heard_at
                self._heard.shown.append((meter["id"], heard_at, at_ms))


def received(page: Any) -> int:
    """Bytes over the wire since the connection began; 0 where the system does not tell."""
    wire = page.transport.get_extra_info("socket")
    try:
        told = wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        return int(struct.unpack_from("Q", told, BYTES_RECEIVED)[0])
    except (AttributeError, OSError, struct.error):
        return 0
