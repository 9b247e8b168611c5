"""The web process with one more view, which only inserts a row: what bench/webhook.py compares the webhook with."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "campsite.settings")
application = get_asgi_application()

from django.conf import settings  # noqa: E402  (needs the apps loaded)
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.urls import include, path  # noqa: E402
from django.utils import timezone  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402

from bookings.models import WebhookEvent  # noqa: E402

settings.ROOT_URLCONF = __name__


@csrf_exempt
def bare(request: HttpRequest) -> HttpResponse:
    body = request.body
    WebhookEvent.objects.create(received_at=timezone.now(), body=body, size=len(body), digest="", status="applied")
    return HttpResponse("OK")


urlpatterns = [path("bare/", bare), path("", include("bookings.urls"))]
