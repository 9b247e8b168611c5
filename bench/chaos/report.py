"""What happened, for how long nothing was stored and shown because of it, and what was found."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bench.chaos import compare
from bench.chaos.load import LIVE
from bench.chaos.run import Run, direct
from tests.meters.harness import ROOT


def say(began: float, text: str) -> None:
    """`began`: of time.time(), from when on the seconds are counted."""
    print(f"{time.time() - began:6.1f}  {text}", flush=True)


def show(run: Run, seed: int, minutes: float, per_s: float, violations: Sequence[str]) -> None:
    print(f"\n{'s':>6}  {'what was done':<46}{'lasted s':>9}{'not stored s':>14}{'not shown s':>13}")
    for done in run.done:
        lasted = f"{done.ended_at - done.begun_at:.0f}"
        outages = f"{_seconds(done.stored_after_s):>14}{_seconds(done.shown_after_s):>13}"
        print(f"{done.begun_at - run.began:6.1f}  {done.act.name:<46}{lasted:>9}{outages}")
    print("\n–: another act began, or the end came, before all had been fresh for a while")
    print("A report a second and the tick are in it.\n")
    _figures(run)
    crew = run.site.crew
    who = f"--workers {crew.workers} --webs {crew.webs}"
    print(f"\nAgain: script/chaos --seed {seed} --minutes {minutes:g} --rate {per_s:g} {who}")
    but = ", but what the killed broker may lose" if run.ledger.given_up else ""
    print(f"{len(violations)} violations" if violations else f"Nothing lost{but}, nothing doubled, nothing wrong.")
    for text in violations:
        print(f"  {text}")
    if violations:
        print(f"What the processes said: {keep_logs(run, seed)}")


def keep_logs(run: Run, seed: int) -> Path:
    """Where something was wrong: what each process said, and what was seen on each page."""
    folder = ROOT / ".run" / f"chaos-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, part in run.site.parts.items():
        for number, process in enumerate(part.all, 1):
            shutil.copy(process.log, folder / f"{name}-{number}.log")
    for looked in run.pages.looked.values() if run.pages else ():
        seen = [f"{each.at - run.began:.1f} {each.age_s} {each.says_now} {each.told}" for each in looked.seen]
        (folder / f"page-{looked.name}.txt").write_text("\n".join(seen))
    for kept in (run.site.broker.server, run.site.services.postgres, run.site.services.valkey):
        if kept.process:
            shutil.copy(kept.process.log, folder)
    return folder


def _figures(run: Run) -> None:
    moves = [move for base in LIVE for move in run.towns[base].moves]
    print(f"published {len(run.ledger.said)}, taken by the broker {len(run.ledger.taken)}")
    if spans := run.future_refused():
        with direct(run.site.database_url) as database:
            print(
                f"refused as being of the future: {compare.refused(database, run.ledger, spans)} (not counted as lost)"
            )
    if run.ledger.given_up:
        with direct(run.site.database_url) as database:
            lost = compare.lost_by_the_broker(database, run.ledger)
        may_be = len(run.ledger.given_up)
        print(f"lost by the broker that was killed: {lost} of {may_be} that it may lose (not counted as lost)")
    moved = sum(move.moved for move in moves)
    told = "the others were where they should be, or the command was overtaken or too late"
    print(f"commands asked for {len(run.people.asked)}, heard by meters {len(moves)}, relays moved {moved} ({told})")
    print(f"fresh {_seconds(run.rested_after_s)} s after the last act")
    starts = Counter({name: len(part.all) for name, part in run.site.parts.items()})
    print("started: " + ", ".join(f"{name}: {count}×" for name, count in starts.items()))


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"
