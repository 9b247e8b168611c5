"""What is shown while the database is away: that it is, since when nothing is known, and to staff the board as it was.

Needs no database: no session, no user.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext

from bookings.portal import door
from campsite import errors
from meters import last_known, switching, words

TRY_AGAIN_S = 20
NO_CONNECTION = ("08", "53", "57P")
"""SQLSTATEs: the connection, the server's room, an operator's stop."""


def failed(request: HttpRequest) -> HttpResponse:
    """What failed did so because the database is away, or by a mistake of ours."""
    return answer(request) if is_cause(sys.exc_info()[1]) else errors.failed(request)


def is_cause(error: BaseException | None) -> bool:
    """Whether the database cannot be reached; what it answers otherwise is a fault of ours."""
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    state = getattr(error.__cause__, "sqlstate", None)
    return state is None or str(state).startswith(NO_CONNECTION)


def answer(request: HttpRequest) -> HttpResponse:
    """503, in the caller's own shape."""
    if _is_machine(request):
        error = {"code": "database_away", "message": _message(request), "fields": {}}
        told: HttpResponse = JsonResponse({"error": error}, status=HTTPStatus.SERVICE_UNAVAILABLE)
    elif door.is_portal(request.path):
        told = door.away(request, _page_tries_again(request))
    else:
        told = _for_people(request)
    told.headers["Retry-After"] = str(TRY_AGAIN_S)
    told.headers["Cache-Control"] = "no-store"
    return told


def _is_machine(request: HttpRequest) -> bool:
    is_script = request.path.startswith(reverse("board")) and (
        request.method == "POST" or request.path.endswith(".json")
    )
    return is_script or request.path.startswith(("/api/", "/hooks/"))


def _message(request: HttpRequest) -> str:
    if request.path.startswith(reverse("board")):
        return gettext("The database cannot be reached, so most likely nothing was ordered. Look again in a minute.")
    return "The database is away. Most likely nothing was done: look, and ask again."


def _page_tries_again(request: HttpRequest) -> int:
    """Seconds until the page loads itself again; 0: never, since what was sent would be sent again."""
    return TRY_AGAIN_S if request.method == "GET" else 0


def _for_people(request: HttpRequest) -> HttpResponse:
    state = last_known.read()
    is_shown = state is not None and request.path == reverse("board") and last_known.has_pass(request)
    if state is not None and is_shown:
        page = switching.page_of_nobody() | {"kept_at": state["kept_at"]}
        told: dict[str, Any] = {"state": state, "words": words.board(), "page": page, "found": 0, "user": None}
        return render(request, "board/board.html", told | {"perms": {}}, status=HTTPStatus.SERVICE_UNAVAILABLE)
    since = datetime.fromtimestamp(state["kept_at"] / 1000, UTC) if state else None
    told = {"since": since, "again_s": _page_tries_again(request)}
    return render(request, "away.html", told, status=HTTPStatus.SERVICE_UNAVAILABLE)
