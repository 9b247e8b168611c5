"""The second step of a log-in: a telephone that makes codes, and codes on paper for when it is lost.

The only module that uses django_otp, and that writes its tables: TOTPDevice, a person's telephone, StaticDevice and
StaticToken, the recovery codes. A person has one telephone at most.
"""

from __future__ import annotations

import re
import time
from base64 import b32encode
from binascii import unhexlify
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django_otp.oath import TOTP
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice
from django_otp.util import random_hex

from campsite.login import audit
from meters.people import Person

RECOVERY_CODES = 10
SUPERUSER = "superuser"
"""In settings.TWO_FACTOR_GROUPS: those who may everything, who need no group."""

TABLES = (TOTPDevice, StaticDevice)
HAVE_ONE = Q(Exists(TOTPDevice.objects.filter(user=OuterRef("pk"), confirmed=True)))
"""Users who have a second step."""


@dataclass(frozen=True, slots=True)
class Refused(Exception):
    """`until`: no code is looked at before; None: it was wrong."""

    until: datetime | None = None


def asked_of() -> Q:
    """Users who must have one: of settings.TWO_FACTOR_GROUPS."""
    groups = settings.TWO_FACTOR_GROUPS
    named = Q(Exists(Group.objects.filter(user=OuterRef("pk"), name__in=groups))) if groups else Q(pk__in=[])
    return named | Q(is_superuser=True) if SUPERUSER in groups else named


def is_asked_of(user: User) -> bool:
    """Whether somebody of their groups must have a second step."""
    return User.objects.filter(asked_of(), pk=user.pk).exists()


def has_one(user: User) -> bool:
    return User.objects.filter(HAVE_ONE, pk=user.pk).exists()


def codes_left(user: User) -> int:
    return StaticToken.objects.filter(device__user=user).count()


# --- a new telephone -------------------------------------------------------------------------------------------------


def new_key() -> str:
    """Kept in the session until the first code proves that a telephone knows it: whoever only saw it has nothing."""
    return random_hex(20)


def address(user: User, key: str) -> str:
    """What stands in the QR code."""
    return TOTPDevice(user=user, key=key).config_url


def in_letters(key: str) -> str:
    """For who types it: groups of four."""
    return " ".join(re.findall(".{4}", b32encode(unhexlify(key)).decode()))


def switch_on(user: User, key: str, code: str) -> list[str]:
    """Take the telephone that knows this key. Returns the recovery codes, which nobody is shown again.

    Raises Refused where the code is not the telephone's; where there is one already nothing is changed.
    """
    proof = TOTP(unhexlify(key))
    proof.time = time.time()
    if not is_of_telephone(code) or not proof.verify(int(_plain(code)), tolerance=1):
        raise Refused
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)  # one telephone, however often the button is pressed
        if has_one(user):
            raise Refused
        TOTPDevice.objects.create(user=user, name="telephone", key=key, last_t=proof.t(), drift=proof.drift)
        audit.note(user, "second_step_on", user)
        return _new_codes(user)


def new_codes(user: User) -> list[str]:
    """Those that were given before no longer work."""
    with transaction.atomic():
        audit.note(user, "new_recovery_codes", user)
        return _new_codes(user)


def _new_codes(user: User) -> list[str]:
    StaticDevice.objects.filter(user=user).delete()
    paper = StaticDevice.objects.create(user=user, name="paper")
    codes = [StaticToken.random_token() for _ in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create([StaticToken(device=paper, token=code) for code in codes])
    return [f"{code[:4]}-{code[4:]}" for code in codes]


# --- the step itself -------------------------------------------------------------------------------------------------


def is_of_telephone(code: str) -> bool:
    """Else it is one from the paper, or none at all."""
    return re.fullmatch("[0-9]{6}", _plain(code)) is not None


def prove(user: User, code: str) -> None:
    """A code of the telephone, or one from the paper, which is used up. Raises Refused.

    None is taken twice, and after each wrong one the next must wait twice as long: django-otp sees to both.
    """
    with transaction.atomic():
        model = TOTPDevice if is_of_telephone(code) else StaticDevice
        device = model.objects.select_for_update().filter(user=user, confirmed=True).first()
        refused = _refused(device, _plain(code))
        if refused is None and not is_of_telephone(code):
            audit.note(user, "recovery_code_used", user)
    if refused:  # after the wrong try was counted
        raise refused


def _refused(device: TOTPDevice | StaticDevice | None, code: str) -> Refused | None:
    if device is None:
        return Refused()
    is_allowed, told = device.verify_is_allowed()
    if not is_allowed:
        return Refused(told["locked_until"])
    return None if device.verify_token(code) else Refused()


def forget_tries(user: User) -> None:
    """The next code is looked at: who knew the password may have made it wait for days."""
    for model in TABLES:
        model.objects.filter(user=user).update(throttling_failure_timestamp=None, throttling_failure_count=0)


def take_away(user: User, by: Person) -> None:
    """As if there had never been one: the telephone is lost, or no longer wanted. Sessions that it opened end."""
    with transaction.atomic():
        TOTPDevice.objects.filter(user=user).delete()
        StaticDevice.objects.filter(user=user).delete()
        audit.note(user, "second_step_off", by)


def _plain(code: str) -> str:
    return re.sub(r"[\s-]", "", code).lower()
