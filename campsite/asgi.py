"""The web process: HTTP by Django, WebSockets by Channels."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "campsite.settings")
http = get_asgi_application()

from channels.auth import AuthMiddlewareStack  # noqa: E402  (needs the apps loaded)
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402

from campsite import bodies, sockets, strangers  # noqa: E402
from campsite.urls import websocket_urlpatterns  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": bodies.bounded(http),
        "websocket": strangers.seldom(
            sockets.of_own_pages(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))), sockets.refused
        ),
    }
)
