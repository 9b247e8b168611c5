"""What happened, for how long nothing was stored and shown because of it, and what was found."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from bench.chaos import compare
from bench.chaos.run import LIVE, Run, direct


def say(began: float, text: str) -> None:
    print(f"{time.monotonic() - began:6.1f}  {text}", flush=True)


def show(run: Run, seed: int, minutes: float, per_s: float, violations: Sequence[str]) -> None:
    print(f"\n{'s':>6}  {'what was done':<46}{'lasted s':>9}{'not stored s':>14}{'not shown s':>13}")
    for done in run.done:
        lasted = f"{done.ended_at - done.begun_at:.0f}"
        outages = f"{_seconds(done.stored_after_s):>14}{_seconds(done.shown_after_s):>13}"
        print(f"{done.begun_at - run.began:6.1f}  {done.act.name:<46}{lasted:>9}{outages}")
    print("\n–: another act began before all was fresh again; a report a second and the tick are in it\n")
    _figures(run)
    print(f"\nAgain: script/chaos --seed {seed} --minutes {minutes:g} --rate {per_s:g}")
    print(f"{len(violations)} violations" if violations else "Nothing lost, nothing doubled, nothing wrong.")
    for text in violations:
        print(f"  {text}")


def _figures(run: Run) -> None:
    moves = [move for base in LIVE for move in run.towns[base].moves]
    print(f"published {len(run.ledger.said)}, taken by the broker {len(run.ledger.taken)}")
    if spans := run.future_refused():
        with direct(run.site.database_url) as database:
            print(
                f"refused as being of the future: {compare.refused(database, run.ledger, spans)} (not counted as lost)"
            )
    moved = sum(move.moved for move in moves)
    print(f"commands asked for {len(run.people.asked)}, heard by meters {len(moves)}, relays moved {moved}")
    print(f"fresh {_seconds(run.rested_after_s)} s after the last act")
    starts = Counter({name: len(part.all) for name, part in run.site.parts.items()})
    print("started: " + ", ".join(f"{name} {count} times" for name, count in starts.items()))


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"
