"""What is sent when, over how many connections, and what of it the broker has taken."""

from __future__ import annotations

import os
import select
import socket
import sys
import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from bench.generator.connection import Chunk, Connection
from bench.generator.packets import PUBLISH, RETAIN, Encoder, packet, text
from bench.generator.site import Site

WINDOW = 30_000
"""Messages of a connection on their way at once; there are 65,535 packet ids."""
CHUNK = 300
PAUSE_S = 0.002
STALLED_S = 15.0
_numbers = count(1)


@dataclass(frozen=True)
class Sent:
    """In messages that the broker acknowledged; `seconds` from the first byte to the last acknowledgement."""

    messages: int
    seconds: float
    cpu_s: float

    @property
    def per_s(self) -> float:
        return self.messages / self.seconds


class Generator:
    """`ledger`: meter and last_seen in ms in turn, of what the broker has acknowledged; empty without `keep`.

    `patient`: a lost broker is waited for, and what it had not acknowledged is sent again. `stopping` ends `send`.
    """

    def __init__(
        self,
        url: str,
        site: Site,
        *,
        connections: int = 1,
        grouped: bool = False,
        step_s: float = 0.0,
        hours_ago: float = 48.0,
        keep: bool = True,
        patient: bool = False,
        start_ms: int | None = None,
    ) -> None:
        self.site, self.step_ms, self._keep, self._patient = site, round(1000 * step_s), keep, patient
        self.begin_ms = round(1000 * (time.time() - (3600 * hours_ago if step_s else 0)))
        self.start_ms = self.begin_ms if start_ms is None else start_ms
        self.ledger, self.stopping = array("q"), False
        self._url, self._reports = url, 0
        self._last_ms = [0] * site.meters
        self._encoder = Encoder(site, grouped=grouped, start_ms=self.start_ms)
        self._connections = [self._connection(number) for number in range(connections)]

    def announce(self) -> None:
        """What is retained, acknowledged when it returns."""
        connection = self._connection(0)
        topics = {k: told for area in range(self.site.areas) for k, told in self.site.announcement(area).items()}
        bodies = [text(topic) + connection.identify() + payload.encode() for topic, payload in topics.items()]
        chunk = Chunk([packet(PUBLISH | RETAIN, body) for body in bodies], [])
        mine, self._connections = self._connections, [connection]
        try:
            self._run(iter([[chunk]]), 0.0)
        finally:
            self._connections = mine

    def prepare(self, messages: int) -> list[list[Chunk]]:
        """Encoded ahead, for `send`; only with step_s: else the time of sending is told."""
        if not self.step_ms:
            raise ValueError("without step_s a message is encoded when it is sent")
        return list(self._chunks(messages, 0.0))

    def send(self, messages: int = 0, per_s: float = 0.0, prepared: list[list[Chunk]] | None = None) -> Sent:
        """So many messages (whole reports), as fast as the broker takes them or so many a second; 0: until `stopping`.

        Returns when all are acknowledged. Raises OSError when the broker is lost and the generator is not patient.
        """
        return self._run(iter(prepared) if prepared else self._chunks(messages, per_s), per_s)

    def counter_wh(self, meter: int, at_ms: int) -> int:
        """What the counter showed in the report of that last_seen."""
        return self.site.counter_wh(meter, at_ms - self.start_ms)

    # --- what is sent

    def _connection(self, number: int) -> Connection:
        return Connection(self._url, f"generator-{os.getpid()}-{next(_numbers)}-{number}")

    def _chunks(self, messages: int, per_s: float) -> Iterator[list[Chunk]]:
        """Dealt to the connections: an area has one. Paced, few at a time: each tells the time of its sending."""
        parts = len(self._encoder.parts)
        size = max(1, round((per_s * PAUSE_S if per_s else CHUNK) / parts))
        left = -(-messages // parts) if messages else sys.maxsize
        while left and not self.stopping:
            yield self._chunk(min(size, left))
            left -= min(size, left)

    def _chunk(self, reports: int) -> list[Chunk]:
        dealt = [Chunk([], []) for _ in self._connections]
        now_ms = round(1000 * time.time())
        for number in range(self._reports, self._reports + reports):
            meter = number % self.site.meters
            at_ms = self._moment(number, meter, now_ms)
            place = self.site.area_of(meter) % len(dealt)
            dealt[place].packets += self._encoder.report(meter, at_ms, self._connections[place].identify)
            dealt[place].told.append((meter, at_ms))
        self._reports += reports
        return dealt

    def _moment(self, number: int, meter: int, now_ms: int) -> int:
        """Never twice the same of a meter, never of the future."""
        if self.step_ms:
            at_ms = self.begin_ms + self.step_ms * number // self.site.meters
            if at_ms > now_ms:
                raise ValueError("so many reports, so far apart, reach the future; begin more hours ago")
            return at_ms
        self._last_ms[meter] = max(now_ms, self._last_ms[meter] + 1)
        return self._last_ms[meter]

    # --- sending

    def _run(self, chunks: Iterator[list[Chunk]], per_s: float) -> Sent:
        for each in self._connections:
            each.open()
        began, cpu = time.monotonic(), time.process_time()
        try:
            given = self._pump(chunks, per_s, began)
        finally:
            for each in self._connections:
                each.close()
        acknowledged = given - sum(each.under_way for each in self._connections)
        return Sent(acknowledged, time.monotonic() - began, time.process_time() - cpu)

    def _pump(self, chunks: Iterator[list[Chunk]], per_s: float, began: float) -> int:
        """Returns how many messages were given to the connections."""
        given, is_over = 0, False
        while not is_over or any(each.kept for each in self._connections):
            due_s = max(0.0, began + given / per_s - time.monotonic()) if per_s else 0.0
            if is_over or not self._has_room():
                self._turn(1.0)
            elif due_s:
                self._turn(due_s)
            else:
                dealt = next(chunks, [])
                is_over = not dealt
                given += self._give(dealt)
                self._turn(0.0)
        return given

    def _give(self, dealt: list[Chunk]) -> int:
        for connection, chunk in zip(self._connections, dealt, strict=False):
            if chunk.packets:
                connection.give(chunk)
        return sum(len(chunk.packets) for chunk in dealt)

    def _has_room(self) -> bool:
        return all(each.socket and each.under_way < WINDOW and len(each.waiting) < 50 for each in self._connections)

    def _turn(self, wait_s: float) -> None:
        """Write and read what can be."""
        sockets = [each.socket for each in self._connections if each.socket]
        full = [each.socket for each in self._connections if each.socket and each.waiting]
        readable, writable, _ = select.select(sockets, full, [], wait_s if sockets else 0.2)
        for each in self._connections:
            try:
                self._step(each, readable, writable)
            except OSError:
                each.drop()
                if not self._patient:
                    raise

    def _step(self, each: Connection, readable: list[socket.socket], writable: list[socket.socket]) -> None:
        if each.socket is None:
            each.open(timeout_s=2.0)
            return
        if each.socket in writable:
            each.write()
        if each.socket in readable:
            self._note(each.read())
        if each.kept and time.monotonic() - each.moved_at > STALLED_S:
            raise TimeoutError("the broker acknowledges nothing any more")

    def _note(self, done: list[Chunk]) -> None:
        if self._keep:
            for chunk in done:
                for told in chunk.told:
                    self.ledger.extend(told)
