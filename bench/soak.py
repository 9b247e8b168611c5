"""The whole product under steady load, without faults, and what of it grows: `script/soak [--hours 1] [--rate 20]`.

Each half minute: memory, file handles and threads of each of our processes, PostgreSQL's, Valkey's and the broker's
memory, connections, tables that must not grow, the write-ahead log, what the broker keeps, the worker's lag. The first
part of the time is for warming up. What grows after it beyond its tolerance is told, with what it would come to in a
week; exit code 1 then, and where the product was not well meanwhile. The night's jobs, a backup and its drill among
them, are done several times in a run. docs/chaos.md.
"""

from __future__ import annotations

import argparse
import csv
import http.client
import itertools
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import redis

from bench.chaos.load import Ledger
from bench.chaos.run import Run, direct
from bench.chaos.site import Durable, Site
from bench.cpu import pss_mb
from bench.run import django, until_stopped
from bench.twins.product import Board
from bench.webhook import body
from monitoring.backup import sealing
from tests.conftest import Broker
from tests.meters.harness import Listener, OwnServices
from tests.meters.surroundings import services_and_broker

SAMPLE_S = 30.0
SOCKETS = 20
CALL_S = 3.0
MB = 1024 * 1024
NIGHTS, DAY_S = 6, 86_400.0
"""Of a run: so many that what each leaves behind is a slope, and what the first ones load lies in the warming up."""
WARM_UP = 0.4
"""This part of the time, an hour at most: caches fill, pools open, tables find their size."""
MOST_WARM_UP_S = 3600.0
SHORT_S = 1800.0
WORKERS, MAY_RISE = "MB of qcluster's workers", 1.1
"""They hold more and more until they make way: at most so many times as much in the second half as in the first. Their
slope is not judged: the name ends with no unit."""
MOST_POINTS = 400
STORED = 0.5
"""At least this part of the messages must become readings: two messages may tell of one."""
STEADY = (
    "meters_meterstate meters_workerstate meters_areastate meters_device meters_watch django_q_schedule django_q_ormq"
)
"""Tables whose rows are changed and not added: what they grow by is bloat."""
CALLS = ("/api/v1/meters/?limit=100", "/api/v1/commands/?limit=100", "/health/ready", "/board/state.json")


@dataclass(frozen=True)
class Tolerance:
    """What a thing may grow by within the time that is looked at: by so much, or so much of what it is."""

    most: float
    share: float = 0.03


TOLERANCES = {
    "MB": Tolerance(3.0),
    "handles": Tolerance(2.0),
    "threads": Tolerance(1.0),
    "connections": Tolerance(1.5),
    "clients": Tolerance(1.5),
    "messages": Tolerance(20.0, 0.1),
    "kB": Tolerance(512.0, 0.1),
    "segments": Tolerance(2.0),
    "s": Tolerance(1.0),
}
"""By the last word of a sample's name."""


# --- the product, and its nights -------------------------------------------------------------------------------------


class Backed(Site):
    """It has somewhere to bring its backups, and the key that opens them."""

    def __init__(self, services: OwnServices, broker: Broker, database_url: str) -> None:
        self._identity, self._recipient = sealing.new_key()
        super().__init__(services, broker, database_url, with_clock=False)

    def _told(self, one: str) -> dict[str, str]:
        there = self.services.root / "backups"
        there.mkdir(exist_ok=True)
        return super()._told(one) | {
            "BACKUP_TARGETS": f"there file://{there}",
            "BACKUP_RECIPIENTS": self._recipient,
            "BACKUP_IDENTITY": self._identity,
            "BACKUP_WORK": str(self.services.root / "work"),
            "POSTGRES_PROGRAMS": str(self.services.postgres.programs),
        }


class Nights:
    """What is done at night becomes due, NIGHTS times in the run: an hour by day has none of its own."""

    DUE = "UPDATE django_q_schedule SET next_run = now() WHERE schedule_type = 'D'"
    DRILL_DUE = "UPDATE monitoring_restoredrill SET started_at = started_at - interval '29 days'"

    def __init__(self, url: str, seconds: float) -> None:
        self._url, self._gap_s, self.count = url, min(DAY_S, seconds / NIGHTS), 0

    def look(self, passed_s: float) -> None:
        if passed_s >= self._gap_s * (self.count + 0.5):
            self.count += 1
            with direct(self._url) as database:
                database.execute(self.DRILL_DUE)
                database.execute(self.DUE)


