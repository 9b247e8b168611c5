"""How often somebody may ask: counted by all processes together, and by each alone while Redis is away."""

import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis
from asgiref.testing import ApplicationCommunicator
from django.conf import settings as ours
from django.core.cache import cache, caches
from django.test import Client, override_settings
from django.urls import reverse
from rest_framework.authtoken.models import Token

from bookings import limits, links, tokens
from campsite import asgi, shared_cache
from campsite.embedded.state import State
from campsite.embedded.valkey import Valkey
from tests import make
from tests.campsite.login import steps
from tests.campsite.test_access import ADDRESSES
from tests.meters import harness

LIMITS = [
    *("STRANGERS_A_MINUTE", "SIRVOY_WRONG_TOKENS_A_MINUTE", "PORTAL_WRONG_LINKS_A_MINUTE", "API_WRONG_TOKENS_A_MINUTE"),
    *("PORTAL_PAGES_A_MINUTE", "API_CALLS_A_MINUTE", "SOCKETS_A_MINUTE"),
]


@pytest.fixture
def once(settings: Any) -> None:
    """Everybody may do everything once."""
    for name in LIMITS:
        setattr(settings, name, 1)


# --- counting --------------------------------------------------------------------------------------------------------


def test_so_many_may_and_no_more():
    waits = [limits.wait_s("x", 3, "hour", "somebody") for _ in range(6)]
    assert waits[:3] == [None] * 3
    assert all(wait is not None and 3590 < wait <= 3600 for wait in waits[3:])
    assert limits.wait_s("x", 3, "hour", "somebody-else") is None
    assert limits.wait_s("y", 3, "hour", "somebody") is None


def test_who_has_waited_may_again_also_when_he_was_impatient():
    assert [limits.wait_s("x", 1, "second", "somebody") for _ in range(3)] == [None, 1, 1]
    harness.until(lambda: limits.wait_s("x", 1, "second", "somebody") is None, "the second is over", timeout_s=3)


def test_of_many_at_once_no_more_get_through():
    with ThreadPoolExecutor(16) as pool:
        waits = list(pool.map(lambda _: limits.wait_s("x", 20, "hour", "somebody"), range(200)))
    assert waits.count(None) <= 20
    assert waits.count(None) > 0


# --- every address ---------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_every_address_that_a_stranger_may_ask_has_a_limit(once: None):
    """By construction: of all that there are."""
    for number, address in enumerate(ADDRESSES):
        stranger = Client(REMOTE_ADDR=f"203.0.113.{number % 250}", headers={"accept-language": "en"})
        cache.clear()
        assert stranger.get(address).status_code != 429, address
        refused = stranger.get(address)
        assert refused.status_code == 429, address
        assert int(refused.headers["Retry-After"]) > 0, address
        if address.startswith("/api/"):
            assert "throttled" in refused.content.decode(), address
        elif not address.startswith("/hooks/"):
            assert "Wait a little" in refused.content.decode(), address


@pytest.mark.django_db
def test_staff_who_are_logged_in_are_no_strangers(once: None):
    browser = Client()
    browser.force_login(make.superuser())
    assert [browser.get(reverse("board")).status_code for _ in range(4)] == [200] * 4


@pytest.mark.django_db
def test_a_stranger_keeps_nobody_behind_the_same_address_from_logging_in_where_he_did_before(settings: Any):
    settings.STRANGERS_A_MINUTE = 8
    steps.somebody()
    reception, stranger = steps.browser(), steps.browser()
    steps.tell_password(reception)
    reception.post(reverse("admin:logout"))
    assert [stranger.get("/admin/login/").status_code for _ in range(9)][-1] == 429
    steps.tell_password(reception)
    assert steps.is_in(reception)
    reception.post(reverse("admin:logout"))
    assert 429 in [reception.get("/admin/login/").status_code for _ in range(9)], "it, too, has a limit"


