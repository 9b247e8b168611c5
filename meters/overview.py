"""Meters as lists show them, with state, online status and present pitch: a constant number of queries. Reads only."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from django.db.models import OuterRef, QuerySet, Subquery

from meters import online
from meters.models import Installation, Meter

ORDER = ["device__friendly_name", "pk"]


def meters(now: datetime) -> QuerySet[Meter]:
    """Meters with device, area and state; annotated with `pitch_number`, where each hangs at `now` (or null)."""
    present = Installation.objects.filter(meter=OuterRef("pk"), period__contains=now)
    return (
        online.meters()
        .select_related("device__area")
        .annotate(pitch_number=Subquery(present.values("pitch__number")[:1]))
        .order_by(*ORDER)
    )


def with_status(found: QuerySet[Meter], status: online.Status, now: datetime) -> QuerySet[Meter]:
    """Those of these meters that have this online status at `now`."""
    link = online.link(now)
    looked_at = found.select_related("device", "state").order_by()
    return found.filter(pk__in=[m.pk for m in looked_at if online.status(m, link, now).status is status])


def count_by_area(now: datetime) -> dict[int, Counter[online.Status]]:
    """For each area (by id): how many of its meters that Zigbee2MQTT still lists have which online status."""
    link = online.link(now)
    counts: dict[int, Counter[online.Status]] = {}
    for meter in online.meters().filter(device__removed_at=None).order_by():
        if meter.device.area_id is not None:
            counts.setdefault(meter.device.area_id, Counter())[online.status(meter, link, now).status] += 1
    return counts


def installed(now: datetime) -> QuerySet[Installation]:
    """Which meter hangs where at `now`, with meter, device and pitch."""
    present = Installation.objects.filter(period__contains=now)
    return present.select_related("meter__device", "pitch").order_by("meter__device__friendly_name")
