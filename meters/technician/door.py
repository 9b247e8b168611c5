"""Areas are opened for new devices, one at a time; whether one is open is what its Zigbee2MQTT reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from meters import online, requests
from meters.models import Area, AreaState, BridgeRequest
from meters.people import Person
from meters.technician.errors import TechnicianError

LONGEST_S = 254
"""Zigbee knows no longer time: the next number means for ever."""


class OtherOpen(TechnicianError):
    code = "other_open"


class NotRunning(TechnicianError):
    code = "not_running"
    message = _(
        "This area's Zigbee2MQTT is not running: nothing can join. Look whether its antenna has power and network, "
        "start Zigbee2MQTT, then press again."
    )


@dataclass(frozen=True, slots=True)
class Door:
    """An area seen from outside. `is_open`: None where nothing was reported yet; `until`: None: no end was told.

    `asked`: to open or close it, and not answered yet. `bridge`: whether its Zigbee2MQTT runs.
    """

    area: Area
    is_open: bool | None
    until: datetime | None
    asked: BridgeRequest | None
    bridge: str

    @property
    def is_opening(self) -> bool:
        return self.asked is not None and bool(self.asked.payload.get("time"))

    @property
    def is_closing(self) -> bool:
        return self.asked is not None and not self.is_opening


# --- verbs -----------------------------------------------------------------------------------------------------------


def open_area(area: Area, by: Person, *, beside_others: bool = False) -> BridgeRequest:
    """Ask the area's Zigbee2MQTT to let devices join, for as long as Zigbee allows.

    Raises OtherOpen where another area is open and it was not said that this is meant: a device joins whichever
    answers first. Raises NotRunning. Two who ask at once are one after the other.
    """
    with transaction.atomic():
        list(Area.objects.select_for_update(no_key=True).order_by("pk").values_list("pk"))
        now = timezone.now()
        known = doors(now)
        if next(door for door in known if door.area == area).bridge == AreaState.Bridge.OFFLINE:
            raise NotRunning
        others = [door.area.name for door in known if door.area != area and (door.is_open or door.is_opening)]
        if others and not beside_others:
            text = _("{areas} is open for new devices too: close it first. A new device joins whichever answers first.")
            raise OtherOpen(format_lazy(text, areas=", ".join(others)))
        return requests.ask_once(area, "permit_join", {"time": LONGEST_S}, by)


def close_area(area: Area, by: Person) -> BridgeRequest:
    """Ask the area's Zigbee2MQTT to let nobody join any more."""
    return requests.ask_once(area, "permit_join", {"time": 0}, by)


# --- questions -------------------------------------------------------------------------------------------------------


def doors(now: datetime) -> Sequence[Door]:
    """Every area; in a fixed number of queries."""
    areas = list(Area.objects.select_related("state").order_by("name"))
    asked = requests.under_way([area.pk for area in areas], "permit_join")
    link = online.link(now)
    return [_door(area, asked.get(area.pk), link, now) for area in areas]


def _door(area: Area, asked: BridgeRequest | None, link: online.Link, now: datetime) -> Door:
    state = AreaState.of(area)
    until = state.permit_join_until
    is_over = until is not None and until <= now  # by the clock; that it is closed is told a moment later
    is_open = state.permit_join and not is_over
    return Door(area, is_open, until if is_open else None, asked, link.bridge(area.pk))
