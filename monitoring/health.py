"""For machines that watch us from outside: does the web process live, and does the whole site work? Without secrets."""

from __future__ import annotations

from django.db import Error, connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from monitoring.checks import ourselves


@never_cache
@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """200 as long as the web process answers; asks nobody."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """Component by component `ok` or why not. 503 where power cannot be seen or switched; Redis alone is no reason."""
    parts = {"database": _database()}
    if parts["database"] == "ok":
        now = timezone.now()
        for name, check in (("worker", ourselves.worker), ("jobs", ourselves.background_jobs)):
            parts[name] = next((finding.code for finding in check(now)), "ok")
        parts["redis"] = next((finding.code for finding in ourselves.redis(now)), "ok")
    is_ready = all(told == "ok" for name, told in parts.items() if name != "redis")
    return JsonResponse({"status": "ok" if is_ready else "down", "parts": parts}, status=200 if is_ready else 503)


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return "database_away"
    return "ok"
