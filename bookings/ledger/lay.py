"""Lines corrected in hindsight, where an event tells late that a party came, moved or left at another time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from django.db import transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from bookings.ledger import lines
from bookings.ledger.lines import Reason
from bookings.models import Stay, StayMeter
from meters import snapshots
from meters.models import Installation

FOREVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Span:
    """The meters of this pitch are the party's own in this time; `upper` None: still."""

    pitch_id: int | None
    booked_pitch_id: int | None
    lower: datetime
    upper: datetime | None
    begun_by: Reason
    ended_by: Reason | None = None

    @property
    def last(self) -> datetime:
        """Its end, or the end of time."""
        return self.upper or FOREVER


def lay(stay: Stay, before: Sequence[Span], after: Sequence[Span], now: datetime) -> set[int]:
    """Where `after` differs from `before`, the stay's lines become `after`; returns the meters (ids) of lines changed.

    It changes no line of another guest, and no meter that staff took away, added, or gave.
    """
    was, should = _by_meter(before), _by_meter(after)
    differing = {meter for meter in was.keys() | should.keys() if set(was[meter]) != set(should[meter])}
    with transaction.atomic():
        lines.lock(differing)
        return {meter for meter in sorted(differing) if _lay(stay, meter, was[meter], should[meter], now)}


# --- inside ----------------------------------------------------------------------------------------------------------


def _by_meter(spans: Sequence[Span]) -> dict[int, list[Span]]:
    """By meter (id), when it hung on a pitch that was the party's own."""
    found: dict[int, list[Span]] = defaultdict(list)
    hung = list(Installation.objects.filter(pitch__in={span.pitch_id for span in spans}).order_by("period"))
    for span in spans:
        for each in hung:
            if each.pitch_id == span.pitch_id and (part := _within(span, each.period.lower, each.period.upper)):
                found[each.meter_id].append(part)
    return found


def _within(span: Span, lower: datetime, upper: datetime | None) -> Span | None:
    """The part of a span in which its meter hung."""
    if lower > span.lower:
        span = replace(span, lower=lower, begun_by=Reason.INSTALLED)
    if upper is not None and upper < span.last:
        span = replace(span, upper=upper, ended_by=Reason.REMOVED)
    return span if span.lower < span.last else None


def _lay(stay: Stay, meter_id: int, was: Sequence[Span], should: Sequence[Span], now: datetime) -> bool:
    own = list(StayMeter.objects.select_related("meter").filter(stay=stay, meter=meter_id).order_by("period"))
    if any(line.pitch_id is None or line.ended_by == Reason.TAKEN_AWAY for line in own):
        return False
    since = min(span.lower for span in set(was) ^ set(should))
    own = [line for line in own if _last(line) > since]
    others = StayMeter.objects.exclude(stay=stay).filter(meter=meter_id, period__overlap=DateTimeTZRange(since, None))
    free = [part for span in should if span.last > since for part in _without(span, others.order_by("period"))]
    if own and own[0].period.lower < since and not (free and free[0].lower <= since):
        first = own[0]
        ended_by = Reason(first.ended_by) if first.ended_by else Reason.MOVE
        free.insert(0, Span(first.pitch_id, None, first.period.lower, since, Reason(first.begun_by), ended_by))
    elif own and own[0].period.lower < since:
        free[0] = replace(free[0], lower=own[0].period.lower, begun_by=Reason(own[0].begun_by))
    return _become(stay, meter_id, own, free, now)


def _without(span: Span, taken: Iterable[StayMeter]) -> list[Span]:
    """What is left of a span in which other guests had the meter."""
    parts = []
    for line in taken:
        if line.period.lower >= span.last or _last(line) <= span.lower:
            continue
        if line.period.lower > span.lower:
            parts.append(replace(span, upper=line.period.lower, ended_by=Reason.NEXT_GUEST))
        span = replace(span, lower=_last(line))
    return [*parts, span] if span.lower < span.last else parts


def _become(stay: Stay, meter_id: int, own: list[StayMeter], spans: Sequence[Span], now: datetime) -> bool:
    """The lines become these spans: first what is too long, so that no two of a meter ever overlap."""
    kept: list[tuple[Span, StayMeter | None]] = []
    for span in spans:
        line = next((line for line in own if _is_of(line, span)), None)
        if line:
            own.remove(line)
        kept.append((span, line))
    for line in own:
        line.delete()
    changed = bool(own)
    for span, line in kept:
        if line and (line.period.lower < span.lower or _last(line) > span.last):
            _set(line, max(line.period.lower, span.lower), min(_last(line), span.last), span, now)
    for span, line in kept:
        made = line or StayMeter(stay=stay, meter_id=meter_id, pitch_id=span.pitch_id)
        if line is None:
            made.booked_pitch_id = span.booked_pitch_id
        changed |= _set(made, span.lower, span.last, span, now)
    return changed


def _is_of(line: StayMeter, span: Span) -> bool:
    return line.pitch_id == span.pitch_id and line.period.lower < span.last and _last(line) > span.lower


def _set(line: StayMeter, lower: datetime, last: datetime, span: Span, now: datetime) -> bool:
    """Whether that changed anything."""
    is_open = last == FOREVER
    period = DateTimeTZRange(lower, None if is_open else last)
    ended_by = "" if is_open or span.ended_by is None else span.ended_by
    if line.pk and (line.period, line.begun_by, line.ended_by) == (period, span.begun_by, ended_by):
        return False
    line.start = snapshots.take(line.meter, lower, now)
    line.end = None if is_open else snapshots.take(line.meter, last, now)
    line.period, line.begun_by, line.ended_by = period, span.begun_by, ended_by
    line.save()
    return True


def _last(line: StayMeter) -> datetime:
    return line.period.upper or FOREVER
