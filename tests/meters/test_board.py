"""The live board: who may see it, what it is told, and how its socket behaves."""

import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.layers import get_channel_layer
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from campsite.asgi import application
from meters import consumers, live, words
from meters.models import FoundInstance
from tests import make

SCRIPTS = Path(settings.BASE_DIR) / "templates/static/js/board"


@pytest.fixture
def client(client: Client) -> Client:
    client.force_login(make.staff())
    return client


# --- the page --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["/board/", "/board/meters/0x1/"])
@pytest.mark.django_db
def test_pages_send_everybody_but_staff_to_the_log_in(url: str) -> None:
    client = Client()
    assert client.get(url).headers["Location"] == f"{reverse('admin:login')}?next={url}"
    client.force_login(User.objects.create_user("guest"))
    assert client.get(url).headers["Location"] == f"{reverse('admin:login')}?next={url}"


@pytest.mark.django_db
def test_the_state_is_forbidden_for_everybody_but_staff() -> None:
    client = Client()
    assert client.get("/board/state.json").status_code == 403
    client.force_login(User.objects.create_user("guest"))
    assert client.get("/board/state.json").status_code == 403


@pytest.mark.django_db
def test_the_page_takes_the_same_few_queries_however_many_meters(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make.worker()
    for area in (make.area(), make.area(in_service=False)):
        for _ in range(20):
            make.state(meter := make.meter(area=area), power_w=5)
            make.installed(meter, make.pitch())
    # session, user, 2 of permissions, worker, areas, bridges, meters, devices, stop, orders
    with django_assert_num_queries(12):
        client.get("/board/")


@pytest.mark.django_db
def test_the_page_is_neither_kept_nor_open_to_foreign_scripts(client: Client) -> None:
    answer = client.get("/board/")
    policy = answer.headers["Content-Security-Policy"]
    assert "no-store" in answer.headers["Cache-Control"]
    assert "unsafe" not in policy
    nonce = re.search(r"'nonce-([^']+)'", policy)
    assert nonce
    assert f'nonce="{nonce[1]}"' in answer.content.decode()
    assert not re.search(r"<[^>]+\sstyle=", answer.content.decode())


@pytest.mark.django_db
def test_html_in_a_name_stays_text(client: Client) -> None:
    make.meter("<script>alert(1)</script>", area=make.area("<b>x</b>", slug="x"))
    page = client.get("/board/").content.decode()
    assert "<script>alert" not in page
    assert "<b>x" not in page


def test_every_word_of_the_scripts_is_there() -> None:
    scripts = "\n".join(path.read_text() for path in [*SCRIPTS.glob("*.js"), SCRIPTS.parent / "meter.js"])
    said = set(re.findall(r'\bsay\("(\w+)"', scripts))
    chosen = {key for pair in re.findall(r'\bsay(?:Many)?\([^()?]*\? "(\w+)" : "(\w+)"', scripts) for key in pair}
    counted = {key for name in re.findall(r'\bsayMany\("(\w+)"', scripts) for key in (name, f"{name}_one")}
    assert said
    assert chosen
    assert counted
    assert said | chosen | counted <= words.BOARD.keys()


def test_what_is_counted_has_words_for_one_and_for_many() -> None:
    ones = {key.removesuffix("_one") for key in words.BOARD if key.endswith("_one")}
    assert ones <= words.BOARD.keys()


def test_every_grade_and_mark_has_its_words() -> None:
    grades = {"waiting", "sent", "acknowledged", "confirmed", "no_load"}
    assert {f"grade_{grade}" for grade in grades} <= words.BOARD.keys()
    assert {f"not_{grade}" for grade in grades - {"waiting"}} <= words.BOARD.keys()
    assert {f"mark_{mark}" for mark in ("done", "now", "failed", "skipped", "later")} <= words.BOARD.keys()
    assert words.board()["holds"].keys() >= {"observe", "failed", "unasked_off"}


# --- what it is told -------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_state_holds_what_the_board_shows(client: Client) -> None:
    make.worker(tick=7)
    area = make.area("North", reported={"channel": 20, "version": "2.14.1", "info_at": timezone.now()})
    heard = make.meter("101,1", area=area)
    make.state(heard, relay=True, power_w=25)
    make.installed(heard, make.pitch("101"))
    make.meter("hedge", area=area, kind="repeater").delete()
    state = client.get("/board/state.json").json()
    assert (state["type"], state["boot"], state["tick"]) == ("snapshot", "b", 7)
    assert state["worker"]["connected"]
    assert state["areas"][0] | {"channel": 20, "backoff_safe": False} == state["areas"][0]
    (meter,) = state["meters"]
    assert meter | {"pitches": ["101"], "online": "online", "relay": True, "power_w": 25} == meter
    assert meter["online_until"] > state["now"]
    assert [device["name"] for device in state["devices"]] == ["hedge"]


@pytest.mark.django_db
def test_what_was_never_told_is_null_and_never_zero(client: Client) -> None:
    make.worker()
    silent = make.meter(area=make.area())
    make.state(silent, heard_at=None)
    (meter,) = client.get("/board/state.json").json()["meters"]
    assert (meter["online"], meter["reason"]) == ("unknown", "never")
    assert {meter[name] for name in ("relay", "power_w", "voltage_v", "energy_kwh", "heard_at", "online_until")} == {
        None
    }


# --- the socket ------------------------------------------------------------------------------------------------------


@pytest.fixture
async def group(monkeypatch: pytest.MonkeyPatch, transactional_db: None) -> AsyncIterator[str]:
    """A group of our own: the channel layer is shared with the tests that run beside this one."""
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 0)  # none stays open in another thread
    name = f"board-{uuid4().hex}"
    monkeypatch.setattr(live, "GROUP", name)
    yield name
    await sync_to_async(connections.close_all)()