@pytest.mark.django_db
def test_right_links_and_right_tokens_of_sirvoy_are_never_refused(once: None):
    secret = links.make(make.stay(make.pitch()), None)
    assert [Client().get(links.path(secret)).status_code for _ in range(4)] == [303] * 4
    hook = reverse("sirvoy", args=[tokens.make("Sirvoy", None)[1]])
    assert [Client().get(hook).status_code for _ in range(4)] == [200] * 4


@pytest.mark.django_db
def test_a_guest_is_limited_by_his_link_and_not_by_where_he_is(once: None):
    first, second = (links.make(make.stay(make.pitch(name)), None) for name in ("101", "102"))
    guest, neighbour = Client(), Client()
    guest.get(links.path(first))
    neighbour.get(links.path(second))
    assert [guest.get(reverse("portal-page")).status_code for _ in range(2)] == [200, 429]
    assert neighbour.get(reverse("portal-page")).status_code == 200


@pytest.mark.django_db
def test_a_token_of_the_api_is_limited_by_whose_it_is_and_wrong_ones_by_where_they_come_from(settings: Any, once: None):
    settings.API_CALLS_A_MINUTE = 2
    right = {"authorization": f"Token {Token.objects.create(user=make.staff()).key}"}
    wrong = {"authorization": "Token 0123456789012345678901234567890123456789"}
    areas = "/api/v1/areas/"
    assert [Client(headers=wrong).get(areas).status_code for _ in range(3)] == [401, 429, 429]
    assert [Client(headers=right).get(areas).status_code for _ in range(3)] == [200, 200, 429]
    refused = Client(headers=right).get(areas)
    assert int(refused.headers["Retry-After"]) > 0
    assert refused.json()["error"]["code"] == "throttled"


@pytest.mark.django_db(transaction=True)
async def test_sockets_are_opened_only_so_often_from_one_address(settings: Any, once: None):
    async def first_word(address: str) -> str:
        scope = {"type": "websocket", "path": "/stay/live/", "query_string": b"", "subprotocols": []}
        headers = [(b"origin", b"http://localhost"), (b"host", b"localhost")]
        scope |= {"headers": headers, "client": [address, 1]}
        socket = ApplicationCommunicator(asgi.application, scope)
        await socket.send_input({"type": "websocket.connect"})
        return str((await socket.receive_output(5))["type"])

    assert await first_word("203.0.113.1") == "websocket.accept"
    assert await first_word("203.0.113.1") == "websocket.close"
    assert await first_word("203.0.113.2") == "websocket.accept"


# --- Redis -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def own_redis() -> Iterator[Valkey]:
    """A Redis of this test's own, which holds the cache."""
    root = Path(tempfile.mkdtemp(prefix="campsite-redis-"))
    server = Valkey(State(root))
    server.start()
    told = ours.CACHES["default"] | {"LOCATION": [server.url], "KEY_PREFIX": root.name}
    try:
        with override_settings(CACHES={"default": told}):
            yield server
    finally:
        if server.is_alive() and server.process:
            os.kill(server.process.pid, signal.SIGCONT)
        server.stop()
        server.state.remove()
        shutil.rmtree(root, ignore_errors=True)


def tried(count: int) -> tuple[list[bool], float]:
    """Whether each try was let through, and how long they took together."""
    began = time.monotonic()
    return [limits.wait_s("x", 3, "hour", "somebody") is None for _ in range(count)], time.monotonic() - began


def test_other_installations_on_the_same_redis_have_counters_of_their_own(own_redis: Valkey):
    assert tried(4)[0] == [True, True, True, False]
    with override_settings(CACHES={"default": caches.settings["default"] | {"KEY_PREFIX": "another"}}):
        assert tried(4)[0] == [True, True, True, False]
        cache.clear()
    assert tried(1)[0] == [False]


