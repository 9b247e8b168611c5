"""What a meter's billed energy stood at, at the moments that matter to somebody. The only module that writes Snapshot.

Most meters tell their counter once an hour, or after 2.57 kWh. So a snapshot first holds what was last known, its meter
is asked, and it is settled by the first counter value measured at or after its moment. It is computed from the raw
readings that count and from the epochs, so that it ends up the same however late it is settled.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import F, Max, Min, Q, QuerySet

from meters.models import CounterEpoch, Meter, Reading, Snapshot
from meters.readings import hours, tables
from meters.readings.counters import RESOLUTION_WH, Point

NEAR = timedelta(minutes=2)
"""A counter value this close to the moment is that moment's."""
ANSWER = timedelta(seconds=10)
"""Zigbee2MQTT waits so long for a device's answer."""
ASKED_FOR = timedelta(days=1)
ASK_AGAIN_S = (60, 300, 900)
"""After the first question, after the second, after every further one."""
EVIDENCE_KEPT = timedelta(hours=1)
ENERGY_NOW = (
    "SELECT meter_id, sum(last_wh - first_wh) AS wh, max(last_at) AS told_at "
    "FROM meters_counterepoch WHERE meter_id = ANY(%(meters)s) GROUP BY meter_id"
)
"""SQL: the billed energy in Wh of %(meters)s, and when it was told."""
POWER_TOLD = (
    "SELECT sum(power_w * extract(epoch FROM until - measured_at)) / 3600 AS wh FROM ("
    "SELECT measured_at, power_w, lead(measured_at, 1, {end}) OVER (ORDER BY measured_at) AS until "
    "FROM meters_reading WHERE meter_id = {meter} AND measured_at BETWEEN {start} AND {end} "
    "AND power_w IS NOT NULL) told"
)
"""SQL, to be formatted: what the power that a meter told in a time amounts to in Wh. A value holds until the next."""

Quality = Snapshot.Quality
Counted = tuple[Point, int]
"""A counter value that counts, and the number of its epoch."""


class Energy(NamedTuple):
    """Billed energy in kWh since the meter's first value, and when the reading was measured that tells it."""

    kwh: Decimal
    quality: Quality
    known_at: datetime | None


class Question(NamedTuple):
    """A meter that is to be asked for its counter."""

    meter_id: int
    base_topic: str
    ieee_address: str


# --- questions -------------------------------------------------------------------------------------------------------


def energy_now(meter_ids: Iterable[int]) -> dict[int, Energy]:
    """What the billed energy of these meters stands at as far as known, in one query; `known_at` None: never told."""
    ids = set(meter_ids)
    with connection.cursor() as cursor:
        cursor.execute(ENERGY_NOW, {"meters": list(ids)})
        told = {meter: energy(wh, told_at) for meter, wh, told_at in cursor.fetchall()}
    return {meter: told.get(meter, energy(None, None)) for meter in ids}


def energy(wh: int | None, told_at: datetime | None) -> Energy:
    """A row of ENERGY_NOW; None, None: never told."""
    return Energy(_kwh(wh or 0), Quality.WAITING, told_at)


def billed_around(meter_id: int, at: datetime) -> tuple[int, int]:
    """The billed energy in Wh at the last value that is known up to `at`, and at the first one after it."""
    epochs = list(CounterEpoch.objects.filter(meter=meter_id).order_by("number"))
    before, after = _around(meter_id, at, epochs)
    least = _billed_wh(before, epochs) if before else 0
    return least, _billed_wh(after, epochs) if after else least


def waiting(now: datetime) -> list[Question]:
    """The meters to be asked now, the longest waiting moment first; whether they are online is not looked at."""
    found = Snapshot.objects.filter(settled_at=None, at__gt=now - ASKED_FOR, at__lte=now).order_by("at")
    due: dict[Question, None] = {}
    for asked_at, questions, meter_id, base_topic, ieee_address in found.filter(
        meter__device__area__isnull=False
    ).values_list(
        "asked_at", "questions", "meter_id", "meter__device__area__base_topic", "meter__device__ieee_address"
    ):
        if asked_at is None or now >= asked_at + _gap(questions):
            due[Question(meter_id, base_topic, ieee_address)] = None
    return list(due)


