"""Several web processes behind Caddy are one site: sessions, sockets, limits; and one of them may die."""

from __future__ import annotations

import json
import os
import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from bookings import links
from campsite.embedded.processes import Process
from tests import make
from tests.deploy.broker import DEPLOY
from tests.deploy.native import caddy
from tests.meters import harness
from tests.meters.harness import Services, Workers, free_port, kill, says, until

pytestmark = [pytest.mark.services, pytest.mark.long, pytest.mark.xdist_group("deploy")]
HOUR = timedelta(hours=1)


@dataclass
class Site:
    """Two web processes behind Caddy; `cookie`: of a member of staff, `start`: makes a web process at a port."""

    start: Callable[[int], Process]
    ports: list[int]
    webs: list[Process]
    port: int
    tls: ssl.SSLContext
    cookie: str

    def ask(self, path: str, method: str = "GET", cookie: str = "") -> tuple[int, dict[str, str], bytes]:
        connection = HTTPSConnection("localhost", self.port, context=self.tls, timeout=30)
        try:
            connection.request(method, path, headers={"Cookie": cookie or self.cookie})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def listen(self, path: str, cookie: str = "") -> ClientConnection:
        url = f"localhost:{self.port}"
        headers = {"Cookie": cookie or self.cookie}
        return connect(f"wss://{url}{path}", ssl=self.tls, origin=f"https://{url}", additional_headers=headers)


def started(services: Services, folder: Path, ports: list[int], port: int) -> Process:
    """Caddy with the shipped file, on ports of its own."""
    text = (DEPLOY / "caddy/Caddyfile").read_text()
    for before, after in (("8080", free_port()), ("8443", port), ("8081", free_port())):
        text = re.sub(rf"\b{before}\b", str(after), text)
    file = folder / "Caddyfile"
    file.write_text(text.replace("admin off", "admin off\n\tdefault_bind 127.0.0.1"))
    told = {"SITE_HOST": "localhost", "WEB": " ".join(f"127.0.0.1:{each}" for each in ports)}
    own = os.environ | told | {"XDG_DATA_HOME": str(folder / "data"), "XDG_CONFIG_HOME": str(folder / "data")}
    words = [caddy(folder), "run", "--config", str(file), "--adapter", "caddyfile"]
    process = Process("caddy", words, services.state.log("caddy"), environment=own, directory=folder)
    process.wait_ready(lambda: harness.is_listening(port), 30)
    return process


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any) -> Iterator[Site]:
    services = Services()
    folder, port, ports = tmp_path_factory.mktemp("caddy"), free_port(), [free_port(), free_port()]
    database_url = services.new_database()
    own = {"SECRET_KEY": settings.SECRET_KEY, "TRUSTED_PROXIES": "127.0.0.1", "CSRF_TRUSTED_ORIGINS": ""}
    with ExitStack() as stack:
        stack.callback(services.stop)
        stack.enter_context(django_db_blocker.unblock())
        stack.enter_context(harness.speaking_to(database_url))

        def start(at: int) -> Process:
            web = services.web(database_url=database_url, port=at, **own)
            stack.callback(web.kill)
            return web

        webs = [start(each) for each in ports]
        stack.callback(started(services, folder, ports, port).kill)
        workers = Workers(
            services, database_url, "mqtt://127.0.0.1:1"
        )  # it reaches no broker, and tells so each second
        stack.callback(workers.end_all)
        workers.start(begun=False)
        root = folder / "data/caddy/pki/authorities/local/root.crt"
        until((folder / "data/caddy/certificates/local/localhost/localhost.crt").exists, "Caddy's certificate")
        client = Client()
        client.force_login(make.staff())
        cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
        yield Site(start, ports, webs, port, ssl.create_default_context(cafile=str(root)), cookie)


def open_on_each(site: Site, path: str, cookie: str = "") -> list[ClientConnection]:
    """Sockets, so many that each process has one: they are dealt in turn."""
    accepted, found = f'"WebSocket {path}" [accepted]', []
    before = [says(web, accepted) for web in site.webs]
    while any(says(web, accepted) == count for web, count in zip(site.webs, before, strict=True)):
        found.append(site.listen(path, cookie))
        assert len(found) < 9, "one of them is never asked"
    return found


def next_of(socket: ClientConnection, kind: str) -> dict[str, Any]:
    while (told := json.loads(socket.recv(timeout=harness.PATIENCE_S)))["type"] != kind:
        pass
    return dict(told)


def test_who_is_logged_in_at_one_is_at_each(site: Site) -> None:
    for socket in open_on_each(site, "/ws/board/"):
        assert "meters" in next_of(socket, "snapshot")
        socket.close()
    assert {site.ask("/board/state.json")[0] for _ in range(6)} == {200}
    with pytest.raises(InvalidStatus):
        site.listen("/ws/board/", "sessionid=nobodys")


def test_boards_at_each_hear_the_same_ticks(site: Site) -> None:
    sockets = open_on_each(site, "/ws/board/")
    heard = [{next_of(socket, "tick")["tick"] for _ in range(4)} for socket in sockets]
    assert set.intersection(*heard)
    for socket in sockets:
        socket.close()


def test_guests_pages_at_each_are_told_of_their_stay(site: Site) -> None:
    stay = make.stay(make.pitch("101"), began_at=timezone.now() - HOUR)
    make.guest(stay.booking)
    meter = make.meter("101")
    make.state(meter, relay=True, power_w=1240, power_at=timezone.now())
    make.line(stay, meter, pitch=stay.pitch, since=timezone.now() - HOUR)
    status, headers, _ = site.ask(links.path(links.make(stay, None)))
    cookie = headers["Set-Cookie"].partition(";")[0]
    sockets = open_on_each(site, "/stay/live/", cookie)
    told = [json.loads(socket.recv(timeout=harness.PATIENCE_S))["outlets"][0]["power_w"] for socket in sockets]
    assert (status, set(told)) == (303, {1240})
    for socket in sockets:
        socket.close()


def test_wrong_tries_are_counted_by_all_together(site: Site) -> None:
    limit = settings.SIRVOY_WRONG_TOKENS_A_MINUTE
    statuses = [site.ask("/hooks/sirvoy/wrong/", "POST")[0] for _ in range(limit + 4)]
    assert statuses.index(429) == limit
    assert set(statuses[limit:]) == {429}


def test_one_may_die_and_no_page_is_away_for_longer_than_it_takes_to_come_again(site: Site) -> None:
    sockets = open_on_each(site, "/ws/board/")
    kill(site.webs[0])
    ended = 0
    for socket in sockets:
        try:
            next_of(socket, "tick"), next_of(socket, "tick")
        except ConnectionClosed:
            ended += 1
        with site.listen("/ws/board/") as again:
            assert next_of(again, "tick")
    assert 1 <= ended < len(sockets)
    assert {site.ask("/board/state.json")[0] for _ in range(6)} == {200}
    site.webs[0] = site.start(site.ports[0])
    for socket in open_on_each(site, "/ws/board/"):
        socket.close()
