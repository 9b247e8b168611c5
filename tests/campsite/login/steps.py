"""A person before the log-in: a browser, a telephone that makes codes, and what is asked of him."""

from __future__ import annotations

from binascii import unhexlify
from typing import Any

from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from django_otp.oath import totp

from campsite.login import factors
from tests import make

PASSWORD = "Teltpløk ved søen"
ENGLISH = {"accept-language": "en"}


def somebody(name: str = "mette", group: str = "reception", **values: Any) -> User:
    """Who has logged in before with a password of his own."""
    from django.utils import timezone

    user = make.staff(name, password=PASSWORD, **({"last_login": timezone.now()} | values))
    user.groups.add(Group.objects.get(name=group))
    return user


def browser(address: str = "198.51.100.7") -> Client:
    return Client(headers=ENGLISH, REMOTE_ADDR=address)


def tell_password(client: Client, name: str = "mette", password: str = PASSWORD, then: str = "/board/") -> Any:
    """The first step."""
    return client.post(reverse("admin:login"), {"username": name, "password": password, "next": then})


def tell_code(client: Client, code: str) -> Any:
    return client.post(reverse("login-code"), {"code": code})


def key_of(client: Client) -> str:
    """What the telephone reads from the picture."""
    told: str = client.session["new_telephone"]
    return told


def code(key: str, later_s: int = 0) -> str:
    """What a telephone shows that knows this key."""
    drift = later_s // 30
    return f"{totp(unhexlify(key), drift=drift):06d}"


def with_telephone(user: User) -> str:
    """Enrols one; returns its key. Its present code is not used up."""
    key = factors.new_key()
    shown = code(key, -30)
    factors.switch_on(user, key, shown)
    return key


def is_in(client: Client) -> bool:
    return client.get("/board/state.json").status_code == 200
