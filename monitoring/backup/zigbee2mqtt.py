"""Asks each area's Zigbee2MQTT for its backup, over MQTT, and looks whether a network could be had again from it.

All are asked at once; each has its own time to answer in, and what goes wrong with one is told of that one.
"""

from __future__ import annotations

import base64
import binascii
import logging
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from meters import online, requests
from meters.models import Area, AreaState, BridgeRequest, Listing
from meters.people import Person
from meters.zigbee2mqtt.values import MAX_BYTES
from monitoring.backup import BackupError, contents, history
from monitoring.backup.contents import Contents, Unusable
from monitoring.backup.manifest import Kind, Missing, Piece

logger = logging.getLogger(__name__)

TIMEOUT_S = 120
"""Zigbee2MQTT reads its antenna's memory first: seconds, where the antenna is well."""
POLL_S = 0.25
UNREAD = ("zigate", "zboss", "zigbee on host")
"""Antennas (as each tells its type) whose memory Zigbee2MQTT 2.14 cannot read: they have no coordinator_backup.json."""
WORDS: dict[str, Promise] = {
    "worker": _("Nothing could be asked: the MQTT worker is not connected to the broker."),
    "offline": _("Its Zigbee2MQTT is offline and was not asked."),
    "not_sent": _("The question was not sent within %(seconds)d s: the MQTT worker was away."),
    "refused": _("Zigbee2MQTT answered that it cannot: %(words)s"),
    "too_big": _(
        "The answer is bigger than the %(megabytes)d MB that are taken in. Mostly logs lie in its data folder, of "
        "which Zigbee2MQTT leaves out only those in log/: set advanced.log_directory to a folder there, and take "
        "away what does not belong."
    ),
    "lost_connection": _(
        "Zigbee2MQTT lost the broker as it answered: its backup is bigger than the broker's max_packet_size. "
        "Make that 16 MB at least, and take away what does not belong in its data folder."
    ),
    "no_answer": _(
        "No answer within %(seconds)d s. Where mosquitto's log tells of a “too large PUBLISH”, raise its "
        "message_size_limit to 16 MB at least."
    ),
}


class NotBackedUp(BackupError):
    """There is no backup of this area. `str()` is for people."""

    def __init__(self, code: str, **facts: str | int) -> None:
        super().__init__(code, facts)
        self.code, self.facts = code, facts

    def __str__(self) -> str:
        return str(WORDS[self.code]) % self.facts


def collect(by: Person = None) -> Iterator[Piece | Missing]:
    """One for each area in service, called by its short name, as they come; takes little more than TIMEOUT_S in all."""
    now = timezone.now()
    link = online.link(now)
    asked: dict[int, Area] = {}
    for area in Area.objects.filter(in_service=True).order_by("slug"):
        try:
            asked[_ask(area, link, by).pk] = area
        except NotBackedUp as why:
            yield _missing(area, why)
    for row in _answered(set(asked)):
        try:
            yield piece(asked[row.pk], row, now)
        except (NotBackedUp, Unusable) as why:
            yield _missing(asked[row.pk], why)


def _missing(area: Area, why: NotBackedUp | Unusable) -> Missing:
    logger.warning("No backup of the area %s: %s", area.slug, why.code)
    return Missing(area.slug, Kind.ZIGBEE2MQTT, str(why))


def _ask(area: Area, link: online.Link, by: Person) -> BridgeRequest:
    """Raises NotBackedUp where there is nobody to ask."""
    if not link.is_heard(area.pk):
        raise NotBackedUp("worker")
    if link.bridge(area.pk) == AreaState.Bridge.OFFLINE:
        raise NotBackedUp("offline")
    return requests.ask_backup(area, by, TIMEOUT_S)


def _answered(waiting: set[int]) -> Iterator[BridgeRequest]:
    """The row of each of these requests (ids) once it is finished: answered, or given up."""
    while waiting:
        requests.close_overdue(timezone.now())
        finished = BridgeRequest.objects.filter(pk__in=waiting, finished_at__isnull=False).defer("response")
        for row in finished.order_by("finished_at"):
            waiting.discard(row.pk)
            yield row
        if waiting:
            time.sleep(POLL_S)


def piece(area: Area, asked: BridgeRequest, now: datetime) -> Piece:
    """What this area's Zigbee2MQTT answered, as it is. Raises NotBackedUp, Unusable."""
    packed = _packed(area, asked)
    found = contents.read(packed)
    state = AreaState.objects.filter(area=area).first() or AreaState(area=area)
    warnings = [*_warnings(area, state, found), *history.note(area, found, now)]
    return Piece(area.slug, Kind.ZIGBEE2MQTT, packed, facts=_facts(area, state, found), warnings=tuple(warnings))


def _packed(area: Area, asked: BridgeRequest) -> bytes:
    match asked.status:
        case BridgeRequest.Status.TIMED_OUT:
            raise _silence(area, asked)
        case BridgeRequest.Status.REFUSED if asked.error.startswith(f"{requests.UNREADABLE}: too_big"):
            raise NotBackedUp("too_big", megabytes=MAX_BYTES >> 20)
        case BridgeRequest.Status.REFUSED:
            raise NotBackedUp("refused", words=" ".join(asked.error.split()))
    try:
        return base64.b64decode(requests.take_backup(asked.pk) or "", validate=True)
    except binascii.Error:
        raise Unusable("no_zip") from None


def _silence(area: Area, asked: BridgeRequest) -> NotBackedUp:
    """Why no answer came, as far as it is known. A broker says nothing of what it drops; some end the connection."""
    if asked.sent_at is None:
        return NotBackedUp("not_sent", seconds=asked.timeout_s)
    if AreaState.objects.filter(area=area, bridge_since__gt=asked.sent_at).exists():
        return NotBackedUp("lost_connection")
    return NotBackedUp("no_answer", seconds=asked.timeout_s)


# --- what it tells ---------------------------------------------------------------------------------------------------


def _facts(area: Area, state: AreaState, found: Contents) -> dict[str, Any]:
    return {
        "area": area.name,
        "version": state.version,
        "devices": len(found.devices),
        "listed": _listed(area, state),
        "has_coordinator": found.has_coordinator,
        "files": dict(found.files),
    }


def _listed(area: Area, state: AreaState) -> int | None:
    """So many devices are in the inventory; None: it was never told."""
    return Listing.objects.filter(area=area).count() if state.inventory_at else None


def _warnings(area: Area, state: AreaState, found: Contents) -> Iterator[str]:
    listed = _listed(area, state)
    if listed is not None and listed != len(found.devices):
        told = {"packed": len(found.devices), "listed": listed}
        yield gettext("%(packed)d devices are in the backup, %(listed)d in the inventory.") % told
    kind = str(state.coordinator.get("type") or "").lower()
    if kind and not found.has_coordinator and not kind.startswith(UNREAD):
        yield gettext(
            "coordinator_backup.json is missing: with a new antenna every device would have to be paired again."
        )
