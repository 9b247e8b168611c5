"""Several workers, each with areas of its own, drain the backlog that lies ready for them: 1, 2 and 4, in turns.

Where the machine has fewer cores than workers, the rate says what the machine does, and the CPU a message what another
machine would need. The backlog lies ready at the broker, so that the generator takes nothing of the machine.
"""

from __future__ import annotations

import os
import signal
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.generator import Generator, Site, register
from bench.ingest import STALLED_S, commits, rate
from bench.run import Product, Run, generated, meters_of, settled
from bench.table import Figure
from campsite.embedded.processes import Process
from tests.meters.harness import terminate, until

SITE = Site(areas=4)
MESSAGES = 150_000


@dataclass(frozen=True)
class Round:
    """Readings a second; what one costs: CPU µs of all workers, of PostgreSQL and of the broker, bytes of its log."""

    per_s: float
    workers_us: float
    postgres_us: float
    broker_us: float
    wal_bytes: float

    @property
    def of_all_us(self) -> float:
        return self.workers_us + self.postgres_us + self.broker_us


def lists(workers: int) -> list[str]:
    """The areas of each; nothing for the one that takes all."""
    if workers == 1:
        return [""]
    return [",".join(SITE.base(area) for area in range(number, SITE.areas, workers)) for number in range(workers)]


def drained(run: Run, product: Product, shards: Sequence[str], messages: int) -> Round:
    """Workers that stood still while all was published go on, at the same moment: their starts cost nothing here."""
    from meters.models import Meter

    register(SITE)
    workers = start(product, shards)
    Generator(product.broker.url, SITE).announce()
    until(lambda: Meter.objects.count() == SITE.meters, "the meters")
    tell(workers, signal.SIGSTOP)
    generated(product.replay(SITE, messages))
    since, written, spent = time.time(), _wal(), meters_of(product, run, *workers)
    tell(workers, signal.SIGCONT)
    settled(_stored, messages, STALLED_S, f"stored by {len(shards)} workers")
    used = {name: 1e6 * seconds / messages for name, seconds in spent.read().items()}
    found = commits("meters_reading", since, time.time())
    end(workers)
    return Round(rate(found), used["worker"], used["postgres"], used["broker"], (_wal() - written) / messages)


def start(product: Product, shards: Sequence[str]) -> list[Process]:
    """All at once; they lead when it returns."""
    workers = [product.workers.start(begun=False, areas=areas) for areas in shards]
    until(lambda: _connected() == len(shards), f"{len(shards)} workers to be connected")
    return workers


def tell(workers: Sequence[Process], what: signal.Signals) -> None:
    for worker in workers:
        os.kill(worker.pid, what)


def end(workers: Sequence[Process]) -> None:
    for worker in workers:
        terminate(worker)


def _connected() -> int:
    from meters.models import WorkerState

    return WorkerState.objects.filter(connected_at__isnull=False).count()


def _stored() -> int:
    """What the workers say that they have stored since their start: told once a second."""
    from django.db.models import Sum

    from meters.models import WorkerState

    return int(WorkerState.objects.aggregate(all=Sum("stored"))["all"] or 0)


def _wal() -> float:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
        return float(cursor.fetchone()[0])


def measure(run: Run) -> list[Figure]:
    messages = MESSAGES // 3 if run.is_quick else MESSAGES
    rounds: dict[int, list[Round]] = {1: [], 2: [], 4: []}
    for _ in range(run.rounds(3)):
        for workers, told in rounds.items():
            with run.product() as product:
                told.append(drained(run, product, lists(workers), messages))
    return figures(rounds)


def figures(rounds: dict[int, list[Round]]) -> list[Figure]:
    def median(workers: int, name: str) -> float:
        values: list[float] = [getattr(each, name) for each in rounds[workers]]
        return statistics.median(values)

    one, found = "one worker", []
    cores = f"on {len(os.sched_getaffinity(0))} cores"
    for workers in rounds:
        told = f"{workers} worker{'s' if workers > 1 else ''}"
        rate_s = median(workers, "per_s")
        found.append(Figure(f"readings committed, {told}", rate_s, "a second", one, median(1, "per_s"), note=cores))
        for name, what in ("workers_us", "workers"), ("postgres_us", "PostgreSQL"), ("of_all_us", "and the broker"):
            found.append(Figure(f"… CPU a reading, {what}", median(workers, name), "µs", one, median(1, name)))
    found.append(Figure("write-ahead log a reading, one worker", median(1, "wal_bytes"), "bytes"))
    return found
