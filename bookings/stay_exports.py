"""What stays used, as tables to take along: a stay's readings, the ledger line by line. Nobody is named. Reads only.

The lines of a stay sum to what it used, as the ledger has it; what is not known yet is empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from django.db.models import Q, QuerySet, TextChoices
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from bookings import ledger
from bookings.ledger import Measured
from bookings.models import Correction, Stay, StayMeter
from meters import clock, exports
from meters.files.tables import Column, Kind, Row, Table
from meters.models import Snapshot

STAYS_AT_ONCE = 500


class Entry(TextChoices):
    LINE = "line", _("line")
    CORRECTION = "correction", _("correction")


WHOSE = (
    Column("booking", _("booking"), Kind.WHOLE),
    Column("stay", _("stay"), Kind.WHOLE),
)
READINGS = (*WHOSE, *exports.READINGS)
LEDGER = (
    *WHOSE,
    Column("arrival", _("arrival"), Kind.DAY),
    Column("departure", _("departure"), Kind.DAY),
    Column("what", _("line or correction"), Kind.TEXT),
    *(exports.PITCH, *exports.WHO),
    Column("begins_at", _("from (UTC)"), Kind.MOMENT),
    Column("ends_at", _("to (UTC)"), Kind.MOMENT),
    Column("start_kwh", _("energy at its beginning in kWh"), Kind.NUMBER, 3),
    Column("start_quality", _("how sure at its beginning"), Kind.TEXT),
    Column("end_kwh", _("energy at its end in kWh"), Kind.NUMBER, 3),
    Column("end_quality", _("how sure at its end"), Kind.TEXT),
    Column("used_kwh", _("used kWh"), Kind.NUMBER, 3),
    Column("as_of", _("known up to (UTC)"), Kind.MOMENT),
)


def readings(stay: Stay) -> Table:
    """The raw readings of this stay's meters while they served it, line by line as they began. The file's name says
    from when on there are any, where that is later.
    """
    since = lacks_readings(stay)
    name = f"stay-{stay.booking.sirvoy_id}-{stay.pk}-readings{f'-from-{since}' if since else ''}"
    return Table(name, READINGS, _readings(stay, timezone.now()))


def of_stay(stay: Stay) -> Table:
    """This stay's ledger: its lines, and what staff corrected."""
    return Table(f"stay-{stay.booking.sirvoy_id}-{stay.pk}-ledger", LEDGER, _ledger(Stay.objects.filter(pk=stay.pk)))


def of_days(first: date, last: date) -> Table:
    """The ledger of the stays that were served, or corrected, from the first to the last day of the campsite: each
    whole, also with what lies before or after.
    """
    start, end = clock.moment(first), clock.moment(last + timedelta(days=1))
    served = StayMeter.objects.filter(period__overlap=(start, end))
    corrected = Correction.objects.filter(at__gte=start, at__lt=end)
    concerned = Stay.objects.filter(Q(pk__in=served.values("stay")) | Q(pk__in=corrected.values("stay")))
    return Table(f"ledger-{first}-{last}", LEDGER, _ledger(concerned))


def lacks_readings(stay: Stay) -> date | None:
    """From when on (a UTC day) there are raw readings, where a part of this stay lies before it; else None."""
    began = min((line.period.lower for line in stay.lines.all()), default=None)
    return exports.lacks_readings(began.astimezone(UTC).date()) if began else None


# --- inside ----------------------------------------------------------------------------------------------------------


def _readings(stay: Stay, now: datetime) -> Iterator[Row]:
    for line in stay.lines.select_related("meter__device").order_by("period", "pk"):
        for row in exports.readings(line.meter, line.period.lower, line.period.upper or now):
            yield (stay.booking.sirvoy_id, stay.pk, *row)


def _ledger(stays: QuerySet[Stay]) -> Iterator[Row]:
    """Some stays at a time, as they were made."""
    reached, found = 0, stays.select_related("booking").order_by("pk")
    while page := list(found.filter(pk__gt=reached)[:STAYS_AT_ONCE]):
        of_them = StayMeter.objects.filter(stay__in=page).order_by("period", "pk")
        lines = ledger.measure(of_them.select_related("start", "end", "pitch", "meter__device"))
        corrections = list(Correction.objects.filter(stay__in=page))
        for stay in page:
            yield from (_line(stay, each) for each in lines if each.line.stay_id == stay.pk)
            yield from (_correction(stay, each) for each in corrections if each.stay_id == stay.pk)
        reached = page[-1].pk


def _line(stay: Stay, measured: Measured) -> Row:
    line = measured.line
    return (
        *(*_whose(stay), Entry.LINE, line.pitch.number if line.pitch else None),
        *(str(line.meter), line.meter.device.ieee_address, line.period.lower, line.period.upper),
        *(*_edge(line.start), *_edge(line.end)),
        *(None if _is_unknown(measured) else measured.kwh, measured.as_of or line.period.upper),
    )


def _correction(stay: Stay, correction: Correction) -> Row:
    """Its reason is a person's words, and may name one."""
    place, period, edges = (None, None, None), (correction.at, None), (*_edge(None), *_edge(None))
    return (*_whose(stay), Entry.CORRECTION, *place, *period, *edges, correction.energy_kwh, correction.at)


def _whose(stay: Stay) -> tuple[int, int, date | None, date | None]:
    return stay.booking.sirvoy_id, stay.pk, stay.arrival, stay.departure


def _edge(edge: Snapshot | None) -> tuple[Decimal | None, str | None]:
    """What the meter's energy stood at; empty where it had never told any."""
    if edge is None:
        return None, None
    return edge.energy_kwh if edge.known_at else None, Snapshot.Quality(edge.quality)


def _is_unknown(measured: Measured) -> bool:
    """Whether the meter has told nothing since the line began, however long it was waited for."""
    start, end = measured.line.start, measured.line.end
    if end is not None and end.quality == Snapshot.Quality.LAST_KNOWN:
        return end.known_at is None or end.known_at <= start.at
    return not measured.kwh and measured.as_of is not None and measured.as_of <= start.at
