"""Which address leads where."""

from django.urls import path

from bookings import portal
from bookings.webhook import SirvoyWebhook

webhook = SirvoyWebhook.as_view()

urlpatterns = [
    path("hooks/sirvoy/<str:token>/", webhook, name="sirvoy"),
    path("hooks/sirvoy/<str:token>", webhook),  # a redirect would lose the event
    path("p/<str:token>/", portal.page, name="portal"),
]
