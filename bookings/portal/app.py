"""The page as an app on a telephone's home screen, which without a network shows what was last known."""

from __future__ import annotations

import json
from functools import cache
from hashlib import sha256
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from bookings.portal import door

SIZES = (192, 512)
SHELL = ("js/portal.js", "icons/favicon.svg")
"""What the page needs beside itself; its style sheet comes with it."""


@require_safe
@cache_control(max_age=3600)
def manifest(request: HttpRequest) -> HttpResponse:
    """What a telephone needs to know to put it on its home screen. The same for all guests."""
    icons = [
        {"src": static(f"icons/portal-{size}.png"), "sizes": f"{size}x{size}", "type": "image/png", "purpose": purpose}
        for size in SIZES
        for purpose in ("any", "maskable")
    ]
    told = {
        "id": reverse("portal-page"),
        "name": str(settings.SITE_NAME),
        "short_name": str(settings.SITE_NAME)[:12],
        "start_url": reverse("portal-page"),
        "scope": reverse("portal-page"),
        "display": "standalone",
        "background_color": "#f4f6f5",
        "theme_color": "#0a5149",
        "icons": icons,
    }
    return JsonResponse(told, content_type="application/manifest+json")


@require_safe
@cache_control(no_cache=True)
def worker(request: HttpRequest) -> HttpResponse:
    """The service worker, with the names of the files that it keeps: another one as soon as one of them is another."""
    told = {
        "shell": json.dumps([static(name) for name in SHELL]),
        "files": _files(),
        "page": reverse("portal-page"),
        "comes_in": door.COMES_IN,
        "leave": reverse("portal-leave"),
    }
    return render(request, "portal/worker.js", told, content_type="text/javascript; charset=utf-8")


@cache
def _files() -> str:
    """Another text as soon as one of the files that the worker keeps is another; while developing, after a restart."""
    digest = sha256()
    for name in SHELL:
        found = finders.find(name)
        digest.update(Path(found).read_bytes() if isinstance(found, str) else b"")
    return digest.hexdigest()[:12]