# --- what is sampled -------------------------------------------------------------------------------------------------


def of_processes(name: str, pids: Sequence[int]) -> dict[str, float]:
    """Memory (PSS: what is shared counts once), handles and threads of all of these together."""
    memory = handles = threads = 0.0
    for pid in pids:
        with suppress(OSError):
            memory += pss_mb(pid)
            handles += len(os.listdir(f"/proc/{pid}/fd"))
            threads += len(os.listdir(f"/proc/{pid}/task"))
    return {f"{name} MB": memory, f"{name} handles": handles, f"{name} threads": threads}


class Kept:
    """What the broker says that it keeps, for whom it may be: it tells each ten seconds what has changed."""

    TOPIC = "$SYS/broker/store/messages/count"

    def __init__(self, url: str) -> None:
        self.messages = 0.0
        self._ear = Listener(url, self.TOPIC, self._hear)
        self.stop = self._ear.stop

    def _hear(self, topic: str, payload: bytes) -> None:
        self.messages = float(payload)


def of_cluster(pids: Sequence[int], first: Collection[int]) -> dict[str, float]:
    """A worker makes way for a new one after a quarter of an hour, which begins with what those hold that stay: what
    goes on growing does so in them, and is judged there. `first`: the processes that were there at the start.
    """
    found = of_processes("qcluster", pids)
    stays = of_processes("qcluster", [pid for pid in pids if pid in first])["qcluster MB"]
    return found | {"qcluster MB": stays, WORKERS: found["qcluster MB"] - stays}


def sample(site: Site, kept: Kept, first: Collection[int]) -> dict[str, float]:
    found = {"broker kept messages": kept.messages, "write-ahead log segments": wal_segments(site)}
    for name, pids in site.pids_of.items():
        if name == "postgres":  # its shared buffers fill up to their size: what its processes have beside them
            found["postgres processes connections"] = float(len(pids))
        else:
            found |= of_cluster(pids, first) if name == "qcluster" else of_processes(name, pids)
    with redis.Redis.from_url(site.services.valkey.url) as valkey:
        told = valkey.info()
        found |= {"valkey used MB": told["used_memory"] / MB, "valkey clients": float(told["connected_clients"])}
    return found | of_database(site.database_url)


def wal_segments(site: Site) -> float:
    """Of 16 MB each. PostgreSQL uses them again: more and more of them is a log that nobody lets go of."""
    return float(sum(len(each.name) == 24 for each in (site.services.postgres.directory / "pg_wal").iterdir()))


def of_database(url: str) -> dict[str, float]:
    found: dict[str, float] = {}
    with direct(url) as database:
        for who, count in database.execute(
            "SELECT coalesce(nullif(application_name, ''), 'ours'), count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() GROUP BY 1"
        ):
            found[f"{who} connections"] = float(str(count))
        for table, size in database.execute(
            "SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE relname = ANY(%s)", [STEADY.split()]
        ):
            found[f"{table} kB"] = float(str(size)) / 1024
        for name, statement in FIGURES.items():
            row = database.execute(statement).fetchone()
            found[name] = float(str(row[0])) if row and row[0] is not None else 0.0
    return found


FIGURES = {
    "lag s": "SELECT lag_s FROM meters_workerstate",
    "queued messages": "SELECT queued FROM meters_workerstate",
    "locks connections": "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'",
    "failed jobs": "SELECT count(*) FROM django_q_task WHERE NOT success",
    "drills": "SELECT count(*) FROM monitoring_restoredrill WHERE status = 'done'",
    "readings": "SELECT count(*) FROM meters_reading",
    "database bytes": "SELECT pg_database_size(current_database())",
}
"""The last four are told, and no slope of theirs is judged."""


# --- the load beside the meters' -------------------------------------------------------------------------------------


class Nothing(Ledger):
    """Of a week nobody could keep it."""

    def note(self, topic: str, told: dict[str, object]) -> int | None:
        return None


