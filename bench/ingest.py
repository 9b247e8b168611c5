"""From the broker to committed rows, flat out: how many a second, and what a message costs.

Our worker as it is deployed, beside references of the same run, in turns: a subscriber that only counts, of stock paho
and with our worker's own client (what broker and client can do), a raw COPY of the same rows (what the database can
do), and the worker that one would write on an afternoon. The generator talks meanwhile as fast as the broker takes it,
and takes its part of the machine; what a backlog costs that lies ready is told by bench/backlog.py. When something was
committed PostgreSQL tells itself.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench import cpu, naive
from bench.generator import Site
from bench.null import READY
from bench.run import Product, Run, generated, meters_of, settled
from bench.table import Figure
from bench.year import sql
from campsite.embedded.processes import Process
from tests.meters.harness import says, until

OURS, NULL, NAIVE = Site(), Site(prefix="null", seed=2), Site(prefix="naive", seed=3)
MESSAGES, NAIVE_MESSAGES = 60_000, 4_000
WARM = 3_000
"""Messages that warm up the caches of worker and database."""
STALLED_S = 60.0
COMMITS = """
SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin))::float, count(*) FROM {table}
GROUP BY xmin ORDER BY 1
"""


@dataclass(frozen=True)
class Round:
    """Messages a second from the first commit on, and CPU µs a message: of the client, PostgreSQL and the broker."""

    per_s: float
    client_us: float = 0.0
    postgres_us: float = 0.0
    broker_us: float = 0.0


def median(rounds: Iterable[Round], name: str) -> float:
    return float(statistics.median(getattr(each, name) for each in rounds))


# --- ours ------------------------------------------------------------------------------------------------------------


def commits(table: str, since: float, until_: float) -> list[tuple[float, int]]:
    """When, by time.time(), how many rows of the table were committed between two such times."""
    found = sql(COMMITS.format(table=table))
    return [(at, count) for at, count in found if since <= at <= until_]


def rate(found: list[tuple[float, int]]) -> float:
    """Rows a second after the first commit, which holds what had come before the clock began."""
    if len(found) < 2:
        return 0.0
    return sum(count for _, count in found[1:]) / (found[-1][0] - found[0][0])


def concurrent(run: Run, product: Product, worker: Process, messages: int) -> Round:
    """The generator talks meanwhile."""
    before, since = product.stored(), time.time()
    spent = meters_of(product, run, worker)
    generator = product.replay(OURS, messages)
    generated(generator)
    return _until_stored(product, spent, since, before + messages, messages)


def drained(run: Run, product: Product, messages: int, ledger: Path | None = None) -> tuple[Round, Process]:
    """The worker comes to a backlog that lies ready. Its CPU counts from its connection on."""
    generated(product.replay(OURS, messages, **({"ledger": ledger} if ledger else {})))
    since, worker = time.time(), product.worker()
    spent = meters_of(product, run, worker)
    return _until_stored(product, spent, since, messages, messages), worker


def _until_stored(product: Product, spent: cpu.Meter, since: float, wanted: int, messages: int) -> Round:
    settled(product.stored, wanted, STALLED_S, "stored by the worker")
    used = spent.read()
    found = commits("meters_reading", since, time.time())
    each = {name: 1e6 * seconds / messages for name, seconds in used.items()}
    return Round(rate(found), each["worker"], each["postgres"], each["broker"])


# --- the references --------------------------------------------------------------------------------------------------


def null(product: Product, messages: int, *words: str, backlog: bool = False) -> Round:
    """The subscriber that only counts; `words` of its own."""
    if backlog:
        product.python("bench.null", "--count", "0").wait_success(30)
        generated(product.replay(NULL, messages))
    client = product.python("bench.null", "--count", str(messages), *words)
    if not backlog:
        until(lambda: says(client, READY), "the null subscriber")
        generated(product.replay(NULL, messages))
    client.wait_success(60)
    told = json.loads(client.log.read_text().splitlines()[-1])
    return Round((told["count"] - 1) / told["seconds"], 1e6 * told["cpu_s"] / told["count"])


def afternoon(run: Run, product: Product, messages: int) -> Round:
    """The naive worker: so slow that it is the backlog's drain after the first moment."""
    client = product.python("bench.naive")
    until(lambda: says(client, "subscribed"), "the naive worker")
    before, since = int(sql("SELECT count(*) FROM naive_reading")[0][0]), time.time()
    spent = meters_of(product, run, client)
    generated(product.replay(NAIVE, messages))
    wanted = before + messages
    settled(lambda: int(sql("SELECT count(*) FROM naive_reading")[0][0]), wanted, STALLED_S, "stored by the naive one")
    used = {name: 1e6 * seconds / messages for name, seconds in spent.read().items()}
    client.kill()
    return Round(rate(commits("naive_reading", since, time.time())), used["worker"], used["postgres"], used["broker"])


