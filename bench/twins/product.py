"""What the product says, as staff see it: an open board's socket, the board's page without one, and the API."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

TIMEOUT_S = 20.0


class Product:
    """A member of staff with an open board, and a machine with a token."""

    def __init__(self, port: int, cookie: str, token: str) -> None:
        self._site, self._cookie, self._token = f"http://127.0.0.1:{port}", cookie, token
        self.board = Board(port, cookie)

    def state(self) -> dict[str, Any]:
        """What a board without a socket gets."""
        told: dict[str, Any] = json.loads(self._call("/board/state.json", Cookie=self._cookie))
        return told

    def meters(self) -> dict[str, dict[str, Any]]:
        """The API's meters by address."""
        return {meter["ieee_address"]: meter for meter in self._list("/api/v1/meters/")}

    def commands(self) -> list[dict[str, Any]]:
        """The newest 500."""
        return self._list("/api/v1/commands/")

    def want(self, ieee: str, on: bool) -> None:
        """As a machine of the campsite's asks for power."""
        body = json.dumps({"state": "on" if on else "off", "reason": "six twins"}).encode()
        self._api(f"/api/v1/meters/{ieee}/power/", body)

    def _list(self, path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self._api(f"{path}?limit=500"))["results"]
        return found

    def _api(self, path: str, body: bytes | None = None) -> bytes:
        headers = {"Authorization": f"Token {self._token}", "Content-Type": "application/json"}
        return self._call(path, body, **headers)

    def _call(self, path: str, body: bytes | None = None, **headers: str) -> bytes:
        request = urllib.request.Request(self._site + path, body, headers)
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            told: bytes = answer.read()
            return told


Refused = urllib.error.HTTPError


@dataclass(frozen=True)
class Shown:
    """Areas by base topic, meters by address."""

    worker: dict[str, Any]
    areas: dict[str, dict[str, Any]]
    meters: dict[str, dict[str, Any]]


class Board:
    """An open board as a browser keeps it: the whole state, then each tick; who misses a number asks again."""

    def __init__(self, port: int, cookie: str) -> None:
        self.asked_again = self.came_back = 0
        self._address = f"ws://127.0.0.1:{port}/ws/board/"
        self._headers = {"Cookie": cookie, "Origin": f"http://127.0.0.1:{port}"}
        self._lock = threading.Lock()
        self._boot, self._tick = "", 0
        self._worker: dict[str, Any] = {"connected": False, "until": 0}
        self._areas: dict[int, dict[str, Any]] = {}
        self._meters: dict[int, dict[str, Any]] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="board", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(TIMEOUT_S)

    def now(self) -> Shown:
        """What it shows at this moment."""
        with self._lock:
            areas = {area["base_topic"]: dict(area) for area in self._areas.values()}
            meters = {meter["ieee"]: self._show(meter) for meter in self._meters.values()}
            return Shown(dict(self._worker), areas, meters)

    def _show(self, meter: dict[str, Any]) -> dict[str, Any]:
        """With its area's base topic, and its status as static/js/board/truth.js finds it."""
        area = self._areas.get(meter["area"], {})
        status, reason = self._status(meter, area.get("bridge", "online"), time.time() * 1000)
        return meter | {"base": area.get("base_topic"), "online": status, "reason": reason}

    def _status(self, meter: dict[str, Any], bridge: str, now_ms: float) -> tuple[str, str]:
        if meter["reason"] in ("removed", "disabled", "left"):
            return "offline", meter["reason"]
        if not (self._worker["connected"] and now_ms < self._worker["until"]):
            return "unknown", "worker"
        if bridge == "offline":
            return "offline", "bridge"
        if bridge != "online":
            return "unknown", "bridge_unknown"
        if meter["online"] == "online" and now_ms >= meter["online_until"]:
            return "offline", "silent"
        return meter["online"], meter["reason"]

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with connect(self._address, additional_headers=self._headers, max_size=None) as socket:
                    self._listen(socket)
            except (OSError, WebSocketException):
                time.sleep(1)
            self.came_back += 1

    def _listen(self, socket: ClientConnection) -> None:
        while not self._stopping.is_set():
            try:
                told = json.loads(socket.recv(timeout=1))
            except TimeoutError:
                continue
            if not self._take(told):
                self.asked_again += 1
                socket.send('{"type": "snapshot"}')

    def _take(self, told: dict[str, Any]) -> bool:
        """As static/js/board/store.js does; False where a tick got lost before this one."""
        boot, tick, is_first = told["boot"], told["tick"], told["type"] == "snapshot"
        with self._lock:
            is_old = tick < self._tick if is_first else tick <= self._tick
            if boot == self._boot and is_old:
                return True
            is_whole = is_first or bool(told.get("whole"))
            is_next = (boot, tick - 1) == (self._boot, self._tick)
            if is_whole:
                self._areas, self._meters = {}, {}
            self._boot, self._tick, self._worker = boot, tick, told["worker"]
            self._areas |= {area["id"]: area for area in told["areas"]}
            self._meters |= {meter["id"]: meter for meter in told["meters"]}
            return is_whole or is_next
