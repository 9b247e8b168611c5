"""How long a log-in lasts, and that it ends everywhere when it should: telephones get stolen, people leave."""

import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from auditlog.models import LogEntry
from channels.layers import get_channel_layer
from django.conf import settings as the_settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connections
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.authtoken.models import Token

from campsite.login import factors, sessions
from meters import consumers, live
from tests import make
from tests.campsite.login import steps
from tests.meters.test_board import Socket

pytestmark = pytest.mark.django_db


@pytest.fixture
def mette() -> User:
    return steps.somebody()


def logged_in(address: str = "198.51.100.7") -> Client:
    client = steps.browser(address)
    steps.tell_password(client)
    return client


def edit(chief: Client, user: User, **form: Any) -> None:
    """Save the form of a user; without is_active the account is shut."""
    form = {"username": user.username, "is_staff": "on", "groups": [g.pk for g in user.groups.all()]} | form
    times = {"date_joined_0": "2026-01-01", "date_joined_1": "12:00:00"}
    answer = chief.post(reverse("admin:auth_user_change", args=[user.pk]), form | times)
    assert answer.status_code == 302


# --- how long --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("mette")
def test_the_session_gets_a_new_key_at_each_step():
    """Who planted a key in somebody's browser has nothing of his log-in."""
    User.objects.update(last_login=None)
    client = steps.browser()
    keys = []
    steps.tell_password(client)
    keys.append(client.session.session_key)
    client.post(reverse("login-own-password"), {"new_password1": "Bølgebryder 77!", "new_password2": "Bølgebryder 77!"})
    keys.append(client.session.session_key)
    assert steps.is_in(client)
    assert len(set(keys)) == 2
    assert Session.objects.count() == 1


@pytest.mark.usefixtures("mette")
def test_who_does_nothing_for_half_a_day_logs_in_anew():
    client = logged_in()
    lasts = Session.objects.get().expire_date - timezone.now()
    assert timedelta(hours=11.9) < lasts <= timedelta(hours=12)
    Session.objects.update(expire_date=timezone.now())
    assert not steps.is_in(client)


@pytest.mark.usefixtures("mette")
def test_using_it_makes_it_last_and_is_stored_four_times_an_hour_at_most(django_assert_num_queries: Any):
    client = logged_in()
    begun = Session.objects.get().expire_date
    with django_assert_num_queries(2):  # the session, and whose it is
        client.get(reverse("admin:jsi18n"))
    assert Session.objects.get().expire_date == begun
    session = client.session
    session[sessions.USED_AT] -= sessions.RENEWED_EVERY_S + 1
    session.save()
    Session.objects.update(expire_date=F("expire_date") - timedelta(hours=11))
    client.get(reverse("admin:jsi18n"))
    assert Session.objects.get().expire_date >= begun


def test_strangers_get_no_session():
    client = steps.browser()
    client.get(reverse("admin:login"))
    client.get("/stay/find/")
    assert not Session.objects.exists()


def cookies(**environment: str) -> str:
    read = (
        "from campsite import settings as s;"
        "print(s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME, s.SESSION_COOKIE_SECURE, s.TWO_FACTOR_GROUPS)"
    )
    env = {"SECRET_KEY": "b7" + "kX2_" * 20, "SITE_URL": "https://power.example.com"} | environment
    words = [sys.executable, "-c", read]
    root = the_settings.BASE_DIR
    told = subprocess.run(words, cwd=root, env=env, capture_output=True, text=True, timeout=30, check=True)
    return told.stdout.strip()


def test_in_production_cookies_are_this_hosts_alone_and_those_who_may_much_need_a_telephone():
    expected = "__Host-session __Host-csrf True ['manager', 'technician', 'superuser']"
    assert cookies() == expected
    assert cookies(TWO_FACTOR_GROUPS="manager").endswith("['manager']")
    assert cookies(TWO_FACTOR_GROUPS="").endswith("[]")


# --- a new password --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("mette")
def test_a_new_password_ends_all_other_log_ins():
    here, there = logged_in(), logged_in("192.0.2.1")
    form = {"old_password": steps.PASSWORD, "new_password1": "Bølgebryder 77!", "new_password2": "Bølgebryder 77!"}
    here.post(reverse("admin:password_change"), form)
    assert steps.is_in(here)
    assert not steps.is_in(there)


# --- everywhere ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("mette")
def test_somebody_logs_out_everywhere_but_here():
    here, there = logged_in(), logged_in("192.0.2.1")
    answer = here.post(reverse("my-log-in-leave"), follow=True)
    assert "Logged out of 1 other browser." in answer.content.decode()
    assert steps.is_in(here)
    assert not steps.is_in(there)


