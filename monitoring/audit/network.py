"""Rules of an area's network and of its Zigbee2MQTT as a whole. Pure."""

from __future__ import annotations

import re

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring.audit.facts import AreaFacts, Site
from monitoring.audit.verdicts import UNKNOWN, Cure, Look, Rule, Verdict, shown, wrong


def joining(facts: AreaFacts, site: Site) -> Look:
    state = facts.state
    if state.permit_join is None or not facts.is_online:
        return UNKNOWN
    is_open = state.permit_join and (state.permit_join_until is None or state.permit_join_until > site.now)
    return wrong("true", "false", Cure("permit_join", {"time": 0})) if is_open else Look(Verdict.OK, "false")


def restart(facts: AreaFacts, site: Site) -> Look:
    """No cure of one click: a restart is asked about first, on a page of its own."""
    needed = facts.state.restart_required
    if needed is None or not facts.is_online:
        return UNKNOWN
    return wrong("true", "false") if needed else Look(Verdict.OK, "false")


def channel(facts: AreaFacts, site: Site) -> Look:
    planned, told = facts.area.expected_channel, facts.state.channel
    if planned is None or told is None:
        return Look(Verdict.UNKNOWN, "" if told is None else str(told))
    return Look(Verdict.OK, str(told)) if told == planned else wrong(str(told), str(planned))


def pan_id(facts: AreaFacts, site: Site) -> Look:
    return _own(facts, site, "pan_id")


def extended_pan_id(facts: AreaFacts, site: Site) -> Look:
    return _own(facts, site, "extended_pan_id")


def _own(facts: AreaFacts, site: Site, key: str) -> Look:
    told = _network(facts, key)
    if not told:
        return UNKNOWN
    same = [other.area.name for other in site.others(facts) if _network(other, key) == told]
    if not same:
        return Look(Verdict.OK, told)
    return wrong(f"{told} = {', '.join(same)}", gettext("its own"))


def _network(facts: AreaFacts, key: str) -> str:
    told = facts.state.network.get(key) if isinstance(facts.state.network, dict) else None
    return shown(told) if told else ""


def version(facts: AreaFacts, site: Site) -> Look:
    """The newest of the site is wanted everywhere."""
    told = facts.state.version
    if not told:
        return UNKNOWN
    newest = max((each.state.version for each in site.areas), key=_order)
    return Look(Verdict.OK, told) if _order(told) == _order(newest) else wrong(told, newest)


def _order(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"[0-9]{1,9}", version)[:4]]


RULES = (
    Rule(
        "permit_join",
        _("closed for new devices"),
        _("Anybody's device may join while it is open."),
        "guide/usage/mqtt_topics_and_messages",
        False,
        joining,
    ),
    Rule(
        "restart_required",
        _("no restart is due"),
        _("Changed settings are in force only after it."),
        "guide/usage/mqtt_topics_and_messages",
        False,
        restart,
    ),
    Rule(
        "channel",
        _("Zigbee channel as planned"),
        _("Areas and Wi-Fi share the air by a plan. A change makes some meters join anew: never by one click."),
        "guide/configuration/zigbee-network",
        False,
        channel,
    ),
    Rule(
        "pan_id",
        _("PAN ID of its own"),
        _("Two networks of one number disturb each other. Only a network formed anew has another."),
        "guide/configuration/zigbee-network",
        True,
        pan_id,
    ),
    Rule(
        "extended_pan_id",
        _("extended PAN ID of its own"),
        _("Meters would join either of the two networks. Only a network formed anew has another."),
        "guide/configuration/zigbee-network",
        True,
        extended_pan_id,
    ),
    Rule(
        "version",
        _("the same Zigbee2MQTT everywhere"),
        _("Versions apart behave differently: what was tried in one area is not true in another."),
        "guide/installation",
        False,
        version,
    ),
)
