"""The road for everything else that is asked of a Zigbee2MQTT: `bridge/request/…`. The only module that writes
BridgeRequest.

The row is made first; the worker sends it and stores the answer on it. Whoever waits reads the row again.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from auditlog.models import LogEntry
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from meters import notify
from meters.forgetting import forget
from meters.models import Area, BridgeRequest, Device, Listing
from meters.people import Person, person
from meters.zigbee2mqtt import Response

KNOWN = frozenset(
    {
        *("permit_join", "restart", "health_check", "coordinator_check", "networkmap", "options"),
        *("device/rename", "device/remove", "device/options", "device/configure", "device/interview"),
        "device/reporting/configure",
    }
)
"""What may be asked. converter/save and extension/save run foreign code; a backup holds the network's key."""
LONGEST_TIMEOUT_S = 300
Status = BridgeRequest.Status
OPEN = (Status.QUEUED, Status.SENT)
LEFT_FOR = timedelta(minutes=10)


class UnknownRequest(Exception):
    """`str()` is for people."""

    code = "unknown_request"
    message = _("This is not asked of a Zigbee2MQTT from here.")

    def __str__(self) -> str:
        return str(self.message)


def ask(
    area: Area, request: str, payload: Mapping[str, Any] | None = None, by: Person = None, timeout_s: int = 30
) -> BridgeRequest:
    """Ask this area's Zigbee2MQTT; it is sent once this transaction commits. Raises UnknownRequest."""
    if request not in KNOWN:
        raise UnknownRequest
    with transaction.atomic():
        made = BridgeRequest.objects.create(
            area=area,
            request=request,
            payload=dict(payload or {}),
            transaction=secrets.token_hex(12),
            by=person(by),
            timeout_s=min(timeout_s, LONGEST_TIMEOUT_S),
            created_at=timezone.now(),
        )
        LogEntry.objects.log_create(
            area,
            action=LogEntry.Action.UPDATE,
            changes={"request": ["", request], "payload": ["", json.dumps(made.payload)[:500]]},
            actor=person(by),
        )
        notify.wake()
    return made


def ask_once(
    area: Area, request: str, payload: Mapping[str, Any], by: Person = None, timeout_s: int = 30
) -> BridgeRequest:
    """As `ask`; where the very same is under way it is not asked again: a button pressed twice, two technicians."""
    with transaction.atomic():
        Area.objects.select_for_update(no_key=True).get(pk=area.pk)
        same = BridgeRequest.objects.filter(area=area, request=request, payload=dict(payload), status__in=OPEN)
        return same.first() or ask(area, request, payload, by, timeout_s)


# --- questions -------------------------------------------------------------------------------------------------------


def last_of(device: Device) -> BridgeRequest | None:
    """The newest request that was about this device."""
    about = Q(payload__id=device.ieee_address) | Q(payload__from=device.ieee_address)
    return BridgeRequest.objects.filter(about, area=device.area_id).select_related("by").first()


def under_way(area_ids: Iterable[int], request: str) -> dict[int, BridgeRequest]:
    """The newest request of this kind that is not answered yet, by area (id)."""
    found = BridgeRequest.objects.filter(area__in=list(area_ids), request=request, status__in=OPEN).order_by("pk")
    return {asked.area_id: asked for asked in found}


# --- the worker's road -----------------------------------------------------------------------------------------------


def waiting() -> list[tuple[int, str, str]]:
    """(id, topic, payload) of what is to be sent, the oldest first."""
    queued = BridgeRequest.objects.filter(status=Status.QUEUED).order_by("pk")
    rows = queued.values_list("pk", "area__base_topic", "request", "payload", "transaction")
    return [
        (pk, f"{base}/bridge/request/{request}", json.dumps(payload | {"transaction": transaction_id}))
        for pk, base, request, payload, transaction_id in rows
    ]


def claim(request_id: int, now: datetime) -> bool:
    """Take it before it is published; False where it was taken."""
    return bool(
        BridgeRequest.objects.filter(pk=request_id, status=Status.QUEUED).update(status=Status.SENT, sent_at=now)
    )


def unclaim(request_id: int) -> None:
    """It was certainly not published."""
    BridgeRequest.objects.filter(pk=request_id, status=Status.SENT).update(status=Status.QUEUED, sent_at=None)


def answer(area_id: int, response: Response, at: datetime) -> None:
    """Store what the Zigbee2MQTT answered. An answer to somebody else's request, or a late one, changes nothing."""
    if not response.transaction:
        return
    status = Status.REFUSED if response.error else Status.DONE
    BridgeRequest.objects.filter(
        area=area_id, transaction=response.transaction, request=response.request, status=Status.SENT
    ).update(status=status, finished_at=at, response=response.data, error=response.error)


def leftovers(now: datetime) -> list[tuple[int, str]]:
    """(id, topic) of what lies on the broker of devices that were removed of late: Zigbee2MQTT leaves their last
    availability there for good, and whoever asks the broker is told that they are online. A name that another device
    bears by now is left alone."""
    removed = BridgeRequest.objects.filter(
        request="device/remove", status=Status.DONE, finished_at__gt=now - LEFT_FOR
    ).values_list("pk", "area_id", "area__base_topic", "payload__id")
    found = []
    for pk, area_id, base, ieee_address in removed:
        gone = Device.objects.filter(ieee_address=ieee_address, area=area_id, removed_at__isnull=False).first()
        if gone and not Listing.objects.filter(area=area_id, friendly_name=gone.friendly_name).exists():
            found.append((pk, f"{base}/{gone.friendly_name}/availability"))
    return found


def close_overdue(now: datetime) -> int:
    """Give up what was not answered, or could not be sent, in its time; returns how many. Idempotent."""
    earliest = now - F("timeout_s") * timedelta(seconds=1)
    overdue = Q(sent_at__lt=earliest) | Q(sent_at=None, created_at__lt=earliest)
    unfinished = BridgeRequest.objects.filter(overdue, status__in=OPEN)
    return unfinished.update(status=Status.TIMED_OUT, finished_at=now)


def prune(before: datetime) -> int:
    """Forget requests that were finished before then; returns how many."""
    return forget(BridgeRequest.objects.filter(finished_at__lt=before))
