"""Which benches there are. A module of bench/ with `measure(run) -> list[Figure]` is one when it is in this list."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from bench.run import Run
from bench.table import Figure

Measure = Callable[[Run], list[Figure]]


@dataclass(frozen=True)
class Bench:
    """`is_quick`: it has a short form, a part of `--quick`."""

    name: str
    about: str
    module: str = ""
    is_quick: bool = True

    def load(self) -> Measure:
        measure: Measure = importlib.import_module(self.module or f"bench.{self.name}").measure
        return measure


BENCHES = [
    Bench("ingest", "from the broker to committed rows: readings a second, CPU a message, against four references"),
    Bench("latency", "from a device to the database and to a browser, at 6, 400 and 2,000 messages a second"),
    Bench("burst", "six Zigbee2MQTTs with 300 devices each come back at once"),
    Bench("shards", "1, 2 and 4 workers, each with areas of its own: readings a second, CPU a reading", is_quick=False),
    Bench("backlog", "100,000 messages waited for a worker that was away"),
    Bench(
        "ingest_cost",
        "what a quiet site costs: CPU at 6 messages a second, bytes and microseconds a reading",
        is_quick=False,
    ),
    Bench("memory", "what our processes hold after a load; with --hour after an hour of it", is_quick=False),
    Bench("switching", "how fast and how evenly switching goes", is_quick=False),
    Bench("check_in", "how soon a check-in is power", is_quick=False),
    Bench("webhook", "how fast Sirvoy is answered", is_quick=False),
    Bench("portal", "how soon guests' pages are told, 300 of them", is_quick=False),
    Bench("first_paint", "how soon a guest sees something on a slow network", is_quick=False),
    Bench("board", "a board of 400 meters in Chromium, with 20 boards and 300 guests' pages open"),
    Bench("pages", "what pages cost with a year behind them: queries and milliseconds, beside a bare view"),
    Bench("storage", "bytes a row, a year's sums, and how a day is forgotten, beside one plain table", "bench.volume"),
    Bench("peers", "what people would use instead: Node-RED, Home Assistant's recorder", "bench.peers.race"),
]

PROGRAMS = {
    "bench.volume --days 90": "whether pages stay fast when all is full: half an hour, 15 GB",
    "bench.chaos": "everything fails under load, and whether anything was lost: script/chaos",
    "bench.soak": "what grows within an hour, or a week: script/soak",
    "bench.cell --sites 12": "whole campsites side by side on one machine: half an hour, 10 GB of memory",
    "bench.peers.failures": "the peers and ours are killed, lose their database and their broker: what is lost",
    "bench.season": "a season of bookings, replayed: hours",
    "bench.twins": "six real Zigbee2MQTTs and a script of every fault: half an hour",
    "bench.scenarios": "what is noticed of each fault, and how soon: hours",
}
"""Long programs with reports of their own: `python -m …`."""


def chosen(names: list[str], *, is_quick: bool) -> list[Bench]:
    """Those named, else all that there is time for. Raises KeyError with a name that nobody has."""
    by_name = {bench.name: bench for bench in BENCHES}
    if names:
        return [by_name[name] for name in names]
    return [bench for bench in BENCHES if bench.is_quick or not is_quick]
