"""What the ingest costs at a campsite's real load: `python -m bench.ingest_cost [--seconds 60]`.

Real services of its own, durable. Each figure stands beside a baseline of the same run, since machines differ.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.cpu import cpu_of_all_s, cpu_s
from bench.run import Run, alone
from bench.table import Figure
from tests.meters import harness

METERS, AREAS, STATES = 260, 6, 400
PER_SECOND = 6.0
ROWS = 200_000


def share(worker: int, postgres: int, seconds: float, load: Callable[[], None]) -> tuple[float, float]:
    """Percent of a core that worker and PostgreSQL take in the next seconds; `load` is called over and over."""
    began, before = time.monotonic(), (cpu_s(worker), cpu_of_all_s(postgres))
    while time.monotonic() - began < seconds:
        load()
    after, took = (cpu_s(worker), cpu_of_all_s(postgres)), time.monotonic() - began
    return 100 * (after[0] - before[0]) / took, 100 * (after[1] - before[1]) / took


# --- the site --------------------------------------------------------------------------------------------------------


def fleets(url: str) -> list[harness.Fleet]:
    from meters.models import Area

    made = []
    for number in range(AREAS):
        base = f"z2m_{number}"
        Area.objects.create(name=base, slug=base, base_topic=base)
        fleet = harness.Fleet(url, base, METERS // AREAS + (number < METERS % AREAS))
        fleet.appear()
        made.append(fleet)
    return made


class Trickle:
    """A message of another meter every 1/6 s, measured just now, as Zigbee2MQTT sends them: a quantity each."""

    def __init__(self, sources: list[harness.Fleet]) -> None:
        self._sources, self._number, self._next = sources, 0, time.monotonic()
        self._meters = [(fleet, meter) for meter in range(METERS) for fleet in sources if meter < fleet.meters]

    def step(self) -> None:
        time.sleep(max(0.0, self._next - time.monotonic()))
        self._next = max(self._next, time.monotonic() - 1) + 1 / PER_SECOND
        fleet, meter = self._meters[(self._number // 3) % len(self._meters)]
        reading = fleet.reading(meter, self._number // 3 // len(self._meters), last_seen=datetime.now(UTC).isoformat())
        quantity = ("voltage", "current", "power")[self._number % 3]
        told = {key: value for key, value in reading.items() if key in (quantity, "linkquality", "last_seen", "device")}
        if self._number % 15 == 0:
            told["energy"] = reading["energy"]
        fleet.talker.say(f"{fleet.base}/{fleet.name(meter)}", told)
        self._number += 1


# --- the database ----------------------------------------------------------------------------------------------------


def read_states_ms() -> tuple[float, float]:
    """Median ms inside PostgreSQL of the state of 400 meters, and of a bare scan of their ids."""
    from django.db import connection
    from django.utils import timezone

    from meters import online
    from meters.models import Device, Meter, MeterState

    now = timezone.now()
    for number in range(STATES - Meter.objects.count()):
        device = Device.objects.create(
            ieee_address=f"0x{number:016x}", friendly_name=f"more {number}", first_seen_at=now
        )
        MeterState.objects.create(meter=Meter.objects.create(device=device), heard_at=now, power_w=number)

    def median(sql: str, parameters: Any) -> float:
        times: list[float] = []
        with connection.cursor() as cursor:
            for _ in range(21):
                cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", parameters)
                times.append(cursor.fetchone()[0][0]["Execution Time"])
        return statistics.median(times)

    return median(*online.meters().query.sql_with_params()), median("SELECT id FROM meters_meter", [])


def store_rows() -> dict[str, tuple[float, float]]:
    """Bytes a row (with index) and microseconds a row: our statement, and a raw COPY of the same rows."""
    from django.db import connection

    from meters import partitions
    from meters.readings import tables

    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3)
    partitions.ensure([day.date()])
    rounds = ROWS // METERS + 1
    step = timedelta(days=1) / (rounds + 1)
    began = time.monotonic()
    for number in range(rounds):
        tables.write_readings([_row(m, day + number * step, number) for m in range(1, METERS + 1)])
    ours_s, name, total = time.monotonic() - began, f"meters_reading_{day:%Y%m%d}", rounds * METERS
    columns = ", ".join(tables.READING_COLUMNS)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM {name} ORDER BY measured_at")
        rows_stored = cursor.fetchall()
        cursor.execute(f"CREATE TABLE raw (LIKE {name} INCLUDING ALL)")
        began = time.monotonic()
        with cursor.copy(f"COPY raw ({columns}) FROM STDIN") as copy:
            for row in rows_stored:
                copy.write_row(row)
        raw_s = time.monotonic() - began
        cursor.execute(f"SELECT pg_total_relation_size('{name}'), pg_total_relation_size('raw')")
        ours_bytes, raw_bytes = cursor.fetchone()
        partitions.reindex(day.date())
        cursor.execute(f"SELECT pg_total_relation_size('{name}')")
        packed_bytes = cursor.fetchone()[0]
    return {
        "ours": (ours_bytes / total, 1e6 * ours_s / total),
        "packed": (packed_bytes / total, 0.0),
        "raw": (raw_bytes / total, 1e6 * raw_s / total),
    }


def _row(meter: int, at: datetime, number: int) -> Any:
    """Every fifth report tells the counter."""
    from meters.readings.latest import Row

    counter, epoch = (100_000 + number, 1) if (meter + number) % 5 == 0 else (None, None)
    return Row(meter, at + timedelta(milliseconds=meter), counter, 1200, 5200, epoch, 2310, 120, True)


# --- the figures -----------------------------------------------------------------------------------------------------


def measure(run: Run, seconds: float = 60) -> list[Figure]:
    from meters.models import Meter

    with run.product() as product:
        worker = product.worker()
        sources = fleets(product.broker.url)
        try:
            harness.until(lambda: Meter.objects.count() == METERS, "the meters")
            idle = share(worker.pid, run.postgres_pid, seconds / 3, lambda: time.sleep(0.5))
            loaded = share(worker.pid, run.postgres_pid, seconds, Trickle(sources).step)
        finally:
            for fleet in sources:
                fleet.talker.stop()
        return [*shares(idle, loaded), *stored()]


def shares(idle: tuple[float, float], loaded: tuple[float, float]) -> list[Figure]:
    what, unit, reference = f"at {PER_SECOND:.0f} messages a second", "% of a core", "an idle worker"
    return [
        Figure(f"worker {what}", loaded[0], unit, reference, idle[0], "≤ 1"),
        Figure(f"PostgreSQL {what}", loaded[1], unit, reference, idle[1], "≤ 2"),
    ]


def stored() -> list[Figure]:
    state_ms, ids_ms = read_states_ms()
    rows, reference = store_rows(), "raw COPY"
    (ours_b, ours_us), (packed_b, _), (raw_b, raw_us) = (rows[name] for name in ("ours", "packed", "raw"))
    return [
        Figure(f"state of {STATES} meters, in the database", state_ms, "ms", "a scan of the ids", ids_ms, "≤ 2"),
        Figure("bytes a reading, index included, today's", ours_b, "B", reference, raw_b, "≤ 100"),
        Figure("… of a closed day, reindexed", packed_b, "B", reference, raw_b, "≤ 100"),
        Figure("a reading stored, batches of 260", ours_us, "µs", reference, raw_us),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    seconds = parser.parse_args().seconds
    alone(lambda run: measure(run, seconds))


if __name__ == "__main__":
    main()
