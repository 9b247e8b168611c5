"""What an area's Zigbee2MQTT told of its health over a stretch of time: one report a step, and the differences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from django.db.models import DateTimeField, F, Func, Value

from meters.models import Area, AreaHealth

TOGETHER = 3
"""Reports further apart than so many steps say nothing of the time between."""


@dataclass(frozen=True, slots=True)
class Span:
    length: timedelta
    step: timedelta

    @property
    def steps(self) -> int:
        return self.length // self.step


SPANS = {
    "24h": Span(timedelta(hours=24), timedelta(minutes=10)),
    "7d": Span(timedelta(days=7), timedelta(hours=1)),
}


@dataclass(frozen=True, slots=True)
class Traffic:
    """Each list has a value a step, None where nothing was told. `by_device`: messages a minute by IEEE address."""

    messages_per_s: list[float | None]
    queued: list[float | None]
    memory_percent: list[float | None]
    by_device: dict[str, float]
    newest: AreaHealth | None


def traffic(area: Area, span: Span, now: datetime) -> Traffic:
    """One query: the last report of each step, since a week of all of them is many megabytes."""
    start = now - span.length
    reports = _reports(area, span, start - span.step)
    pairs = [
        (older, newer)
        for older, newer in pairwise(reports)
        if newer.generated_at - older.generated_at <= TOGETHER * span.step and newer.generated_at >= start
    ]
    rates: dict[int, float | None] = {}
    sums: Counter[str] = Counter()
    seconds = 0.0
    for older, newer in pairs:
        new = messages_between(older.devices, newer.devices)
        lasted_s = (newer.generated_at - older.generated_at).total_seconds()
        rates[_step(newer, span, start)] = new.total() / lasted_s
        sums.update(new)
        seconds += lasted_s
    within = {_step(report, span, start): report for report in reports if report.generated_at >= start}
    steps = range(span.steps)
    return Traffic(
        messages_per_s=[rates.get(step) for step in steps],
        queued=[_value(within.get(step), "mqtt_queued") for step in steps],
        memory_percent=[_value(within.get(step), "memory_percent") for step in steps],
        by_device={address: count * 60 / seconds for address, count in sums.items()},
        newest=reports[-1] if reports else None,
    )


def messages_between(older: Mapping[str, Any], newer: Mapping[str, Any]) -> Counter[str]:
    """How many messages came of each device between two reports. After a restart all that was counted since is new."""
    found: Counter[str] = Counter()
    for address, told in newer.items():
        count, before = _count(told), _count(older.get(address))
        found[address] = count - before if count >= before else count
    return found


def _count(told: Any) -> int:
    count = told.get("messages") if isinstance(told, dict) else None
    return count if isinstance(count, int) and not isinstance(count, bool) and count > 0 else 0


def _reports(area: Area, span: Span, since: datetime) -> Sequence[AreaHealth]:
    step = Func(Value(span.step), F("generated_at"), Value(since), function="date_bin", output_field=DateTimeField())
    found = AreaHealth.objects.filter(area=area, generated_at__gte=since).annotate(step=step)
    return list(found.order_by("step", "-generated_at").distinct("step"))


def _step(report: AreaHealth, span: Span, start: datetime) -> int:
    return min((report.generated_at - start) // span.step, span.steps - 1)


def _value(report: AreaHealth | None, name: str) -> float | None:
    return getattr(report, name) if report else None