def test_a_manager_ends_the_log_ins_of_a_stolen_telephone_and_nobody_elses(mette: User):
    stolen, chief = logged_in(), make.client_of("manager")
    chief.post(reverse("admin:auth_user_leave", args=[mette.pk]))
    assert not steps.is_in(stolen)
    assert steps.is_in(chief)
    assert str(LogEntry.objects.get(changes__log_in__1="logged_out_everywhere").actor) == "manager"


def test_half_a_log_in_ends_with_them(mette: User):
    key = steps.with_telephone(mette)
    client = steps.browser()
    steps.tell_password(client)
    sessions.end(mette, None)
    assert steps.tell_code(client, steps.code(key)).headers["Location"] == reverse("admin:login")


# --- who has left ----------------------------------------------------------------------------------------------------


def test_an_account_that_is_shut_ends_log_ins_and_tokens_and_they_stay_ended(mette: User):
    client, token = logged_in(), Token.objects.create(user=mette)
    program = Client(headers={"authorization": f"Token {token.key}"})
    assert program.get("/api/v1/areas/").status_code == 200
    chief = make.client_of("manager")
    for is_active in ({}, {"is_active": "on"}):  # shut, and opened again
        edit(chief, mette, **is_active)
        assert not steps.is_in(client)
        assert program.get("/api/v1/areas/").status_code == 401
    told = [entry.changes["log_in"][1] for entry in LogEntry.objects.filter(changes__has_key="log_in").order_by("pk")]
    assert told == ["logged_out_everywhere", "tokens_ended"]


def test_an_account_that_is_shut_by_hand_is_nobodys_at_once(mette: User):
    client = logged_in()
    User.objects.update(is_active=False)
    assert not steps.is_in(client)
    assert steps.tell_password(steps.browser()).status_code == 200


def test_who_may_change_nobody_ends_nothing(mette: User):
    client = logged_in()
    make.client_of("technician").post(reverse("admin:auth_user_leave", args=[mette.pk]))
    assert steps.is_in(client)


# --- open boards -----------------------------------------------------------------------------------------------------


@pytest.fixture
async def group(monkeypatch: pytest.MonkeyPatch, transactional_db: None) -> AsyncIterator[str]:
    name = f"{live.GROUP}_{uuid4().hex}"
    monkeypatch.setattr(live, "GROUP", name)
    monkeypatch.setattr(consumers, "CHECK_STAFF_EVERY_S", 0)  # as if a minute had passed
    yield name
    await sync_to_async(connections.close_all)()


async def closes(socket: Socket, group: str) -> bool:
    """Whether the next tick is kept from it."""
    layer = get_channel_layer()
    assert layer
    await layer.group_send(group, {"type": "board.message", "message": {"type": "tick"}})
    heard = await socket.receive_output(timeout=5)
    return bool(heard == {"type": "websocket.close", "code": consumers.NOT_STAFF})


async def board_of(user: User) -> Socket:
    client = await sync_to_async(logged_in)()
    socket = Socket(client)
    assert await socket.connect()
    await socket.hear()
    return socket


@pytest.mark.parametrize("ended", ["left", "stolen", "enrolled", "group"])
async def test_an_open_board_is_told_nothing_more_within_a_minute(group: str, ended: str, settings: Any):
    user = await sync_to_async(steps.somebody)()
    socket = await board_of(user)
    assert not await closes(socket, group)
    match ended:
        case "left":
            await User.objects.aupdate(is_active=False)
        case "stolen":
            await sync_to_async(sessions.end)(user, None)
        case "enrolled":
            await sync_to_async(steps.with_telephone)(user)
        case "group":
            settings.TWO_FACTOR_GROUPS = ["reception"]
    assert await closes(socket, group)


async def test_a_board_is_not_opened_with_half_a_log_in(group: str):
    user = await sync_to_async(steps.somebody)()
    await sync_to_async(steps.with_telephone)(user)
    assert not await Socket(await sync_to_async(logged_in)()).connect()


async def test_a_board_is_opened_with_a_whole_one_and_closed_when_the_telephone_is_taken_away(group: str):
    def log_in() -> tuple[Client, User]:
        user = steps.somebody()
        key = steps.with_telephone(user)
        client = logged_in()
        steps.tell_code(client, steps.code(key))
        return client, user

    client, user = await sync_to_async(log_in)()
    socket = Socket(client)
    assert await socket.connect()
    await socket.hear()
    await sync_to_async(factors.take_away)(user, None)
    assert await closes(socket, group)
