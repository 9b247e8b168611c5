"""Calls a webhook over HTTP, as Sirvoy does. Its address is a secret: it stands in no message and no error."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

TIMEOUT_S = 30


class NotReached(Exception):
    """Nobody answered, or with an error of the server's: worth another try."""


class Refused(Exception):
    """The address is wrong, or valid no more."""


class Caller:
    def __init__(self, site: str, path: str) -> None:
        """`site` like http://127.0.0.1:8000. Raises ValueError for anything else."""
        parts = urlsplit(site)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("That is no address like http://127.0.0.1:8000.")
        self._https, self._host, self._port = parts.scheme == "https", parts.hostname, parts.port
        self._path = path

    def is_there(self) -> bool:
        """Whether the site answers, as Sirvoy checks it."""
        try:
            self._ask("GET", None)
        except NotReached:
            return False
        return True

    def call(self, body: bytes) -> None:
        """Raises NotReached or Refused."""
        self._ask("POST", body)

    def _ask(self, method: str, body: bytes | None) -> None:
        kind = http.client.HTTPSConnection if self._https else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=TIMEOUT_S)
        try:
            connection.request(method, self._path, body, {"Content-Type": "application/json"})
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException):
            raise NotReached from None
        finally:
            connection.close()
        if status >= 500:
            raise NotReached
        if status != 200:
            raise Refused(f"The webhook answered {status}.")
