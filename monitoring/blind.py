"""Of which incidents nothing can be said just now: that they are not found is no sign that they are over.

Who has lost sight of a meter would otherwise say that it is well again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db.models import Q

from meters import online
from meters.models import Area, AreaState
from meters.online import Link
from monitoring import silence
from monitoring.checks import radio
from monitoring.findings import Finding, key
from monitoring.models import Incident

HIDES = {
    "worker_silent": {"broker_away", "worker_lags"},
    "broker_away": {"worker_lags"},
    "shard_silent": {"shard_deaf", "worker_lags"},
    "shard_deaf": {"worker_lags"},
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


class Heard(NamedTuple):
    """What is heard of areas and their meters. `reasons`: address → why a meter is as it is said to be (meters.online);
    `doubtful`: area (by id) → of each of its meters, whether it may be silent; `reporting`: areas (by id) whose reports
    of health are of now; `now`: the moment of all this.
    """

    link: Link
    in_service: set[int]
    reasons: dict[str, str]
    doubtful: dict[int | None, list[bool]]
    reporting: set[int]
    now: datetime

    def is_settled(self, area_id: int | None) -> bool:
        """Whether somebody has listened to it for as long as is counted."""
        since = self.link.since(area_id)
        return since is None or self.now - since >= radio.SETTLED


def unseen(missing: Sequence[Incident], found: Collection[Finding], now: datetime) -> set[int]:
    """Those (by id) of the incidents that this look did not find, and that may go on all the same."""
    failed = {finding.about for finding in found if finding.code == "check_failed"}
    hidden = {key(code, finding.about) for finding in found for code in HIDES.get(finding.code, ())}
    blind = {each.pk for each in missing if each.check_name in failed or each.key in hidden}
    of_areas = [each for each in missing if each.area_id and each.pk not in blind]
    if not of_areas:
        return blind
    heard = _heard(of_areas, now)
    return blind | {each.pk for each in of_areas if _may_go_on(each, heard)}


def _heard(missing: Sequence[Incident], now: datetime) -> Heard:
    link, areas = online.link(now), {each.area_id for each in missing if each.area_id}
    in_service = set(Area.objects.filter(pk__in=areas, in_service=True).values_list("pk", flat=True))
    reasons: dict[str, str] = {}
    doubtful: dict[int | None, list[bool]] = defaultdict(list)
    of_it = Q(device__area__in=areas) | Q(device__ieee_address__in={each.about for each in missing})
    for meter in online.meters().filter(of_it, device__removed_at=None):
        reason = online.status(meter, link, now).reason
        reasons[meter.device.ieee_address] = reason
        doubtful[meter.device.area_id].append(reason not in {*WELL, "never"})
    reporting = radio.reporting(now) if any(_is_of_reports(each, reasons) for each in missing) else set()
    return Heard(link, in_service, reasons, doubtful, reporting, now)


def _may_go_on(incident: Incident, heard: Heard) -> bool:
    """Where an area's Zigbee2MQTT is not heard, nothing is known of it, nor of a meter that is not heard yet. An area
    out of service is none of ours.
    """
    if incident.area_id not in heard.in_service:
        return False
    if heard.link.bridge(incident.area_id) != AreaState.Bridge.ONLINE:
        return True
    if incident.code in COUNTED and not heard.is_settled(incident.area_id):
        return True
    if _is_of_reports(incident, heard.reasons):
        return incident.area_id not in heard.reporting
    if incident.code == "many_silent":
        meters = heard.doubtful[incident.area_id]
        return sum(meters) >= silence.needed(len(meters))
    reason = heard.reasons.get(incident.about, "ok")
    return incident.code in ONLY_HEARD if reason in silence.IS_OF_ITSELF else reason not in WELL


def _is_of_reports(incident: Incident, meters: Collection[str]) -> bool:
    return incident.code in ONLY_REPORTED or (incident.code == "chatters" and incident.about not in meters)
