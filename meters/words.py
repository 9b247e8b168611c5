"""What the board's scripts say. The keys are known to templates/static/js/board; {name} is filled in there."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from meters.online import REASONS

STATES = {
    "load": _("On, in use"),
    "idle": _("On, nothing in use"),
    "off": _("Switched off"),
    "offline": _("Offline"),
    "unknown": _("Unknown"),
}

BOARD = {
    # ages on tiles: minutes, hours, days
    "now": _("now"),
    "minutes": _("{n}m"),
    "hours": _("{n}h"),
    "days": _("{n}d"),
    "never": _("never"),
    # a tile and its card
    "relay_unreported": _("the position of its switch has not been reported"),
    "frozen": _("its values last changed {age}: it may be stuck"),
    "pitch": _("Pitch"),
    "name": _("Name"),
    "area": _("Area"),
    "switch": _("Switch"),
    "on": _("on"),
    "off": _("off"),
    "no_relay": _("has none"),
    "power": _("Power"),
    "voltage": _("Voltage"),
    "current": _("Current"),
    "energy": _("Counter"),
    "link": _("Radio link"),
    "link_weak": _("weak"),
    "link_fair": _("fair"),
    "link_good": _("good"),
    "heard": _("Last heard"),
    "heard_ago": _("last heard {age}"),
    # an area
    "area_online": _("{online} of {all} online"),
    "area_empty": _("no meters yet"),
    "area_shown": _("{shown} shown"),
    "no_area": _("No area"),
    "commissioning": _("being commissioned"),
    "bridge_offline": _("Zigbee2MQTT is not running"),
    "bridge_since": _("Zigbee2MQTT is not running, since {since}"),
    "bridge_unknown": _("Zigbee2MQTT has not been heard"),
    "version": _("v{version}"),
    "channel": _("channel {channel}"),
    "channel_differs": _("channel {channel}, planned {planned}"),
    "channel_hint": _("The network runs on another Zigbee channel than planned for this area."),
    "backoff": _("ping pause {value}"),
    "backoff_unreported": _("ping pause not reported"),
    "backoff_unset": _("ping pause is off"),
    "backoff_hint": _(
        "A burnt fuse could flood this network with pings. "
        "Set availability.active.pause_on_backoff_gt to 15 in this area's Zigbee2MQTT."
    ),
    "permit_join": _("open for new devices"),
    "permit_join_hint": _("Anybody nearby could join a device. Close it when nobody is adding meters."),
    "restart": _("needs a restart"),
    "restart_hint": _("This Zigbee2MQTT has settings that take effect only after a restart."),
    "last_seen": _("times are approximate"),
    "last_seen_hint": _("Set advanced.last_seen to ISO_8601 in this area's Zigbee2MQTT: then times are exact."),
    "repeaters": _("Repeaters"),
    "repeater_on": _("online"),
    "repeater_offline": _("offline"),
    "repeater_unknown": _("unknown"),
    # totals
    "total_online": _("{online} of {all} online"),
    "total_power": _("{power} kW now"),
    "total_complete": _("all meters counted"),
    "total_lacking": _("not counting {n} not heard"),
    "none_shown": _("No meter matches the filter."),
    "no_meters": _("No meters yet. They appear by themselves when Zigbee2MQTT reports them."),
    # banners
    "server_title": _("No contact with the server since {since}"),
    "server_text": _("What you see was true then. Check this device's network; the page keeps trying by itself."),
    "login_title": _("You are logged out"),
    "login_text": _("What you see was true at {since}. Load the page again and log in."),
    "worker_title": _("The link to the meters is down since {since}"),
    "worker_text": _(
        "Nothing is known about any meter now; the power itself is not affected. "
        "The program that listens to the meters (mqtt_worker) has stopped: tell the technician."
    ),
    "broker_title": _("The link to the meters is down"),
    "storing_text": _(
        "Nothing is known about any meter now; the power itself is not affected. "
        "What the meters tell cannot be stored, perhaps a disk is full: tell the technician."
    ),
    "broker_text": _(
        "Nothing is known about any meter now; the power itself is not affected. "
        "The MQTT broker cannot be reached: tell the technician."
    ),
    "worker_never_title": _("Nothing listens to the meters yet"),
    "worker_never_text": _("The program that listens to the meters (mqtt_worker) has never run."),
    # the little lamp in the header
    "live": _("live"),
    "polling": _("every 10 s"),
    "lost": _("no contact"),
    "login": _("logged out"),
    "down": _("link down"),
    "connecting": _("connecting"),
}


def board() -> dict[str, Any]:
    """All words of the board's scripts, in the language of the request once they are rendered."""
    return {**BOARD, "states": STATES, "reasons": REASONS}
