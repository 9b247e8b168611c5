"""Who a session belongs to. Django asks these at each request, Channels at each look of a socket.

A session remembers by which of them it began. So one that began with a password alone is nobody's as soon as more is
asked of the person, wherever it is used: pages, the API, sockets.
"""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.backends import BaseBackend, ModelBackend
from django.contrib.auth.models import User
from django.db.models import QuerySet

from campsite.login import factors


class ByPassword(ModelBackend):
    """Checks passwords, and says what somebody may do."""

    def get_user(self, user_id: int) -> User | None:
        return _active(user_id).exclude(factors.asked_of()).exclude(factors.HAVE_ONE).first()

    async def aget_user(self, user_id: int) -> User | None:
        return await sync_to_async(self.get_user)(user_id)


class ByBoth(BaseBackend):
    """Sessions that began with a password and a second step. They end when the second step is taken away."""

    def get_user(self, user_id: int) -> User | None:
        return _active(user_id).filter(factors.HAVE_ONE).first()

    async def aget_user(self, user_id: int) -> User | None:
        return await sync_to_async(self.get_user)(user_id)

    def authenticate(self, request: Any, **credentials: Any) -> None:
        return None


def _active(user_id: int) -> QuerySet[User]:
    return User.objects.filter(pk=user_id, is_active=True)


BY_PASSWORD, BY_BOTH = (f"{__name__}.{backend.__name__}" for backend in (ByPassword, ByBoth))
"""As the settings name them."""
