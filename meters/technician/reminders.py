"""What should not be done, said where the data shows that it is done. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from meters.models import Area, AreaState, Device

BIG_GROUP = 6
"""A group is switched by one broadcast, of which a network carries about one a second; nobody acknowledges it."""
BUSY_HOURS = range(7, 22)
UPDATING_FOR = timedelta(minutes=10)
LONG_OPEN = timedelta(minutes=5)
"""Longer than Zigbee opens for at once: somebody keeps it open."""


def reminders(now: datetime) -> Sequence[Promise]:
    found: list[Promise] = []
    for area in Area.objects.select_related("state").order_by("name"):
        found += _of_area(area, now)
    updating = Device.objects.filter(updating_at__gt=now - UPDATING_FOR).order_by("friendly_name")[:10]
    if updating and timezone.localtime(now).hour in BUSY_HOURS:
        text = _(
            "The firmware of {devices} is being replaced. That loads the radio network for long: do it at night, "
            "one at a time."
        )
        found.append(format_lazy(text, devices=", ".join(map(str, updating))))
    return found


def _of_area(area: Area, now: datetime) -> Sequence[Promise]:
    state = AreaState.of(area)
    found = []
    big = [f"{name} ({size})" for name, size in state.group_sizes.items() if size >= BIG_GROUP]
    if big:
        text = _(
            "{area} has big Zigbee groups: {groups}. Do not switch by them: one broadcast reaches all or some, and no "
            "meter says whether. Switch on the board; it asks each meter."
        )
        found.append(format_lazy(text, area=area.name, groups=", ".join(big)))
    until = state.permit_join_until
    if state.permit_join and (until is None or until > now + LONG_OPEN):
        text = _("{area} is open for new devices without an end. Anybody's device may join: close it.")
        found.append(format_lazy(text, area=area.name))
    return found