def test_what_stands_in_redis_is_never_run(own_redis: Valkey):
    """A pickle would be: it is no JSON, and no value."""
    cache.set("a", {"b": [1, "æ"]})
    assert cache.get("a") == {"b": [1, "æ"]}
    with redis.Redis.from_url(own_redis.url) as server:
        (key,) = server.keys("*:a")
        server.set(key, pickle.dumps(os.getpid))
    with pytest.raises(ValueError, match=r"codec|Expecting"):
        cache.get("a")


@pytest.mark.django_db
def test_the_search_in_the_admins_menu_finds_though_what_it_would_keep_is_no_json(own_redis: Valkey):
    chief = make.client_of("manager")
    for _time in range(2):
        assert "/admin/meters/" in chief.get(reverse("admin:search"), {"s": "pitch"}).content.decode()


def test_without_redis_tries_are_still_counted_and_nobody_waits_for_it(own_redis: Valkey):
    assert tried(1)[0] == [True]
    assert own_redis.process
    own_redis.process.kill()
    letting, took_s = tried(5)
    assert letting == [True, True, True, False, False], "from now on by this process alone"
    assert took_s < 2 * shared_cache.TIMEOUT_S


def test_a_redis_that_hangs_holds_up_one_call_and_not_all(own_redis: Valkey):
    assert own_redis.process
    os.kill(own_redis.process.pid, signal.SIGSTOP)
    letting, took_s = tried(20)
    assert letting == [True] * 3 + [False] * 17
    assert took_s < 4 * shared_cache.TIMEOUT_S


def test_a_redis_that_is_back_is_asked_again(own_redis: Valkey, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shared_cache, "TRY_AGAIN_S", 0.0)
    own_redis.stop()
    assert tried(4)[0] == [True, True, True, False]
    own_redis.start()
    assert tried(4)[0] == [True, True, True, False], "this one knows nothing of it"


def test_a_count_whose_minute_ends_while_it_is_counted_has_an_end_all_the_same(
    own_redis: Valkey, monkeypatch: pytest.MonkeyPatch
):
    """Django asks Redis whether the key is there, then counts: without one Redis begins at 1, for ever."""
    there_is = redis.Redis.exists

    def ends_just_then(server: Any, key: str) -> Any:
        found = there_is(server, key)
        server.delete(key)
        return found

    monkeypatch.setattr(redis.Redis, "exists", ends_just_then)
    assert tried(1)[0] == [True]
    with redis.Redis.from_url(own_redis.url) as server:
        lasting = [server.ttl(key) for key in server.keys("*somebody*")]
    assert len(lasting) == 2
    assert min(lasting) > 0


@pytest.mark.django_db
def test_without_redis_pages_and_webhook_answer_quickly(own_redis: Valkey, settings: Any):
    settings.PORTAL_WRONG_LINKS_A_MINUTE = 2
    own_redis.stop()
    began = time.monotonic()
    wrong = [Client().get(reverse("portal", args=[f"wrong{number}"])).status_code for number in range(3)]
    hook = reverse("sirvoy", args=[tokens.make("Sirvoy", None)[1]])
    assert wrong == [404, 404, 429]
    assert Client().get(reverse("portal-find")).status_code == 200
    assert Client().get(hook).status_code == 200
    assert time.monotonic() - began < 3


TRIES = """
import django
django.setup()
from bookings import limits
print(sum(limits.wait_s("x", 20, "hour", "somebody") is None for _try in range(15)))
"""


@pytest.mark.services
def test_two_processes_share_a_limit(own_redis: Valkey):
    told = {"DJANGO_SETTINGS_MODULE": "campsite.settings", "REDIS_URL": own_redis.url, "SECRET_KEY": "x"}
    words = [sys.executable, "-c", TRIES]
    both = [
        subprocess.Popen(words, cwd=ours.BASE_DIR, env=os.environ | told, stdout=subprocess.PIPE, text=True)
        for _process in range(2)
    ]
    assert sum(int(process.communicate(timeout=60)[0]) for process in both) == 20