# --- verbs -----------------------------------------------------------------------------------------------------------


def take(meter: Meter, at: datetime, now: datetime) -> Snapshot:
    """The snapshot of this meter and moment, made if there is none. Its value is what is known, and may be settled
    later. `at` may lie in the past."""
    found = Snapshot.objects.filter(meter=meter, at=at).first()
    if found is None:
        told = _told(Snapshot(meter=meter, at=at), now)
        found, _ = Snapshot.objects.get_or_create(meter=meter, at=at, defaults=told)
    return found


def settle_due(now: datetime) -> int:
    """Bring every unsettled snapshot up to what is known; returns how many were settled. May run anywhere, any time."""
    due = list(_due(now).values_list("pk", flat=True))
    if not due:
        return 0
    settled = 0
    with transaction.atomic():
        locked = Snapshot.objects.select_for_update(skip_locked=True).filter(pk__in=due, settled_at=None)
        for snapshot in locked.order_by("meter", "at"):
            told = _told(snapshot, now)
            Snapshot.objects.filter(pk=snapshot.pk).update(**told)
            settled += told["settled_at"] is not None
    return settled


def note_asked(meter_id: int, asked_at: datetime) -> None:
    """The meter was asked for its counter at this moment: on behalf of all that wait for it."""
    of_meter = Snapshot.objects.filter(meter=meter_id, settled_at=None, at__lte=asked_at, at__gt=asked_at - ASKED_FOR)
    of_meter.update(asked_at=asked_at, questions=F("questions") + 1)


# --- settling --------------------------------------------------------------------------------------------------------


def _gap(questions: int) -> timedelta:
    return timedelta(seconds=ASK_AGAIN_S[min(max(questions, 1), len(ASK_AGAIN_S)) - 1])


def _due(now: datetime) -> QuerySet[Snapshot]:
    """Unsettled snapshots of which more may be known than they tell."""
    has_news = Q(told_at__gt=F("known_at")) | Q(known_at=None, told_at__isnull=False)
    was_heard = Q(meter__state__heard_at__gte=F("asked_at"), asked_at__gt=now - EVIDENCE_KEPT)
    gives_up = Q(quality=Quality.WAITING, at__lte=now - ASKED_FOR)
    told = Snapshot.objects.filter(settled_at=None).annotate(told_at=Max("meter__epochs__last_at"))
    return told.filter(has_news | was_heard | gives_up)


def _told(snapshot: Snapshot, now: datetime) -> dict[str, Any]:
    """The columns of a snapshot as they are known now."""
    energy = energy_at(snapshot.meter_id, snapshot.at, snapshot.asked_at)
    quality = energy.quality
    is_settled = quality is not Quality.WAITING
    if not is_settled and now >= snapshot.at + ASKED_FOR:
        quality = Quality.LAST_KNOWN
    return {
        "energy_kwh": _between_settled(snapshot, energy.kwh),
        "known_at": energy.known_at,
        "quality": quality,
        "settled_at": now if is_settled else None,
    }


def _between_settled(snapshot: Snapshot, kwh: Decimal) -> Decimal:
    """What is settled stays, so that a value that came late never makes the energy fall with time."""
    settled = Snapshot.objects.filter(meter=snapshot.meter_id, settled_at__isnull=False).aggregate(
        least=Max("energy_kwh", filter=Q(at__lte=snapshot.at)), most=Min("energy_kwh", filter=Q(at__gte=snapshot.at))
    )
    if settled["least"] is not None:
        kwh = max(kwh, settled["least"])
    return kwh if settled["most"] is None else min(kwh, settled["most"])


# --- the energy at a moment ------------------------------------------------------------------------------------------


