"""The road to the broker: what it was given and has not acknowledged, over a raw socket."""

from __future__ import annotations

import socket
import struct
import time
from collections import deque
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from bench.generator.packets import AGAIN, IDS, PUBACK, packet, text


@dataclass
class Chunk:
    packets: list[bytes]
    told: list[tuple[int, int]]
    """(meter, last_seen in ms) of each report in it."""


@dataclass
class Connection:
    """What it was given it keeps until the broker has acknowledged it; on a new connection that is sent again."""

    url: str
    client_id: str
    socket: socket.socket | None = None
    kept: deque[Chunk] = field(default_factory=deque)
    waiting: deque[bytes] = field(default_factory=deque)
    under_way: int = 0
    moved_at: float = 0.0
    _number: int = 0
    _acknowledged_of_first: int = 0
    _rest: bytes = b""

    def identify(self) -> bytes:
        self._number += 1
        return IDS[self._number % len(IDS)]

    def open(self, timeout_s: float = 10.0) -> None:
        """Raises OSError."""
        parts = urlsplit(self.url)
        made = socket.create_connection((parts.hostname or "", parts.port or 1883), timeout_s)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        flags = 0x02 | (0xC0 if user else 0)  # a clean session
        body = text("MQTT") + bytes([4, flags]) + struct.pack("!H", 60) + text(self.client_id)
        made.sendall(packet(0x10, body + (text(user) + text(password) if user else b"")))
        answer = made.recv(4)
        if answer != b"\x20\x02\x00\x00":
            made.close()
            raise ConnectionRefusedError(f"the broker answered {answer!r}")
        made.setblocking(False)
        self.socket, self.moved_at = made, time.monotonic()
        self._rest, self.waiting = b"", deque()
        left = [each for chunk in self.kept for each in chunk.packets][self._acknowledged_of_first :]
        if left:
            self.waiting.append(b"".join(bytes([each[0] | AGAIN]) + each[1:] for each in left))

    def close(self) -> None:
        if self.socket:
            self.socket.setblocking(True)
            self.socket.settimeout(5)
            try:
                self.socket.sendall(b"\xe0\x00")
            except OSError:
                pass
            self.drop()

    def drop(self) -> None:
        if self.socket:
            self.socket.close()
        self.socket = None

    def give(self, chunk: Chunk) -> None:
        if not self.kept:
            self.moved_at = time.monotonic()
        self.kept.append(chunk)
        self.under_way += len(chunk.packets)
        self.waiting.append(b"".join(chunk.packets))

    def write(self) -> None:
        assert self.socket
        while self.waiting:
            try:
                sent = self.socket.send(self.waiting[0])
            except BlockingIOError:
                return
            self.moved_at = time.monotonic()
            if sent < len(self.waiting[0]):
                self.waiting[0] = self.waiting[0][sent:]
                return
            self.waiting.popleft()

    def read(self) -> list[Chunk]:
        """What the broker has acknowledged whole; they come in order."""
        assert self.socket
        heard = self.socket.recv(1 << 18)
        if not heard:
            raise ConnectionResetError("the broker has closed the connection")
        self._rest += heard
        count = len(self._rest) // 4
        assert self._rest.startswith(PUBACK), self._rest[:4]
        self._rest = self._rest[4 * count :]
        self.moved_at = time.monotonic()
        self.under_way -= count
        self._acknowledged_of_first += count
        done = []
        while self.kept and self._acknowledged_of_first >= len(self.kept[0].packets):
            done.append(self.kept.popleft())
            self._acknowledged_of_first -= len(done[-1].packets)
        return done
