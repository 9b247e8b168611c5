"""What must be so when all is over, and what pages said meanwhile. Each finding is a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg

from bench.chaos.compare import _few
from bench.chaos.load import AREAS
from bench.chaos.pages import Looked
from bench.chaos.site import Crew

SILENT_S = 20.0 + 12.0
"""So long a page may take what it shows for true when nothing new comes any more (online.WORKER_SILENCE), and the time
in which it would have been told."""
LAG_S = 60.0
"""So old may be what still comes, until the worker itself says that it does not keep up (online.MOST_LAG_S)."""
CODES = (
    *("worker_silent", "broker_away", "broker_no_round_trip", "broker_slow", "worker_lags", "redis_away"),
    *("many_silent", "meter_silent", "bridge_offline", "jobs_wait", "partition_missing"),
    *("shard_silent", "shard_deaf", "area_untaken"),
)
"""Incidents of what was done; others were there from the start."""
EXPECTED = re.compile(
    r"(OperationalError|InterfaceError|AdminShutdown|CannotConnectNow|PoolTimeout|ConnectionTimeout|IdleInTransaction"
    r"|ConnectionDoesNotExist|CrashShutdown|TimeoutError|Connection\w*Error|BrokenPipeError|IncompleteReadError"
    r"|ConnectionClosed\w*|ClientDisconnected|CancelledError|QueryCanceled)\b"
)
"""What a process may say of a neighbour that is away."""
HEAD = "Traceback (most recent call last):"
RAISED = re.compile(r"^([A-Za-z_][\w.]*(?:Error|Exception|Shutdown|Closed\w*|Timeout|Now|Exist|\w+))(?::|$)")


def tracebacks(logs: Sequence[Path]) -> list[str]:
    """Those that are not of a connection."""
    return _few("a traceback", (text for log in logs for text in _of_log(log)))


def _of_log(log: Path) -> Iterator[str]:
    lines = log.read_text(errors="replace").splitlines()
    for number, line in enumerate(lines):
        if HEAD not in line:
            continue
        ends = next((n for n in range(number + 1, len(lines)) if RAISED.match(lines[n])), None)
        raised = lines[ends] if ends else ""
        if not EXPECTED.search(raised.partition(":")[0]):
            yield f"{log.name}: {raised[:200] or 'cut off'} ({lines[number - 1][:160] if number else ''})"


def leftovers(database: psycopg.Connection[Any], crew: Crew) -> list[str]:
    """Transactions and locks that nobody ended."""
    idle = (
        "SELECT pid || ' ' || left(query, 100) FROM pg_stat_activity WHERE datname = current_database() "
        "AND state LIKE 'idle in transaction%' AND state_change < now() - interval '5 seconds'"
    )
    held = (
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND "
    )
    leaders, tellers = f"{held} classid = 0 AND objid = 7301000", f"{held} classid = 0 AND objid = 7301005"
    of_areas = f"{held} classid = 7301000"
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    found = [f"a transaction is open: {text}" for (text,) in database.execute(idle)]
    for statement, wanted, what in (
        (leaders, crew.workers, "leaders' locks"),
        (of_areas, len(AREAS) if crew.workers > 1 else 0, "areas' locks"),
        (tellers, 1, "locks of who tells the browsers"),
        (waiting, 0, "locks that are waited for"),
    ):
        row = database.execute(statement).fetchone()
        if row != (wanted,):
            found.append(f"{what}: {row}")
    return found


def jobs_ran_since(moment: float) -> bool:
    """Whether qcluster has done what is due each minute since then."""
    from django.utils import timezone
    from django_q.models import Schedule, Success

    recent = Success.objects.filter(func="monitoring.tasks.check_site").order_by("-stopped").first()
    waits = Schedule.objects.filter(schedule_type=Schedule.MINUTES)
    soon = timezone.now() + timedelta(minutes=3)
    return recent is not None and recent.stopped.timestamp() > moment and not waits.filter(next_run__gt=soon).exists()


def open_incidents() -> list[str]:
    """What is still taken for wrong: found by the last look."""
    from monitoring.models import Incident

    found = Incident.objects.filter(code__in=CODES, closed_at=None, opened_at__isnull=False, times_missed=0)
    return [f"{each.code} {each.about} {each.facts}" for each in found]


# --- pages -----------------------------------------------------------------------------------------------------------


def pages(looked: Looked, began: float, may_be_late: Callable[[float], float]) -> list[str]:
    """`may_be_late`: for how long, until a moment, our own processes may have taken silence for a connection."""
    never_left = [] if all(seen.told["same"] for seen in looked.seen) else [f"{looked.name} was loaded anew"]
    return [
        *never_left,
        *_few(f"{looked.name}'s script", iter(looked.complaints)),
        *_few(f"{looked.name} said of old what is", _said_old(looked, began, may_be_late)),
    ]


def _said_old(looked: Looked, began: float, may_be_late: Callable[[float], float]) -> Iterator[str]:
    """What is shown as what is, came a moment ago, and was measured not long before. Until all was fresh for the first
    time, which on a busy machine takes minutes, nothing is judged.
    """
    told_at, changed_at, watts = 0.0, began, None
    for seen in looked.seen:
        if seen.told["watts"] != watts or not seen.says_now:
            changed_at, watts = seen.at, seen.told["watts"]
        silent_s, may_s = seen.at - changed_at, SILENT_S + may_be_late(seen.at)
        is_old = seen.age_s is not None and seen.age_s > may_s + LAG_S
        if seen.at >= began and seen.says_now and (silent_s > may_s or is_old) and seen.at - told_at > 60:
            told_at = seen.at
            age = f"{seen.age_s or 0:.0f} s old, unchanged for {silent_s:.0f} s, may be {may_s:.0f} s"
            yield f"at {seen.at - began:.0f} s: {seen.told}, {age}"
