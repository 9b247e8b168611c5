"""What guests' open pages cost and how soon they are told: `python -m bench.portal [--guests 300] [--seconds 30]`.

Real services of its own, durable; the worker and the web process as they are deployed. Each guest's page is a socket;
all are in a process of their own. 400 readings arrive a second. How soon a new value of watts is at the guest's socket
stands beside how soon it is at a member of staff's board, which is told each tick as it is.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from typing import Any

import websockets

from bench.cpu import cpu_s
from bench.run import Run, alone
from bench.sockets import staffs_cookies
from bench.table import Figure
from tests.meters.harness import Fleet, until

AREAS = 6
READINGS_PER_S = 400
QUIET_S = 4.0
"""After the last reading: by then every page must show the last value."""
Heard = tuple[int, int, float]
"""Meter (id), watts, and when that was heard, by time.time()."""


# --- the site --------------------------------------------------------------------------------------------------------


def fleets(url: str, meters: int) -> list[Fleet]:
    from meters import notify
    from meters.models import Area, Meter

    made = []
    for number in range(AREAS):
        base = f"z2m_{number}"
        Area.objects.create(name=base, slug=base, base_topic=base)
        made.append(Fleet(url, base, meters // AREAS))
    notify.touch()
    for fleet in made:
        fleet.appear()
    until(lambda: Meter.objects.count() == meters, "the inventories")
    return made


def cookies(most: int) -> dict[str, int]:
    """A guest on each meter, at most so many: what his telephone keeps, and his meter (id)."""
    from django.utils import timezone

    from bookings import links
    from bookings.models import PortalLink
    from bookings.portal import door
    from meters.models import Meter
    from tests import make

    found = {}
    for number, meter in enumerate(Meter.objects.order_by("pk")[:most]):
        pitch = make.pitch(str(1000 + number))
        stay = make.stay(pitch, began_at=timezone.now())
        make.guest(stay.booking)
        make.installed(meter, pitch)
        make.line(stay, meter, pitch=pitch)
        links.make(stay, None)
        answer = door.admit(PortalLink.objects.get(stay=stay))
        found[answer.cookies[door.COOKIE].OutputString().partition(";")[0]] = meter.pk
    return found


# --- the readings ----------------------------------------------------------------------------------------------------


class Load:
    """Readings of all meters in turn, each with other watts than before."""

    def __init__(self, sources: Sequence[Fleet]) -> None:
        from meters.models import Meter

        ids = dict(Meter.objects.values_list("device__ieee_address", "pk"))
        self._meters = [(f, m, ids[f.ieee(m)]) for m in range(sources[0].meters) for f in sources]
        self.sent: dict[tuple[int, int], float] = {}
        self.last: dict[int, int] = {}

    def run(self, seconds: float) -> None:
        began, done = time.monotonic(), 0
        while (passed := time.monotonic() - began) < seconds:
            for number in range(done, int(passed * READINGS_PER_S)):
                self._say(number)
            done = int(passed * READINGS_PER_S)
            time.sleep(0.01)
        for fleet, _index, _meter in self._meters[:AREAS]:
            fleet.talker.flush()

    def _say(self, number: int) -> None:
        fleet, index, meter = self._meters[number % len(self._meters)]
        watts = 100 + number // len(self._meters)
        now = datetime.now(UTC).isoformat()
        told = fleet.reading(index, 0, power=watts, last_seen=now)
        self.sent[meter, watts] = time.time()
        self.last[meter] = watts
        fleet.talker.say(f"{fleet.base}/{fleet.name(index)}", told)


# --- the pages, in a process of their own ----------------------------------------------------------------------------


def listen(port: int, cookies: Sequence[str], board: str, pipe: Connection) -> None:
    """Opens all pages and a board; says so; hands over what they heard when it is asked for."""
    asyncio.run(_listen(port, cookies, board, pipe))


async def _listen(port: int, cookies: Sequence[str], board: str, pipe: Connection) -> None:
    pages: list[Heard] = []
    boards: list[Heard] = []
    ends: list[int] = []
    first = [asyncio.Event() for _ in cookies]

    async def page(cookie: str, is_told: asyncio.Event) -> None:
        async with _socket(port, "/stay/live/", cookie) as socket:
            async for text in socket:
                at = time.time()
                pages.extend((each["id"], each["power_w"], at) for each in json.loads(text)["outlets"])
                is_told.set()
            ends.append(socket.close_code or 0)

    async def staff() -> None:
        async with _socket(port, "/ws/board/", board) as socket:
            async for text in socket:
                at = time.time()
                boards.extend((each["id"], each["power_w"], at) for each in json.loads(text)["meters"])

    tasks = [asyncio.create_task(staff())]
    for cookie, is_told in zip(cookies, first, strict=True):
        tasks.append(asyncio.create_task(page(cookie, is_told)))
        await asyncio.sleep(0.005)
    await asyncio.wait_for(asyncio.gather(*(each.wait() for each in first)), 60)
    pipe.send("open")
    await asyncio.to_thread(pipe.recv)
    pipe.send((pages, boards, ends))
    for task in tasks:
        task.cancel()


def _socket(port: int, path: str, cookie: str) -> Any:
    headers = {"Cookie": cookie, "Origin": f"http://127.0.0.1:{port}"}
    return websockets.connect(f"ws://127.0.0.1:{port}{path}", additional_headers=headers, max_size=None)


# --- the figures -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Delay:
    """Milliseconds from a value's publishing to its arrival, of those values that were shown."""

    p50: float
    p99: float
    worst: float


