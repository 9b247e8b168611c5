"""The worker was away, 100,000 messages wait in the broker: how fast they are stored, at what cost, and that each is.

The generator has ended before, and takes nothing of the machine. The null subscriber of bench/ingest.py drains as many,
in turns. What the broker acknowledged to the generator is compared with the rows, one by one; the hours and the energy
billed with the counters.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench import cpu
from bench.ingest import OURS, WARM, Round, concurrent, costs, drained, median, null
from bench.run import Run
from bench.table import Figure
from bench.year import sql
from tests.meters.harness import terminate

MESSAGES, NULL_MESSAGES, SUSTAINED = 100_000, 50_000, 40_000
ROWS = """
SELECT d.ieee_address, (extract(epoch FROM r.measured_at) * 1000)::bigint, r.counter_wh
FROM meters_reading r JOIN meters_meter m ON m.id = r.meter_id JOIN meters_device d ON d.id = m.device_id
"""
ENERGY = """
SELECT coalesce(sum(abs(s.energy_kwh * 1000 - c.rise)), 0) + coalesce(sum(abs(coalesce(h.wh, 0) - c.rise)), 0)
FROM (SELECT meter_id, max(counter_wh) - min(counter_wh) AS rise FROM meters_reading GROUP BY 1) c
JOIN meters_meterstate s USING (meter_id)
LEFT JOIN (SELECT meter_id, sum(energy_wh) AS wh FROM meters_hourlyusage GROUP BY 1) h USING (meter_id)
"""


def measure(run: Run) -> list[Figure]:
    ours: list[Round] = []
    nulls: list[Round] = []
    with run.product() as product:
        worker = product.worker()
        product.settle(OURS)
        concurrent(run, product, worker, WARM)
        sustained = run.sustained_per_s or concurrent(run, product, worker, SUSTAINED).per_s
        ledgers = [product.ledger(f"backlog{number}") for number in range(run.rounds(3))]
        for ledger in ledgers:
            terminate(worker)
            drain, worker = drained(run, product, MESSAGES, ledger)
            ours.append(drain)
            nulls.append(null(product, NULL_MESSAGES, backlog=True))
        peak_mb, (lost, strange) = cpu.rss_mb(worker.pid, peak=True), compared(ledgers)
        astray_wh = energy_astray_wh()
    per_s = median(ours, "per_s")
    return [
        Figure(f"{MESSAGES:,} waiting messages stored", per_s, "a second", "sustained", sustained, "≥ 0.8×"),
        Figure("…", per_s, "a second", "null subscriber", median(nulls, "per_s"), "≥ 0.6×"),
        *costs("of a backlog", ours, nulls, "null subscriber"),
        Figure("… readings lost", lost, "", goal="= 0"),
        Figure("… readings that nobody sent, or with another counter", strange, "", goal="= 0"),
        Figure("… energy and hours beside the counters' rise", astray_wh, "Wh", goal="= 0"),
        Figure("… the worker's memory at most", peak_mb, "MB"),
    ]


def compared(ledgers: Sequence[Path]) -> tuple[int, int]:
    """Of what the ledgers tell: how many readings are not stored; how many since the first are stored beside them."""
    lines = [line.split() for ledger in ledgers for line in ledger.read_text().splitlines()]
    sent = {(ieee, int(at), int(wh)) for ieee, at, wh in lines}
    since = min(at for _, at, _ in sent)
    rows = {(ieee, at, wh) for ieee, at, wh in sql(ROWS) if at >= since}
    return len(sent - rows), len(rows - sent)


def energy_astray_wh() -> float:
    """By how much the energy billed and the hours of all meters differ from what their counters rose."""
    return float(sql(ENERGY)[0][0])
