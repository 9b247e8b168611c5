"""The last known state of the boards, kept in Redis for while the database is away; and who may see it then.

The worker keeps it, from what it tells all boards. Nothing of people is in it: no wishes, whose reasons may name
guests, and no orders. Users and sessions stand in the database: that a browser is staff's is proven by a cookie that it
got with its last board. It is signed, and worth nothing without the session it was given to: who has logged out since
has none.
"""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from typing import Any

import orjson
import redis
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from meters import live

KEPT = timedelta(days=1)
PASS = timedelta(days=7)
"""So long after somebody last loaded a board he may see the last known state of it."""
COOKIE, SALT = "board", "meters.last_known"
TIMEOUT_S = 1.0
OF_PEOPLE = {"want": None, "wanted": None, "command": None}


def keep(state: dict[str, Any]) -> None:
    """Keep the whole state as `live` describes it. Raises redis.RedisError."""
    meters = [meter | OF_PEOPLE for meter in state["meters"]]
    kept = state | {"type": "snapshot", "meters": meters, "switching": {"stop": None, "orders": []}}
    with _redis() as server:
        server.set(_key(), orjson.dumps(kept), ex=KEPT)


def read() -> dict[str, Any] | None:
    """What was kept, true at `kept_at`, in which nothing is claimed of now; None where there is none, or Redis is away
    too."""
    try:
        with _redis() as server:
            kept = server.get(_key())
    except (redis.RedisError, OSError):
        return None
    if not isinstance(kept, bytes):
        return None
    state: dict[str, Any] = orjson.loads(kept)
    nothing_is_heard = state["worker"] | {"connected": False, "is_kept": True}
    return state | {"kept_at": state["now"], "now": live.ms(timezone.now()), "worker": nothing_is_heard}


def give_pass(request: HttpRequest, response: HttpResponse) -> None:
    """Whoever got this board may see its last known state when the database is away."""
    key = request.session.session_key
    if key:
        told = {"secure": settings.SESSION_COOKIE_SECURE, "httponly": True, "samesite": "Lax"}
        response.set_signed_cookie(COOKIE, _digest(key), SALT, max_age=PASS, path=reverse("board"), **told)


def has_pass(request: HttpRequest) -> bool:
    """Whether this browser got a board in the session that it still has. Asks no database."""
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
    given = request.get_signed_cookie(COOKIE, default="", salt=SALT, max_age=PASS)
    return bool(key and given) and constant_time_compare(str(given), _digest(key))


def _digest(session_key: str) -> str:
    return sha256(session_key.encode()).hexdigest()


def _key() -> str:
    """Several installations may share a Redis."""
    return f"{settings.CHANNEL_PREFIX}:last-known"


def _redis() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
