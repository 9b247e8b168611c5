"""Each area's Zigbee2MQTT against the recommended profile: what deviates, why it matters, which request cures it.

Rules are pure: they see what was gathered (`facts`), and say how an area stands. What was not reported is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from monitoring.audit import devices, network, settings
from monitoring.audit.facts import AreaFacts, Site, gather
from monitoring.audit.verdicts import Cure, Deviation, Look, Rule, Verdict

__all__ = ["RULES", "AreaFacts", "Cure", "Deviation", "Look", "Result", "Rule", "Site", "Verdict", "gather"]

RULES: tuple[Rule, ...] = (*settings.RULES, *network.RULES, *devices.RULES)


@dataclass(frozen=True, slots=True)
class Result:
    """How an area stands by a rule."""

    rule: Rule
    look: Look


def of_area(facts: AreaFacts, site: Site) -> list[Result]:
    return [Result(rule, rule.look(facts, site)) for rule in RULES]


def deviation(slug: str, code: str, about: str, now: datetime) -> Deviation | None:
    """What deviates at this moment by this rule in this area; None: nothing does any more."""
    site = gather(now)
    facts = next((each for each in site.areas if each.area.slug == slug), None)
    rule = next((rule for rule in RULES if rule.code == code), None)
    if facts is None or rule is None:
        return None
    return next((each for each in rule.look(facts, site).deviations if each.about == about), None)
