"""Looks for inputs that break a promise, led by what of our code they reach (atheris): script/fuzz.

Each target runs in a process of its own, for its share of the time. What breaks a promise is made as small as it gets
and kept in tests/fuzz/found/, which every run of the tests replays; what reaches more stays in the working corpus.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import subprocess
import sys
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parent.parent.parent
WORK = Path(os.environ.get("FUZZ_CORPUS", ROOT / ".fuzz"))
"""What the runs here have reached so far; not kept with the code."""
LARGEST = 20_000
SLOWEST_S = 60
OURS = (
    "meters.mqtt",
    "meters.packets",
    "meters.notify",
    "meters.zigbee2mqtt",
    "meters.legacy",
    "bookings.sirvoy",
    "bookings.csv_import",
    "bookings.legacy",
    "monitoring.backup",
)
"""What reads: this alone is followed, and counted as reached."""

NEEDS = "script/fuzz needs atheris: it comes for Linux on x86-64 and Python 3.11 to 3.13 alone."
NOBODY = {"PRODUCTION": "0", "SECRET_KEY": "fuzz", "DJANGO_SETTINGS_MODULE": "campsite.settings"}
NOBODY |= {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing", "REDIS_URL": "redis://127.0.0.1:1"}
"""The settings want addresses; nobody is called there."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="script/fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="all, if none is named")
    parser.add_argument("--minutes", type=float, default=2, help="for each target (default: 2)")
    parser.add_argument("--one", metavar="TARGET", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if not find_spec("atheris"):
        parser.exit(2, f"{NEEDS}\n")
    if asked.one:
        fuzz(asked.one, asked.minutes)
    names = asked.targets or list(targets())
    if unknown := set(names) - set(targets()):
        parser.error(f"there is no target {', '.join(sorted(unknown))}; there are {', '.join(targets())}")
    return max([report(name, asked.minutes) for name in names])


def targets() -> list[str]:
    return sorted(path.name for path in (ROOT / "tests" / "fuzz" / "corpus").iterdir())


def report(name: str, minutes: float) -> int:
    """Run a target in its own process; prints what it did in a line. 1 where it found something."""
    words = [sys.executable, "-m", "tests.fuzz.run", "--one", name, "--minutes", str(minutes)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    log = WORK / f"{name}.log"
    log.write_text(done.stdout + done.stderr)
    told = summary(done.stderr)
    print(f"{name}: {told}{'' if done.returncode else '; nothing found'}", flush=True)
    if done.returncode:
        print("\n".join(done.stderr.splitlines()[-25:]))
        print(f"{name}: broke its promise; see {log} and tests/fuzz/found/{name}")
    return int(done.returncode != 0)


def summary(log: str) -> str:
    """Of libFuzzer's words: how many it tried, and how much of the code it reached at first and at last."""
    reached = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", log)
    tried = re.search(r"stat::number_of_executed_units:\s+(\d+)", log)
    last_tried = re.findall(r"^#(\d+)", log, re.MULTILINE)
    number = int(tried[1]) if tried else int(last_tried[-1]) if last_tried else 0
    if not reached:
        return f"{number} tried"
    (before, *_), (after, features, kept) = reached[0], reached[-1]
    return f"{number:,} tried; reached {before} → {after} branches, {features} features; {kept} kept in the corpus"


def fuzz(name: str, minutes: float) -> None:
    """Never comes back: libFuzzer ends the process."""
    import atheris

    os.environ.update(NOBODY)
    with atheris.instrument_imports(include=list(OURS), exclude=not_followed()):
        import django

        django.setup()
        from tests.fuzz.targets import TARGETS
    target = TARGETS[name]
    logging.disable()  # of a million inputs

    def try_one(body: bytes) -> None:
        try:
            target.holds(body)
        except BaseException:
            keep(name, body)
            raise

    def mutate(body: bytes, most: int, seed: int) -> bytes:
        chance = Random(seed)
        made = atheris.Mutate(body, most) if chance.random() < 0.3 else target.mutate(body, chance)
        return made[:most]

    corpus = WORK / name
    corpus.mkdir(parents=True, exist_ok=True)
    limits = [f"-max_total_time={int(minutes * 60)}", f"-max_len={LARGEST}", f"-timeout={SLOWEST_S}"]
    told = ["-print_final_stats=1", f"-artifact_prefix={corpus.parent}/", "-rss_limit_mb=4096"]
    seeds = [str(ROOT / "tests" / "fuzz" / place / name) for place in ("corpus", "found")]
    words = [sys.argv[0], str(corpus), *filter(os.path.isdir, seeds), *limits, *told]
    atheris.Setup(words, try_one, custom_mutator=mutate)
    atheris.Fuzz()


def not_followed() -> list[str]:
    """Of the apps whose readers are followed, the other modules: atheris itself only asks of which app one is."""
    apps = {name.partition(".")[0] for name in OURS}
    paths = [path.relative_to(ROOT).with_suffix("") for app in apps for path in (ROOT / app).rglob("*.py")]
    modules = [".".join(path.parts).removesuffix(".__init__") for path in paths]
    return [module for module in modules if not f"{module}.".startswith(tuple(f"{name}." for name in OURS))]


def keep(name: str, body: bytes) -> None:
    """For the tests to replay. Whoever mends it makes it smaller where it says more than it must, and names it."""
    place = ROOT / "tests" / "fuzz" / "found" / name
    place.mkdir(parents=True, exist_ok=True)
    (place / sha256(body).hexdigest()[:12]).write_bytes(body)


if __name__ == "__main__":
    sys.exit(main())
