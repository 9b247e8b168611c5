"""Of which incidents nothing can be said just now: that they are not found is no sign that they are over.

Who has lost sight of a meter would otherwise say that it is well again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from django.db.models import Q

from meters import online
from meters.models import Area, AreaState
from monitoring import silence
from monitoring.checks import radio
from monitoring.findings import Finding, key
from monitoring.models import Incident

HIDES = {
    "worker_silent": {"broker_away", "worker_lags"},
    "broker_away": {"worker_lags"},
    "broker_no_round_trip": {"broker_slow", "broker_drops"},
    "certificate_refused": {"certificate_ends"},
    "many_silent": {"many_frozen"},
}
"""While the first is found of something, nobody can see the others of it."""
WELL = {"ok", "removed", "left", "disabled"}
"""Why a meter (meters.online) is not silent, and known not to be."""
ONLY_HEARD = {"current_while_off", "frozen", "load_gone", "not_off", "not_on", "weak_link"}
"""Found only of a meter that is heard: what is silent may be so still."""
ONLY_REPORTED = {"queue_waits", "rejoins", "storm"}
"""Found only by what a Zigbee2MQTT reports of its health; `chatters`, too, of what is no meter."""

COUNTED = {"chatters", "many_chatter"}
"""Found by what was heard in the last minutes, once somebody has listened for so long."""


def unseen(missing: Sequence[Incident], found: Collection[Finding], now: datetime) -> set[int]:
    """Those (by id) of the incidents that this look did not find, and that may go on all the same."""
    failed = {finding.about for finding in found if finding.code == "check_failed"}
    hidden = {key(code, finding.about) for finding in found for code in HIDES.get(finding.code, ())}
    blind = {each.pk for each in missing if each.check_name in failed or each.key in hidden}
    of_areas = [each for each in missing if each.area_id and each.pk not in blind]
    return blind | _unheard(of_areas, now) if of_areas else blind


def _unheard(missing: Sequence[Incident], now: datetime) -> set[int]:
    """Where an area's Zigbee2MQTT is not heard, nothing is known of it, nor of a meter that is not heard yet. An area
    out of service is none of ours.
    """
    link = online.link(now)
    areas = {each.area_id for each in missing if each.area_id}
    of_it = Q(device__area__in=areas) | Q(device__ieee_address__in={each.about for each in missing})
    reasons: dict[str, str] = {}
    doubtful: dict[int | None, list[bool]] = {}
    for meter in online.meters().filter(of_it, device__removed_at=None):
        reason = online.status(meter, link, now).reason
        reasons[meter.device.ieee_address] = reason
        doubtful.setdefault(meter.device.area_id, []).append(reason not in {*WELL, "never"})
    is_settled = link.since is None or now - link.since >= radio.SETTLED
    needs_report = {each.pk for each in missing if _needs_report(each, reasons)}
    reporting = radio.reporting(now) if needs_report else set()

    def is_unseen(incident: Incident) -> bool:
        if link.bridge(incident.area_id) != AreaState.Bridge.ONLINE:
            return True
        if incident.code in COUNTED and not is_settled:
            return True
        if incident.pk in needs_report:
            return incident.area_id not in reporting
        if incident.code == "many_silent":
            theirs = doubtful.get(incident.area_id, [])
            return sum(theirs) >= silence.needed(len(theirs))
        reason = reasons.get(incident.about, "ok")
        return incident.code in ONLY_HEARD if reason in silence.IS_OF_ITSELF else reason not in WELL

    in_service = set(Area.objects.filter(pk__in=areas, in_service=True).values_list("pk", flat=True))
    return {each.pk for each in missing if each.area_id in in_service and is_unseen(each)}


def _needs_report(incident: Incident, meters: Collection[str]) -> bool:
    return incident.code in ONLY_REPORTED or (incident.code == "chatters" and incident.about not in meters)
