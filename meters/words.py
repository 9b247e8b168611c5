"""What the board's scripts say. The keys are known to templates/static/js/board; {name} is filled in there."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from meters.models import Command, Source, Want
from meters.online import REASONS

STATES = {
    "load": _("On, in use"),
    "idle": _("On, nothing in use"),
    "on": _("On, use not known"),
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
    "kept": _("the database cannot be reached"),
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
    # switching by itself
    "acts": _("acts by itself"),
    "observes": _("observes"),
    "would_off": _("would switch off {n} meters"),
    "would_off_one": _("would switch off 1 meter"),
    "would_on": _("would switch on {n} meters"),
    "would_on_one": _("would switch on 1 meter"),
    "would_hint": _("This area only observes. A person lets it act on the area's page. It would switch:"),
    "retained": _("{n} commands left on the broker"),
    "retained_one": _("a command left on the broker"),
    "retained_hint": _(
        "Somebody published them as retained: Zigbee2MQTT runs them again at each reconnect. "
        "Clear them with an MQTT client, by an empty retained message to the same topic:"
    ),
    # what is wanted of a meter
    "wanted": _("Wanted"),
    "wanted_by": _("By"),
    "wanted_why": _("Reason"),
    "wanted_until": _("Lasts until"),
    "left_alone": _("Left alone"),
    "last_command": _("Command"),
    "since": _("since {since}"),
    "until_changed": _("until changed"),
    "not_managed": _("not managed"),
    "should_on": _("should be on, is not"),
    "should_off": _("should be off, is not"),
    "should_on_unknown": _("should be on, its position is not known"),
    "should_off_unknown": _("should be off, its position is not known"),
    "should_off_load": _("should be off, but current still flows"),
    "being_switched_on": _("is being switched on"),
    "being_switched_off": _("is being switched off"),
    # a command and its proof
    "command_on": _("Switch on"),
    "command_off": _("Switch off"),
    "automatic": _("automatic"),
    "by_hand": _("by hand"),
    "grade_waiting": _("waiting"),
    "grade_sent": _("sent"),
    "grade_acknowledged": _("acknowledged"),
    "grade_acknowledged_note": _("Zigbee2MQTT says that the meter answered; it proves little."),
    "grade_confirmed": _("confirmed by the meter itself"),
    "grade_no_load": _("no load"),
    "not_sent": _("not sent"),
    "not_acknowledged": _("not acknowledged"),
    "not_confirmed": _("not confirmed"),
    "not_no_load": _("current still flows"),
    "mark_done": _("done"),
    "mark_now": _("awaited"),
    "mark_failed": _("failed"),
    "mark_skipped": _("not told"),
    "mark_later": _("not yet"),
    "command_waiting": _("It waits for its turn. If it is not sent by {until}, it never is."),
    "command_offline": _("It waits for the meter, until {until}; after that it is never sent."),
    "command_again": _("{wrong}. Attempt {n} of {most} at {at}."),
    "command_attempt": _("Attempt {n} of {most}."),
    "command_before": _("Before: {wrong}."),
    "command_failed": _("Failed after {n} attempts: {wrong}."),
    "command_failed_one": _("Failed after 1 attempt: {wrong}."),
    "command_expired": _("Time ran out at {until}: it was never sent, and never will be."),
    "command_load_unknown": _("Whether current still flows was not told."),
    "command_detail": _("In Zigbee2MQTT's words: {detail}"),
    # a meter's panel
    "again_on": _("Switch on again"),
    "again_off": _("Switch off again"),
    "as_wanted_on": _("Switch on, as wanted"),
    "as_wanted_off": _("Switch off, as wanted"),
    "cannot_no_relay": _("This meter has no relay: it measures only."),
    "cannot_gone": _("This meter was removed from Zigbee2MQTT."),
    "cancel_too_late": _("It was sent already and cannot be called back."),
    # an order
    "meters": _("{n} meters"),
    "meters_one": _("1 meter"),
    "order_on": _("Switch {meter} on"),
    "order_off": _("Switch {meter} off"),
    "orders_on": _("Switch {n} meters on"),
    "orders_on_one": _("Switch 1 meter on"),
    "orders_off": _("Switch {n} meters off"),
    "orders_off_one": _("Switch 1 meter off"),
    "confirm_on": _("Switch on {n} meters"),
    "confirm_on_one": _("Switch on"),
    "confirm_off": _("Switch off {n} meters"),
    "confirm_off_one": _("Switch off"),
    "plan_asking": _("Looking what would happen …"),
    "plan_meters": _("{n} meters, about {seconds} s"),
    "plan_meters_one": _("1 meter, about {seconds} s"),
    "plan_meters_soon": _("{n} meters, at once"),
    "plan_meters_soon_one": _("1 meter, at once"),
    "plan_none": _("None of these can be switched."),
    "plan_already": _("{n} are {words} already"),
    "plan_already_one": _("1 is {words} already"),
    "plan_already_single": _("It is {words} already"),
    "plan_waits": _(
        "There is no contact with the meters now: the order waits, until {until} at most. What is not sent by then "
        "never is."
    ),
    "plan_offline": _("{n} are offline and are switched when they are heard, until {until}"),
    "plan_offline_one": _("1 is offline and is switched when it is heard, until {until}"),
    "plan_no_relay": _("{n} have no relay and are left out"),
    "plan_no_relay_one": _("1 has no relay and is left out"),
    "plan_gone": _("{n} were removed from Zigbee2MQTT and are left out"),
    "plan_gone_one": _("1 was removed from Zigbee2MQTT and is left out"),
    "plan_depending": _("{n} are occupied or protected"),
    "plan_depending_one": _("1 is occupied or protected"),
    "plan_depending_why": _("{n} are occupied or protected: write why"),
    "plan_depending_why_one": _("1 is occupied or protected: write why"),
    "until_tonight": _("tonight 22:00"),
    "until_tomorrow": _("tomorrow 22:00"),
    "reason_required": _("Reason (required)"),
    "reason_optional": _("Reason (may be left empty)"),
    "ask_unreachable": _("The server did not answer. Nothing you wrote is lost; try again."),
    "ask_forbidden": _("The server refused it. Load the page again and log in."),
    "ask_failed": _("The server could not do it. Nothing you wrote is lost; try again, or tell the technician."),
    # orders under way
    "order_strip_on": _("{what}: switching on"),
    "order_strip_off": _("{what}: switching off"),
    "progress_on": _("{n} of {all} on"),
    "progress_off": _("{n} of {all} off"),
    "progress_failed": _("{n} failed"),
    "progress_offline": _("{n} waiting for the meter"),
    "progress_cancelled": _("{n} cancelled"),
    "order_failed": _("Failed:"),
    "cancel_title": _("Cancel this order?"),
    "cancel_text": _("{n} were not sent yet and are called back. What was sent stays."),
    "cancel_text_one": _("1 was not sent yet and is called back. What was sent stays."),
    "cancel_button": _("Cancel the order"),
    # a selection
    "selected": _("{n} selected"),
    "selected_one": _("1 selected"),
    "select_shown": _("All shown ({n})"),
    "let_go": _("Let go"),
    "let_go_title": _("Let go of {n} meters?"),
    "let_go_title_meter": _("Let go of {meter}?"),
    "let_go_text": _("What staff wanted ends. Then holds:"),
    "let_go_nothing": _("Staff want nothing of it: there is nothing to let go."),
    "let_go_without": _("{n} are left out: staff want nothing of them"),
    "let_go_without_one": _("1 is left out: staff want nothing of it"),
    "then_nothing": _("Nobody else wants anything of {n}: they stay as they are"),
    "then_nothing_one": _("Nobody else wants anything of it: it stays as it is"),
    "then_on": _("{n} shall be on ({source})"),
    "then_on_one": _("It shall be on ({source})"),
    "then_off": _("{n} shall be off ({source})"),
    "then_off_one": _("It shall be off ({source})"),
    "then_moves": _("{n} of them are otherwise now: they are switched where their area acts by itself"),
    "then_moves_one": _("{n} of them is otherwise now: it is switched where its area acts by itself"),
    "then_moves_single": _("It is otherwise now: it is switched where its area acts by itself"),
    # the stop
    "stop_title": _("Stop everything automatic?"),
    "stop_text": _(
        "Nothing is switched by itself any more, in any area, for everybody, until somebody lets it again. "
        "What people switch by hand still works."
    ),
    "stop_button": _("Stop"),
    "stopped_by": _("Everything automatic is stopped, since {since} by {by}"),
    "stopped_since": _("Everything automatic is stopped, since {since}"),
    "stopped_text": _("What people switch by hand still works."),
    "stopped_why": _("Reason: {reason}. What people switch by hand still works."),
    "stopped_limit": _("More than {n} automatic switch-offs in an hour: please look whether they are right."),
    "stopped_ask": _("Who may let it switch again: {people}."),
    "held_off": _("{n} meters would be switched off."),
    "held_off_one": _("1 meter would be switched off."),
    "held_on": _("{n} meters would be switched on."),
    "held_on_one": _("1 meter would be switched on."),
    "held_both": _("Would be switched: {on} on, {off} off."),
    "release_title": _("Let it switch again?"),
    "release_text": _("The software switches by itself again, where an area acts."),
    "release_button": _("Let it switch again"),
    # totals
    "total_online": _("{online} of {all} online"),
    "total_power": _("{power} kW now"),
    "total_complete": _("all meters counted"),
    "total_lacking": _("without {n} whose power is not known"),
    "none_shown": _("No meter matches the filter."),
    "no_meters": _("No meters yet. They appear by themselves when Zigbee2MQTT reports them."),
    # banners
    "server_title": _("No contact with the server since {since}"),
    "server_text": _("What you see was true then. Check this device's network; the page keeps trying by itself."),
    "kept_title": _("The database cannot be reached: this is the last known state, of {since}"),
    "kept_text": _(
        "Nothing is known of now, and nothing can be switched here. The power itself is not affected. "
        "The page comes back by itself; if it lasts, tell the technician."
    ),
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
    "unheard_title": _("Nothing is heard of {areas}"),
    "unheard_text": _(
        "Nothing is known about the meters there now; the power itself is not affected, and the other areas are heard. "
        "The program that listens to these meters (mqtt_worker) has stopped, or cannot reach the broker: tell the "
        "technician."
    ),
    "area_unheard": _("nothing is heard of it"),
    "orders_wait": _("What you order meanwhile waits, {n} minutes at most; after that it is never sent."),
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


def fill(key: str, **values: Any) -> str:
    """The text of a key, with {name} filled in."""
    return str(BOARD[key]).format(**values)


def board() -> dict[str, Any]:
    """All words of the board's scripts, in the language of the request once they are rendered."""
    lists = {"sources": Source, "holds": Want.Hold, "statuses": Command.Status}
    lists |= {"failures": Command.Failure, "loads": Command.Load}
    return {
        **BOARD,
        "states": STATES,
        "reasons": REASONS,
        **{name: dict(choices.choices) for name, choices in lists.items()},
    }
