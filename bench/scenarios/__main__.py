"""How soon the site notices what goes wrong, and how often people are told:
`python -m bench.scenarios [--only NAME …] [--json FILE] [--write docs/monitoring.md]`.

Everything is real and nothing is hastened, so it takes its time: half an hour for faults that are tried side by side,
another for those that come one after another. `--json` keeps the figures from run to run; `--write` puts all that it
holds into the document's table, with `--no-run` without trying anything. The disk's needs root: it mounts a tmpfs.

The twin is found as the tests find it: TWIN_DIR, else ../shared/twin.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from bench.run import django
from bench.scenarios.faults import BESIDE, FAULTS, Fault
from bench.scenarios.site import Site
from bench.twins.radios import FAILS_MS
from tests.conftest import twin_directory
from tests.meters.harness import OwnServices
from tests.meters.surroundings import services_and_broker

if TYPE_CHECKING:
    from bench.scenarios.watch import Run

EVERY_S = 60
HABIT_S = 12 * EVERY_S + FAILS_MS / 1000
"""By then each meter has shown how often it reports."""
FIGURES = Path(__file__).parent / "figures.json"


def rounds(chosen: Sequence[str]) -> Iterator[list[Fault]]:
    """What is tried side by side: first the many, then one after another."""
    faults = [fault for fault in FAULTS if fault.name in chosen]
    if beside := [fault for fault in faults if fault.name in BESIDE]:
        yield beside
    yield from ([fault] for fault in faults if fault.name not in BESIDE)


def try_out(site: Site, chosen: Sequence[str], kept: Path) -> None:
    from bench.scenarios.watch import Run, say

    site.begin()
    say("the site is up")
    if "fuse" in chosen:
        site.wait_heard(HABIT_S)
    for faults in rounds(chosen):
        runs = [Run(fault, site) for fault in faults]
        began = time.time()
        for run in runs:
            run.strike()
        going = list(runs)
        while going:
            going = [run for run in going if run.tick()]
            time.sleep(0.05)
        keep(site, runs, began, kept)


def keep(site: Site, runs: Sequence[Run], began: float, path: Path) -> None:
    """Add these figures to those of other runs; with what else was told, where there was one fault alone."""
    from bench.scenarios.watch import entries, say

    mine = {text for run in runs for text in run.texts()}
    told = [text for sink in (site.people, site.emergency) for _, text in entries(sink, began)]
    others = [text for text in told if text not in mine]
    say(f"also told: {others}")
    known = json.loads(path.read_text()) if path.exists() else {}
    for run in runs:
        run.figures.others = others if len(runs) == 1 else []
        known[run.fault.name] = asdict(run.finish())
        say(str(run.figures))
    path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", metavar="NAME", choices=[fault.name for fault in FAULTS])
    parser.add_argument("--json", type=Path, default=FIGURES)
    parser.add_argument("--write", type=Path, metavar="FILE")
    parser.add_argument("--run", action=argparse.BooleanOptionalAction, default=True)
    words = parser.parse_args()
    if words.run:
        with services_and_broker("mosquitto", OwnServices) as (services, broker):
            assert isinstance(services, OwnServices)
            database_url = services.new_database()
            django(services, database_url)
            from django.utils import translation

            translation.activate("en")
            site = Site(services, broker, database_url, twin_directory(), EVERY_S)
            try:
                try_out(site, words.only or [fault.name for fault in FAULTS], words.json)
            finally:
                site.end()
    if words.write:
        from bench.scenarios import table

        table.write(words.write, json.loads(words.json.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
