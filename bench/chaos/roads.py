"""Roads between two of us that can be cut: each a small TCP proxy before a port or a unix socket.

What a road cannot do, working on streams: it takes what is sent although nobody will get it, where a cut cable would
leave it unacknowledged. `held` is a cable that is put back in time, `lost` one whose far end has forgotten us.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections import deque
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

OPEN, REFUSED, RESET, HELD, LOST, SLOW = "open", "refused", "reset", "held", "lost", "slow"
FAULTS = (REFUSED, RESET, HELD, LOST, SLOW)
AT_ONCE = struct.pack("ii", 1, 0)
SLOW_S, SLOW_BYTES = 0.15, 16_384
"""Each piece of so many bytes takes so long."""
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Roads:
    """The thread in which all roads are."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._built: list[Road] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="roads", daemon=True)
        self._thread.start()

    def build(self, *targets: int | Path) -> Road:
        """To this port of 127.0.0.1, or this unix socket; to several in turn, to the next where nobody is there."""
        road = Road(targets, self)
        self._built.append(road)
        self.do(road.listen())
        return road

    def do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def stop(self) -> None:
        """Whoever still travels is broken off."""
        self.do(self._empty())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    async def _empty(self) -> None:
        """Not by ending the tasks, whose end Python 3.11 tells as an error (`asyncio.start_server`)."""
        for road in self._built:
            await road.close()
        if travelling := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(travelling, timeout=5)


class Road:
    def __init__(self, targets: Sequence[int | Path], roads: Roads) -> None:
        self.mode = OPEN
        self._kept = _kept_port()
        self.port: int = self._kept.getsockname()[1]
        self._targets, self._roads = deque(targets), roads
        self._writers: set[asyncio.StreamWriter] = set()
        self._passable = asyncio.Event()
        self._passable.set()
        self._server: asyncio.Server | None = None

    def set(self, mode: str) -> None:
        self._roads.do(self._set(mode))

    async def close(self) -> None:
        await self._set(REFUSED)
        self._kept.close()

    async def _set(self, mode: str) -> None:
        before, self.mode = self.mode, mode
        if mode in (REFUSED, RESET) or before == LOST:
            for writer in set(self._writers):
                _break(writer)
        if mode in (HELD, LOST):
            self._passable.clear()
        else:
            self._passable.set()
        if mode == REFUSED and self._server:
            self._server.close()
            self._server = None
        elif mode != REFUSED:
            await self.listen()

    async def listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._meet, "127.0.0.1", self.port)

    async def _meet(self, *near: Any) -> None:
        reader, writer = near
        self._writers.add(writer)
        try:
            with suppress(OSError):  # nobody is there, or one end broke off: so does the other
                await self._passable.wait()
                if self.mode != RESET:
                    await self._join(reader, writer)
        finally:
            _break(writer)
            self._writers.discard(writer)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await self._reach()
        self._writers.add(far_writer)
        try:
            await asyncio.gather(self._carry(reader, far_writer), self._carry(far_reader, writer))
        finally:
            _break(far_writer)
            self._writers.discard(far_writer)

    async def _reach(self) -> Stream:
        for _ in range(len(self._targets) - 1):
            with suppress(OSError):
                return await self._reach_next()
        return await self._reach_next()

    async def _reach_next(self) -> Stream:
        target = self._targets[0]
        self._targets.rotate(-1)
        if isinstance(target, Path):
            return await asyncio.open_unix_connection(str(target))
        return await asyncio.open_connection("127.0.0.1", target)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while piece := await source.read(SLOW_BYTES):
            if self.mode == SLOW:
                await asyncio.sleep(SLOW_S)
            await self._passable.wait()
            sink.write(piece)
            await sink.drain()
        await self._passable.wait()
        sink.write_eof()


def _kept_port() -> socket.socket:
    """Bound and never listening: while a road refuses, no connection of somebody else's goes out by its port."""
    kept = socket.socket()
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kept.bind(("127.0.0.1", 0))
    return kept


def _break(writer: asyncio.StreamWriter) -> None:
    """Without a good-bye, unless all was said."""
    if not writer.is_closing():
        with suppress(OSError):
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    writer.transport.abort()
