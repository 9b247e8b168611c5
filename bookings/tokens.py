"""Who may send us events: secret parts of the webhook's address. The only module that writes WebhookToken.

The secret is told once, to whoever makes it; only its SHA-256 is kept.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import datetime, timedelta
from hashlib import sha256

from auditlog.models import LogEntry
from django.db import connection, models, transaction
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from bookings.models import WebhookToken
from meters.people import Person, person

MOST_VALID = 2
PREFIX = "sirvoy-"
"""By it a token is recognised, and struck out, wherever it should turn up in a log: see campsite/redaction.py."""
SEEN_AGAIN = timedelta(seconds=10)
"""When Sirvoy last called is kept only so exactly: a burst of events is no burst of writes."""
LOCK = 0x546F6B656E


class TooMany(Exception):
    """`code` is for machines, the text is for people."""

    code = "too_many"


def make(name: str, by: Person) -> tuple[WebhookToken, str]:
    """A new token, and its secret: nobody can ask for that again. Raises TooMany."""
    secret = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        if valid().count() >= MOST_VALID:
            raise TooMany(_("Two addresses are valid already. Revoke one of them first."))
        made = WebhookToken.objects.create(name=name, digest=_digest(secret), created_by=person(by))
        LogEntry.objects.log_create(made, action=LogEntry.Action.CREATE, changes={"name": ["", name]}, actor=person(by))
    return made, secret


def revoke(token: WebhookToken, by: Person, now: datetime) -> bool:
    """From now on it is a wrong one; False where it was already."""
    with transaction.atomic():
        done = WebhookToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now)
        if done:
            changes = {"revoked": ["", now.isoformat()]}
            LogEntry.objects.log_create(token, action=LogEntry.Action.UPDATE, changes=changes, actor=person(by))
    return bool(done)


def valid() -> models.QuerySet[WebhookToken]:
    return WebhookToken.objects.filter(revoked_at=None)


def find(secret: str) -> WebhookToken | None:
    """The valid token of this secret; takes as long for a wrong one."""
    digest = _digest(secret)
    found = [token for token in valid().order_by() if hmac.compare_digest(token.digest, digest)]
    return found[0] if found else None


def path(secret: str) -> str:
    """The address to give to Sirvoy, without the site's."""
    return reverse("sirvoy", args=[secret])


def saw_event(token: WebhookToken, now: datetime) -> None:
    """Note that an event came, for the watchdog."""
    _saw(token, "last_event_at", now)


def saw_get(token: WebhookToken, now: datetime) -> None:
    """Note that Sirvoy looked whether we are there, for the watchdog."""
    _saw(token, "last_get_at", now)


def _saw(token: WebhookToken, column: str, now: datetime) -> None:
    last = getattr(token, column)
    if last is None or last < now - SEEN_AGAIN:
        old = Q(**{column: None}) | Q(**{f"{column}__lt": now - SEEN_AGAIN})
        WebhookToken.objects.filter(old, pk=token.pk).update(**{column: now})


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
