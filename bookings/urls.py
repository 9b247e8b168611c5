"""Which address leads where."""

from django.urls import include, path

from bookings.webhook import SirvoyWebhook

webhook = SirvoyWebhook.as_view()

urlpatterns = [
    path("hooks/sirvoy/<str:token>/", webhook, name="sirvoy"),
    path("hooks/sirvoy/<str:token>", webhook),  # a redirect would lose the event
    path("", include("bookings.portal.urls")),
]
