"""The addresses of the board and of a meter's page."""

from typing import Any

from django.urls import path

from meters import views
from meters.consumers import BoardConsumer

urlpatterns = [
    path("board/", views.board, name="board"),
    path("board/state.json", views.board_state, name="board-state"),
    path("board/meters/<str:ieee>/", views.meter, name="meter"),
]
socket: Any = BoardConsumer.as_asgi()  # Channels takes Django's `path`, whose types know only views
websocket_urlpatterns = [path("ws/board/", socket)]
