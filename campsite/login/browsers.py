"""Browsers in which somebody has logged in before: a signed cookie says so, and for whom.

What strangers try shuts no such browser out, and what is tried in one counts for it alone.
"""

from __future__ import annotations

from secrets import token_hex

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac

COOKIE = "known_browser"
LASTS_S = 180 * 86_400
MOST_PEOPLE = 20
"""Who log in in one browser; of more the first is forgotten."""
MARK = "known "


def mark(request: HttpRequest, username: str) -> str:
    """What its tries are counted by; empty where nobody of this name has logged in here."""
    number = _told(request).get(_digest(username))
    return f"{MARK}{number}" if number else ""


def number(request: HttpRequest) -> str:
    """What tells this browser from others; empty where nobody has logged in here."""
    return next(reversed(_told(request).values()), "")


def remember(request: HttpRequest, response: HttpResponse, username: str) -> None:
    """Somebody has logged in here. The number is new each time: a copy of the cookie that was taken before is worth
    no more tries.
    """
    others = {digest: number for digest, number in _told(request).items() if digest != _digest(username)}
    told = dict(list(others.items())[1 - MOST_PEOPLE :]) | {_digest(username): token_hex(8)}
    response.set_cookie(
        _name(),
        signing.dumps(told, salt=COOKIE),
        max_age=LASTS_S,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _told(request: HttpRequest) -> dict[str, str]:
    try:
        told: dict[str, str] = signing.loads(request.COOKIES.get(_name(), ""), salt=COOKIE, max_age=LASTS_S)
    except signing.BadSignature:
        return {}
    return told


def _name() -> str:
    return f"__Host-{COOKIE}" if settings.SESSION_COOKIE_SECURE else COOKIE


def _digest(username: str) -> str:
    """Whoever looks at the cookie learns no names."""
    return salted_hmac(COOKIE, username).hexdigest()[:16]
