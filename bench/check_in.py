"""How soon a check-in is power: `python -m bench.check_in [--rounds 3]`.

Real services of its own, durable, and the web process as it is deployed. From the call of Sirvoy to its answer, and to
the committed want that the worker hears of: one check-in after the other, and all pitches' from 20 connections at once.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from itertools import count
from typing import Any

import psycopg

from bench.run import django, running
from bench.webhook import CONNECTIONS, web

PITCHES, PATIENCE_S = 200, 120.0


class Ear:
    """Hears of which meters (ids) something new is wanted, as the worker does, and when."""

    def __init__(self) -> None:
        self.heard_at: dict[int, float] = {}
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        from django.db import connection

        from meters import notify

        with connection.cursor() as cursor:
            cursor.execute(f"LISTEN {notify.COMMANDS}")
        with suppress(psycopg.OperationalError):  # the database is stopped when all was heard
            for told in connection.connection.notifies():
                self.heard_at |= {int(meter): time.perf_counter() for meter in told.payload.split(",")}

    def wait_for(self, meter: int) -> float:
        deadline = time.perf_counter() + PATIENCE_S
        while meter not in self.heard_at:
            assert time.perf_counter() < deadline, f"nobody wants anything of meter {meter}"
            time.sleep(0.001)
        return self.heard_at[meter]


def site() -> dict[int, int]:
    """Pitches with a meter each; the meter (id) of each room (id) of Sirvoy."""
    from django.utils import timezone

    from tests import make

    area, since, found = make.acting(), timezone.now() - timedelta(days=30), {}
    for number in range(PITCHES):
        meter = make.switchable(area=area)
        make.installed(meter, make.pitch(str(number)), since)
        found[number] = meter.pk
    return found


def body(booking: int, room: int, is_over: bool) -> bytes:
    """A guest of today has come, or has left."""
    from django.utils import timezone

    now = timezone.localtime()
    told = {
        "generatedAt": now.isoformat(),
        "bookingId": booking,
        "arrivalDate": str(now.date()),
        "departureDate": str(now.date() + timedelta(days=7)),
        "cancelled": False,
        "bookingIsCheckedIn": True,
        "bookingIsCheckedOut": is_over,
        "totalAdults": 2,
        "guest": {"firstName": "Anna", "lastName": "Example", "language": "de"},
        "rooms": [{"RoomName": str(room), "RoomId": 7000 + room}],
    }
    return json.dumps(told).encode()


class Round:
    """A guest comes to each pitch, and leaves; milliseconds to the answer and to the power."""

    def __init__(self, port: int, path: str, ear: Ear, meters: dict[int, int], numbers: Any) -> None:
        self.port, self.path, self.ear, self.meters = port, path, ear, meters
        self.bookings = {room: next(numbers) for room in meters}
        self.called_at: dict[int, float] = {}
        self.answer_ms: list[float] = []

    def run(self, connections: int, patiently: bool) -> list[float]:
        """`patiently`: each waits for the power of the one before. Returns milliseconds to the power."""
        self.ear.heard_at.clear()
        rooms = list(self.meters)
        with ThreadPoolExecutor(connections) as pool:
            list(pool.map(lambda at: self._come(rooms[at::connections], patiently), range(connections)))
        powered = [1000 * (self.ear.wait_for(self.meters[room]) - self.called_at[room]) for room in rooms]
        self._call_all(rooms)
        return powered

    def _come(self, rooms: list[int], patiently: bool) -> None:
        caller = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        for room in rooms:
            sent, self.called_at[room] = body(self.bookings[room], room, False), time.perf_counter()
            self._call(caller, sent)
            self.answer_ms.append(1000 * (time.perf_counter() - self.called_at[room]))
            if patiently:
                self.ear.wait_for(self.meters[room])

    def _call_all(self, rooms: list[int]) -> None:
        """All leave, and that is worked on."""
        from bookings.models import WebhookEvent

        caller = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        for room in rooms:
            self._call(caller, body(self.bookings[room], room, True))
        while WebhookEvent.objects.filter(status=WebhookEvent.Status.RECEIVED).exists():
            time.sleep(0.01)

    def _call(self, caller: http.client.HTTPConnection, sent: bytes) -> None:
        caller.request("POST", self.path, sent)
        answer = caller.getresponse()
        answer.read()
        assert answer.status == 200, answer.status


def show(name: str, each_ms: list[float]) -> None:
    print(f"{name:<52}{statistics.median(each_ms):>9.1f}{statistics.quantiles(each_ms, n=100)[98]:>9.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with running() as (services, database_url, _broker_url):
        django(services, database_url)
        from bookings import tokens

        meters, path, numbers = site(), tokens.path(tokens.make("bench", None)[1]), count(1000)
        ear = Ear()
        print(f"{PITCHES} pitches{'':<42}{'p50':>9}{'p99':>9}")
        with web(database_url) as port:
            Round(port, path, ear, meters, numbers).run(1, True)
            for name, connections, patiently in (("one after the other", 1, True), ("at once", CONNECTIONS, False)):
                answered, powered = [], []
                for _ in range(rounds):
                    one = Round(port, path, ear, meters, numbers)
                    powered += one.run(connections, patiently)
                    answered += one.answer_ms
                show(f"check-ins {name}, to the answer", answered)
                show(f"check-ins {name}, to the committed want", powered)


if __name__ == "__main__":
    main()
