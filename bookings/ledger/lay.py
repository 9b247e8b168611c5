"""Lines as a story of the booking tells them: compared with those that are, and corrected in hindsight."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from bookings.ledger.lines import Reason
from bookings.models import Booking, Stay, StayMeter
from meters import snapshots
from meters.models import Installation

FOREVER = datetime.max.replace(tzinfo=UTC)
NEAR = timedelta(minutes=2)
"""What the calendar does is done each minute: two times that are this close are the same."""


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


@dataclass(frozen=True, slots=True)
class Piece:
    """A meter in a part of a span: what a line should be."""

    meter_id: int
    span: Span


def pieces(spans: Sequence[Span], booking: Booking) -> list[Piece]:
    """The lines that a party of this booking should have: of each meter that hung on its pitch, until another guest had
    it. Who lost it to another guest does not get it back, and who came while another had it has none.
    """
    hung = list(Installation.objects.filter(pitch__in={span.pitch_id for span in spans}).order_by("period"))
    others = StayMeter.objects.exclude(stay__booking=booking).filter(meter__in={each.meter_id for each in hung})
    taken = list(others.order_by("period"))
    found = [
        Piece(each.meter_id, _until_taken(part, [line for line in taken if line.meter_id == each.meter_id]))
        for span in spans
        for each in hung
        if each.pitch_id == span.pitch_id and (part := _within(span, each.period.lower, each.period.upper))
    ]
    return [piece for piece in found if piece.span.lower < piece.span.last]


def is_laid(stay: Stay, pieces: Iterable[Piece]) -> bool:
    """Whether the stay's lines are these, and no others."""
    lines = StayMeter.objects.filter(stay=stay)
    own = sorted((line.meter_id, line.period.lower, _last(line), line.pitch_id) for line in lines)
    should = sorted((each.meter_id, each.span.lower, each.span.last, each.span.pitch_id) for each in pieces)
    return len(own) == len(should) and all(
        (line[0], line[3]) == (piece[0], piece[3]) and is_near(line[1], piece[1]) and is_near(line[2], piece[2])
        for line, piece in zip(own, should, strict=True)
    )


def lay(plan: Mapping[Stay, Sequence[Piece]], now: datetime) -> set[int]:
    """These stays' lines become these; returns the meters (ids) of lines changed. What is too long comes first, so that
    no two lines of a meter ever overlap. Whoever calls has locked the meters in a transaction.
    """
    laid, superfluous = _matched(plan)
    laid.sort(key=lambda each: (each.line.meter_id, each.lower))
    for one, two in pairwise(laid):
        if one.line.meter_id == two.line.meter_id:
            two.lower = max(two.lower, one.last)
    superfluous += [each.line for each in laid if each.line.pk and each.lower >= each.last]
    laid = [each for each in laid if each.lower < each.last]
    changed = {line.meter_id for line in superfluous}
    for line in superfluous:
        line.delete()
    for each in laid:
        if each.line.pk and (each.line.period.lower < each.lower or _last(each.line) > each.last):
            lower, last = max(each.line.period.lower, each.lower), min(_last(each.line), each.last)
            _set(replace(each, lower=lower, last=last), now)
            changed.add(each.line.meter_id)
    return changed | {each.line.meter_id for each in laid if _set(each, now)}


def overlap(pieces: Iterable[Piece]) -> bool:
    """Whether a meter is in two of these at once."""
    ordered = sorted(pieces, key=lambda each: (each.meter_id, each.span.lower))
    return any(one.meter_id == two.meter_id and two.span.lower < one.span.last for one, two in pairwise(ordered))


def is_near(one: datetime | None, other: datetime | None) -> bool:
    """Whether both are the same moment, or both none."""
    return one == other or (one is not None and other is not None and abs(one - other) < NEAR)


# --- inside ----------------------------------------------------------------------------------------------------------


def _matched(plan: Mapping[Stay, Sequence[Piece]]) -> tuple[list[_Laid], list[StayMeter]]:
    """Each piece with the line that it is, or a new one; and the stays' lines that are none of them."""
    laid: list[_Laid] = []
    superfluous: list[StayMeter] = []
    for stay, pieces in plan.items():
        own = list(StayMeter.objects.select_related("meter").filter(stay=stay).order_by("period"))
        for piece in sorted(pieces, key=lambda each: each.span.lower):
            line = next((line for line in own if _is_of(line, piece)), None)
            if line:
                own.remove(line)
            laid.append(_as_it_is(piece, line or _new(stay, piece)))
        superfluous += own
    return laid, superfluous


def _within(span: Span, lower: datetime, upper: datetime | None) -> Span | None:
    """The part of a span in which its meter hung."""
    if lower > span.lower:
        span = replace(span, lower=lower, begun_by=Reason.INSTALLED)
    if upper is not None and upper < span.last:
        span = replace(span, upper=upper, ended_by=Reason.REMOVED)
    return span if span.lower < span.last else None


def _until_taken(span: Span, taken: Iterable[StayMeter]) -> Span:
    """`taken`: other guests' lines of the meter."""
    for line in taken:
        if line.period.lower < span.last and _last(line) > span.lower:
            return replace(span, upper=max(line.period.lower, span.lower), ended_by=Reason.NEXT_GUEST)
    return span


def _is_of(line: StayMeter, piece: Piece) -> bool:
    is_same = (line.meter_id, line.pitch_id) == (piece.meter_id, piece.span.pitch_id)
    return is_same and line.period.lower < piece.span.last and _last(line) > piece.span.lower


def _new(stay: Stay, piece: Piece) -> StayMeter:
    span = piece.span
    return StayMeter(stay=stay, meter_id=piece.meter_id, pitch_id=span.pitch_id, booked_pitch_id=span.booked_pitch_id)


@dataclass(slots=True)
class _Laid:
    """What a line is to be."""

    line: StayMeter
    span: Span
    lower: datetime
    last: datetime


def _as_it_is(piece: Piece, line: StayMeter) -> _Laid:
    """Ends that are near enough stay where they are."""
    lower, last = piece.span.lower, piece.span.last
    if line.pk and is_near(line.period.lower, lower):
        lower = line.period.lower
    if line.pk and is_near(_last(line), last):
        last = _last(line)
    return _Laid(line, piece.span, lower, last)


def _set(laid: _Laid, now: datetime) -> bool:
    """Whether that changed when the line was."""
    line, span, is_open = laid.line, laid.span, laid.last == FOREVER
    before = (line.period.lower, _last(line)) if line.pk else None
    line.begun_by, line.ended_by = span.begun_by, "" if is_open or span.ended_by is None else span.ended_by
    if before == (laid.lower, laid.last):
        line.save(update_fields=["begun_by", "ended_by"])
        return False
    line.start = snapshots.take(line.meter, laid.lower, now)
    line.end = None if is_open else snapshots.take(line.meter, laid.last, now)
    line.period = DateTimeTZRange(laid.lower, None if is_open else laid.last)
    line.save()
    return True


def _last(line: StayMeter) -> datetime:
    return line.period.upper or FOREVER
