"""What every request and every response gets."""

import logging
from collections.abc import Callable
from typing import Any

from auditlog.middleware import AuditlogMiddleware
from django.contrib import messages
from django.contrib.admin.views.main import ERROR_FLAG
from django.db import DataError, IntegrityError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext
from psycopg import errors

from bookings import addresses

logger = logging.getLogger(__name__)
Answering = Callable[[HttpRequest], HttpResponse]
ADMIN_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",  # Alpine.js compiles its expressions
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)


PERMISSIONS_POLICY = ", ".join(
    ["camera=(self)"]  # a technician's scanner
    + [f"{each}=()" for each in ("geolocation", "microphone", "payment", "usb", "serial", "display-capture")]
)


def believed(get_response: Answering) -> Answering:
    """Drops what a caller who is no proxy of ours says of how he came: he might call plain HTTP encrypted."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if not addresses.is_proxy(request.META):
            request.META.pop("HTTP_X_FORWARDED_PROTO", None)
        return get_response(request)

    return middleware


def isolated(get_response: Answering) -> Answering:
    """No other site may embed what is here, and our own pages may use of the device only what one of them needs."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        return response

    return middleware


def admin_policy(get_response: Answering) -> Answering:
    """The admin's own Content-Security-Policy: looser than the strict one of all other pages, but no third party."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.path.startswith("/admin/"):
            response.headers.setdefault("Content-Security-Policy", ADMIN_POLICY)
        return response

    return middleware


class Audit(AuditlogMiddleware):
    """Tells the audit log who of the staff it is, and from where; of guests nothing, and nothing that is only said.

    Who asks for /health/ is nobody's business: a browser with a log-in is answered while the database is away, too.
    """

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer: HttpResponse = (self.get_response if request.path.startswith("/health/") else super().__call__)(request)
        return answer

    def get_extra_data(self, request: HttpRequest) -> dict[str, Any]:
        actor = self._get_actor(request)
        address = addresses.of_client(request.META) if actor else None
        return {"actor": actor, "remote_addr": str(address) if address else None, "remote_port": None}


class SavedAtOnce:
    """Of two forms of the admin that say the same at the same moment, the second finds it saved: no fault of anybody's.

    A button pressed twice, mostly. Its form was checked before the first one's row could be seen.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """The list of what there is, where the exception is of that kind."""
        is_there = isinstance(exception.__cause__, errors.UniqueViolation | errors.ExclusionViolation)
        found = request.resolver_match
        if not (isinstance(exception, IntegrityError) and is_there and found and found.app_name == "admin"):
            return None
        model, _mark, page = (found.url_name or "").rpartition("_")
        if page not in ("add", "change"):
            return None
        logger.warning("a form of the admin was refused by the database", exc_info=exception)
        messages.warning(
            request,
            gettext("The same was saved at the same moment, so this was not: see whether what you meant stands here."),
        )
        return redirect(f"admin:{model}_changelist")


class NoSuchValue:
    """The admin, asked by hand for what no column can hold, answers as Django does to others of that kind: a list with
    all, a row's page with 404. It finds most of them itself; these the database refuses, or the column's own reader.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        found = request.resolver_match
        if not found or found.app_name != "admin" or request.method not in ("GET", "HEAD"):
            return None
        if "object_id" in found.kwargs and isinstance(exception, DataError):
            raise Http404 from exception
        is_asked = request.GET and ERROR_FLAG not in request.GET and (found.url_name or "").endswith("_changelist")
        if not is_asked or not isinstance(exception, DataError | ValueError):
            return None
        logger.warning("a list of the admin was asked for what no column holds", exc_info=exception)
        return redirect(f"{request.path}?{ERROR_FLAG}=1")
