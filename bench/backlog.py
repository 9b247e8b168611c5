"""The worker was away, 100,000 messages wait in the broker: how fast they are stored, and that each is, once.

What the broker acknowledged to the generator is compared with the rows, one by one; the hours and the energy billed
with the counters. The rate stands beside the sustained one of the same run, generator flat out.
"""

from __future__ import annotations

from pathlib import Path

from bench import cpu
from bench.generator import Site
from bench.ingest import OURS, concurrent, drained
from bench.run import Run
from bench.table import Figure
from tests.meters.harness import terminate

MESSAGES, SUSTAINED = 100_000, 40_000
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
    with run.product() as product:
        worker = product.worker()
        product.settle(OURS)
        concurrent(run, product, worker, 3_000)
        sustained = concurrent(run, product, worker, SUSTAINED // (2 if run.is_quick else 1))
        terminate(worker)
        ledger = product.ledger("backlog")
        drain, worker = drained(run, product, MESSAGES, ledger)
        peak_mb = cpu.rss_mb(worker.pid, peak=True)
        lost, strange = compared(OURS, ledger)
        astray_wh = energy_astray_wh()
    name = f"{MESSAGES:,} waiting messages"
    return [
        Figure(f"{name}: stored a second", drain.per_s, "", "sustained", sustained.per_s, "≥ 0.8×"),
        Figure("… readings lost", lost, "", goal="= 0"),
        Figure("… readings that nobody sent, or with another counter", strange, "", goal="= 0"),
        Figure("… energy and hours beside the counters' rise", astray_wh, "Wh", goal="= 0"),
        Figure("… the worker's memory at most", peak_mb, "MB"),
    ]


def compared(site: Site, ledger: Path) -> tuple[int, int]:
    """Of what the ledger tells: how many readings are not stored; how many since its first are stored beside it."""
    from bench.volume import sql

    sent = {(ieee, int(at), int(wh)) for ieee, at, wh in (line.split() for line in ledger.read_text().splitlines())}
    since = min(at for _, at, _ in sent)
    rows = {(ieee, at, wh) for ieee, at, wh in sql(ROWS) if at >= since}
    return len(sent - rows), len(rows - sent)


def energy_astray_wh() -> float:
    """By how much the energy billed and the hours of all meters differ from what their counters rose."""
    from bench.volume import sql

    return float(sql(ENERGY)[0][0])
