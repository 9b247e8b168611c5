"""How far a device has come, from joining to being heard on its pitch; and which ones are on their way. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce

from meters.models import Device, Installation, Meter

NEW_FOR = timedelta(hours=24)
"""Who joined within this time is shown first, whatever has become of it."""
SLOW_AFTER = timedelta(minutes=2)
"""An interview takes seconds; one that has not ended by then mostly never will."""
MOST_SHOWN = 250
"""More than a Zigbee network holds: on the day when an area is set up all of them are new."""


class Stage(StrEnum):
    LEFT = "left"
    INTERVIEWING = "interviewing"
    FAILED = "failed"
    UNSUPPORTED = "unsupported"
    NO_METER = "no_meter"
    UNNAMED = "unnamed"
    FREE = "free"
    UNHEARD = "unheard"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Arrival:
    """`hung`: where it hangs until further notice. `heard_at`: None: no value of it has come since it was put up."""

    device: Device
    meter: Meter | None
    hung: Installation | None
    joined_at: datetime
    heard_at: datetime | None
    stage: Stage
    is_slow: bool

    @property
    def title(self) -> str:
        """Its name; of one that has none, the end of its address, which stands on it too."""
        return f"…{self.device.ieee_address[-6:]}" if is_unnamed(self.device) else str(self.device)

    @property
    def is_put_up(self) -> bool:
        return self.stage in (Stage.UNHEARD, Stage.DONE)


def arrivals(area_id: int, now: datetime) -> tuple[list[Arrival], list[Arrival]]:
    """(who joined of late, whatever has become of it; who has hung nowhere for longer), the newest first."""
    since = now - NEW_FOR
    found = _devices().filter(area=area_id)
    new = found.filter(came_at__gt=since)
    idle = found.filter(came_at__lte=since, removed_at=None).exclude(kind=Device.Kind.REPEATER).filter(~_HANGS)
    return list(_told(new[:MOST_SHOWN], now)), list(_told(idle[:MOST_SHOWN], now))


def of(device: Device, now: datetime) -> Arrival:
    return next(iter(_told(_devices().filter(pk=device.pk), now)))


def new_counts(now: datetime) -> dict[int, int]:
    """By area (id): how many joined of late, are still there, and hang nowhere yet."""
    fresh = _devices().filter(came_at__gt=now - NEW_FOR, removed_at=None, left_at=None, area__isnull=False)
    idle = fresh.exclude(kind=Device.Kind.REPEATER).filter(~_HANGS).order_by()
    return dict(idle.values_list("area").annotate(count=Count("pk")).values_list("area", "count"))


def stage(device: Device, hung: Installation | None, heard_at: datetime | None) -> Stage:
    """Pure: what the device waits for."""
    if device.removed_at or device.left_at:
        return Stage.LEFT
    if device.interview_state in ("PENDING", "IN_PROGRESS"):
        return Stage.INTERVIEWING
    if device.interview_state == "FAILED":
        return Stage.FAILED
    if device.supported is False:
        return Stage.UNSUPPORTED
    if not device.is_meter:
        return Stage.UNNAMED if is_unnamed(device) else Stage.NO_METER
    if is_unnamed(device):
        return Stage.UNNAMED
    if hung is None:
        return Stage.FREE
    return Stage.DONE if heard_at else Stage.UNHEARD


def is_unnamed(device: Device) -> bool:
    """Zigbee2MQTT names who is new after its address."""
    return device.friendly_name.strip().lower() == device.ieee_address


# --- inside ----------------------------------------------------------------------------------------------------------

_HANGS = Q(Exists(Installation.objects.filter(meter__device=OuterRef("pk"), period__upper_inf=True)))


def _devices() -> QuerySet[Any]:
    came = Device.objects.annotate(came_at=Coalesce("joined_at", "first_seen_at"))
    return came.select_related("area", "meter__state").order_by("-came_at", "-pk")


def _told(devices: Iterable[Device], now: datetime) -> Sequence[Arrival]:
    listed = list(devices)
    open_ones = Installation.objects.filter(meter__device__in=listed, period__upper_inf=True).select_related("pitch")
    hung = {each.meter_id: each for each in open_ones}
    return [_arrival(device, hung, now) for device in listed]


def _arrival(device: Device, hung: dict[int, Installation], now: datetime) -> Arrival:
    meter: Meter | None = getattr(device, "meter", None)
    there = hung.get(meter.pk) if meter else None
    heard_at = _heard_since(meter, there.period.lower if there else None)
    joined_at = device.joined_at or device.first_seen_at
    state = stage(device, there, heard_at)
    is_slow = state is Stage.INTERVIEWING and now - joined_at > SLOW_AFTER
    return Arrival(device, meter, there, joined_at, heard_at, state, is_slow)


def _heard_since(meter: Meter | None, since: datetime | None) -> datetime | None:
    state = getattr(meter, "state", None)
    heard_at: datetime | None = state.heard_at if state else None
    return heard_at if heard_at and (since is None or heard_at >= since) else None
