"""Who is who, as the ingest looks it up for every message: a copy in memory of areas, inventory and meters."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from functools import cached_property

from django.db.models import Max

from meters import zigbee2mqtt
from meters.models import Area, AreaState, Device, Listing, Meter, ReadingDay
from meters.zigbee2mqtt import freshness

QUANTITIES = ("power", "voltage", "current")
VOLTS = 230


@dataclass(frozen=True)
class Known:
    """A device. `meter_id` is None where it is no meter; `fresh` are the properties that are never a cache's repeat."""

    device_id: int
    ieee_address: str
    area_id: int | None
    meter_id: int | None
    rated_w: int
    phases: tuple[str, ...]
    fresh: frozenset[str]
    has_left: bool = False
    outage_memory: str = ""

    def phase_values(self, quantity: str) -> list[str]:
        """The properties that tell this quantity phase by phase, e.g. ["power_a", "power_b", "power_c"]."""
        return [f"{quantity}_{phase}" if phase else quantity for phase in self.phases]


@dataclass
class AreaEntry:
    """An area with the names that its Zigbee2MQTT lists."""

    id: int
    base_topic: str
    names: dict[str, str] = field(default_factory=dict)  # friendly name → IEEE address
    groups: frozenset[str] = frozenset()


@dataclass
class Directory:
    """Areas by base topic, devices by IEEE address. `kept_from`: readings from before were given up; `elsewhere`: the
    base topics of areas that other workers take.
    """

    areas: dict[str, AreaEntry] = field(default_factory=dict)
    devices: dict[str, Known] = field(default_factory=dict)
    kept_from: datetime | None = None
    elsewhere: frozenset[str] = frozenset()

    @cached_property
    def _base_topics(self) -> list[str]:
        """The longest first."""
        return sorted(self.areas, key=len, reverse=True)

    @cached_property
    def _states(self) -> dict[str, tuple[AreaEntry, str]]:
        """The topics of the known devices' states: nearly all that comes has one of them."""
        areas = [self.areas[base] for base in self._base_topics]
        return {f"{area.base_topic}/{name}": (area, name) for area in areas for name in area.names}

    def locate(self, topic: str) -> tuple[AreaEntry, str] | None:
        """The area whose topic this is and what stands behind its base topic; None where it is no area's."""
        if known := self._states.get(topic):
            return known
        located = zigbee2mqtt.locate(topic, self._base_topics)
        return (self.areas[located[0]], located[1]) if located else None


def load(mine: Collection[int] | None = None) -> Directory:
    """Read the directory from the database, with these areas (ids) or with all, and all devices: five queries."""
    every = list(Area.objects.select_related("state"))
    found = [area for area in every if mine is None or area.pk in mine]
    elsewhere = frozenset(area.base_topic for area in every) - {area.base_topic for area in found}
    states = {area.pk: area.state for area in every if hasattr(area, "state")}
    areas = {
        area.pk: AreaEntry(
            area.pk, area.base_topic, groups=frozenset(states[area.pk].groups if area.pk in states else ())
        )
        for area in found
    }
    for listing in Listing.objects.select_related("device"):
        if listing.area_id in areas:
            areas[listing.area_id].names[listing.friendly_name] = listing.device.ieee_address
    meters = {device: told for device, *told in Meter.objects.values_list("device", "pk", "rated_a")}
    devices = {
        device.ieee_address: _known(device, states.get(device.area_id or 0), *meters.get(device.pk, (None, 0)))
        for device in Device.objects.all()
    }
    return Directory({entry.base_topic: entry for entry in areas.values()}, devices, _kept_from(), elsewhere)


def _kept_from() -> datetime | None:
    given_up = ReadingDay.objects.filter(forgotten_at__isnull=False).aggregate(last=Max("day"))["last"]
    return datetime.combine(given_up + timedelta(days=1), time(), UTC) if given_up else None


def _known(device: Device, state: AreaState | None, meter_id: int | None, rated_a: int) -> Known:
    return Known(
        device_id=device.pk,
        ieee_address=device.ieee_address,
        area_id=device.area_id,
        meter_id=meter_id,
        rated_w=rated_a * VOLTS * max(1, len(device.phases)),
        phases=tuple(device.phases),
        fresh=_fresh(device, state),
        has_left=device.left_at is not None,
        outage_memory=device.outage_memory,
    )


def _fresh(device: Device, state: AreaState | None) -> frozenset[str]:
    properties = ["state", "energy", *QUANTITIES]
    properties += [f"{quantity}_{phase}" for quantity in QUANTITIES for phase in device.phases if phase]
    return freshness.fresh_properties(state.configuration if state else {}, device.ieee_address, properties)
