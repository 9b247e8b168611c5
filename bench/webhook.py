"""How fast Sirvoy is answered: `python -m bench.webhook [--calls 2000]`.

Real services of its own, durable, and the web process as it is deployed. 20 connections at once, against a bare Django
view that only inserts a row, in the same process; the two in turns, since machines and their moods differ. The bare
view's turn begins when all events are worked on.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from bench.run import Run, alone
from bench.table import Figure
from campsite.embedded.processes import Process
from tests.meters.harness import PATIENCE_S, ROOT, free_port, is_listening

CONNECTIONS, TURNS = 20, 4
ROOMS = 300
Body = Callable[[int], bytes]


@contextmanager
def web(database_url: str, application: str = "bench.bare:application") -> Iterator[int]:
    """The web process; its port."""
    port, place = free_port(), Path(tempfile.mkdtemp(prefix="campsite-web-"))
    words = [sys.executable, "-m", "uvicorn", application, "--lifespan", "off", "--port", str(port)]
    environment = os.environ | {"DATABASE_URL": database_url, "DATABASE_POOL": "1", "STATIC_IN_PLACE": "1"}
    environment |= {"STRANGERS_A_MINUTE": "1000000"}  # who calls the bare view is one
    process = Process("web", [*words, "--no-access-log"], place / "web.log", environment=environment, directory=ROOT)
    try:
        process.wait_ready(lambda: is_listening(port), PATIENCE_S)
        yield port
    finally:
        process.stop(20)
        shutil.rmtree(place, ignore_errors=True)


# --- what is sent ----------------------------------------------------------------------------------------------------


def body(booking: int, second: int, is_here: bool) -> bytes:
    room = {"RoomName": str(booking % ROOMS), "RoomId": 7000 + booking % ROOMS}
    told = {
        "generatedAt": f"2026-07-01T{second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}+02:00",
        "event": "modified",
        "bookingId": booking,
        "arrivalDate": "2026-07-01",
        "departureDate": "2026-07-08",
        "cancelled": False,
        "bookingIsCheckedIn": is_here,
        "totalAdults": 2,
        "guest": {"firstName": "Anna", "lastName": "Example", "language": "de"},
        "rooms": [room],
        "additionalItems": [{"description": "Elpakke 10 kWh", "quantity": "1", "price": "45", "itemTotal": 45}],
    }
    return json.dumps(told).encode()


KINDS: dict[str, Body] = {
    "a booking never seen": lambda number: body(10_000 + number, number, False),
    "a change of a booking": lambda number: body(1 + number % ROOMS, number, False),
    "the same again": lambda number: body(5_000_000, 0, False),
    "not JSON": lambda number: b"x" * 2000,
}


# --- how long it took ------------------------------------------------------------------------------------------------


@dataclass
class Times:
    """Of calls made from all connections at once: until all were answered, and until all were worked on."""

    took_s: float = 0
    done_s: float = 0
    each_ms: list[float] = field(default_factory=list)

    def add(self, took_s: float, done_s: float, each_ms: list[float]) -> None:
        self.took_s += took_s
        self.done_s += done_s
        self.each_ms += each_ms

    @property
    def a_second(self) -> float:
        return len(self.each_ms) / self.took_s

    @property
    def done_a_second(self) -> float:
        return len(self.each_ms) / self.done_s

    @property
    def p99_ms(self) -> float:
        return statistics.quantiles(self.each_ms, n=100)[98]


def volley(port: int, path: str, make: Body, numbers: Iterator[int], calls: int) -> tuple[float, float, list[float]]:
    """Seconds until all were answered, and until all were worked on; milliseconds until each was answered."""

    def one_connection(_number: int) -> list[float]:
        caller, took = http.client.HTTPConnection("127.0.0.1", port, timeout=120), []
        for _ in range(calls // CONNECTIONS):
            sent, began = make(next(numbers)), time.perf_counter()
            caller.request("POST", path, sent)
            answer = caller.getresponse()
            answer.read()
            took.append(1000 * (time.perf_counter() - began))
            assert answer.status == 200, answer.status
        return took

    began = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        each = [ms for took in pool.map(one_connection, range(CONNECTIONS)) for ms in took]
    answered_s = time.perf_counter() - began
    wait_until_worked_off()
    return answered_s, time.perf_counter() - began, each


def wait_until_worked_off() -> None:
    from bookings.models import WebhookEvent

    while WebhookEvent.objects.filter(status=WebhookEvent.Status.RECEIVED).exists():
        time.sleep(0.01)


def in_turns(port: int, path: str, make: Body, calls: int) -> tuple[Times, Times]:
    """The webhook's and the bare view's, in turns."""
    ours, bare, numbers = Times(), Times(), count()
    volley(port, path, make, numbers, 10 * CONNECTIONS)
    volley(port, "/bare/", make, numbers, 10 * CONNECTIONS)
    for _ in range(TURNS):
        ours.add(*volley(port, path, make, numbers, calls // TURNS))
        bare.add(*volley(port, "/bare/", make, numbers, calls // TURNS))
    return ours, bare


def check() -> None:
    """Speed counts only where events became bookings: what will be tried again has failed for another reason than its
    body.
    """
    from bookings.models import WebhookEvent

    failed = WebhookEvent.objects.filter(status=WebhookEvent.Status.FAILED, try_again_at__isnull=False).first()
    assert failed is None, failed.reason


def measure(run: Run, calls: int = 2000) -> list[Figure]:
    from bookings import tokens
    from meters.models import Pitch

    with run.product() as product:
        Pitch.objects.bulk_create(Pitch(number=str(number)) for number in range(ROOMS))
        path = tokens.path(tokens.make("bench", None)[1])
        with web(product.database_url) as port:
            found = {kind: in_turns(port, path, make, calls) for kind, make in KINDS.items()}
        check()
    return [figure for kind, (ours, bare) in found.items() for figure in figures(kind, ours, bare)]


def figures(kind: str, ours: Times, bare: Times) -> list[Figure]:
    reference, name = "a view that inserts a row", f"Sirvoy sends {kind}"
    return [
        Figure(f"{name}: an answer", 1000 / ours.a_second, "ms", reference, 1000 / bare.a_second, "≤ 1.5×"),
        Figure("… p99", ours.p99_ms, "ms", reference, bare.p99_ms, "≤ 1.5×"),
        Figure("… worked on, a second", ours.done_a_second, "", reference, bare.a_second),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2000)
    calls = parser.parse_args().calls
    alone(lambda run: measure(run, calls))


if __name__ == "__main__":
    main()
