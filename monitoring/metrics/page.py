"""/metrics: the address that Prometheus asks, with the token of the settings."""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from monitoring import metrics
from monitoring.metrics import families


@never_cache
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """404 where no token is configured; 401 without the right one. 200 also while the database is away: it says so."""
    if not settings.METRICS_TOKEN:
        raise Http404
    if not constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {settings.METRICS_TOKEN}"):
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    return HttpResponse(metrics.told(timezone.now()), content_type=families.CONTENT_TYPE)
