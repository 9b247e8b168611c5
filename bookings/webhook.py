"""What Sirvoy calls: HTTP only. Every call with a right token is stored and answered 200; what follows, follows then.

Sirvoy drops an event that is answered 413 or 429, tries others again up to ten times, and removes an address that fails
for a week: so 500 means only that the event could not be stored.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from django.conf import settings
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from rest_framework.exceptions import NotFound, Throttled
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from bookings import addresses, afterwards, inbox, limits, tokens
from bookings.models import WebhookToken

logger = logging.getLogger(__name__)
PIECE = 65536


class WhateverIsAccepted(BaseContentNegotiation):
    """An Accept header that we cannot meet is no reason to lose an event."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        first = next(iter(renderers))
        return first, first.media_type or ""


class SirvoyWebhook(APIView):
    """POST keeps an event; GET and HEAD tell Sirvoy that the address is right. The body may be anything."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    counts_itself = True
    parser_classes = ()
    content_negotiation_class = WhateverIsAccepted
    schema = None
    http_method_names = ["get", "head", "post"]

    def get(self, request: Request, token: str) -> HttpResponse:
        tokens.saw_get(self._right(request, token), timezone.now())
        return HttpResponse("OK", content_type="text/plain")

    def post(self, request: Request, token: str) -> HttpResponse:
        caller, now = self._right(request, token), timezone.now()
        body, size = read(request._request, settings.SIRVOY_BODY_LIMIT)
        tokens.saw_event(caller, now)
        try:
            event = inbox.store(caller, body, now, size)
        except Error as error:  # told without its text, which quotes the row
            logger.error("An event of %s bytes from Sirvoy could not be stored: %s", size, type(error).__name__)
            return HttpResponse(status=500)
        afterwards.note(event.pk)
        return Kept("OK", content_type="text/plain")

    def _right(self, request: Request, secret: str) -> WebhookToken:
        """Raises NotFound or Throttled."""
        found = tokens.find(secret)
        if found is None:
            most = settings.SIRVOY_WRONG_TOKENS_A_MINUTE
            if wait_s := limits.wait_s("token", most, "minute", limits.address(request._request)):
                raise Throttled(wait_s)
            raise NotFound
        address = addresses.of_client(request.META)
        if not addresses.is_allowed(address):
            logger.warning("A call with a right token of Sirvoy's came from %s, which is not allowed.", address)
            raise NotFound
        return found


class Kept(HttpResponse):
    """200. When it has been sent, what was stored is worked on."""

    def close(self) -> None:
        try:
            afterwards.work_off()
        finally:
            super().close()


def read(request: HttpRequest, limit: int) -> tuple[bytes, int]:
    """The first `limit` bytes of the body, and the size of all of it, or of what campsite/bodies.py lets in."""
    kept, size = bytearray(), 0
    while piece := request.read(PIECE):
        size += len(piece)
        kept += piece[: limit - len(kept)]
    return bytes(kept), size
