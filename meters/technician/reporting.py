"""How often a meter tells its counter by itself: what it was asked to, how it is asked anew, and what it does.

Zigbee2MQTT lists what it asked for. Many Tuya meters agree and go on as before: only the readings show what is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Min
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from meters import requests
from meters.models import BridgeRequest, Device, Meter, Reading
from meters.people import Person
from meters.technician.acts import Gone
from meters.technician.errors import TechnicianError

COUNTER = ("seMetering", "currentSummDelivered")
LOOKED_AT = timedelta(hours=24)


class NotReporting(TechnicianError):
    code = "not_reporting"
    message = _("Only a single-phase meter that speaks plain Zigbee can be asked to tell its counter more often.")


@dataclass(frozen=True, slots=True)
class Preset:
    """Seconds, and steps of 0.01 kWh: at the earliest, at the latest, and after how much."""

    name: Promise
    why: Promise
    minimum_s: int
    maximum_s: int
    change: int


PRESETS = {
    "usual": Preset(
        _("As recommended"),
        _(
            "Each quarter of an hour, or after 2.57 kWh. Spares the network; who settles a guest has the meter asked "
            "anyway."
        ),
        5,
        900,
        257,
    ),
    "billing": Preset(
        _("Finer, for settling"),
        _(
            "After each 0.1 kWh, at least each 15 minutes, at most once a minute. For a few meters, not for a whole "
            "area: a heater of 2 kW then sends 20 messages an hour."
        ),
        60,
        900,
        10,
    ),
}


@dataclass(frozen=True, slots=True)
class Told:
    """What Zigbee2MQTT says that it asked the meter for. `change`: None where it does not say. `preset`: the key of
    PRESETS that it is, "" another one."""

    endpoint: int
    minimum_s: int
    maximum_s: int
    change: float | None
    preset: str


@dataclass(frozen=True, slots=True)
class Seen:
    """How often the counter did come since `since`. `gap`: on average, None where it came less than twice."""

    since: datetime
    times: int
    last_at: datetime | None
    gap: timedelta | None


def ask(device: Device, preset: str, by: Person) -> BridgeRequest:
    """Ask the meter to tell its counter so often. Raises NotReporting, Gone; KeyError: there is no such preset."""
    wanted = PRESETS[preset]
    if device.kind != Device.Kind.SINGLE_PHASE:
        raise NotReporting
    if device.area is None or device.removed_at:
        raise Gone
    cluster, attribute = COUNTER
    told = asked(device)
    payload = {
        "id": device.ieee_address,
        "endpoint": told.endpoint if told else 1,
        "cluster": cluster,
        "attribute": attribute,
        "minimum_report_interval": wanted.minimum_s,
        "maximum_report_interval": wanted.maximum_s,
        "reportable_change": wanted.change,
    }
    return requests.ask_once(device.area, "device/reporting/configure", payload, by)


def asked(device: Device) -> Told | None:
    """As Zigbee2MQTT lists it; None: it lists nothing of the counter."""
    for entry in device.reportings:
        if (entry["cluster"], entry["attribute"]) == COUNTER:
            return _told(entry)
    return None


def seen(meter: Meter, now: datetime) -> Seen:
    """What the readings tell since it was asked last, or for a day."""
    since = max(_asked_at(meter.device) or now - LOOKED_AT, now - LOOKED_AT)
    counted = Reading.objects.filter(meter=meter, measured_at__gt=since, counter_wh__isnull=False)
    found = counted.aggregate(times=Count("measured_at"), first=Min("measured_at"), last=Max("measured_at"))
    gap = (found["last"] - found["first"]) / (found["times"] - 1) if found["times"] > 1 else None
    return Seen(since, found["times"], found["last"], gap)


def _asked_at(device: Device) -> datetime | None:
    cluster, attribute = COUNTER
    done = BridgeRequest.objects.filter(
        area=device.area_id,
        request="device/reporting/configure",
        payload__id=device.ieee_address,
        payload__cluster=cluster,
        payload__attribute=attribute,
        status=BridgeRequest.Status.DONE,
    )
    return done.values_list("finished_at", flat=True).first()


def _told(entry: Mapping[str, Any]) -> Told:
    minimum, maximum = entry["minimum_report_interval"], entry["maximum_report_interval"]
    change = entry["reportable_change"]
    same = (name for name, p in PRESETS.items() if (p.minimum_s, p.maximum_s, p.change) == (minimum, maximum, change))
    return Told(entry["endpoint"], minimum, maximum, change, next(same, ""))
