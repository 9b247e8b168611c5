"""The text that Prometheus reads, as prometheus_client writes it. The only module that knows that library.

A row holds the labels' values, then the number: a truth is 1 or 0, a moment its seconds since 1970, None is not told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE
from prometheus_client.registry import Collector

__all__ = ["CONTENT_TYPE", "Metric", "counter", "gauge", "histogram", "text"]

Number = float | Decimal | datetime | None
Rows = Iterable[tuple[Any, ...]]


def gauge(name: str, what: str, rows: Rows, labels: Sequence[str] = ()) -> Metric:
    return _filled(GaugeMetricFamily(name, what, labels=labels), rows)


def counter(name: str, what: str, rows: Rows, labels: Sequence[str] = ()) -> Metric:
    """Of a number that only rises, or begins anew from 0. The name without its _total."""
    return _filled(CounterMetricFamily(name, what, labels=labels), rows)


def histogram(name: str, what: str, below: Mapping[float, int], total: float) -> Metric:
    """`below`: how many took at most so long, the last of them inf; `total`: the sum of all."""
    buckets = [("+Inf" if bound == float("inf") else str(bound), float(count)) for bound, count in below.items()]
    made = HistogramMetricFamily(name, what)
    made.add_metric([], buckets=buckets, sum_value=total)
    return made


def text(metrics: Iterable[Metric]) -> bytes:
    """The whole page; with it what the system knows of this process: memory, processor, open files."""
    registry = CollectorRegistry()
    registry.register(_These(list(metrics)))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _These(Collector):
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _filled(made: Any, rows: Rows) -> Metric:
    for *labels, value in rows:
        if value is not None:
            made.add_metric([str(label) for label in labels], _number(value))
    return made  # type: ignore[no-any-return]


def _number(value: Number) -> float:
    return value.timestamp() if isinstance(value, datetime) else float(value or 0)
