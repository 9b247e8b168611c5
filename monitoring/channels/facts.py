"""What is known of each area's radio: what it reported, what staff entered. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Q

from meters.models import Area, AreaState
from monitoring.channels import band
from monitoring.channels.plan import Network


@dataclass(frozen=True, slots=True)
class Sight:
    """`near`: which areas staff said are near it; where they said nothing, all are taken for near. `reported`: the
    channel that it told, None also where that is none of Zigbee's. `pending`: what its configuration says otherwise: it
    goes there at its next start.
    """

    area: Area
    state: AreaState
    near: tuple[Area, ...]
    reported: int | None
    pending: int | None
    network: Network


def sights() -> list[Sight]:
    """Every area's, by name; an area being commissioned has a radio, too."""
    listed = Count("devices", filter=Q(devices__removed_at=None))
    areas = Area.objects.select_related("state").prefetch_related("neighbours").annotate(listed=listed)
    found = list(areas.order_by("name"))
    return [_sight(area, found) for area in found]


def _sight(area: Area, areas: Sequence[Area]) -> Sight:
    state, near = AreaState.of(area), tuple(area.neighbours.all())
    reported = state.channel if state.channel in band.ZIGBEE else None
    network = Network(
        area.slug,
        reported or area.expected_channel,
        area.listed,  # type: ignore[attr-defined]
        frozenset(area.wifi_channels),
        frozenset(other.slug for other in near or areas),
    )
    configured = state.setting("advanced", "channel")
    pending = configured if configured in band.ZIGBEE and configured != reported else None
    return Sight(area, state, near, reported, pending, network)
