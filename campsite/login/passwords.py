"""How passwords are kept, which are refused, and whose somebody else chose.

Whoever has not logged in with his password yet was given it: his first log-in asks for one of his own.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from campsite.login import audit, sessions
from meters.people import Person

LEFT = 8


class Argon2(Argon2PasswordHasher):
    """argon2id at what OWASP asks for at least: 19 MiB and some 30 ms a try. With Django's own 100 MiB a dozen tries at
    once would fill a NAS.
    """

    time_cost = 2
    memory_cost = 19 * 1024  # KiB
    parallelism = 1


class NotTheSitesName:
    """What everybody here would try first: the campsite's name with a year behind it."""

    def validate(self, password: str, user: Any = None) -> None:
        rest = password.casefold()
        for word in [*str(settings.SITE_NAME).casefold().split(), "camping", "campsite"]:
            rest = rest.replace(word, "") if len(word) > 2 else rest
        if len(rest) < LEFT and rest != password.casefold():
            raise ValidationError(self.get_help_text(), "the_sites_name")

    def get_help_text(self) -> str:
        return _("Your password can’t be the campsite’s name with a little added.")


# --- given and chosen ------------------------------------------------------------------------------------------------


def is_given(user: User) -> bool:
    """Whether somebody else chose the present one. Superusers choose theirs on the server (createsuperuser)."""
    return user.last_login is None and not user.is_superuser


def given(user: User, by: Person) -> None:
    """Somebody else has just set it: whoever was logged in with the one before no longer is."""
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(last_login=None)
        sessions.end(user, by)
        audit.note(user, "password_given", by)


def choose(user: User, password: str) -> None:
    """His own, in place of the one that he was given."""
    with transaction.atomic():
        user.set_password(password)
        user.last_login = timezone.now()
        user.save(update_fields=["password", "last_login"])
        audit.note(user, "password_chosen", user)
