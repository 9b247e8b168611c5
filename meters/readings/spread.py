"""When energy was used: a counter's rise spread over the hours of its interval. Pure.

By the watts that were read in the interval (each holds until the next), else evenly; in whole Wh that sum exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

HOUR = timedelta(hours=1)


def hour_of(moment: datetime) -> datetime:
    """The UTC hour that holds the moment. An end on the full hour belongs to the hour before: see `hours`."""
    return moment.replace(minute=0, second=0, microsecond=0)


def is_within_one_hour(start: datetime, end: datetime) -> bool:
    return end <= hour_of(start) + HOUR


def spread(start: datetime, end: datetime, wh: int, watts: Sequence[tuple[datetime, int]]) -> dict[datetime, int]:
    """Wh by hour. `watts`: (time, W) in order of time; those outside of the interval do not count."""
    if is_within_one_hour(start, end):
        return {hour_of(start): wh}
    slices = list(_slices(start, end))
    weights = _watt_seconds(slices, [(at, max(0, w)) for at, w in watts if start <= at <= end])
    if not sum(weights):
        weights = [(b - a).total_seconds() for a, b in slices]
    return dict(zip([hour_of(a) for a, _ in slices], apportion(wh, weights), strict=True))


def apportion(whole: int, weights: Sequence[float]) -> list[int]:
    """Whole parts in proportion to the weights that sum to `whole`; what is left goes to the largest fractions."""
    total = sum(weights)
    exact = [whole * weight / total for weight in weights]
    parts = [int(share) for share in exact]
    by_fraction = sorted(range(len(parts)), key=lambda i: (parts[i] - exact[i], i))
    for i in by_fraction[: whole - sum(parts)]:
        parts[i] += 1
    return parts


def _slices(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    while start < end:
        stop = min(hour_of(start) + HOUR, end)
        yield start, stop
        start = stop


def _watt_seconds(slices: Sequence[tuple[datetime, datetime]], watts: Sequence[tuple[datetime, int]]) -> list[float]:
    """Slice by slice, the integral of a power that holds from each reading to the next, the first also before itself.

    One pass: a meter may stand still for a whole winter, a reading a minute.
    """
    totals = [0.0] * len(slices)
    index = 0
    for i, (_, power) in enumerate(watts):
        begins = watts[i][0] if i else slices[0][0]
        ends = watts[i + 1][0] if i + 1 < len(watts) else slices[-1][1]
        while index < len(slices):
            start, stop = slices[index]
            totals[index] += power * max(0.0, (min(ends, stop) - max(begins, start)).total_seconds())
            if stop > ends:
                break
            index += 1
    return totals
