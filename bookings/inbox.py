"""Every call of Sirvoy as it came, and what became of it. The only module that writes WebhookEvent.

An event is stored before anything is made of it. What fails is tried again with growing gaps, and stays visible.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

from auditlog.models import LogEntry
from django.conf import settings
from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext_noop as _

from bookings import sirvoy, sync
from bookings.models import Booking, WebhookEvent, WebhookToken
from meters.forgetting import forget
from meters.people import Person, person

logger = logging.getLogger(__name__)
Status = WebhookEvent.Status
UNFINISHED = [Status.RECEIVED, Status.FAILED]
GAPS_MIN = (1, 2, 4, 8, 16, 32, 60)
"""Minutes from each attempt to the next; the last one again and again."""
MOST_ATTEMPTS = 30
"""A bit more than a day."""
MOST_AT_ONCE = 500
"""So many events are worked on by one sweep; the next goes on."""
MOST_REPLAYED = 100
"""So many are worked on while a person waits; the sweep takes the others."""
FROM_THE_FUTURE = timedelta(minutes=10)
"""Clocks differ by so much. An event that says it was made later than that would outrule those that follow it: it is
taken as made when it came."""
TRUNCATED = _("It was larger than what is kept; the end is missing.")
IN_THE_FUTURE = _("lies in the future")


def store(
    token: WebhookToken | None,
    body: bytes,
    now: datetime,
    size: int | None = None,
    origin: str = WebhookEvent.Origin.WEBHOOK,
) -> WebhookEvent:
    """Keep a body, of `size` bytes where this is only its beginning. Outside a transaction it is committed."""
    size = len(body) if size is None else size
    return WebhookEvent.objects.create(
        token=token,
        origin=origin,
        received_at=now,
        body=body,
        size=size,
        is_truncated=size > len(body),
        digest=sha256(body).hexdigest(),
        try_again_at=now + timedelta(minutes=GAPS_MIN[0]),
    )


def process(event_id: int, now: datetime) -> None:
    """Make of an event what follows from it, all in one transaction; nothing where that was done, or is being done.

    Never raises: what went wrong stands on the row.
    """
    try:
        _work(event_id, now)
    except Exception as error:  # noqa: BLE001  (whatever a bad event may stir up: it is kept, told and tried again)
        reason = _place(error)
        logger.error("Event %s from Sirvoy could not be worked on: %s", event_id, reason)
        with suppress(DatabaseError, InterfaceError):
            _try_later(event_id, reason, now)


def sweep(now: datetime) -> int:
    """Work on what is due again, the oldest first; returns how many. May run late or twice."""
    due = WebhookEvent.objects.filter(status__in=UNFINISHED, try_again_at__lte=now).order_by("pk")
    ids = list(due.values_list("pk", flat=True)[:MOST_AT_ONCE])
    for event_id in ids:
        process(event_id, now)
    return len(ids)


def replay(event_ids: Iterable[int], by: Person, now: datetime) -> int:
    """Work on these once more, as if they had just failed; returns how many. Those that were erased are left out."""
    with transaction.atomic():
        asked = WebhookEvent.objects.select_for_update().filter(pk__in=list(event_ids), erased_at=None).order_by("pk")
        events = list(asked.defer("body"))
        for event in events:
            changes = {"replayed": [event.status, event.reason]}
            LogEntry.objects.log_create(event, action=LogEntry.Action.UPDATE, changes=changes, actor=person(by))
        ids = [event.pk for event in events]
        again = WebhookEvent.objects.filter(pk__in=ids)
        again.filter(status=Status.FAILED).update(processed_at=None)  # what was worked on stays part of the story
        again.update(status=Status.RECEIVED, attempts=0, reason="", try_again_at=now)
    for event_id in ids[:MOST_REPLAYED]:
        process(event_id, now)
    return len(ids)


def erase(sirvoy_ids: Collection[int], now: datetime) -> int:
    """Forget what the guests of these bookings told; returns of how many events."""
    told = WebhookEvent.objects.filter(sirvoy_id__in=sirvoy_ids, erased_at=None)
    with transaction.atomic():
        ids = list(told.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
        return WebhookEvent.objects.filter(pk__in=ids).update(**_erased(now))


def erase_unread(before: datetime, now: datetime) -> int:
    """Forget the bodies of which no booking is known that came before then; returns how many."""
    known = Booking.objects.filter(sirvoy_id=OuterRef("sirvoy_id"))
    unread = WebhookEvent.objects.filter(~Exists(known), received_at__lt=before, erased_at=None)
    return unread.update(**_erased(now))


def prune(before: datetime) -> int:
    """Forget events of which nothing is left but that they came, before then; returns how many."""
    return forget(WebhookEvent.objects.filter(received_at__lt=before, erased_at__isnull=False))


# --- inside ----------------------------------------------------------------------------------------------------------


def _work(event_id: int, now: datetime) -> None:
    with transaction.atomic():
        free = WebhookEvent.objects.select_for_update(skip_locked=True)
        event = free.filter(pk=event_id, status__in=UNFINISHED, erased_at=None).first()
        if event is None:
            return
        try:
            told = _read(event)
        except sirvoy.Unreadable as error:
            _give_up(event, error.reason, now)
            return
        event.sirvoy_id, event.generated_at, event.complaints = told.sirvoy_id, told.generated_at, list(told.complaints)
        _finish(event, sync.apply(told, event, now), "", now)


def _read(event: WebhookEvent) -> sirvoy.BookingTold:
    if event.is_truncated:
        raise sirvoy.Unreadable(TRUNCATED)
    told = sirvoy.read(bytes(event.body))
    if told.generated_at and told.generated_at > event.received_at + FROM_THE_FUTURE:
        told = replace(told, generated_at=None, complaints=(*told.complaints, f"generatedAt: {IN_THE_FUTURE}"))
    return told


def _give_up(event: WebhookEvent, reason: str, now: datetime) -> None:
    """It will be no better for being tried again; which booking it is about may still be seen."""
    event.sirvoy_id = sirvoy.glimpse(bytes(event.body))
    _finish(event, Status.FAILED, reason, now)
    logger.warning("Event %s from Sirvoy, %s bytes, cannot be read: %s", event.pk, event.size, reason)


def _finish(event: WebhookEvent, status: Status, reason: str, now: datetime) -> None:
    event.status, event.reason, event.processed_at, event.try_again_at = status, reason, now, None
    event.attempts = min(event.attempts + 1, 32767)
    what_came_of_it = ["status", "reason", "processed_at", "try_again_at", "attempts"]
    event.save(update_fields=[*what_came_of_it, "sirvoy_id", "generated_at", "complaints"])


def _try_later(event_id: int, reason: str, now: datetime) -> None:
    """Unless somebody else has meanwhile done it."""
    unfinished = WebhookEvent.objects.filter(pk=event_id, status__in=UNFINISHED)
    for attempts, body in unfinished.values_list("attempts", "body"):
        gap = timedelta(minutes=GAPS_MIN[min(attempts, len(GAPS_MIN) - 1)])
        unfinished.update(
            status=Status.FAILED,
            reason=reason[:500],
            attempts=attempts + 1,
            processed_at=now,
            try_again_at=now + gap if attempts + 1 < MOST_ATTEMPTS else None,
            sirvoy_id=sirvoy.glimpse(bytes(body)),
        )


def _erased(now: datetime) -> dict[str, object]:
    return {"body": b"", "erased_at": now, "try_again_at": None}


def _place(error: BaseException) -> str:
    """What kind of error, and where in our code: its text may hold what a guest told."""
    root, place = Path(settings.BASE_DIR), "?"
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        if path.is_relative_to(root) and "site-packages" not in path.parts:
            place = f"{path.relative_to(root)}:{frame.lineno}"
    return f"{type(error).__name__} ({place})"
