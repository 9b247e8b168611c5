"""The generator as a process of its own: `python -m bench.generator --count 100000 [mqtt://…]`."""

from __future__ import annotations

import argparse
import json
import os
import signal
from pathlib import Path

import bench.generator
from bench.generator import Generator, Site


def main() -> None:
    parser = argparse.ArgumentParser(description=bench.generator.__doc__)
    parser.add_argument("url", nargs="?", default=os.environ.get("MQTT_URL"), help="of the broker; else MQTT_URL")
    parser.add_argument("--areas", type=int, default=6)
    parser.add_argument("--meters", type=int, default=300, help="in all areas together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--prefix", default="bench", help="of the base topics: bench_0, bench_1, …")
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--grouped", action="store_true", help="a report as four messages with one last_seen")
    parser.add_argument("--count", type=int, default=0, help="messages; 0: until SIGTERM or Ctrl-C")
    parser.add_argument("--per-s", type=float, default=0.0, help="0: as fast as the broker takes them")
    parser.add_argument("--step-s", type=float, default=0.0, help="from report to report of a meter; 0: told as sent")
    parser.add_argument("--hours-ago", type=float, default=48.0, help="with --step-s: when the first was measured")
    parser.add_argument("--start-ms", type=int, help="when the counters began: to go on where another one was")
    parser.add_argument("--patient", action="store_true", help="wait for a lost broker")
    parser.add_argument("--announce", choices=["first", "only", "no"], default="first", help="what is retained")
    parser.add_argument("--ledger", help="a file: address, last_seen in ms, Wh of each report acknowledged")
    told = parser.parse_args()
    site = Site(told.areas, told.meters, told.seed, told.prefix)
    options = {name: getattr(told, name) for name in ("connections", "grouped", "step_s", "hours_ago", "start_ms")}
    generator = Generator(told.url, site, keep=bool(told.ledger), patient=told.patient, **options)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: setattr(generator, "stopping", True))
    if told.announce != "no":
        generator.announce()
    if told.announce != "only":
        sent = generator.send(told.count, told.per_s, generator.prepare(told.count) if _is_ahead(told) else None)
        print(json.dumps({"messages": sent.messages, "seconds": sent.seconds, "cpu_s": sent.cpu_s}), flush=True)
    if told.ledger:
        write(generator, Path(told.ledger))


def _is_ahead(told: argparse.Namespace) -> bool:
    return bool(told.step_s and told.count and not told.per_s)


def write(generator: Generator, path: Path) -> None:
    pairs = zip(generator.ledger[::2], generator.ledger[1::2], strict=True)
    with path.open("w") as file:
        file.writelines(f"{generator.site.ieee(m)} {at} {generator.counter_wh(m, at)}\n" for m, at in pairs)


if __name__ == "__main__":
    main()
