"""Which address leads where."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from bookings import api
from bookings.portal import consumer
from campsite import sockets
from meters import urls as meters_urls
from monitoring import runbook
from monitoring.channels import page as channels

__all__ = ["handler500", "urlpatterns", "websocket_urlpatterns"]

websocket_urlpatterns = [
    *meters_urls.websocket_urlpatterns,
    *consumer.websocket_urlpatterns,
    sockets.nowhere,
]
admin.autodiscover()  # not with the apps: a worker, and most commands, serve no pages
handler500 = "campsite.away.failed"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="board")),
    path("admin/reception/", include("bookings.reception.urls")),
    path("admin/channel-plan/", channels.page, name="channel-plan"),
    path("admin/runbook/", runbook.page, name="runbook"),
    path("admin/areas/", include("monitoring.pages.urls")),
    path("admin/", include("campsite.login.urls")),
    path("admin/", admin.site.urls),
    path("api/v1/", include((api.router.urls, "stays"))),
    path("api/v1/", include("meters.api.urls")),
    path("", include("bookings.urls")),
    path("", include("meters.urls")),
    path("", include("monitoring.urls")),
]