def raw_copy(messages: int) -> Round:
    """The same rows into a table with the same columns and index; they lie ready in memory, as PostgreSQL told them."""
    from django.db import connection, transaction

    from meters.readings import tables

    columns = ", ".join(tables.READING_COLUMNS)
    with connection.cursor() as cursor:
        rows = f"SELECT {columns} FROM meters_reading ORDER BY measured_at LIMIT {messages}"
        with cursor.copy(f"COPY ({rows}) TO STDOUT (FORMAT BINARY)") as copy:
            told = b"".join(copy)
        cursor.execute("CREATE TABLE raw (LIKE meters_reading INCLUDING ALL)")
        began, process = time.monotonic(), time.process_time()
        with transaction.atomic(), cursor.copy(f"COPY raw ({columns}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.write(told)
        took, used, count = time.monotonic() - began, time.process_time() - process, cursor.rowcount
        cursor.execute("DROP TABLE raw")
    return Round(count / took, 1e6 * used / count)


# --- the figures -----------------------------------------------------------------------------------------------------


def measure(run: Run) -> list[Figure]:
    messages = MESSAGES // 3 if run.is_quick else MESSAGES
    taken: dict[str, list[Round]] = {"ours": [], "null": [], "our_null": [], "naive": [], "copy": []}
    with run.product() as product:
        naive.create(product.database_url)
        worker = product.worker()
        product.settle(OURS)
        concurrent(run, product, worker, WARM)
        for _ in range(run.rounds(3)):
            taken["ours"].append(concurrent(run, product, worker, messages))
            taken["null"].append(null(product, messages))
            taken["our_null"].append(null(product, messages, "--ours"))
            taken["naive"].append(afternoon(run, product, NAIVE_MESSAGES // (4 if run.is_quick else 1)))
            taken["copy"].append(raw_copy(messages))
    run.sustained_per_s = median(taken["ours"], "per_s")
    return figures(taken)


def figures(taken: dict[str, list[Round]]) -> list[Figure]:
    ours, plain = taken["ours"], taken["naive"]
    per_s = median(ours, "per_s")
    references = {"null subscriber": "null", "null subscriber with our client": "our_null", "naive worker": "naive"}
    references |= {"raw COPY of the rows": "copy"}
    found = [Figure("…", per_s, "a second", name, median(taken[key], "per_s")) for name, key in references.items()]
    found[0] = replace(found[0], name="readings committed, generator flat out", goal="≥ 0.6×")
    found[1] = replace(found[1], goal="≥ 0.6×")
    return found + costs("flat out", ours, plain, "naive worker")


def costs(what: str, ours: Sequence[Round], others: Sequence[Round], reference: str) -> list[Figure]:
    """CPU a message; the goal is that of worker and PostgreSQL together. What the others do not tell is left out."""

    def figure(name: str, *parts: str, goal: str = "") -> Figure:
        mine, theirs = (sum(median(rounds, part) for part in parts) for rounds in (ours, others))
        return Figure(name, mine, "µs", reference if theirs else "", theirs or None, goal)

    return [
        figure(f"CPU a message {what}: worker + PostgreSQL", "client_us", "postgres_us", goal="≤ 35"),
        figure("… worker", "client_us"),
        figure("… PostgreSQL", "postgres_us"),
        figure("… broker", "broker_us"),
    ]
