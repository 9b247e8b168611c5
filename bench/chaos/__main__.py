"""The whole product under load while everything fails, and whether anything was lost: `script/chaos [--minutes 4]
[--seed 1] [--rate 60] [--workers 2] [--webs 2]`. The same seed does the same acts to the same processes at the same
times. `--kept`: the seeds that found something.

Exit code 1 where anything is not as it should be. docs/chaos.md tells what is done and what is compared.
"""

from __future__ import annotations

import argparse
import random
import shlex
import sys
from pathlib import Path

from bench.chaos import report, verdict
from bench.chaos.acts import script
from bench.chaos.run import Run
from bench.chaos.site import FAKETIME, Crew, Durable, Site
from bench.run import django, until_stopped
from tests import chromium
from tests.meters.harness import OwnServices, speaking_to
from tests.meters.surroundings import own_broker, running

KEPT = Path(__file__).with_name("seeds.txt")


def kept() -> list[tuple[int, float, str]]:
    """Seed, minutes, and the act that found something: a seed does others once there are more to choose from."""
    lines = [shlex.split(line, comments=True) for line in KEPT.read_text().splitlines()]
    return [(int(words[0]), float(words[1]), words[2]) for words in lines if words]


def run(services: OwnServices, seed: int, minutes: float, per_s: float, crew: Crew, *, with_clock: bool) -> bool:
    """Whether all was well. With a database and a broker of its own."""
    database_url = services.new_database()
    with own_broker("mosquitto") as broker, speaking_to(database_url):
        site = Site(services, broker, database_url, with_clock=with_clock, crew=crew)
        acts = script(seed, minutes * 60, with_clock=site.can_set_clock, crew=crew)
        chaos = Run(site, seed, per_s, minutes * 60, acts, lambda text: report.say(chaos.began, text))
        print(
            f"seed {seed}, workers: {crew.workers}, web processes: {crew.webs}; to begin takes a minute or two",
            flush=True,
        )
        try:
            chaos.begin()
            chaos.go()
            chaos.rest()
            violations = verdict.judge(chaos, is_long=True)
        finally:
            chaos.end()
        violations += verdict.logs(chaos)
        report.show(chaos, seed, minutes, per_s, violations)
    return not violations


def crew_of(seed: int, told: argparse.Namespace) -> Crew:
    drawn = Crew.drawn(seed)
    return Crew(told.workers or drawn.workers, told.webs or drawn.webs)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=4, help="for how long, 4 unless given")
    parser.add_argument("--seed", type=int, nargs="+", help="one by chance, and told, unless given")
    parser.add_argument("--rate", type=float, default=60, help="messages a second, 60 unless given")
    parser.add_argument("--workers", type=int, choices=(1, 2, 4), help="that share the areas; by the seed unless given")
    parser.add_argument("--webs", type=int, choices=(1, 2, 3), help="web processes; by the seed unless given")
    parser.add_argument("--no-clock", action="store_true", help="leave the clocks alone")
    parser.add_argument("--kept", action="store_true", help="the seeds that once found something, one after another")
    told = parser.parse_args()
    if not FAKETIME and not told.no_clock:
        print("The clocks are left alone: faketime is not installed (apt-get install faketime).")
    if not chromium.program():
        print("No page is looked at: Chromium is not installed (apt-get install chromium).")
    with_clock = not told.no_clock
    seeds = told.seed or [random.randrange(10_000)]
    wanted = [each[:2] for each in kept()] if told.kept else [(seed, told.minutes) for seed in seeds]
    with running(Durable()) as services:
        django(services, services.new_database())
        found = [
            run(services, seed, minutes, told.rate, crew_of(seed, told), with_clock=with_clock)
            for seed, minutes in wanted
        ]
    return 0 if all(found) else 1


if __name__ == "__main__":
    sys.exit(until_stopped(main))
