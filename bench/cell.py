"""Whole campsites side by side on one machine: `python -m bench.cell [--sites 12] [--minutes 5]`. docs/scale.md.

Each has all that compose.yaml gives it: PostgreSQL, Mosquitto, Valkey, worker, web, qcluster. It has a year of hours
behind it, 300 meters that tell 6 messages a second, two boards and thirty guests' pages open. What one costs, and what
is feared of many: that all Zigbee2MQTTs come back at one moment, and that all have their night at one moment, with a
backup and a restore drill each.

A campsite needs 1 GB of memory and 2 GB of disk, and a minute of two cores to be made.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from bench import cpu, nights, portal
from bench.chaos.run import direct
from bench.generator import Generator, Site
from bench.latency import percentile
from bench.run import Product, Run, generated, until_stopped
from bench.sockets import Sockets, staffs_cookies
from bench.table import Figure, shown
from bench.year import Site as Year
from campsite.embedded.processes import Process
from tests.meters.harness import Listener, Talker, terminate, until
from tests.monitoring.backup import zips

SITE, PER_S, WARM_S = Site(), 6, 30
BOARDS, GUESTS = 2, 30
REPORTS, PARTS = 2, 4
"""What each meter tells when its Zigbee2MQTT comes back: so many reports, each as so many messages."""
STORED_S, NIGHT_S = 300.0, 2 * 3600.0
DELAYS = """
SELECT 1000 * extract(epoch FROM pg_xact_commit_timestamp(xmin) - measured_at)::float,
    extract(epoch FROM pg_xact_commit_timestamp(xmin))::float
