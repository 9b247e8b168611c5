"""A guest's way to the page of a stay: a secret address. The only module that writes PortalLink.

The secret is told once, to whoever makes it; only its SHA-256 is kept. It opens the page from some hours before arrival
until some hours after departure, and as long as the guest is here.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from hashlib import sha256

from auditlog.models import LogEntry
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse

from bookings.hours import check_out_at
from bookings.models import PortalLink, Stay
from meters import clock

SECRET_BYTES = 16
"""128 bits: nobody guesses them, and the QR code stays coarse enough for old telephones."""
LONGEST = 100
MARK_LENGTH = 16
Status = Stay.Status


def make(stay: Stay, by: User | None) -> str:
    """A new link to this stay's page; returns its secret: nobody can ask for that again. Older links stay valid."""
    secret = secrets.token_urlsafe(SECRET_BYTES)
    with transaction.atomic():
        made = PortalLink.objects.create(stay=stay, digest=_digest(secret), made_by=by)
        _note(stay, {"link": ["None", str(made.pk)]}, by)
    return secret


def revoke_all(stay: Stay, by: User | None, now: datetime) -> int:
    """From now on none of this stay's links leads anywhere; returns how many did."""
    with transaction.atomic():
        done = PortalLink.objects.filter(stay=stay, revoked_at=None).update(revoked_at=now)
        if done:
            _note(stay, {"links revoked": ["0", str(done)]}, by)
    return done


def any_of(stay: Stay) -> PortalLink:
    """A link of this stay that is not revoked, for who has proved by other means that the stay is his."""
    with transaction.atomic():
        Stay.objects.select_for_update(no_key=True).get(pk=stay.pk)
        valid = PortalLink.objects.filter(stay=stay, revoked_at=None).first()
        if valid is None:
            make(stay, None)  # nobody is told its secret
            valid = PortalLink.objects.filter(stay=stay, revoked_at=None)[0]
    return valid


def check(secret: str, now: datetime) -> PortalLink | None:
    """The link of this secret, with its stay's booking, guest and pitch; None: a wrong one, revoked, too early or over.
    How long it takes tells nothing of a right one: what is looked up is a digest.
    """
    if len(secret) > LONGEST:
        return None
    digest = _digest(secret)
    link = _valid().filter(digest=digest).first()
    if link is None or not hmac.compare_digest(link.digest, digest):
        return None
    return link if is_open(link.stay, now) else None


def mark(link: PortalLink) -> str:
    """By what the link is known again without its secret; whoever hands it out signs it."""
    return f"{link.pk}-{link.digest[:MARK_LENGTH]}"


def stay_of(mark: str, now: datetime) -> Stay | None:
    """The stay of a link so marked, with booking, guest and pitch; None: revoked meanwhile, too early or over."""
    return stays_of([mark], now).get(mark)


def stays_of(marks: Iterable[str], now: datetime) -> dict[str, Stay]:
    """The stays of links so marked that lead to an open page, with booking, guest and pitch, in one query."""
    digests = {number: digest for mark in marks for number, digest in _read(mark)}
    found = _valid().filter(pk__in=digests) if digests else []
    is_same = ((link, hmac.compare_digest(link.digest[:MARK_LENGTH], digests[link.pk])) for link in found)
    return {mark(link): link.stay for link, same in is_same if same and is_open(link.stay, now)}


def is_open(stay: Stay, now: datetime) -> bool:
    """Whether this stay's links lead to its page now. Hours are counted in UTC: a day may have 23 or 25 of them."""
    after = timedelta(hours=settings.PORTAL_OPEN_AFTER_H)
    if stay.status == Status.IN_HOUSE:
        return True
    if stay.status == Status.LEFT:
        return stay.ended_at is not None and now < stay.ended_at + after
    if stay.status != Status.EXPECTED or stay.arrival is None:
        return False
    arrives = clock.moment(stay.arrival)
    is_over = stay.departure is not None and now >= check_out_at(stay.departure) + after
    return now >= arrives - timedelta(hours=settings.PORTAL_OPEN_BEFORE_H) and not is_over


def path(secret: str) -> str:
    """The address to give to the guest, without the site's."""
    return reverse("portal", args=[secret])


def _read(mark: str) -> Iterator[tuple[int, str]]:
    """Number and digest; nothing where it is no mark."""
    number, _dash, digest = mark.partition("-")
    if number.isdecimal() and len(number) < 19 and len(digest) == MARK_LENGTH and digest.isascii():
        yield int(number), digest


def _valid() -> QuerySet[PortalLink]:
    return PortalLink.objects.filter(revoked_at=None).select_related("stay__booking__guest", "stay__pitch")


def _digest(secret: str) -> str:
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _note(stay: Stay, changes: dict[str, list[str]], by: User | None) -> None:
    LogEntry.objects.log_create(stay, action=LogEntry.Action.UPDATE, changes=changes, actor=by)