class Callers:
    """What asks by HTTP each few seconds: the API, the pages, Sirvoy."""

    def __init__(self, port: int, token: str, cookie: str, webhook: str) -> None:
        self.answers: dict[str, int] = {}
        self._port, self._webhook = port, webhook
        self._headers = {"Authorization": f"Token {token}", "Cookie": cookie, "Content-Type": "application/json"}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="callers", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(60)

    def _run(self) -> None:
        for number in itertools.count():
            if self._stopping.wait(CALL_S / (len(CALLS) + 1)):
                return
            place = number % (len(CALLS) + 1)
            if place < len(CALLS):
                self._call("GET", CALLS[place], None)
            else:
                self._call("POST", self._webhook, body(1 + number // 5 % 300, number, bool(number // 1500 % 2)))

    def _call(self, method: str, path: str, sent: bytes | None) -> None:
        line = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            line.request(method, path, sent, self._headers)
            answer = line.getresponse()
            answer.read()
            key = f"{answer.status}"
        except (OSError, http.client.HTTPException) as failed:
            key = type(failed).__name__
        finally:
            line.close()
        self.answers[key] = self.answers.get(key, 0) + 1


# --- the verdict -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trend:
    name: str
    first: float
    last: float
    an_hour: float
    is_flat: bool
    is_judged: bool
    seen_from: float
    """What grows by less an hour than this cannot be told in a run so short."""

    def __str__(self) -> str:
        flat = f"flat (from {self.seen_from:+,.1f} on it would be seen)"
        word = flat if self.is_flat else f"GROWS, in a week to {self.last + 168 * self.an_hour:,.0f}"
        told = f"{self.name:<38}{self.first:>15,.1f}{self.last:>15,.1f}{self.an_hour:>+15,.2f}"
        return f"{told}  {word if self.is_judged else 'told, not judged'}"


def thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most MOST_POINTS, each the medians of its neighbours: of a week's there would be a hundred million pairs."""
    each = -(-len(points) // MOST_POINTS)
    groups = (points[begin : begin + each] for begin in range(0, len(points), each))
    return [(statistics.median(t for t, _ in group), statistics.median(v for _, v in group)) for group in groups]


def trend(name: str, points: Sequence[tuple[float, float]]) -> Trend:
    """Theil and Sen's slope: the median of those between all pairs, which a few outliers do not move."""
    points = thinned(points)
    slopes = [(b - a) / (t - s) for (s, a), (t, b) in itertools.combinations(points, 2) if t > s]
    slope = statistics.median(slopes) if slopes else 0.0
    span = points[-1][0] - points[0][0]
    allowed = TOLERANCES.get(name.rpartition(" ")[2])
    level = statistics.median(value for _, value in points)
    may = max(allowed.most, allowed.share * level) if allowed else float("inf")
    ends = max(1, len(points) // 5)
    first, last = (statistics.median(v for _, v in part) for part in (points[:ends], points[-ends:]))
    return Trend(name, first, last, slope * 3600, slope * span <= may, allowed is not None, may / span * 3600)


def trends(rows: Sequence[Mapping[str, float]], seconds: float) -> list[Trend]:
    """Of what was there in each sample after the warming up."""
    late = [row for row in rows if row["at"] >= min(MOST_WARM_UP_S, WARM_UP * seconds)]
    if len(late) < 3:
        return []
    names = [name for name in late[-1] if name != "at"]
    found = [trend(name, [(row["at"], row.get(name, 0.0)) for row in late]) for name in names]
    return found if seconds >= SHORT_S else [replace(each, is_flat=True, is_judged=False) for each in found]


def risen(rows: Sequence[Mapping[str, float]], seconds: float) -> list[str]:
    """Whether what comes and goes comes higher."""
    late = [row[WORKERS] for row in rows if row["at"] >= min(MOST_WARM_UP_S, WARM_UP * seconds)]
    if len(late) < 4:
        return []
    before, after = max(late[: len(late) // 2]), max(late[len(late) // 2 :])
    if not before or after <= MAY_RISE * before:  # none has made way yet: the first ones count as those that stay
        return []
    return [f"qcluster's workers held {before:.0f} MB at most, and {after:.0f} later"]


def unwell(
    rows: Sequence[Mapping[str, float]],
    answers: Mapping[str, int],
    per_s: float,
    ended: Sequence[str],
    nights: int,
    seconds: float,
) -> list[str]:
    """What was wrong meanwhile: what does nothing stays flat. `ended`: processes that are no more. `nights`: of the
    first there is no backup yet, the last may not be over.
    """
    found = [f"{name} has ended" for name in ended]
    found += [f"callers were answered {answer}: {count} times" for answer, count in answers.items() if answer != "200"]
    if not answers:
        found.append("callers were never answered")
    stored, passed = (rows[-1][name] - rows[0][name] if rows else 0.0 for name in ("readings", "at"))
    if stored < STORED * per_s * passed:
        found.append(f"{stored:.0f} readings were stored in {passed:.0f} s, at {per_s:g} messages a second")
    failed, drills = (rows[-1][name] if rows else 0.0 for name in ("failed jobs", "drills"))
    if failed:
        found.append(f"{failed:.0f} jobs failed")
    if drills < nights - 2 and seconds >= SHORT_S:
        found.append(f"{drills:.0f} backups came back in {nights} nights")
    return found


# --- the run ---------------------------------------------------------------------------------------------------------


def watch(
    run: Run, nights: Nights, seconds: float, write: Callable[[Mapping[str, float]], None]
) -> list[dict[str, float]]:
    began, rows, kept = time.monotonic(), list[dict[str, float]](), Kept(run.site.broker.url)
    first = set(run.site.pids_of["qcluster"])
    while (passed := time.monotonic() - began) < seconds:
        nights.look(passed)
        if not rows or passed >= rows[-1]["at"] + SAMPLE_S:
            rows.append({"at": passed} | sample(run.site, kept, first))
            write(rows[-1])
        time.sleep(0.5)
    kept.stop()
    return rows


def writer(path: Path) -> Callable[[Mapping[str, float]], None]:
    """The first sample's names are the columns."""
    columns: list[str] = []

    def write(row: Mapping[str, float]) -> None:
        with path.open("a" if columns else "w", newline="") as file:
            out = csv.writer(file)
            if not columns:
                columns.extend(row)
                out.writerow(columns)
            out.writerow([f"{row.get(name, 0):.2f}" for name in columns])

    return write


def begin(run: Run, stack: ExitStack) -> Callers:
    """The meters' load, pages and people of `bench.chaos`, and beside them sockets and callers."""
    from rest_framework.authtoken.models import Token

    from bookings import tokens
    from meters.models import Pitch

    run.begin()
    Pitch.objects.bulk_create(Pitch(number=str(number)) for number in range(300))
    for _ in range(SOCKETS):
        stack.callback(Board(run.site.port, run.staffs).stop)
    webhook = tokens.path(tokens.make("soak", None)[1])
    callers = Callers(run.site.port, Token.objects.get().key, run.staffs, webhook)
    stack.callback(callers.stop)
    return callers


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=1, help="for how long, 1 unless given")
    parser.add_argument("--rate", type=float, default=20, help="messages a second, 20 unless given")
    parser.add_argument("--csv", type=Path, default=Path("soak.csv"))
    told = parser.parse_args()
    seconds = told.hours * 3600
    with services_and_broker("mosquitto", Durable) as (services, broker), ExitStack() as stack:
        assert isinstance(services, OwnServices)
        database_url = services.new_database()
        django(services, database_url)
        site, nights = Backed(services, broker, database_url), Nights(database_url, seconds)
        run = Run(site, 1, told.rate, seconds, [], print, Nothing())
        stack.callback(run.end)
        callers = begin(run, stack)
        ends = time.strftime("%H:%M", time.localtime(time.time() + seconds))
        print(f"Until {ends}; each half minute a row in {told.csv}", flush=True)
        rows = watch(run, nights, seconds, writer(told.csv))
        ended = [name for name, part in site.parts.items() if not part.process.is_alive()]
        ended += ["Chromium"] if run.pages and run.pages.failed else []
        wrong = unwell(rows, callers.answers, told.rate, ended, nights.count, seconds) + risen(rows, seconds)
    return show(trends(rows, seconds), wrong, rows, told.csv)


def show(found: Sequence[Trend], wrong: Sequence[str], rows: Sequence[Mapping[str, float]], path: Path) -> int:
    print(f"{'':<38}{'first':>15}{'last':>15}{'slope an hour':>15}")
    for each in found:
        print(each)
    print(f"{len(rows)} samples in {path}")
    grows = [each.name for each in found if not each.is_flat]
    is_judged = any(each.is_judged for each in found)
    flat = (
        "All is flat."
        if is_judged
        else "Too short for a verdict: caches still fill, pools still open for half an hour."
    )
    print(f"NOT FLAT: {', '.join(grows)}" if grows else flat)
    print("\n".join(f"NOT WELL: {text}" for text in wrong) or "All was well meanwhile.")
    return 1 if grows or wrong or not found else 0


if __name__ == "__main__":
    sys.exit(until_stopped(main))
