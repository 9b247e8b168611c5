"""Used kWh: computed here and nowhere else. Reads only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.db.models import Sum

from bookings.models import Correction, Stay, StayMeter
from meters import snapshots
from meters.models import Snapshot

NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Measured:
    """A line with what it amounts to in kWh. `as_of`: up to when that is known; None: up to its end."""

    line: StayMeter
    kwh: Decimal
    as_of: datetime | None


@dataclass(frozen=True, slots=True)
class Share:
    """What a line amounts to, and the kind of pitch that was booked as it began, which tells its price; "" where that
    was not known.
    """

    since: datetime
    kind: str
    kwh: Decimal


@dataclass(frozen=True, slots=True)
class Used:
    """What stays used, in kWh, corrections included; never negative.

    `is_estimated`: a value between two guests, or at check-in or check-out, was not read. `as_of`: up to when it is
    known; where all is settled, when the last line ended; None where there is no line. `by_meter`: kWh by the meter's
    id, `shares`: line by line as they began, both without corrections.
    """

    kwh: Decimal = NOTHING
    is_estimated: bool = False
    as_of: datetime | None = None
    by_meter: dict[int, Decimal] = field(default_factory=dict)
    corrected_kwh: Decimal = NOTHING
    shares: tuple[Share, ...] = ()


@dataclass(frozen=True, slots=True)
class Book:
    """The lines of some stays, and by stay (id) what staff corrected, in kWh."""

    lines: Sequence[Measured]
    corrected: Mapping[int, Decimal]

    def together(self) -> Used:
        """What these stays used together."""
        return _used(self.lines, sum(self.corrected.values(), NOTHING))

    def by_stay(self, stay_ids: Iterable[int]) -> dict[int, Used]:
        """What each of these stays (by its id) used."""
        found: dict[int, list[Measured]] = defaultdict(list)
        for measured in self.lines:
            found[measured.line.stay_id].append(measured)
        return {stay: _used(found[stay], self.corrected.get(stay, NOTHING)) for stay in stay_ids}


def used_kwh(stays: Iterable[Stay]) -> Used:
    """What these stays used together, in a constant number of queries."""
    return _read({stay.pk for stay in stays}).together()


def used_by_stay(stays: Iterable[Stay]) -> dict[int, Used]:
    """What each of these stays (by its id) used, in a constant number of queries."""
    ids = {stay.pk for stay in stays}
    return _read(ids).by_stay(ids)


def measure(lines: Iterable[StayMeter], known: Mapping[int, snapshots.Energy] | None = None) -> list[Measured]:
    """What each line amounts to. The lines come with their snapshots; one query, none where it is `known` what the
    billed energy of the meters (by id) stands at.
    """
    lines = list(lines)
    if known is None:
        known = snapshots.energy_now({line.meter_id for line in lines if line.end is None})
    return [_measure(line, known.get(line.meter_id)) for line in lines]


def _read(stay_ids: set[int]) -> Book:
    lines = measure(StayMeter.objects.filter(stay__in=stay_ids).select_related("start", "end", "booked_pitch"))
    corrections = Correction.objects.filter(stay__in=stay_ids).order_by().values_list("stay")
    return Book(lines, dict(corrections.annotate(kwh=Sum("energy_kwh"))))


def _measure(line: StayMeter, known: snapshots.Energy | None) -> Measured:
    if line.end is not None:
        kwh = line.end.energy_kwh - line.start.energy_kwh
        return Measured(line, kwh, None if line.end.settled_at else line.end.known_at or line.start.at)
    is_begun = line.start.settled_at is not None  # until then what the meter tells may be another guest's use
    if known is None or known.known_at is None or not is_begun:
        return Measured(line, NOTHING, line.start.at)
    return Measured(line, max(NOTHING, known.kwh - line.start.energy_kwh), max(known.known_at, line.start.at))


def _used(lines: Sequence[Measured], corrected: Decimal) -> Used:
    by_meter: dict[int, Decimal] = defaultdict(Decimal)
    for measured in lines:
        by_meter[measured.line.meter_id] += measured.kwh
    pending = [measured.as_of for measured in lines if measured.as_of]
    ended = [measured.line.period.upper for measured in lines if measured.line.period.upper]
    return Used(
        kwh=max(NOTHING, sum(by_meter.values(), corrected)),
        is_estimated=any(edge.quality != Snapshot.Quality.READ for edge in _edges(lines)),
        as_of=min(pending, default=None) or max(ended, default=None),
        by_meter=dict(by_meter),
        corrected_kwh=corrected,
        shares=tuple(sorted(map(_share, lines), key=lambda share: share.since)),
    )


def _share(measured: Measured) -> Share:
    line = measured.line
    return Share(line.period.lower, line.booked_pitch.kind if line.booked_pitch else "", measured.kwh)


def _edges(lines: Sequence[Measured]) -> list[Snapshot]:
    """The values that count: where one line ends as the next begins, their common value cancels out."""
    starts = {measured.line.start.pk: measured.line.start for measured in lines}
    ends = {measured.line.end.pk: measured.line.end for measured in lines if measured.line.end}
    return [edge for key, edge in (starts | ends).items() if not (key in starts and key in ends)]