FROM meters_reading WHERE measured_at >= to_timestamp(%s)
"""
FIGURES = {
    "stored": "SELECT stored FROM meters_workerstate",
    "backups": "SELECT count(*) FROM monitoring_backuprun WHERE status = 'done'",
    "drills": "SELECT count(*) FROM monitoring_restoredrill WHERE status = 'done'",
    "failed": "SELECT count(*) FROM django_q_task WHERE NOT success",
}


class Campsite:
    """All of its processes, from `begin` until the stack is closed."""

    def begin(self, stack: ExitStack) -> None:
        os.environ.pop("DATABASE_URL", None)  # of the one before: services that are given one belong to a run of tests
        run = Run()
        stack.callback(run.stop)
        run.start()
        self.product: Product = stack.enter_context(run.product())
        Year(1, 1).load(with_naive=False)
        worker = self.product.worker()
        self.product.settle(SITE)
        web, port = self.product.web()
        cluster = self.product.cluster(**nights.backed(run.services))
        sockets = Sockets(port, staffs_cookies(BOARDS), list(portal.cookies(GUESTS)))
        stack.callback(sockets.close)
        sockets.open()
        self._answer_backups(stack)
        broker, valkey = self.product.broker.process, run.services.valkey.process
        assert broker
        assert valkey
        ours = {"worker": worker.pid, "web": web.pid, "qcluster": cluster.pid}
        self.pids = ours | {"PostgreSQL": run.postgres_pid, "Mosquitto": broker.pid, "Valkey": valkey.pid}

    def _answer_backups(self, stack: ExitStack) -> None:
        """As its Zigbee2MQTTs would: a backup waits two minutes for one that says nothing."""
        talker = Talker(self.product.broker.url)
        stack.callback(talker.stop)
        packed = b64encode(zips.packed(zips.files(SITE.meters // SITE.areas))).decode()

        def answer(topic: str, payload: bytes) -> None:
            told = {"data": {"zip": packed}, "status": "ok", "transaction": json.loads(payload)["transaction"]}
            talker.say(topic.replace("request", "response"), told)

        stack.callback(Listener(self.product.broker.url, "+/bridge/request/backup", answer).stop)

    def talks(self, seconds: int) -> Process:
        return self.product.generate(SITE, PER_S * seconds, PER_S)

    def comes_back(self) -> None:
        """Its six Zigbee2MQTTs, with all that they retain."""
        url, start_ms = self.product.broker.url, self.product.start_ms
        generator = Generator(url, SITE, connections=SITE.areas, grouped=True, start_ms=start_ms)
        generator.announce()
        generator.send(REPORTS * PARTS * SITE.meters)

    def told(self, name: str) -> int:
        """One of FIGURES."""
        with direct(self.product.database_url) as database:
            row = database.execute(FIGURES[name]).fetchone()
        return int(str(row[0])) if row else 0

    def delays(self, since: float) -> list[tuple[float, float]]:
        """ms from sent to committed, and when that was, of all readings that were measured since then (time.time())."""
        with direct(self.product.database_url) as database:
            return [(float(str(ms)), float(str(at))) for ms, at in database.execute(DELAYS, [since])]


Cell = list[Campsite]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# --- by day ----------------------------------------------------------------------------------------------------------


def by_day(cell: Cell, seconds: int) -> Iterator[Figure]:
    before, talking = [each.told("stored") for each in cell], [each.talks(WARM_S + seconds) for each in cell]
    time.sleep(WARM_S)
    readers = {name: lambda name=name: cpu_of(cell, name) for name in cell[0].pids}
    since, meter = time.time(), cpu.Meter(readers)
    time.sleep(seconds - 5)
    spent, took_s = meter.read(), time.time() - since
    sent = [int(generated(each, WARM_S + seconds)["messages"]) for each in talking]
    wanted = [had + count for had, count in zip(before, sent, strict=True)]
    until_each(cell, "stored", wanted, STORED_S)
    yield Figure(
        f"{len(cell)} campsites by day: CPU of one",
        100 * sum(spent.values()) / took_s / len(cell),
        "% of a core",
        note=parts({name: 100 * s / took_s / len(cell) for name, s in spent.items()}),
    )
    memory = {name: memory_of(cell, name) / len(cell) for name in cell[0].pids}
    yield Figure("… memory of one", sum(memory.values()), "MB", note=parts(memory))
    yield from latency("…", cell, since)


def until_each(cell: Cell, name: str, counts: Sequence[int], timeout_s: float) -> None:
    """Until each has told of so many: `name` of FIGURES."""
    wanted = list(zip(cell, counts, strict=True))
    until(lambda: all(each.told(name) >= count for each, count in wanted), name, timeout_s, every_s=1.0)


def cpu_of(cell: Cell, name: str) -> float:
    return sum(cpu.cpu_of_all_s(each.pids[name]) for each in cell)


def memory_of(cell: Cell, name: str) -> float:
    return sum(cpu.pss_mb(pid) for each in cell for pid in cpu.family(each.pids[name]))


def parts(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in values.items())


def latency(what: str, cell: Cell, since: float) -> Iterator[Figure]:
    delays = [ms for each in cell for ms, _ in each.delays(since)]
    for hundredth in (50, 99):
        yield Figure(f"{what} published → committed, p{hundredth}", percentile(delays, hundredth), "ms")


# --- all at once -----------------------------------------------------------------------------------------------------


def all_come_back(cell: Cell) -> Iterator[Figure]:
    since, count = time.time(), REPORTS * PARTS * SITE.meters
    wanted = [each.told("stored") + count for each in cell]
    with ThreadPoolExecutor(len(cell)) as threads:
        list(threads.map(Campsite.comes_back, cell))
    until_each(cell, "stored", wanted, STORED_S)
    delays = [delay for each in cell for delay in each.delays(since)]
    what = f"{len(cell) * count:,} messages of all campsites at once: until all is committed"
    yield Figure(what, max(at for _, at in delays) - since, "s")
    yield Figure("… published → committed, p99", percentile([ms for ms, _ in delays], 99), "ms")
    yield Figure("… reports lost", len(cell) * REPORTS * SITE.meters - len(delays), "", goal="= 0")


def nights_at_once(cell: Cell) -> Iterator[Figure]:
    """The drill of a night brings back the backup of the night before: of the first there is none."""
    talking = [each.talks(24 * 3600) for each in cell]
    try:
        for night in (1, 2):
            since = time.time()
            for each in cell:
                with direct(each.product.database_url) as database:
                    nights.begin(database)
            until_each(cell, "backups", [night] * len(cell), NIGHT_S)
            yield Figure(f"night {night} of all at once: until the last backup", time.time() - since, "s")
            if night > 1:
                until_each(cell, "drills", [1] * len(cell), NIGHT_S)
                yield Figure("… until the last drill", time.time() - since, "s")
            yield from latency("…", cell, since)
    finally:
        for talker in talking:
            terminate(talker)
    yield Figure("jobs that failed", sum(each.told("failed") for each in cell), "", goal="= 0")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, default=12, help="how many campsites, 12 unless given")
    parser.add_argument("--minutes", type=float, default=5, help="how long a day is, 5 unless given")
    told = parser.parse_args()
    cell, figures = [], list[Figure]()
    with ExitStack() as stack:
        for number in range(1, told.sites + 1):
            say(f"campsite {number} of {told.sites}")
            cell.append(Campsite())
            cell[-1].begin(stack)
        for phase in (by_day(cell, round(60 * told.minutes)), all_come_back(cell), nights_at_once(cell)):
            for figure in phase:
                say(f"  {figure.name}: {figure.value} {figure.unit}")
                figures.append(figure)
    print(f"{told.sites} campsites on {os.cpu_count()} cores")
    print(shown(figures))
    return 0


if __name__ == "__main__":
    sys.exit(until_stopped(main))
