"""The web process with two more views to compare with: one only inserts a row, one is nothing but a heading."""

from campsite.asgi import application

from django.conf import settings  # isort: skip  (needs the apps loaded)
from django.http import HttpRequest, HttpResponse  # isort: skip
from django.urls import include, path  # isort: skip
from django.utils import timezone  # isort: skip
from django.views.decorators.csrf import csrf_exempt  # isort: skip

from bookings.models import WebhookEvent  # isort: skip

__all__ = ["application"]
settings.ROOT_URLCONF = __name__
HEADING = (
    "<!doctype html><html lang=en><link rel=icon href=data:,><meta name=viewport content=width=device-width><h1>1</h1>"
)


@csrf_exempt
def bare(request: HttpRequest) -> HttpResponse:
    body = request.body
    WebhookEvent.objects.create(received_at=timezone.now(), body=body, size=len(body), digest="", status="applied")
    return HttpResponse("OK")


def heading(request: HttpRequest) -> HttpResponse:
    return HttpResponse(HEADING)


urlpatterns = [path("bare/", bare), path("heading/", heading), path("", include("campsite.urls"))]