def told_meanwhile(heard: Sequence[Heard], load: Load) -> int:
    """Without the first of each page, and the signs of life afterwards."""
    return sum(min(load.sent.values()) <= at <= max(load.sent.values()) for _, _, at in heard)


def delay(heard: Sequence[Heard], sent: Mapping[tuple[int, int], float]) -> Delay:
    first: dict[tuple[int, int], float] = {}
    for meter, watts, at in heard:
        first.setdefault((meter, watts), at)
    took = [1000 * (at - sent[key]) for key, at in first.items() if key in sent]
    hundredths = statistics.quantiles(took, n=100)
    return Delay(hundredths[49], hundredths[98], max(took))


def measure(run: Run, guests: int = 300, seconds: float = 30) -> list[Figure]:
    with run.product() as product:
        worker, (_, port) = product.worker(), product.web()
        sources = fleets(product.broker.url, guests)
        kept = cookies(guests)
        ours, theirs = multiprocessing.Pipe()
        words = (port, list(kept), staffs_cookies(1)[0], theirs)
        phones = multiprocessing.get_context("spawn").Process(target=listen, args=words, daemon=True)
        try:
            phones.start()
            assert ours.recv() == "open"
            load, before, began = Load(sources), cpu_s(worker.pid), time.monotonic()
            load.run(seconds)
            share = 100 * (cpu_s(worker.pid) - before) / (time.monotonic() - began)
            time.sleep(QUIET_S)
            ours.send("enough")
            pages, boards, ends = ours.recv()
        finally:
            phones.terminate()
            for fleet in sources:
                fleet.talker.stop()
    return figures(guests, pages, boards, ends, load, seconds, share)


def figures(
    guests: int,
    pages: Sequence[Heard],
    boards: Sequence[Heard],
    ends: Sequence[int],
    load: Load,
    seconds: float,
    worker_share: float,
) -> list[Figure]:
    mine, staffs = delay(pages, load.sent), delay(boards, load.sent)
    newest = {meter: watts for meter, watts, _at in pages}
    stale = sum(newest.get(meter) != watts for meter, watts in load.last.items())
    name, reference = f"{guests} guests' pages at {READINGS_PER_S} readings a second", "a board's tick"
    return [
        Figure(f"{name}: published → the screen, p50", mine.p50, "ms", reference, staffs.p50),
        Figure("… p99", mine.p99, "ms", reference, staffs.p99),
        Figure("… worst", mine.worst, "ms", reference, staffs.worst),
        Figure("… told a page and second", told_meanwhile(pages, load) / guests / seconds, "", goal="≤ 1"),
        Figure("… pages without the last value, or closed", stale + len(ends), "", goal="= 0"),
        Figure("… worker", worker_share, "% of a core"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--guests", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=30)
    told = parser.parse_args()
    alone(lambda run: measure(run, told.guests, told.seconds))


if __name__ == "__main__":
    main()
