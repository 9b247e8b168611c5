"""Which tries to log in are refused, and until when. With monitoring, which only reads, all that uses django-axes.

A stranger is held by three counts: of his address for this name, of his address for any name, and of the name from
anywhere. A browser in which the person has logged in before has a count of its own, and none of these hold it: so
nobody can shut somebody else out of the browser he works in, nor a campsite behind one address out of its admin.

The counts stand in the database: all processes share them, and a restart forgets none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from ipaddress import IPv6Address, IPv6Network
from typing import Any, NamedTuple

from axes.handlers.database import AxesDatabaseHandler
from axes.handlers.proxy import AxesProxyHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_login_failed
from django.db import transaction
from django.db.models import Max, Q, Sum
from django.http import HttpRequest
from django.utils import timezone

from bookings import addresses
from campsite.login import audit, browsers, factors
from meters.people import Person

LONGEST = timedelta(hours=4)
SITE_OF_ONE = 64
"""Bits of an IPv6 address that one subscriber cannot choose."""
UNKNOWN = "?"


class Count(NamedTuple):
    """Whose tries are counted, and how many are too many."""

    whose: Q
    limit: int


class Handler(AxesDatabaseHandler):
    """What axes asks. Its own limit is one: we count, and say one or none."""

    def get_failures(self, request: Any, credentials: Any = None) -> int:
        request.log_in_shut_until = shut_until(request, name(request, credentials))
        return int(request.log_in_shut_until is not None)

    def user_login_failed(self, sender: Any, credentials: Any, request: Any = None, **told: Any) -> None:
        if request is not None:
            request.axes_user_agent = browsers.mark(request, name(request, credentials))
        super().user_login_failed(sender, credentials, request, **told)


# --- what axes is told of a request (settings.AXES_…_CALLABLE) ------------------------------------------------------


def name(request: HttpRequest, credentials: dict[str, Any] | None) -> str:
    """The name that somebody tried, if it is somebody's; else what tells it from others and does not show it: people
    type their passwords into the wrong field.
    """
    tried = str((credentials or {}).get("username") or "")
    known: dict[str, str] = request.__dict__.setdefault("_names_tried", {})
    if tried not in known:
        is_somebody = User.objects.filter(username=tried).exists()
        known[tried] = tried if is_somebody else UNKNOWN + hashlib.sha256(tried.encode()).hexdigest()[:12]
    return known[tried]


def address(request: HttpRequest) -> str | None:
    """Whose tries count together: an address, or the network of an IPv6 subscriber."""
    found = addresses.of_client(request.META)
    if isinstance(found, IPv6Address):
        return str(IPv6Network((found, SITE_OF_ONE), strict=False).network_address)
    return str(found) if found else None


# --- the counts ------------------------------------------------------------------------------------------------------


def is_allowed(request: HttpRequest, user: User) -> bool:
    """Whether a try at this person's log-in is looked at."""
    told: bool = AxesProxyHandler.is_allowed(request, {"username": user.username})
    return told


def failed(request: HttpRequest, user: User) -> None:
    """A wrong code counts as a wrong password does."""
    user_login_failed.send(sender=__name__, credentials={"username": user.username}, request=request)


def shut_until(request: HttpRequest, username: str) -> datetime | None:
    """None: the next try is looked at."""
    now, counts = timezone.now(), list(_counts(request, username))
    rows = AccessAttempt.objects.filter(attempt_time__gt=now - settings.AXES_COOLOFF_TIME)
    asked: dict[str, Any] = {}
    for number, count in enumerate(counts):
        asked[f"tries{number}"] = Sum("failures_since_start", filter=count.whose)
        asked[f"last{number}"] = Max("attempt_time", filter=count.whose)
    told = rows.filter(Q(username=username) | Q(ip_address=address(request))).aggregate(**asked)
    ends = [
        told[f"last{number}"] + lasts(told[f"tries{number}"], count.limit)
        for number, count in enumerate(counts)
        if (told[f"tries{number}"] or 0) >= count.limit
    ]
    return max((end for end in ends if end > now), default=None)


def _counts(request: HttpRequest, username: str) -> Iterable[Count]:
    is_name, is_address = Q(username=username), Q(ip_address=address(request))
    if mark := browsers.mark(request, username):
        return [Count(is_name & Q(user_agent=mark), settings.LOGIN_TRIES)]
    strangers = ~Q(user_agent__startswith=browsers.MARK)
    return [
        Count(strangers & is_name & is_address, settings.LOGIN_TRIES),
        Count(strangers & is_address, settings.LOGIN_TRIES_OF_AN_ADDRESS),
        Count(strangers & is_name, settings.LOGIN_TRIES_FOR_A_NAME),
    ]


def lasts(tries: int, limit: int) -> timedelta:
    """How long the log-in is shut after so many tries: each one more doubles it, to four hours."""
    doubled = timedelta(minutes=settings.LOGIN_SHUT_MIN) * 2 ** min(tries - limit, 10)
    return min(doubled, LONGEST)


def tries(user: User) -> int:
    """Wrong ones in this person's name that count at present."""
    since = timezone.now() - settings.AXES_COOLOFF_TIME
    rows = AccessAttempt.objects.filter(username=user.username, attempt_time__gt=since)
    return rows.aggregate(tries=Sum("failures_since_start"))["tries"] or 0


def let_in(user: User, by: Person) -> None:
    """Forget what was tried in this person's name."""
    with transaction.atomic():
        AccessAttempt.objects.filter(username=user.username).delete()
        factors.forget_tries(user)
        audit.note(user, "let_in", by)
