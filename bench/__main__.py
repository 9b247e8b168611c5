"""All benches behind one command: `script/bench [--quick] [--only NAME …] [--json FILE] [--markdown FILE] [--list]`."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import registry, table
from bench.run import Run
from bench.table import Figure
from campsite.embedded import mosquitto
from campsite.embedded.processes import Failed, Interrupted


def main() -> int:
    told = arguments()
    if told.list:
        listed()
        return 0
    try:
        benches = registry.chosen(told.only, is_quick=told.quick)
    except KeyError as unknown:
        print(f"There is no bench {unknown}; --list tells which there are.", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background a shell leaves it ignored
    facts = machine() | ({"form": "quick"} if told.quick else {})
    run = Run(is_quick=told.quick, hour=told.hour)
    try:
        run.start()
        figures, broken = measured(run, benches)
    except Failed as failed:
        print(failed, file=sys.stderr)
        return 1
    except (KeyboardInterrupt, Interrupted):
        print("Stopped.", file=sys.stderr)
        return 130
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # what is ended is ended whole
        run.stop()
    facts["load at the end"] = load()
    written(told, facts, figures)
    return 1 if told.strict and (broken or any(each.verdict == "missed" for each in figures)) else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="script/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the short forms: within two minutes")
    parser.add_argument("--hour", action="store_true", help="with what takes an hour: memory")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="put the table between the marks of this page")
    parser.add_argument("--strict", action="store_true", help="end with 1 where a goal is missed or a bench broke")
    parser.add_argument("--list", action="store_true", help="the benches, and the long programs beside them")
    return parser.parse_args()


def listed() -> None:
    for bench in registry.BENCHES:
        print(f"{bench.name:<14}{bench.about}{'' if bench.is_quick else ' (not in --quick)'}")
    print("\nPrograms of their own, .venv/bin/python -m …")
    for module, about in registry.PROGRAMS.items():
        print(f"{module:<26}{about}")


def measured(run: Run, benches: list[registry.Bench]) -> tuple[list[Figure], list[str]]:
    """And the names of those that broke, which does not cost the others' figures."""
    figures, broken = list[Figure](), list[str]()
    for bench in benches:
        began = time.monotonic()
        print(f"{bench.name}: {bench.about}", file=sys.stderr, flush=True)
        try:
            found = bench.load()(run)
        except Exception as error:  # noqa: BLE001  (whatever it is, it is told in the table)
            traceback.print_exc()
            broken.append(bench.name)
            found = [Figure(bench.name, None, note=f"{type(error).__name__}: {error}".splitlines()[0][:120])]
        figures += [replace(each, bench=bench.name) for each in found]
        print(table.shown(found), file=sys.stderr)
        print(f"  {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return figures, broken


def written(told: argparse.Namespace, facts: dict[str, Any], figures: list[Figure]) -> None:
    print("; ".join(f"{name} {value}" for name, value in facts.items()))
    print(table.shown(figures))
    if told.json:
        told.json.write_text(table.as_json(facts, figures))
    if told.markdown:
        table.write_markdown(told.markdown, facts, figures)


def machine() -> dict[str, Any]:
    return {
        "commit": said("git", "describe", "--always", "--dirty"),
        "at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": platform.platform(terse=True),
        "Python": platform.python_version(),
        "Mosquitto": said(str(mosquitto.program()), "-h").partition("\n")[0].rpartition(" ")[2],
        "load at the start": load(),
    }


def load() -> str:
    return " ".join(f"{each:.2f}" for each in os.getloadavg())


def said(*words: str) -> str:
    try:
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=10).stdout.strip()
    except OSError:
        return "unknown"


if __name__ == "__main__":
    sys.exit(main())
