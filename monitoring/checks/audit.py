"""Whether each area's Zigbee2MQTT is configured as recommended: what drifts after an update is found within minutes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from monitoring import audit
from monitoring.audit import Verdict
from monitoring.findings import Finding, Severity

TOLD_APART = ("availability.active.pause_on_backoff_gt",)
"""A finding of its own: ping_cascade."""
MOST_NAMED = 4
"""So many rules are named; the area's page has them all."""


def configurations(now: datetime) -> Iterator[Finding]:
    """One finding an area of all weighty deviations."""
    site = audit.gather(now)
    for facts in (each for each in site.areas if each.area.in_service):
        wrong = [each.rule for each in audit.of_area(facts, site) if each.look.verdict is Verdict.WRONG]
        if codes := [rule.code for rule in wrong if rule.weighty and rule.code not in TOLD_APART]:
            rules = ", ".join(codes[:MOST_NAMED]) + (" …" if len(codes) > MOST_NAMED else "")
            yield Finding(
                "configuration_deviates", Severity.WARNING, facts.area.slug, {"area": facts.area.name, "rules": rules}
            )
