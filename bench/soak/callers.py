"""What asks by HTTP beside the browsers."""

from __future__ import annotations

import http.client
import itertools
import threading

from bench.webhook import body

CALL_S = 3.0
CALLS = ("/api/v1/meters/?limit=100", "/api/v1/commands/?limit=100", "/health/ready", "/board/state.json")


class Callers:
    """What asks by HTTP each few seconds: the API, the pages, Sirvoy."""

    def __init__(self, port: int, token: str, cookie: str, webhook: str) -> None:
        self.answers: dict[str, int] = {}
        self._port, self._webhook = port, webhook
        self._headers = {"Authorization": f"Token {token}", "Cookie": cookie, "Content-Type": "application/json"}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="callers", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(60)

    def _run(self) -> None:
        for number in itertools.count():
            if self._stopping.wait(CALL_S / (len(CALLS) + 1)):
                return
            place = number % (len(CALLS) + 1)
            if place < len(CALLS):
                self._call("GET", CALLS[place], None)
            else:
                self._call("POST", self._webhook, body(1 + number // 5 % 300, number, bool(number // 1500 % 2)))

    def _call(self, method: str, path: str, sent: bytes | None) -> None:
        line = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            line.request(method, path, sent, self._headers)
            answer = line.getresponse()
            answer.read()
            key = f"{answer.status}"
        except (OSError, http.client.HTTPException) as failed:
            key = type(failed).__name__
        finally:
            line.close()
        self.answers[key] = self.answers.get(key, 0) + 1
