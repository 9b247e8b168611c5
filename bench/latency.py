"""How soon a reading is in the database, and on a board: at 6, 400 and 2,000 messages a second.

A message tells when it was sent (`last_seen`, in ms, stamped just before it is written to the socket). PostgreSQL notes
when the row's transaction was committed. A board's real socket notes when the tick came in which its meter was heard at
that time or later. Beside it what must pass: a round trip through the broker, measured meanwhile, and the time that a
batch and a tick collect, which the product has chosen.
"""

from __future__ import annotations

import bisect
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence

from bench.generator import Site
from bench.run import Product, Run, generated, settled
from bench.sockets import Shown, Sockets, staffs_cookies
from bench.table import Figure
from bench.year import sql
from campsite.embedded.processes import Process

SITE = Site()
RATES = {6: 20, 400: 20, 2000: 15}
"""Messages a second, and for how many seconds."""
QUICK_S = 3
STALLED_S = 60.0
ROWS = """
SELECT meter_id, extract(epoch FROM measured_at)::float * 1000,
    extract(epoch FROM pg_xact_commit_timestamp(xmin))::float * 1000
FROM meters_reading WHERE measured_at >= %s
"""
Row = tuple[int, float, float]
"""Meter (id), when it was sent and when it was committed, in ms."""


def measure(run: Run) -> list[Figure]:
    found: list[Figure] = []
    with run.product() as product:
        product.worker()
        product.settle(SITE)
        _, port = product.web()
        board = Sockets(port, staffs_cookies(1))
        try:
            board.open()
            for rate, seconds in RATES.items():
                found += at_rate(product, board, rate, QUICK_S if run.is_quick else seconds)
        finally:
            board.close()
    return found


def at_rate(product: Product, board: Sockets, rate: int, seconds: int) -> list[Figure]:
    from django.utils import timezone

    board.heard()
    before, since, wanted = product.stored(), timezone.now(), rate * seconds
    generator = product.generate(SITE, wanted, rate)
    trips = round_trips(product, generator)
    generated(generator)
    settled(product.stored, before + wanted, STALLED_S, "stored by the worker")
    ends = time.monotonic() + 5
    rows, shown = [(m, at, done) for m, at, done in sql(ROWS, [since])], board.heard().shown
    while time.monotonic() < ends and len(delays := to_board(rows, shown)) < len(rows):
        time.sleep(0.1)
        shown += board.heard().shown
    return figures(rate, wanted, rows, delays, trips)


def round_trips(product: Product, generator: Process) -> list[float]:
    """Milliseconds of a message to the broker and back, over and over while the generator talks."""
    from meters import mqtt

    found = []
    while generator.is_alive():
        found.append(1000 * mqtt.round_trip(product.broker.url, 5.0).seconds)
        time.sleep(0.1)
    return found


def to_board(rows: Iterable[Row], shown: Iterable[Shown]) -> list[float]:
    """Milliseconds from each reading to the first tick that shows its meter as new or newer; of those shown."""
    by_meter: dict[int, tuple[list[int], list[float]]] = defaultdict(lambda: ([], []))
    for meter, heard_at, at in sorted(shown, key=lambda each: each[1]):
        by_meter[meter][0].append(heard_at)
        by_meter[meter][1].append(at)
    found = []
    for meter, sent_at, _ in rows:
        times, arrivals = by_meter[meter]
        place = bisect.bisect_left(times, round(sent_at))
        if place < len(times):
            found.append(arrivals[place] - sent_at)
    return found


def percentile(values: Sequence[float], hundredth: int) -> float | None:
    return statistics.quantiles(values, n=100, method="inclusive")[hundredth - 1] if len(values) > 1 else None


def figures(
    rate: int, wanted: int, rows: Sequence[Row], delays: Sequence[float], trips: Sequence[float]
) -> list[Figure]:
    from meters import intake, worker

    flush_ms, tick_ms = 1000 * intake.FLUSH_S, 1000 * worker.TICK_S
    committed, found = [done - sent for _, sent, done in rows], []
    roads = (
        ("committed", committed, "flush", flush_ms, 10),
        ("board", delays, "flush + tick", flush_ms + tick_ms, 100),
    )
    for name, values, waits, must_ms, more_ms in roads:
        for hundredth in (50, 99):
            goal = f"≤ {must_ms + more_ms:g}" if rate == 400 and hundredth == 99 else ""
            trip, told = percentile(trips, hundredth), percentile(values, hundredth)
            reference = f"{waits} + round trip"
            what = f"{rate:,} a second: published → {name}, p{hundredth}"
            found.append(Figure(what, told, "ms", reference, must_ms + (trip or 0), goal))
    missing = wanted - len(rows), len(rows) - len(delays)
    found.append(Figure(f"{rate:,} a second: readings not committed", missing[0], "", goal="= 0"))
    found.append(Figure(f"{rate:,} a second: readings never on the board", missing[1], "", goal="= 0"))
    return found
