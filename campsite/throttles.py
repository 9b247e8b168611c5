"""The API's throttle, by who calls. It is loaded while DRF's views are: it knows none of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from rest_framework.throttling import BaseThrottle

from bookings import limits

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView


class PerCaller(BaseThrottle):
    """So many calls a minute of one user, by whichever of his tokens and sessions."""

    _wait_s: int | None = None

    def allow_request(self, request: Request, view: APIView) -> bool:
        self._wait_s = limits.wait_s("api", settings.API_CALLS_A_MINUTE, "minute", request.user.pk)
        return self._wait_s is None

    def wait(self) -> float | None:
        return self._wait_s
