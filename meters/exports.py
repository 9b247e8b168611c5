"""What meters measured, as tables to take along: raw readings, hours, days. Reads only, a page at a time.

A row is there where something is known; what of it is unknown is empty. Times are UTC, with the campsite's clock beside
them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from django.db.models import Q
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from meters import clock, partitions, usage
from meters.files.tables import Column, Kind, Row, Table
from meters.models import DailyUsage, HourlyUsage, Installation, Meter, Reading

PAGE = 5_000
HOUR = timedelta(hours=1)
INSTANT = timedelta(microseconds=1)
"""As fine as the database tells times: what comes next begins so much later."""
LETTERS = str.maketrans({"æ": "ae", "ø": "oe", "å": "aa"})

WHO = (Column("meter", _("meter"), Kind.TEXT), Column("ieee_address", _("IEEE address"), Kind.TEXT))
PITCH = Column("pitch", _("pitch"), Kind.TEXT)
CLOCK = Column("local_time", _("by the campsite's clock"), Kind.LOCAL)
DAY = Column("day", _("day"), Kind.DAY)
ENERGY = (
    Column("energy_kwh", _("energy in kWh"), Kind.NUMBER, 3),
    Column("estimated_kwh", _("of it estimated, kWh"), Kind.NUMBER, 3),
)
READINGS = (
    *(Column("measured_at", _("measured (UTC)"), Kind.MOMENT), CLOCK, *WHO),
    Column("counter_kwh", _("counter in kWh"), Kind.NUMBER, 3),
    Column("counts", _("counts for energy"), Kind.YES_NO),
    Column("power_w", _("power in W"), Kind.WHOLE),
    Column("voltage_v", _("voltage in V"), Kind.NUMBER, 1),
    Column("current_a", _("current in A"), Kind.NUMBER, 3),
    Column("relay_on", _("relay on"), Kind.YES_NO),
    Column("linkquality", _("link quality"), Kind.WHOLE),
)
HOURS = (
    *(Column("begins_at", _("from (UTC)"), Kind.MOMENT), CLOCK, DAY, *WHO, PITCH, *ENERGY),
    *(
        Column("power_min_w", _("least power in W"), Kind.WHOLE),
        Column("power_max_w", _("most power in W"), Kind.WHOLE),
    ),
    Column("voltage_min_v", _("least voltage in V"), Kind.NUMBER, 1),
    Column("voltage_max_v", _("most voltage in V"), Kind.NUMBER, 1),
    Column("current_max_a", _("most current in A"), Kind.NUMBER, 3),
)
DAYS = (
    *(DAY, Column("begins_at", _("from (UTC)"), Kind.MOMENT), Column("ends_at", _("to (UTC)"), Kind.MOMENT)),
    *(*WHO, PITCH, *ENERGY),
)
HOUR_FIELDS = (
    *("hour", "is_known", "energy_wh", "estimated_wh", "power_min_w", "power_max_w"),
    *("voltage_min_dv", "voltage_max_dv", "current_max_ma"),
)
READING_FIELDS = (
    *("measured_at", "counter_wh", "epoch", "power_w", "voltage_dv", "current_ma", "relay", "linkquality"),
)
ORDER = ["device__friendly_name", "pk"]
Hung = dict[int, list[tuple[datetime, datetime | None, str]]]
"""By meter (id): from when to when it hung on which pitch, as it went."""


class What(StrEnum):
    """What is told of a meter."""

    READINGS = "readings"
    HOURS = "hours"
    DAYS = "days"

    @property
    def words(self) -> Promise:
        return WORDS[self]


WORDS: dict[What, Promise] = {
    What.READINGS: _("Raw readings"),
    What.HOURS: _("Use by hour"),
    What.DAYS: _("Use by day"),
}


def readings_since() -> date | None:
    """The first day (UTC) of which raw readings are still kept, if there were any; None: none are kept at all."""
    return min(partitions.existing(), default=None)


def lacks_readings(first: date) -> date | None:
    """From when on there are raw readings, where this day lies before it; else None."""
    since = readings_since()
    return since if since and first < since else None


def month(day: date) -> tuple[date, date]:
    """The first and the last day of the month that this day lies in."""
    first = day.replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)


def of_meter(meter: Meter, what: What, first: date, last: date) -> Table:
    """From the first to the last day of the campsite. Raw readings are not kept for ever: the file's name says from
    when on there are any.
    """
    if what == What.READINGS:
        first = lacks_readings(first) or first
    name = slugify(str(meter).translate(LETTERS)) or meter.device.ieee_address
    return _table(f"meter-{name}-{what}-{first}-{last}", what, [meter], first, last)


def of_all(what: What, first: date, last: date) -> Table:
    """The same of all meters of which something is known in these days, one after another by name."""
    start, end = _bounds(first, last)
    hours = HourlyUsage.objects.filter(hour__gte=start, hour__lt=end).values("meter")
    summed = DailyUsage.objects.filter(day__gte=first, day__lte=last).values("meter")
    meters = Meter.objects.filter(Q(pk__in=hours) | Q(pk__in=summed)).select_related("device").order_by(*ORDER)
    return _table(f"meters-{what}-{first}-{last}", what, list(meters), first, last)


def readings(meter: Meter, start: datetime, end: datetime) -> Iterator[Row]:
    """As READINGS has them, from `start` up to `end`, the oldest first."""
    who = _who(meter)
    within = Reading.objects.filter(meter=meter, measured_at__lt=end).order_by("measured_at")
    while page := list(within.filter(measured_at__gte=start).values_list(*READING_FIELDS)[:PAGE]):
        for at, wh, epoch, power_w, dv, ma, relay, linkquality in page:
            counts = None if wh is None else epoch is not None
            values = (scaled(wh, 3), counts, power_w, scaled(dv, 1), scaled(ma, 3), relay, linkquality)
            yield (at, local(at), *who, *values)
        start = page[-1][0] + INSTANT


# --- inside ----------------------------------------------------------------------------------------------------------


def _table(name: str, what: What, meters: list[Meter], first: date, last: date) -> Table:
    start, end = _bounds(first, last)
    if what == What.READINGS:
        return Table(name, READINGS, (row for meter in meters for row in readings(meter, start, end)))
    tell, columns = (_hours, HOURS) if what == What.HOURS else (_days, DAYS)
    hung = _hung(meters, start, end)
    return Table(name, columns, (row for meter in meters for row in tell(meter, hung, start, end)))


def _bounds(first: date, last: date) -> tuple[datetime, datetime]:
    return clock.moment(first), clock.moment(last + timedelta(days=1))


def _hours(meter: Meter, hung: Hung, start: datetime, end: datetime) -> Iterator[Row]:
    who = _who(meter)
    within = HourlyUsage.objects.filter(meter=meter, hour__lt=end).annotate(is_known=usage.is_known()).order_by("hour")
    while page := list(within.filter(hour__gte=start).values_list(*HOUR_FIELDS)[:PAGE]):
        for hour, is_known, wh, estimated_wh, least_w, most_w, least_dv, most_dv, most_ma in page:
            energy = (scaled(wh, 3), scaled(estimated_wh, 3)) if is_known else (None, None)
            extremes = (least_w, most_w, scaled(least_dv, 1), scaled(most_dv, 1), scaled(most_ma, 3))
            place = (local(hour), clock.day_of(hour), *who, _pitch(hung, meter, hour, hour + HOUR))
            yield (hour, *place, *energy, *extremes)
        start = page[-1][0] + INSTANT


def _days(meter: Meter, hung: Hung, start: datetime, end: datetime) -> Iterator[Row]:
    who = _who(meter)
    for use in usage.by_day([meter.pk], start, end):
        if use.energy_kwh is not None:
            pitch = _pitch(hung, meter, use.start, use.end)
            yield (clock.day_of(use.start), use.start, use.end, *who, pitch, use.energy_kwh, use.estimated_kwh)


def _hung(meters: Iterable[Meter], start: datetime, end: datetime) -> Hung:
    touching = Q(period__overlap=(start, end))
    found: Hung = {}
    for each in Installation.objects.filter(touching, meter__in=meters).select_related("pitch").order_by("period"):
        period = each.period
        found.setdefault(each.meter_id, []).append((period.lower, period.upper, each.pitch.number))
    return found


def _pitch(hung: Hung, meter: Meter, start: datetime, end: datetime) -> str | None:
    """Where it hung last in this time."""
    places = hung.get(meter.pk, ())
    return next(
        (number for since, until, number in reversed(places) if since < end and (not until or until > start)), None
    )


def _who(meter: Meter) -> tuple[str, str]:
    return str(meter), meter.device.ieee_address


def scaled(value: int | None, places: int) -> Decimal | None:
    """What is kept as a whole number of thousandths, or tenths."""
    return None if value is None else Decimal(value).scaleb(-places)


def local(moment: datetime) -> datetime:
    """What the campsite's clock showed."""
    return timezone.localtime(moment, timezone.get_default_timezone()).replace(tzinfo=None)
