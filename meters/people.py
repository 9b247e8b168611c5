"""Who does something: as the verbs are told it, and as the tables name it."""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User

Person = AbstractBaseUser | AnonymousUser | None
"""Who does it; None: the software itself."""


def person(by: Person) -> User | None:
    """Who did it, as the tables name people; None: the software itself."""
    return by if isinstance(by, User) else None
