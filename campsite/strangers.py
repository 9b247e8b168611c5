"""How often somebody may ask whom nobody knows, and whom we know: more is answered 429, with when to come again.

Each address of the site is limited here, for strangers by where they come from, for guests by their link, for browsers
in which staff have logged in before each by itself; but for the views that count wrong tries by themselves
(limits.counts_itself): these never refuse a right one.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated, Throttled
from rest_framework.response import Response

from bookings import limits
from bookings.portal import door
from campsite.login import browsers
from meters.api import errors


class Limited:
    """Middleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_view(self, request: HttpRequest, view: Any, *told: Any) -> HttpResponse | None:
        if getattr(getattr(view, "cls", view), "counts_itself", False):
            return None
        wait = _wait_s(request)
        return _refused(request, wait) if wait else None


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """The API's EXCEPTION_HANDLER: who calls without a token, or with a wrong one, may not try on and on."""
    if isinstance(error, NotAuthenticated | AuthenticationFailed):
        who = limits.address(context["request"]._request)
        if wait := limits.wait_s("api-refused", settings.API_WRONG_TOKENS_A_MINUTE, "minute", who):
            error = Throttled(wait)
    return errors.handle(error, context)


def seldom(application: Any, refused: Any) -> Any:
    """The ASGI application of sockets; `refused` answers whoever opens them on and on."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        wait = await sync_to_async(_wait_of_socket_s, thread_sensitive=False)(scope)
        await (refused if wait else application)(scope, receive, send)

    return answer


# --- inside ----------------------------------------------------------------------------------------------------------


def _wait_s(request: HttpRequest) -> int | None:
    if mark := door.mark_of(request.COOKIES):
        return limits.wait_s("guest", settings.PORTAL_PAGES_A_MINUTE, "minute", mark)
    if not request.path.startswith("/health/") and request.user.is_authenticated:
        return None
    if known := browsers.number(request):  # a guest behind the same address keeps nobody from logging in
        return limits.wait_s("known", settings.STRANGERS_A_MINUTE, "minute", known)
    return limits.wait_s("stranger", settings.STRANGERS_A_MINUTE, "minute", limits.address(request))


def _wait_of_socket_s(scope: Any) -> int | None:
    forwarded = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    caller = (scope.get("client") or [""])[0]
    who = limits.address_of({"REMOTE_ADDR": caller, "HTTP_X_FORWARDED_FOR": ",".join(forwarded)})
    return limits.wait_s("socket", settings.SOCKETS_A_MINUTE, "minute", who)


def _refused(request: HttpRequest, wait: int) -> HttpResponse:
    if request.path.startswith("/api/"):
        return _for_machines(wait)
    if door.is_portal(request.path):
        return door.busy(request, wait)
    return door.later(render(request, "429.html", status=HTTPStatus.TOO_MANY_REQUESTS), wait)


def _for_machines(wait: int) -> HttpResponse:
    error = {"code": "throttled", "message": f"Too many calls. Ask again in {wait} seconds.", "fields": {}}
    return door.later(JsonResponse({"error": error}, status=HTTPStatus.TOO_MANY_REQUESTS), wait)
