"""Six Zigbee2MQTTs with 300 devices each come back at once: all that is retained, and every device talks.

Each area has a connection of its own; each device tells two reports, as four messages each. How long until all of it is
committed, beside how long a subscriber that only counts needs to hear it.
"""

from __future__ import annotations

import json

from bench import cpu
from bench.generator import Site
from bench.latency import STALLED_S, percentile
from bench.null import READY
from bench.run import Product, Run, generated, settled
from bench.table import Figure
from bench.year import sql
from campsite.embedded.processes import Process
from tests.meters.harness import says, until

SITE, NULL = Site(meters=1800, seed=4), Site(meters=1800, seed=5, prefix="null")
REPORTS, PARTS = 2, 4
ROWS = """
SELECT extract(epoch FROM measured_at)::float * 1000, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float * 1000
FROM meters_reading
WHERE measured_at >= %s AND num_nonnulls(power_w, current_ma, voltage_dv, counter_wh) = 4
"""


def measure(run: Run) -> list[Figure]:
    with run.product() as product:
        worker = product.worker()
        product.settle(SITE)
        rows, peak_mb, before_mb = ours(product, worker)
        null_s = heard_s(product)
    wanted = REPORTS * SITE.meters
    delays = [done - sent for sent, done in rows]
    took_s = (max(done for _, done in rows) - min(sent for sent, _ in rows)) / 1000 if rows else None
    what = f"{len(rows) * PARTS:,} messages of {SITE.meters:,} devices at once"
    return [
        Figure(f"{what}: until all is committed", took_s, "s", "null subscriber", null_s),
        Figure("… published → committed, p99", percentile(delays, 99), "ms"),
        Figure("… reports lost", wanted - len(rows), "", goal="= 0"),
        Figure("… the worker's memory at most", peak_mb, "MB", "before", before_mb, "≤ 2×"),
    ]


def ours(product: Product, worker: Process) -> tuple[list[tuple[float, float]], float, float]:
    """When each report was sent and committed, in ms; the worker's memory at most, and before."""
    from django.utils import timezone

    since, before, before_mb = timezone.now(), product.stored(), cpu.rss_mb(worker.pid)
    cpu.forget_peak(worker.pid)
    generated(come_back(product, SITE))
    settled(product.stored, before + REPORTS * PARTS * SITE.meters, STALLED_S, "stored by the worker")
    return [(sent, done) for sent, done in sql(ROWS, [since])], cpu.rss_mb(worker.pid, peak=True), before_mb


def come_back(product: Product, site: Site) -> Process:
    messages = REPORTS * PARTS * site.meters
    return product.generate(site, messages, grouped=True, connections=site.areas, announce="first")


def heard_s(product: Product) -> float:
    """Seconds in which a subscriber that only counts hears the same, from the first to the last."""
    messages = REPORTS * PARTS * NULL.meters
    client = product.python("bench.null", "--count", str(messages))
    until(lambda: says(client, READY), "the null subscriber")
    generated(come_back(product, NULL))
    client.wait_success(60)
    seconds: float = json.loads(client.log.read_text().splitlines()[-1])["seconds"]
    return seconds
