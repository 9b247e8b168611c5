"""A local HTTP server that takes what is sent to people and machines outside, or refuses it."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Sink:
    """`told`: the bodies that were posted to it, `told_at` when, of time.time(). `called`: the paths that were read.
    Refuses with `status`."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.told_at: list[float] = []
        self.called: list[str] = []
        self.status = 200
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if sink.status == 200:
                    sink.told_at.append(time.time())
                    sink.told.append(body)
                self.answer()

            def do_GET(self) -> None:
                sink.called.append(self.path)
                self.answer()

            def answer(self) -> None:
                self.send_response(sink.status)
                if sink.status in (301, 302, 307):
                    self.send_header("Location", f"http://127.0.0.1:{sink.port}/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=[0.02], daemon=True).start()  # heeds close() so soon

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
