"""What every request and every response gets."""

from collections.abc import Callable
from typing import Any

from auditlog.middleware import AuditlogMiddleware
from django.http import HttpRequest, HttpResponse

from bookings import addresses

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


def admin_policy(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """The admin's own Content-Security-Policy: looser than the strict one of all other pages, but no third party."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.path.startswith("/admin/"):
            response.headers.setdefault("Content-Security-Policy", ADMIN_POLICY)
        return response

    return middleware


class Audit(AuditlogMiddleware):
    """Tells the audit log who of the staff it is, and from where; of guests nothing, and nothing that is only said."""

    def get_extra_data(self, request: HttpRequest) -> dict[str, Any]:
        actor = self._get_actor(request)
        address = addresses.of_client(request.META) if actor else None
        return {"actor": actor, "remote_addr": str(address) if address else None, "remote_port": None}
