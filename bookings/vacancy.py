"""Power that was used where no guest was. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from bookings.models import PowerRule
from meters.models import Meter, Pitch

LEAST_KWH = Decimal("0.1")
"""Less is what a counter's steps and an hour's estimate may be wrong by."""

# Whole hours that no line of the ledger touches: in an hour in which a guest came or left, what is his is in his line.
UNCOVERED = """
SELECT u.meter_id, i.pitch_id, sum(u.energy_wh), sum(u.estimated_wh), min(u.hour), max(u.hour)
FROM meters_hourlyusage u
LEFT JOIN meters_installation i ON i.meter_id = u.meter_id AND i.period @> u.hour
LEFT JOIN meters_pitch p ON p.id = i.pitch_id
WHERE u.hour >= %(since)s AND u.hour + interval '1 hour' <= %(until)s AND u.energy_wh > 0
    AND COALESCE(p.kind, %(unhung)s) = ANY(%(kinds)s)
    AND NOT EXISTS (
        SELECT FROM bookings_staymeter l
        WHERE l.meter_id = u.meter_id AND l.period && tstzrange(u.hour, u.hour + interval '1 hour')
    )
GROUP BY u.meter_id, i.pitch_id
HAVING sum(u.energy_wh) >= %(least)s
ORDER BY sum(u.energy_wh) DESC
"""


@dataclass(frozen=True, slots=True)
class VacantUse:
    """What a meter on this pitch used in hours in which it served no guest, first to last (hours' beginnings, UTC);
    `estimated_kwh` of it was spread over several hours. `pitch` None: it hung on none, as many outlets do that guests
    choose.
    """

    pitch: Pitch | None
    meter: Meter
    energy_kwh: Decimal
    estimated_kwh: Decimal
    first: datetime
    last: datetime


def vacancy(since: datetime, until: datetime) -> list[VacantUse]:
    """The use between these moments on pitches that follow bookings, the most first.

    A meter on no pitch counts as those of touring pitches, as it does for its power. One that was removed since counts,
    too: what it used was used.
    """
    kinds = list(PowerRule.objects.filter(follows_bookings=True).values_list("kind", flat=True))
    told: dict[str, Any] = {"since": since, "until": until, "kinds": kinds, "least": int(LEAST_KWH * 1000)}
    told["unhung"] = Pitch.Kind.TOURING
    with connection.cursor() as cursor:
        cursor.execute(UNCOVERED, told)
        rows = cursor.fetchall()
    meters = Meter.objects.select_related("device").in_bulk([row[0] for row in rows])
    pitches = Pitch.objects.in_bulk([row[1] for row in rows if row[1]])
    return [
        VacantUse(pitches.get(pitch), meters[meter], _kwh(energy), _kwh(estimated), first, last)
        for meter, pitch, energy, estimated, first, last in rows
    ]


def total(found: Iterable[VacantUse]) -> tuple[Decimal, Decimal]:
    """Energy and the estimated part of it, in kWh."""
    uses = list(found)
    return sum((each.energy_kwh for each in uses), Decimal(0)), sum((each.estimated_kwh for each in uses), Decimal(0))


def _kwh(wh: int | Decimal) -> Decimal:
    return Decimal(wh).scaleb(-3)