def energy_at(meter_id: int, at: datetime, asked_at: datetime | None = None) -> Energy:
    """What the billed energy stood at. Between two readings of one epoch it rises evenly; between two epochs nothing
    was measured, and it stays. WAITING: nothing is known yet from `at` on. `asked_at`: since then the meter's answer is
    waited for; one that equals its last value counts too.
    """
    epochs = list(CounterEpoch.objects.filter(meter=meter_id).order_by("number"))
    before, after = _around(meter_id, at, epochs)
    if before is None:
        if after is None:
            return Energy(Decimal(0), Quality.WAITING, None)
        return Energy(Decimal(0), _quality(at, None, after), after[0].at)
    if asked_at is not None:
        after = _equal_answer(meter_id, at, asked_at, before, after) or after
    wh = _billed_wh(before, epochs)
    if after is None:
        return Energy(_kwh(wh), Quality.READ if before[0].at == at else Quality.WAITING, before[0].at)
    if after[1] == before[1]:
        wh = _between(meter_id, at, before, after, wh)
    nearest = min(before, after, key=lambda counted: abs(counted[0].at - at))
    return Energy(_kwh(wh), _quality(at, before, after), nearest[0].at)


def _around(meter_id: int, at: datetime, epochs: Sequence[CounterEpoch]) -> tuple[Counted | None, Counted | None]:
    """What counts last up to `at`, and first after it. The epochs' bounds count also where raw readings are gone."""
    found = [counted for counted in tables.neighbours(meter_id, at) if counted]
    found += [(Point(epoch.first_at, epoch.first_wh), epoch.number) for epoch in epochs]
    found += [(Point(epoch.last_at, epoch.last_wh), epoch.number) for epoch in epochs]
    before = max((counted for counted in found if counted[0].at <= at), key=_order, default=None)
    after = min((counted for counted in found if counted[0].at > at), key=_order, default=None)
    return before, after


def _between(meter_id: int, at: datetime, before: Counted, after: Counted, wh: int) -> int:
    """What was billed at a moment between two values of an epoch: evenly, or as the hours tell where the readings
    between them were dropped. `wh`: at the value before.
    """
    rise = after[0].wh - before[0].wh
    if tables.neighbours(meter_id, at)[0] is None:
        return min(max(hours.used_until(meter_id, at), wh), wh + rise)
    return wh + rise * (at - before[0].at) // (after[0].at - before[0].at)


def _order(counted: Counted) -> tuple[datetime, int]:
    return counted[0].at, counted[1]


def _billed_wh(counted: Counted, epochs: Sequence[CounterEpoch]) -> int:
    """The rise of the epochs before, and within its own."""
    point, number = counted
    earlier = sum(epoch.last_wh - epoch.first_wh for epoch in epochs if epoch.number < number)
    return earlier + sum(point.wh - epoch.first_wh for epoch in epochs if epoch.number == number)


def _quality(at: datetime, before: Counted | None, after: Counted) -> Quality:
    """Read: a value within NEAR, or the same value before and after. Else estimated."""
    nearest = min(abs(counted[0].at - at) for counted in (before, after) if counted)
    is_same = before is not None and (before[0].wh, before[1]) == (after[0].wh, after[1])
    return Quality.READ if nearest <= NEAR or is_same else Quality.ESTIMATED


def _equal_answer(
    meter_id: int, at: datetime, asked_at: datetime, before: Counted, after: Counted | None
) -> Counted | None:
    """An answer that told what was known before. Where Zigbee2MQTT repeats its cache an equal value is no news, and
    does not count by itself; it does if it came within ANSWER of our question and nothing says that power flowed
    since the value was known: then nothing was used."""
    since = max(at, asked_at)
    raw = Reading.objects.filter(meter=meter_id, measured_at__range=(since, asked_at + ANSWER), epoch=None)
    answered_at = raw.filter(counter_wh=before[0].wh).aggregate(first=Min("measured_at"))["first"]
    if answered_at is None or (after is not None and after[0].at <= answered_at):
        return None
    if _power_told_wh(meter_id, before[0].at, answered_at) > RESOLUTION_WH:
        return None
    return Point(answered_at, before[0].wh), before[1]


def _power_told_wh(meter_id: int, start: datetime, end: datetime) -> float:
    with connection.cursor() as cursor:
        statement = POWER_TOLD.format(meter="%(meter)s", start="%(start)s", end="%(end)s")
        cursor.execute(statement, {"meter": meter_id, "start": start, "end": end})
        return float(cursor.fetchone()[0] or 0)


def _kwh(wh: int) -> Decimal:
    return Decimal(wh).scaleb(-3)