class Socket(ApplicationCommunicator):
    """A browser's end of the socket (channels.testing would need daphne)."""

    def __init__(self, client: Client, origin: str = "http://localhost", path: str = "/ws/board/") -> None:
        cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
        headers = {"cookie": cookies, "origin": origin, "host": "localhost"}
        scope = {
            "type": "websocket",
            "path": path,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "subprotocols": [],
        }
        super().__init__(application, scope)

    async def connect(self) -> bool:
        await self.send_input({"type": "websocket.connect"})
        return bool((await self.receive_output(timeout=5))["type"] == "websocket.accept")

    async def say(self, text: str) -> None:
        await self.send_input({"type": "websocket.receive", "text": text})

    async def hear(self) -> Any:
        return json.loads((await self.receive_output(timeout=5))["text"])

    async def leave(self) -> None:
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait(timeout=5)


@pytest.fixture
async def open_socket(group: str) -> AsyncIterator[Socket]:
    client = Client()
    await client.aforce_login(await sync_to_async(make.staff)())
    socket = Socket(client)
    assert await socket.connect()
    yield socket
    await socket.leave()


async def say(group: str, message: dict[str, Any]) -> None:
    layer = get_channel_layer()
    assert layer
    await layer.group_send(group, {"type": "board.message", "message": message})


async def test_a_new_socket_first_gets_the_whole_state(open_socket: Socket) -> None:
    assert (await open_socket.hear())["type"] == "snapshot"


async def test_a_tick_sent_while_the_state_is_read_comes_after_it(group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client()
    await client.aforce_login(await sync_to_async(make.staff)())
    whole = live.snapshot

    def read_slowly() -> dict[str, Any]:
        live.send({"type": "tick", "tick": 1})
        return whole()

    monkeypatch.setattr(live, "snapshot", read_slowly)
    socket = Socket(client)
    await socket.connect()
    assert [(await socket.hear())["type"] for _ in range(2)] == ["snapshot", "tick"]
    await socket.leave()


async def test_ticks_are_handed_on(open_socket: Socket, group: str) -> None:
    await open_socket.hear()
    await say(group, {"type": "tick", "tick": 8})
    assert await open_socket.hear() == {"type": "tick", "tick": 8}


async def test_a_page_may_ask_again_but_not_all_the_time(
    open_socket: Socket, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_socket.hear()
    await open_socket.say('{"type": "snapshot"}')  # too soon: not answered
    await say(group, {"type": "tick"})
    assert (await open_socket.hear())["type"] == "tick"
    monkeypatch.setattr(consumers, "SNAPSHOT_EVERY_S", 0)
    await open_socket.say('{"type": "snapshot"}')
    assert (await open_socket.hear())["type"] == "snapshot"


async def test_nonsense_is_ignored(open_socket: Socket, group: str) -> None:
    await open_socket.hear()
    for nonsense in ("", "{", "[]", "7", '{"type": "drop"}', "[" * 100_000):
        await open_socket.say(nonsense)
    await open_socket.send_input({"type": "websocket.receive", "bytes": b"\xff"})
    await say(group, {"type": "tick"})
    assert (await open_socket.hear())["type"] == "tick"


@pytest.mark.parametrize("user", [None, "guest"])
async def test_the_socket_is_refused_to_everybody_but_staff(user: str | None, group: str) -> None:
    client = Client()
    if user:
        await client.aforce_login(await User.objects.acreate_user(user))
    assert not await Socket(client).connect()


async def test_the_socket_is_refused_to_other_sites(group: str) -> None:
    client = Client()
    await client.aforce_login(await sync_to_async(make.staff)())
    assert not await Socket(client, origin="http://evil.example").connect()


@pytest.mark.parametrize(("origin", "path"), [("http://[::1", "/ws/board/"), ("http://localhost", "/ws/nothing/")])
async def test_nonsense_of_a_stranger_is_refused_and_no_fault(origin: str, path: str) -> None:
    assert not await Socket(Client(), origin, path).connect()


async def test_who_logs_out_is_told_no_more(open_socket: Socket, group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await open_socket.hear()
    monkeypatch.setattr(consumers, "CHECK_STAFF_EVERY_S", 0)
    await Session.objects.all().adelete()
    await say(group, {"type": "tick"})
    assert await open_socket.receive_output() == {"type": "websocket.close", "code": consumers.NOT_STAFF}


async def test_a_page_that_takes_nothing_is_dropped(
    open_socket: Socket, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_socket.hear()
    monkeypatch.setattr(consumers, "SEND_TIMEOUT_S", 0)
    await say(group, {"type": "tick"})
    await open_socket.wait()
    assert open_socket.future.done()


@pytest.mark.django_db
def test_removed_meters_are_marked(client: Client) -> None:
    make.worker()
    make.meter(area=make.area(), removed_at=timezone.now() - timedelta(days=1))
    (meter,) = client.get("/board/state.json").json()["meters"]
    assert (meter["removed"], meter["reason"]) == (True, "removed")


@pytest.mark.django_db
def test_a_board_without_areas_leads_to_the_zigbee2mqtts_that_were_found(client: Client) -> None:
    now = timezone.now()
    FoundInstance.objects.create(base_topic="zigbee2mqtt", first_seen_at=now, seen_at=now)
    assert reverse("admin:meters_foundinstance_changelist") in client.get(reverse("board")).content.decode()
    make.area()
    assert reverse("admin:meters_foundinstance_changelist") not in client.get(reverse("board")).content.decode()
