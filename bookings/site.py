"""The site's own address, as guests and Sirvoy call it."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest

PLACEHOLDER = "https://YOUR-SITE"
"""Where nobody has said what the site is called, and nobody's request tells it."""


def absolute(path: str, request: HttpRequest | None = None) -> str:
    """The whole address of a path: below settings.SITE_URL, else as the request came, else below PLACEHOLDER."""
    if request is not None and not settings.SITE_URL:
        return request.build_absolute_uri(path)
    return (settings.SITE_URL or PLACEHOLDER) + path
