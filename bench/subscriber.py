"""An independent subscriber in a process of its own, so that nobody's work in ours delays its clock."""

from __future__ import annotations

import multiprocessing
import threading
import time
from multiprocessing.connection import Connection

from tests.meters.harness import PATIENCE_S, Listener, Sent


class Subscriber:
    """Every `/set` on the broker from now on, with the time (of time.time()) at which it was heard."""

    def __init__(self, url: str) -> None:
        self._sent: list[tuple[str, Sent]] = []
        ours, theirs = multiprocessing.Pipe()
        self._pipe = ours
        self._process = multiprocessing.get_context("spawn").Process(target=_listen, args=(url, theirs), daemon=True)
        self._process.start()
        theirs.close()
        if not ours.poll(PATIENCE_S):
            raise TimeoutError("the subscriber did not begin")
        ours.recv()
        threading.Thread(target=self._take, daemon=True).start()

    def mark(self) -> int:
        return len(self._sent)

    def switched(self, base: str, mark: int = 0) -> list[Sent]:
        """What was sent to this area since the mark, whoever sent it."""
        return [sent for heard, sent in self._sent[mark:] if heard == base]

    def stop(self) -> None:
        self._process.terminate()
        self._process.join()

    def _take(self) -> None:
        while True:
            try:
                self._sent.append(self._pipe.recv())
            except (EOFError, OSError):
                return


def _listen(url: str, pipe: Connection) -> None:
    """In the other process: one base topic has no slash here."""

    def hear(topic: str, payload: bytes) -> None:
        at = time.time()
        if payload.startswith(b'{"state": "O'):
            base, device, _ = topic.split("/")
            pipe.send((base, Sent(device, "ON" if b"ON" in payload else "OFF", at)))

    Listener(url, "+/+/set", hear)
    pipe.send("ready")
    threading.Event().wait()
