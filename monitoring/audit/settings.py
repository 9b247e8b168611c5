"""Each setting of the profile as a rule. Pure."""

from __future__ import annotations

from functools import partial, reduce
from typing import Any

from monitoring.audit import profile
from monitoring.audit.facts import AreaFacts, Site
from monitoring.audit.profile import Absent, Setting
from monitoring.audit.verdicts import UNKNOWN, Cure, Look, Rule, Verdict, shown, wrong


def look(setting: Setting, facts: AreaFacts, site: Site) -> Look:
    """What was not reported is unknown; what needs a restart that is due may not be in force yet."""
    value = value_of(setting, facts)
    if value is Absent.UNKNOWN:
        return UNKNOWN
    if setting.fits.fits(value):
        waits = setting.restart and facts.state.restart_required
        return Look(Verdict.WAITS if waits else Verdict.OK, shown(value))
    cured = setting.cured(value)
    cure = Cure("options", {"options": nested(setting.path, cured)}, setting.restart)
    return wrong(shown(value), str(setting.fits), cure, shown(cured))


def value_of(setting: Setting, facts: AreaFacts) -> Any:
    """As this area's Zigbee2MQTT reported it; Absent.UNKNOWN where it did not."""
    if not facts.is_told:
        return Absent.UNKNOWN
    value = facts.state.setting(*setting.path)
    return setting.absent if value is None else value


def nested(path: tuple[str, ...], value: Any) -> Any:
    """("a", "b"), 1 → {"a": {"b": 1}}"""
    return reduce(lambda inner, key: {key: inner}, reversed(path), value)


RULES = tuple(
    Rule(each.code, each.code, each.why, each.source, each.weighty, partial(look, each)) for each in profile.SETTINGS
)
