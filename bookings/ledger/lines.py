"""The ledger's lines: begun and ended, one meter at a time. Whoever does either has locked the meter."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from bookings.hours import check_out_at
from bookings.ledger.errors import OutletTaken
from bookings.models import Stay, StayMeter
from meters import clock, snapshots
from meters.models import Installation, Meter

Reason = StayMeter.Reason


# --- verbs -----------------------------------------------------------------------------------------------------------


def begin(
    stay: Stay, meter: Meter, now: datetime, why: Reason = Reason.CHOSEN, *, from_nobody_here: bool = False
) -> StayMeter:
    """The meter serves this stay from now on, as somebody said. Raises OutletTaken: of two at the same time one wins.

    Who should have left loses it; on the day of departure only from check-out time on. `from_nobody_here`: only once he
    has left.
    """
    with transaction.atomic():
        lock(Q(pk=meter.pk))
        line = open_line(meter.pk)
        if line and line.stay_id == stay.pk:
            return line
        if line:
            has_left = line.stay.status != Stay.Status.IN_HOUSE
            is_to_go = not from_nobody_here and is_over(line.stay, now, since_check_out=True)
            take_over(line, now, has_left or is_to_go)
        is_fixed = Installation.objects.filter(meter=meter, pitch=stay.pitch_id, period__contains=now).exists()
        return write(stay, meter, stay.pitch_id if is_fixed else None, now, now, why)


def end(stay: Stay, meter: Meter, now: datetime, why: Reason = Reason.TAKEN_AWAY) -> StayMeter | None:
    """The meter serves this stay no more; None where it did not."""
    with transaction.atomic():
        lock(Q(pk=meter.pk))
        line = open_line(meter.pk)
        return close(line, now, why) if line and line.stay_id == stay.pk else None


def exchange(line: StayMeter, new: Meter, at: datetime, now: datetime) -> StayMeter:
    """The outlet that was chosen was exchanged at `at`: the stay goes on with the new meter. Raises OutletTaken."""
    with transaction.atomic():
        lock(Q(pk__in=[line.meter_id, new.pk]))
        is_fixed = Installation.objects.filter(meter=new, pitch=line.stay.pitch_id, period__contains=now).exists()
        close(line, now, Reason.EXCHANGE, at)
        return write(line.stay, new, line.stay.pitch_id if is_fixed else None, at, now, Reason.EXCHANGE)


def end_all(stay: Stay, now: datetime, why: Reason, at: datetime | None = None) -> list[StayMeter]:
    """The stay has no meter any more, since `at` (None: now); returns the lines that ended."""
    with transaction.atomic():
        of_stay = StayMeter.objects.filter(stay=stay, period__upper_inf=True)
        lock(Q(pk__in=of_stay.values("meter")))
        return [close(line, now, why, at) for line in of_stay.select_related("meter")]


def lock(which: Q) -> set[int]:
    """Nobody else begins or ends a line of these meters until the transaction's end; returns their ids. Whoever will
    need several locks them at once: each in the order of their ids.
    """
    found = Meter.objects.select_for_update(no_key=True).filter(which).order_by("pk")
    return set(found.values_list("pk", flat=True))


def concerned(stays: Iterable[Stay], pitches: Iterable[int | None]) -> Q:
    """The meters that hang on these pitches (ids), and those that ever served these stays."""
    fixed = Installation.objects.filter(pitch__in=set(pitches) - {None}, period__upper_inf=True)
    served = StayMeter.objects.filter(stay__in=[stay.pk for stay in stays])
    return Q(pk__in=fixed.values("meter")) | Q(pk__in=served.values("meter"))


def forgotten() -> QuerySet[StayMeter]:
    """Open lines of guests who are not here: there should be none."""
    return StayMeter.objects.filter(period__upper_inf=True).exclude(stay__status=Stay.Status.IN_HOUSE)


def taken_down() -> QuerySet[StayMeter]:
    """Open lines of outlets that were chosen, and whose meter was taken down since, wherever it hangs by now."""
    since = Installation.objects.filter(meter=OuterRef("meter"), period__endswith__gt=OuterRef("period__startswith"))
    chosen = StayMeter.objects.filter(period__upper_inf=True, pitch=None, stay__status=Stay.Status.IN_HOUSE)
    return chosen.filter(Exists(since))


# --- for the package -------------------------------------------------------------------------------------------------


def open_line(meter_id: int) -> StayMeter | None:
    lines = StayMeter.objects.filter(meter=meter_id, period__upper_inf=True)
    return lines.select_related("stay", "meter").first()


def newest_line(meter_id: int) -> StayMeter | None:
    return StayMeter.objects.filter(meter=meter_id).order_by(F("period__startswith").desc()).first()


def take_over(line: StayMeter, now: datetime, is_over: bool, at: datetime | None = None) -> StayMeter:
    """End another stay's line, because its meter hangs there no more or its guest should have left. Raises
    OutletTaken."""
    if not is_over and removed_at(line, now) is None:
        raise OutletTaken(line.stay)
    return close(line, now, Reason.NEXT_GUEST, at)


def is_over(stay: Stay, now: datetime, *, since_check_out: bool = False) -> bool:
    """Whether this stay must give way to the next guest: on its day of departure, or only from check-out time on."""
    if stay.status != Stay.Status.IN_HOUSE:
        return True
    if stay.departure is None or (stay.late_until is not None and now < stay.late_until):
        return False
    return now >= check_out_at(stay.departure) if since_check_out else clock.day_of(now) >= stay.departure


def removed_at(line: StayMeter, now: datetime) -> datetime | None:
    """When the fixed meter of this line was taken off its pitch; None where it still hangs there."""
    if line.pitch_id is None:
        return None
    hung = Installation.objects.filter(meter=line.meter_id, pitch=line.pitch_id)
    if hung.filter(period__contains=now).exists():
        return None
    last = hung.filter(period__endswith__lte=now).order_by("-period__endswith").first()
    return last.period.upper if last else now


def write(stay: Stay, meter: Meter, pitch_id: int | None, at: datetime, now: datetime, why: Reason) -> StayMeter:
    """A new open line from `at` on, or from when the meter's last line ended. Raises OutletTaken."""
    newest = newest_line(meter.pk)
    if newest and newest.period.upper:
        at = max(at, newest.period.upper)
    start = snapshots.take(meter, at, now)
    try:
        with transaction.atomic():
            return StayMeter.objects.create(
                stay=stay,
                meter=meter,
                pitch_id=pitch_id,
                booked_pitch=stay.booked_pitch,
                period=DateTimeTZRange(at, None),
                start=start,
                begun_by=why,
            )
    except IntegrityError as overlap:
        raise OutletTaken(None) from overlap


def close(line: StayMeter, now: datetime, why: Reason, at: datetime | None = None) -> StayMeter:
    """End an open line: at `at` (None: now; also where that was before the line began), or when its meter was taken off
    the pitch before. A line of no length is no line: it is removed, and has no id any more.
    """
    at, removed = at or now, removed_at(line, now)
    if at < line.period.lower:
        at = now
    if removed is not None and removed <= at:
        at, why = removed, (why if why == Reason.EXCHANGE else Reason.REMOVED)
    at = max(at, line.period.lower)
    if at == line.period.lower:
        line.delete()
        return line
    line.period = DateTimeTZRange(line.period.lower, at)
    line.end = snapshots.take(line.meter, at, now)
    line.ended_by = why
    line.save(update_fields=["period", "end", "ended_by"])
    return line
