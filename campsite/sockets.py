"""Sockets are let in from our own pages, at addresses that there are; of others nothing is logged but the refusal."""

from typing import Any
from urllib.parse import urlsplit

from channels.security.websocket import AllowedHostsOriginValidator, WebsocketDenier
from django.urls import re_path

refused: Any = WebsocketDenier.as_asgi()
nowhere = re_path("", refused)
"""The last of the routes: without it an address that there is not is an exception."""


def of_own_pages(application: Any) -> Any:
    """Channels' look at the Origin, which itself fails where that cannot be read."""
    validated = AllowedHostsOriginValidator(application)

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        is_readable = all(_is_address(value) for name, value in scope["headers"] if name == b"origin")
        await (validated if is_readable else refused)(scope, receive, send)

    return answer


def _is_address(origin: bytes) -> bool:
    try:
        urlsplit(origin.decode("latin-1"))
    except ValueError:
        return False
    return True
