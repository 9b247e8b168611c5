"""The addresses of the board, of a meter's page, and of what a technician does."""

from typing import Any

from django.urls import include, path

from meters import switching, views
from meters.consumers import BoardConsumer

urlpatterns = [
    path("board/", views.board, name="board"),
    path("board/state.json", views.board_state, name="board-state"),
    path("board/help/", views.help_page, name="board-help"),
    path("board/meters/<str:ieee>/", views.meter, name="meter"),
    path("board/plan/", switching.plan, name="switching-plan"),
    path("board/orders/", switching.order, name="switching-order"),
    path("board/orders/<int:pk>/cancel/", switching.cancel_order, name="switching-cancel-order"),
    path("board/commands/<int:pk>/cancel/", switching.cancel_command, name="switching-cancel-command"),
    path("board/let-go/plan/", switching.plan_let_go, name="switching-plan-let-go"),
    path("board/let-go/", switching.let_go, name="switching-let-go"),
    path("technician/", include("meters.technician.urls")),
    path("board/stop/", switching.stop, name="switching-stop"),
    path("board/stop/release/", switching.release, name="switching-release"),
]
socket: Any = BoardConsumer.as_asgi()  # Channels takes Django's `path`, whose types know only views
websocket_urlpatterns = [path("ws/board/", socket)]
