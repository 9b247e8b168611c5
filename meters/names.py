"""Which names a device may be given: those that Zigbee2MQTT takes, and can work with. Reads only."""

from __future__ import annotations

import re

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from meters import zigbee2mqtt
from meters.models import Device, Listing

Text = str | Promise
LONGEST = 200
OF_OTHERS = re.compile(r"coordinator|0x[0-9a-f]{16}", re.IGNORECASE)
"""Zigbee2MQTT takes these as names, and what is sent to them goes to its antenna, or to whoever has that address."""
PROBLEMS: dict[str, Text] = {
    "name_like_bridge": _("A name that begins with “bridge”: Zigbee2MQTT ignores its commands. Rename it."),
    "name_like_command": _("A name with /set or /get: its states look like commands. Rename it."),
    "name_like_availability": _("A name that ends with /availability cannot be told from a report. Rename it."),
}


class BadName(Exception):
    """`code` is for machines, the text is for people."""

    def __init__(self, message: Text, code: str = "bad_name") -> None:
        super().__init__(message)
        self.message, self.code = message, code

    def __str__(self) -> str:
        return str(self.message)


def check(device: Device, name: str) -> None:
    """Raise BadName where this device cannot be given this name."""
    if OF_OTHERS.fullmatch(name) and name.lower() != device.ieee_address:
        raise BadName(_("To Zigbee2MQTT this name means another device."))
    if problem := _problem(name):
        raise BadName(problem)
    if name == device.friendly_name:
        raise BadName(_("This is its name already."), "same_name")
    if Listing.objects.filter(area=device.area_id, friendly_name=name).exclude(device=device).exists():
        raise BadName(_("Another device of this area has this name."), "name_taken")


def leads_to(name: str, ieee_address: str) -> bool:
    """Whether what is sent to this name reaches no other device, and nothing else of the Zigbee2MQTT. A device may have
    come with any name, or may have been given it there.
    """
    return _problem(name) is None and (not OF_OTHERS.fullmatch(name) or name.lower() == ieee_address)


def _problem(name: str) -> Text | None:
    """What Zigbee2MQTT refuses (lib/util/utils.ts, validateFriendlyName), and what it cannot work with."""
    if zigbee2mqtt.UNFIT.search(name):
        return _("A name without + and #.")
    if not name.isprintable():
        return _("A name without invisible characters.")
    if name.startswith("/") or name.endswith("/"):
        return _("A name without / at its ends.")
    if re.search(r"/\d+$", name):
        return _("A name must not end with / and a number: that means a part of a device.")
    problem = zigbee2mqtt.bad_name(name)
    return PROBLEMS[problem] if problem else None
