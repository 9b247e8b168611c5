"""How long log-ins last, and how somebody is logged out everywhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from rest_framework.authtoken.models import Token

from campsite.login import audit, halfway
from meters.people import Person

USED_AT = "used_at"
RENEWED_EVERY_S = 15 * 60
"""A session that is used is stored anew so often: settings.SESSION_COOKIE_AGE counts from then."""


def begun(request: HttpRequest, **_: Any) -> None:
    """Somebody has logged in."""
    request.session[USED_AT] = time.time()


def renewed(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Each use of a log-in makes it last; it is stored four times an hour at most."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        # Where something failed, the database may be away: it is not waited for a second time.
        if request.session.accessed and response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
            _renew(request.session)
        return response

    return middleware


def _renew(session: SessionBase) -> None:
    if SESSION_KEY in session and time.time() - session.get(USED_AT, 0) > RENEWED_EVERY_S:
        session[USED_AT] = time.time()


def end(user: User, by: Person, but: str | None = None) -> int:
    """Log somebody out everywhere, but in the session of this key. Returns in how many browsers."""
    with transaction.atomic():
        keys = [session.session_key for session in _of(user) if session.session_key != but]
        Session.objects.filter(session_key__in=keys).delete()
        audit.note(user, "logged_out_everywhere", by)
    return len(keys)


def shut(user: User, by: Person) -> None:
    """An account that is no longer active: should it ever be again, nothing of before opens it."""
    with transaction.atomic():
        end(user, by)
        if Token.objects.filter(user=user).delete()[0]:
            audit.note(user, "tokens_ended", by)


def _of(user: User) -> Iterator[Session]:
    """What a session holds is packed: whose it is cannot be asked of the database. There are a few dozen."""
    for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator():
        told = session.get_decoded()
        if told.get(SESSION_KEY) == str(user.pk) or told.get(halfway.KEY, {}).get("user") == user.pk:
            yield session
