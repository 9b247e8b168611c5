"""Somebody outside, who comes by Caddy and trusts its authority."""

from __future__ import annotations

import json
import re
from http.client import HTTPMessage
from http.cookiejar import CookieJar
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from tests.deploy.native import Site

TIMEOUT_S = 40
"""Longer than Caddy lets somebody wait while the web process is started."""


class Answer(NamedTuple):
    status: int
    url: str
    headers: HTTPMessage
    text: str

    @property
    def told(self) -> object:
        return json.loads(self.text)


class _Stays(HTTPRedirectHandler):
    """Wherever the site sends to by its own name, this machine's port is meant."""

    def __init__(self, site: Site, *, follows: bool) -> None:
        self._site, self._follows = site, follows

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        return super().redirect_request(req, fp, code, msg, headers, self._site.here(newurl)) if self._follows else None


class Browser:
    def __init__(self, site: Site, *, follows: bool = True) -> None:
        self._site, self.jar = site, CookieJar()
        handlers = (HTTPSHandler(context=site.tls), HTTPCookieProcessor(self.jar), _Stays(site, follows=follows))
        self._opener = build_opener(*handlers)

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, None, headers)

    def post(self, path: str, body: bytes, **headers: str) -> Answer:
        return self.ask("POST", path, body, headers)

    def post_json(self, path: str, told: object, **headers: str) -> Answer:
        return self.post(path, json.dumps(told).encode(), Content_Type="application/json", **headers)

    def ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        url = self._site.here(path) if "://" in path else self._site.url + path
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            with self._opener.open(Request(url, body, named, method=method), timeout=TIMEOUT_S) as found:
                return Answer(found.status, found.url, found.headers, found.read().decode())
        except HTTPError as refused:
            return Answer(refused.code, refused.url, refused.headers, refused.read().decode())

    def log_in(self, name: str, password: str) -> Answer:
        page = self.get("/admin/login/?next=/board/")
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
        assert found, page
        form = {"csrfmiddlewaretoken": found[1], "username": name, "password": password, "next": "/board/"}
        return self.post("/admin/login/", urlencode(form).encode(), Referer=f"{self._site.url}/admin/login/")

    @property
    def cookies(self) -> str:
        return "; ".join(f"{each.name}={each.value}" for each in self.jar)
