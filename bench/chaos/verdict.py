"""All that is compared when a run has come to rest."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from bench.chaos import after, compare, obeyed
from bench.chaos.load import LIVE
from bench.chaos.run import Done, Run, direct
from tests.meters.harness import until

MINUTE_S = 60.0
EDGE_S = 2.0
"""Within this time of the moment that it is set, a clock may show both."""
KEEPALIVE_S = 45.0
"""So long paho believes in a connection over which nothing comes, beside the time it was cut."""


def judge(run: Run, *, is_long: bool) -> list[str]:
    """`is_long`: also what comes about only within minutes: background jobs, incidents."""
    from django.utils import timezone

    from meters.readings import days

    found = [f"the API answered {text}" for text in run.people.refused[:5]]
    if run.pages:
        run.pages.stop()
        for looked in run.pages.looked.values():
            found += after.pages(looked, run.began, lambda at: silence_s(run.done, at))
    if is_long:
        found += _in_minutes()
    run.hush()
    found += run.violations
    days.sum_up(timezone.now())
    moves = [move for base in LIVE for move in run.towns[base].moves]
    true_times = partial(true_times_s, run.done, (run.began - MINUTE_S, time.time()))
    with direct(run.site.database_url) as database:
        switched = {move.ieee for move in moves} | compare.sent_to(database)
        found += compare.compare(database, run.ledger, run.future_refused(), switched)
        late = partial(kept_back_s, run.done)
        people = run.people
        found += obeyed.judge(database, people.asked, people.at_last, moves, late, true_times)
        found += after.leftovers(database, run.site.crew)
    return found


def logs(run: Run) -> list[str]:
    """Once all have ended."""
    return after.tracebacks([process.log for part in run.site.parts.values() for process in part.all])


def _in_minutes() -> list[str]:
    now = time.time()
    try:
        until(lambda: after.jobs_ran_since(now), "the background jobs to run again", 3 * MINUTE_S)
        until(lambda: not after.open_incidents(), "what was wrong to be over", 3 * MINUTE_S)
    except AssertionError as late:
        return [f"{late}; {after.open_incidents()}"]
    return []


def kept_back_s(done: Sequence[Done], at: float) -> float:
    """What was sent before this moment may have lain so long with who was stopped, or on a road that was."""
    near = [each for each in done if each.begun_at <= at and (each.ended_at or at) >= at - 90 and each.act.lasts_s]
    return sum(
        (each.ended_at or at) - each.begun_at + abs(each.act.step_s if abs(each.act.step_s) < 100 else 0)
        for each in near
    )


def true_times_s(done: Sequence[Done], run: tuple[float, float], at: float) -> list[float]:
    """When it may have been what our processes called `at`: their clock was set meanwhile, the world's was not. `run`:
    from when to when all happened.
    """
    steps = [(each.act.step_s, each.begun_at, each.ended_at or at) for each in done if each.act.step_s]
    found = [at - step for step, begun, ended in steps if begun - EDGE_S <= at - step <= ended + EDGE_S]
    if run[0] <= at <= run[1] and not any(begun + EDGE_S < at < ended - EDGE_S for _, begun, ended in steps):
        found.append(at)
    return found or [at]


def silence_s(done: Sequence[Done], at: float) -> float:
    """While the broker hangs, or the road to it, our worker believes in the connection until a sign of life is due."""
    hung = [each for each in done if each.begun_at <= at <= (each.ended_at or at) + 90 and "broker" in each.act.hits]
    return sum((each.ended_at or at) - each.begun_at + KEEPALIVE_S for each in hung)
