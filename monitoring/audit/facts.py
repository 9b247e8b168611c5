"""What each area's Zigbee2MQTT and its devices have told: gathered for the rules in five queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from meters import online, overview
from meters.models import Area, AreaState, Device, Listing


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """A device that an area lists. `policy`: of the pitch where it hangs, empty where it hangs nowhere; `areas`: the
    names of all areas that list it."""

    ieee_address: str
    name: str
    is_meter: bool = False
    make: str = ""
    software_build: str = ""
    disabled: bool = False
    has_relay: bool = False
    outage_memory: str = ""
    reportings: Sequence[Mapping[str, Any]] = ()
    policy: str = ""
    areas: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AreaFacts:
    area: Area
    state: AreaState
    devices: tuple[DeviceFacts, ...] = ()
    bridge: AreaState.Bridge = AreaState.Bridge.UNKNOWN
    """As far as somebody listens: what changes by itself is known only of a Zigbee2MQTT that runs."""

    @property
    def is_online(self) -> bool:
        return self.bridge == AreaState.Bridge.ONLINE

    @property
    def is_told(self) -> bool:
        """Whether its configuration was ever reported."""
        return self.state.info_at is not None and bool(self.state.configuration)


@dataclass(frozen=True, slots=True)
class Site:
    """All areas at a moment: some rules compare them."""

    areas: tuple[AreaFacts, ...]
    now: datetime

    def others(self, facts: AreaFacts) -> list[AreaFacts]:
        return [other for other in self.areas if other.area.pk != facts.area.pk]


def gather(now: datetime) -> Site:
    listed: dict[int, list[Listing]] = defaultdict(list)
    areas_of: dict[int, list[str]] = defaultdict(list)
    for listing in Listing.objects.select_related("device", "area").order_by("friendly_name"):
        listed[listing.area_id].append(listing)
        areas_of[listing.device_id].append(listing.area.name)
    policies = {each.meter.device_id: each.pitch.policy for each in overview.installed(now)}

    def facts(listing: Listing) -> DeviceFacts:
        device = listing.device
        return _device(device, listing.friendly_name, policies.get(device.pk, ""), tuple(areas_of[device.pk]))

    link = online.link(now)
    found = [
        AreaFacts(area, AreaState.of(area), tuple(map(facts, listed[area.pk])), AreaState.Bridge(link.bridge(area.pk)))
        for area in Area.objects.select_related("state")
    ]
    return Site(tuple(found), now)


def _device(device: Device, name: str, policy: str, areas: tuple[str, ...]) -> DeviceFacts:
    return DeviceFacts(
        ieee_address=device.ieee_address,
        name=name,
        is_meter=device.is_meter,
        make=f"{device.manufacturer} {device.model_id}".strip(),
        software_build=device.software_build,
        disabled=device.disabled,
        has_relay=device.has_relay,
        outage_memory=device.outage_memory,
        reportings=device.reportings,
        policy=policy,
        areas=areas,
    )
