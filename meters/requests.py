"""The road for everything else that is asked of a Zigbee2MQTT: `bridge/request/…`. The only module that writes
BridgeRequest.

The row is made first; the worker sends it and stores the answer on it. Whoever waits reads the row again.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import psycopg
from auditlog.models import LogEntry
from django.db import connection, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from psycopg.types.json import Jsonb

from meters import notify, shards
from meters.forgetting import forget
from meters.models import Area, BridgeRequest, Device, Listing
from meters.people import Person, person
from meters.zigbee2mqtt import Rejected, Response

KNOWN = frozenset(
    {
        *("permit_join", "restart", "health_check", "coordinator_check", "networkmap", "options"),
        *("device/rename", "device/remove", "device/options", "device/configure", "device/interview"),
        "device/reporting/configure",
    }
)
"""What may be asked. converter/save and extension/save run foreign code; a backup has a verb of its own."""
BACKUP = "backup"
BACKUP_ANSWER = f"bridge/response/{BACKUP}"
UNREADABLE = "The answer cannot be read"
TAKEN_WITHIN = timedelta(minutes=5)
"""A backup holds the network's key: what nobody has taken by then is erased."""
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
    return _ask(area, request, payload, by, timeout_s)


def ask_backup(area: Area, by: Person = None, timeout_s: int = 120) -> BridgeRequest:
    """Ask for all that this Zigbee2MQTT would need to begin anew. Whoever asks comes for it by `take_backup`."""
    return _ask(area, BACKUP, None, by, timeout_s)


def _ask(area: Area, request: str, payload: Mapping[str, Any] | None, by: Person, timeout_s: int) -> BridgeRequest:
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


def take_backup(request_id: int) -> str | None:
    """The zip that was answered, as base64, for one reader once: it is erased as it is read. None: there is none."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH asked AS (SELECT id, response FROM meters_bridgerequest "
            "WHERE id = %s AND request = %s AND response IS NOT NULL FOR UPDATE) "
            "UPDATE meters_bridgerequest SET response = NULL FROM asked WHERE meters_bridgerequest.id = asked.id "
            "RETURNING asked.response ->> 'zip'",
            [request_id, BACKUP],
        )
        found = cursor.fetchone()
    return found[0] if found else None


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


def waiting(areas: Sequence[int] | None = None) -> list[tuple[int, str, str]]:
    """(id, topic, payload) of what is to be sent to these areas (`shards.of`), the oldest first."""
    queued = BridgeRequest.objects.filter(shards.of("area", areas), status=Status.QUEUED).order_by("pk")
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
    if response.request == BACKUP:
        _answer_backup(area_id, response, status, at)
        return
    BridgeRequest.objects.filter(
        area=area_id, transaction=response.transaction, request=response.request, status=Status.SENT
    ).update(status=status, finished_at=at, response=response.data, error=response.error)


def _answer_backup(area_id: int, response: Response, status: Status, at: datetime) -> None:
    """As `answer`, with values that stand in no statement: the server logs those that it cannot carry out, and shows
    the last one of each connection to whoever may look."""
    statement = (
        "UPDATE meters_bridgerequest SET status = %s, finished_at = %s, response = %s, error = %s "
        "WHERE area_id = %s AND transaction = %s AND request = %s AND status = %s"
    )
    told = Jsonb(response.data) if response.data else None
    of = [area_id, response.transaction, BACKUP, Status.SENT.value]
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(statement, [status.value, at, told, response.error, *of])


def note_unreadable_backup(area_id: int, why: Rejected, at: datetime) -> None:
    """An answer came of which not even the transaction can be read: the backup that is awaited here has failed."""
    BridgeRequest.objects.filter(area=area_id, request=BACKUP, status=Status.SENT).update(
        status=Status.REFUSED, finished_at=at, error=f"{UNREADABLE}: {why.code} ({why.detail})"[:500]
    )


def leftovers(now: datetime, areas: Sequence[int] | None = None) -> list[tuple[int, str]]:
    """(id, topic) of what lies on the broker of devices that were removed from these areas (`shards.of`) of late:
    Zigbee2MQTT leaves their last availability there for good, and whoever asks the broker is told that they are online.
    A name that another device bears by now is left alone."""
    removed = BridgeRequest.objects.filter(
        shards.of("area", areas), request="device/remove", status=Status.DONE, finished_at__gt=now - LEFT_FOR
    ).values_list("pk", "area_id", "area__base_topic", "payload__id")
    found = []
    for pk, area_id, base, ieee_address in removed:
        gone = Device.objects.filter(ieee_address=ieee_address, area=area_id, removed_at__isnull=False).first()
        if gone and not Listing.objects.filter(area=area_id, friendly_name=gone.friendly_name).exists():
            found.append((pk, f"{base}/{gone.friendly_name}/availability"))
    return found


def close_overdue(now: datetime) -> int:
    """Give up what was not answered, or could not be sent, in its time; returns how many. Idempotent.

    Backups that nobody took are erased.
    """
    left = BridgeRequest.objects.filter(request=BACKUP, finished_at__lt=now - TAKEN_WITHIN, response__isnull=False)
    left.update(response=None)
    earliest = now - F("timeout_s") * timedelta(seconds=1)
    overdue = Q(sent_at__lt=earliest) | Q(sent_at=None, created_at__lt=earliest)
    unfinished = BridgeRequest.objects.filter(overdue, status__in=OPEN)
    return unfinished.update(status=Status.TIMED_OUT, finished_at=now)


def forget_open(now: datetime) -> int:
    """Give up what is not answered, whenever it was asked; returns how many. For a database that was brought back."""
    return BridgeRequest.objects.filter(status__in=OPEN).update(status=Status.TIMED_OUT, finished_at=now)


def prune(before: datetime) -> int:
    """Forget requests that were finished before then; returns how many."""
    return forget(BridgeRequest.objects.filter(finished_at__lt=before))
