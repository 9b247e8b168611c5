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
from monitoring.findings import Finding
from monitoring.models import Incident

HIDES = {"worker_silent": {"broker_away", "worker_lags"}, "broker_away": {"worker_lags"}}
"""While the first is found, nobody can see the others."""
WELL = {"ok", "removed", "left", "disabled"}
"""Why a meter (meters.online) is not silent, and known not to be."""


class Heard(NamedTuple):
    """What is heard of areas and their meters. `reasons`: address → why a meter is as it is said to be (meters.online);
    `doubtful`: area (by id) → of each of its meters, whether it may be silent.
    """

    link: Link
    in_service: set[int]
    reasons: dict[str, str]
    doubtful: dict[int | None, list[bool]]


def unseen(missing: Sequence[Incident], found: Collection[Finding], now: datetime) -> set[int]:
    """Those (by id) of the incidents that this look did not find, and that may go on all the same."""
    failed = {finding.about for finding in found if finding.code == "check_failed"}
    hidden = {code for finding in found for code in HIDES.get(finding.code, ())}
    blind = {each.pk for each in missing if each.check_name in failed or each.code in hidden}
    of_areas = [each for each in missing if each.area_id and each.pk not in blind]
    if not of_areas:
        return blind
    heard = _heard(of_areas, now)
    return blind | {each.pk for each in of_areas if _may_go_on(each, heard)}


def _heard(missing: Sequence[Incident], now: datetime) -> Heard:
    areas = {each.area_id for each in missing if each.area_id}
    in_service = set(Area.objects.filter(pk__in=areas, in_service=True).values_list("pk", flat=True))
    heard = Heard(online.link(now), in_service, {}, defaultdict(list))
    of_it = Q(device__area__in=areas) | Q(device__ieee_address__in={each.about for each in missing})
    for meter in online.meters().filter(of_it):
        reason = online.status(meter, heard.link, now).reason
        heard.reasons[meter.device.ieee_address] = reason
        heard.doubtful[meter.device.area_id].append(reason not in WELL)
    return heard


def _may_go_on(incident: Incident, heard: Heard) -> bool:
    """Where an area's Zigbee2MQTT is not heard, nothing is known of it, nor of a meter that is not heard yet. An area
    out of service is none of ours.
    """
    if incident.area_id not in heard.in_service:
        return False
    if heard.link.bridge(incident.area_id) != AreaState.Bridge.ONLINE:
        return True
    if incident.code == "many_silent":
        meters = heard.doubtful[incident.area_id]
        return sum(meters) >= silence.needed(len(meters))
    return heard.reasons.get(incident.about, "ok") not in {*WELL, *silence.IS_OF_ITSELF}
