"""The whole product under steady load, without faults, and what of it grows: `script/soak [--hours 1] [--rate 20]`.

Each half minute: memory, file handles and threads of each of our processes, PostgreSQL's, Valkey's and the broker's
memory, connections, tables that must not grow, the write-ahead log, what the broker keeps, the worker's lag. The first
part of the time is for warming up. What grows after it beyond its tolerance is told, with what it would come to in a
week; exit code 1 then, and where the product was not well meanwhile. The night's jobs, a backup and its drill among
them, are done several times in a run. docs/chaos.md.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from bench.chaos.run import Run
from bench.chaos.site import Durable
from bench.run import django, until_stopped
from bench.soak.callers import Callers
from bench.soak.samples import Kept, sample
from bench.soak.site import Backed, Nights, Nothing
from bench.soak.verdict import risen, show, trends, unwell
from bench.twins.product import Board
from tests.meters.harness import OwnServices
from tests.meters.surroundings import services_and_broker

SAMPLE_S = 30.0
SOCKETS = 20


def watch(
    run: Run, nights: Nights, seconds: float, write: Callable[[Mapping[str, float]], None]
) -> list[dict[str, float]]:
    began, rows, kept = time.monotonic(), list[dict[str, float]](), Kept(run.site.broker.url)
    first = set(run.site.pids_of["qcluster"])
    while (passed := time.monotonic() - began) < seconds:
        nights.look(passed)
        if not rows or passed >= rows[-1]["at"] + SAMPLE_S:
            rows.append({"at": passed} | sample(run.site, kept, first))
            write(rows[-1])
        time.sleep(0.5)
    kept.stop()
    return rows


def writer(path: Path) -> Callable[[Mapping[str, float]], None]:
    """The first sample's names are the columns."""
    columns: list[str] = []

    def write(row: Mapping[str, float]) -> None:
        with path.open("a" if columns else "w", newline="") as file:
            out = csv.writer(file)
            if not columns:
                columns.extend(row)
                out.writerow(columns)
            out.writerow([f"{row.get(name, 0):.2f}" for name in columns])

    return write


def begin(run: Run, stack: ExitStack) -> Callers:
    """The meters' load, pages and people of `bench.chaos`, and beside them sockets and callers."""
    from rest_framework.authtoken.models import Token

    from bookings import tokens
    from meters.models import Pitch

    run.begin()
    Pitch.objects.bulk_create(Pitch(number=str(number)) for number in range(300))
    for _ in range(SOCKETS):
        stack.callback(Board(run.site.port, run.staffs).stop)
    webhook = tokens.path(tokens.make("soak", None)[1])
    callers = Callers(run.site.port, Token.objects.get().key, run.staffs, webhook)
    stack.callback(callers.stop)
    return callers


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=1, help="for how long, 1 unless given")
    parser.add_argument("--rate", type=float, default=20, help="messages a second, 20 unless given")
    parser.add_argument("--csv", type=Path, default=Path("soak.csv"))
    told = parser.parse_args()
    seconds = told.hours * 3600
    with services_and_broker("mosquitto", Durable) as (services, broker), ExitStack() as stack:
        assert isinstance(services, OwnServices)
        database_url = services.new_database()
        django(services, database_url)
        site, nights = Backed(services, broker, database_url), Nights(database_url, seconds)
        run = Run(site, 1, told.rate, seconds, [], print, Nothing())
        stack.callback(run.end)
        callers = begin(run, stack)
        ends = time.strftime("%H:%M", time.localtime(time.time() + seconds))
        print(f"Until {ends}; each half minute a row in {told.csv}", flush=True)
        rows = watch(run, nights, seconds, writer(told.csv))
        ended = [name for name, part in site.parts.items() if not part.process.is_alive()]
        ended += ["Chromium"] if run.pages and run.pages.failed else []
        wrong = unwell(rows, callers.answers, told.rate, ended, nights.count, seconds) + risen(rows, seconds)
    return show(trends(rows, seconds), wrong, rows, told.csv)


if __name__ == "__main__":
    sys.exit(until_stopped(main))
