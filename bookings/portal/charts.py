"""What a stay used, hour by hour: the hours of its lines in the ledger add up to the lines. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from itertools import pairwise

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOTHING = Decimal(0)
WH = Decimal("0.001")
STEPS = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A line of the ledger: `kwh` from `start` to `end`, and of the hours that it touches (by their beginning, in UTC)
    what the meter used in each, in kWh.
    """

    start: datetime
    end: datetime
    kwh: Decimal
    hours: Mapping[datetime, Decimal]


@dataclass(frozen=True, slots=True)
class Known:
    """Of which time it is known what was used."""

    since: datetime
    until: datetime

    def of(self, kwh: Decimal, start: datetime, end: datetime) -> Decimal | None:
        """What was used from `start` to `end`; None where nothing of that time is known."""
        return kwh if max(start, self.since) < min(end, self.until) else None


@dataclass(frozen=True, slots=True)
class Bar:
    """`kwh` None: before the stay, or not known yet. `left` and `height` in parts of a hundred of the chart."""

    start: datetime
    kwh: Decimal | None
    left: float
    width: float
    height: float

    @property
    def top(self) -> float:
        return 100 - self.height


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars below a round number of kWh."""

    bars: tuple[Bar, ...]
    top_kwh: Decimal

    @property
    def total_kwh(self) -> Decimal:
        return sum((bar.kwh for bar in self.bars if bar.kwh), NOTHING)

    @property
    def is_known(self) -> bool:
        return any(bar.kwh is not None for bar in self.bars)

    @property
    def most(self) -> Bar | None:
        """The highest bar; None where nothing was used."""
        used = [bar for bar in self.bars if bar.kwh]
        return max(used, key=lambda bar: bar.kwh or NOTHING, default=None)


def by_hour(stretches: Iterable[Stretch]) -> dict[datetime, Decimal]:
    """kWh by the beginning of the hour; together exactly what the stretches amount to.

    Whole hours are what the meter says. What is left belongs to the first and the last hour, of which only a part is
    the stay's, by what the meter used in them. Where the meter's hours say more than the line, all shrink alike.
    """
    found: dict[datetime, Decimal] = defaultdict(Decimal)
    for stretch in stretches:
        for hour, kwh in _spread(stretch).items():
            found[hour] += kwh
    return dict(found)


def hourly(used: Mapping[datetime, Decimal], known: Known, until: datetime, count: int) -> Chart:
    """The last `count` hours up to that of `until`."""
    last = _hour(until)
    starts = [last - index * HOUR for index in reversed(range(count))]
    return _chart([(start, known.of(used.get(start, NOTHING), start, start + HOUR)) for start in starts])


def daily(used: Mapping[datetime, Decimal], known: Known, until: datetime, zone: tzinfo, most: int) -> Chart:
    """The local days of the stay up to `until`, at most the last so many."""
    sums: dict[date, Decimal] = defaultdict(Decimal)
    for hour, kwh in used.items():
        sums[hour.astimezone(zone).date()] += kwh
    first, last = known.since.astimezone(zone).date(), until.astimezone(zone).date()
    first = max(first, last - (most - 1) * DAY)
    days = [first + index * DAY for index in range((last - first).days + 1)]
    spans = pairwise(datetime.combine(day, time(), zone) for day in (*days, last + DAY))
    return _chart([(start, known.of(sums[day], start, end)) for day, (start, end) in zip(days, spans, strict=True)])


# --- inside ----------------------------------------------------------------------------------------------------------


def _spread(stretch: Stretch) -> dict[datetime, Decimal]:
    parts = list(_parts(stretch))
    whole = {hour: stretch.hours.get(hour, NOTHING) for hour, share in parts if share == 1}
    edges = {hour: share for hour, share in parts if share < 1}
    rest = stretch.kwh - sum(whole.values(), NOTHING)
    if rest == 0:
        return whole
    if rest < 0 or not edges:
        return _share(stretch.kwh, whole or dict(parts))
    weights = {hour: stretch.hours.get(hour, NOTHING) * share for hour, share in edges.items()}
    return whole | _share(rest, weights if any(weights.values()) else edges)


def _parts(stretch: Stretch) -> Iterable[tuple[datetime, Decimal]]:
    """Each hour that it touches, and which part of it."""
    hour = _hour(stretch.start)
    while hour < stretch.end:
        covered = min(stretch.end, hour + HOUR) - max(stretch.start, hour)
        yield hour, Decimal(covered / HOUR)
        hour += HOUR


def _share(kwh: Decimal, weights: Mapping[datetime, Decimal]) -> dict[datetime, Decimal]:
    """To the Wh: an hour has what the rounded sum grows by with it, so that none is negative; without weights the last
    has all.
    """
    total = sum(weights.values(), NOTHING)
    if not total:
        return {hour: kwh if hour == max(weights) else NOTHING for hour in weights}
    found, passed, given = {}, NOTHING, NOTHING
    for hour in sorted(weights):
        passed += weights[hour]
        upto = (kwh * passed / total).quantize(WH)
        found[hour], given = upto - given, upto
    return found


def _chart(values: Sequence[tuple[datetime, Decimal | None]]) -> Chart:
    top = _round_up(max((kwh for _start, kwh in values if kwh), default=NOTHING))
    width = 100 / len(values)
    bars = tuple(
        Bar(start, kwh, index * width, width * 0.8, float(100 * max(kwh or NOTHING, NOTHING) / top))
        for index, (start, kwh) in enumerate(values)
    )
    return Chart(bars, top)


def _round_up(kwh: Decimal) -> Decimal:
    """The next of 0.1, 0.2, 0.5, 1, 2, 5 …"""
    unit = Decimal("0.1")
    while True:
        for step in STEPS:
            if unit * step >= kwh:
                return unit * step
        unit *= 10


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
