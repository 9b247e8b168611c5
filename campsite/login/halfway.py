"""Who has told his password and has more to do until he is logged in. The session knows it for a quarter of an hour."""

from __future__ import annotations

import time
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

LASTS_S = 15 * 60
KEY = "half_logged_in"


def begin(request: HttpRequest, user: User, then: str) -> None:
    """The password was right. `then`: where to go when all is done. The session gets a new key, as at a log-in, and
    keeps nothing of whoever else began here: the key that was shown to him would be this one's telephone's.
    """
    if request.session.get(SESSION_KEY) == str(user.pk):
        request.session.cycle_key()
    else:
        request.session.flush()
    told = {"user": user.pk, "hash": user.get_session_auth_hash(), "at": time.time(), "then": then}
    request.session[KEY] = told


def who(request: HttpRequest) -> User | None:
    """None where nobody is half logged in, or has been for too long, or the password is another by now."""
    told: dict[str, Any] | None = request.session.get(KEY)
    if told is None or time.time() - told["at"] > LASTS_S:
        return None
    user = User.objects.filter(pk=told["user"], is_active=True).first()
    return user if user and constant_time_compare(told["hash"], user.get_session_auth_hash()) else None


def follow(request: HttpRequest, user: User) -> None:
    """The password was changed by himself, on the way."""
    request.session[KEY] = request.session[KEY] | {"hash": user.get_session_auth_hash()}


def prove(request: HttpRequest) -> None:
    """A code of his telephone, or of his paper, was right."""
    request.session[KEY] = request.session[KEY] | {"proven": True}


def is_proven(request: HttpRequest) -> bool:
    return bool(request.session[KEY].get("proven"))


def end(request: HttpRequest) -> str:
    """Returns where to go."""
    then: str = request.session.pop(KEY)["then"]
    return then
