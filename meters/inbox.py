"""What waits between the thread that receives and the one that stores: bounded in messages and in bytes."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from datetime import datetime

from meters.mqtt import Message


class Inbox:
    """`most_bytes` counts what was taken, too, until it is told to be stored. What comes at once may go beyond both.

    One lock for both bounds, and what is read at once and a batch go through whole: a `queue.Queue` and a lock for the
    bytes took 3.4 µs of CPU a message and woke the storing thread for each.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._waiting: deque[Message] = deque()
        self._held_bytes = 0
        self._waits_since = 0.0  # of time.monotonic()
        self._awaited = 1  # how many must wait before the storing thread wants to know
        lock = threading.Lock()
        self._has_room, self._has_enough = threading.Condition(lock), threading.Condition(lock)

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        return len(self._waiting) >= self._most or self._held_bytes >= self._most_bytes

    @property
    def oldest(self) -> datetime | None:
        """When the first of the waiting messages was received."""
        with self._has_room:
            return self._waiting[0].received_at if self._waiting else None

    @property
    def waited_s(self) -> float:
        """The first message has waited so long, or less, where a batch that was full has left it behind."""
        return time.monotonic() - self._waits_since if self._waiting else 0.0

    def put(self, messages: Sequence[Message], timeout_s: float) -> bool:
        """All of them, as soon as there is room for one. False: there was none within `timeout_s`."""
        with self._has_room:
            if self.is_full and not self._has_room.wait_for(lambda: not self.is_full, timeout_s):
                return False
            before = len(self._waiting)
            if not before:
                self._waits_since = time.monotonic()
            self._waiting.extend(messages)
            self._held_bytes += sum(map(_size, messages))
            if before < self._awaited <= len(self._waiting):
                self._has_enough.notify()
            return True

    def wait(self, count: int, timeout_s: float) -> bool:
        """Wait until so many messages wait; whether they do."""
        with self._has_enough:
            self._awaited = count
            self._has_enough.wait_for(lambda: len(self._waiting) >= self._awaited, timeout_s)
            return len(self._waiting) >= count

    def hurry(self) -> None:
        """Whoever waits for more than one waits for no more."""
        with self._has_enough:
            self._awaited = 1
            self._has_enough.notify()

    def take(self, most: int) -> list[Message]:
        """The oldest messages, without waiting for any."""
        with self._has_room:
            taken = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
            self._has_room.notify()
            return taken

    def let_go(self, stored: Sequence[Message]) -> None:
        """These are held no more."""
        with self._has_room:
            self._held_bytes -= sum(map(_size, stored))
            self._has_room.notify()


def collecting_s(flush_s: float, took_s: float, waited_s: float) -> float:
    """For how many more seconds a batch may collect, so that its first message is stored `flush_s` after it came.

    It has waited for `waited_s`; storing took `took_s` the last time. No more than half of `flush_s` is set aside for
    that: a database that was away for an hour does not make each batch a single message.
    """
    return flush_s - min(took_s, flush_s / 2) - waited_s


def _size(message: Message) -> int:
    return len(message.topic) + len(message.payload)
