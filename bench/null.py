"""A subscriber that only counts: what broker and client can do at most. `python -m bench.null --prefix null --count N`.

MQTT 3.1.1, QoS 1, a persistent session. Stock paho, which acknowledges by itself; with `--ours` the client that our
worker has (meters/mqtt.py), which reads several times as fast. Prints how many came, and the seconds from the first to
the last.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from meters import mqtt

READY = "subscribed"


class Counter:
    def __init__(self, url: str, client_id: str, prefix: str, wanted: int) -> None:
        parts = urlsplit(url)
        self.count, self.first_at, self.last_at = 0, 0.0, 0.0
        self._wanted, self._prefix = wanted, prefix
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False, protocol=paho.MQTTv311
        )
        self.client.username_pw_set(unquote(parts.username or ""), unquote(parts.password or ""))
        self.client.max_inflight_messages_set(0)
        self.client.on_connect = self._subscribe
        self.client.on_subscribe = self._subscribed
        self.client.on_message = self._count
        self.client.connect(parts.hostname or "", parts.port or 1883, 30)

    def run(self) -> None:
        self.client.loop_forever()

    def _subscribe(self, *_: object) -> None:
        self.client.subscribe([(f"{self._prefix}_{area}/#", 1) for area in range(6)])

    def _subscribed(self, *_: object) -> None:
        print(READY, flush=True)
        if not self._wanted:
            self.client.disconnect()

    def _count(self, _client: object, _user: object, message: paho.MQTTMessage) -> None:
        if not message.payload or message.retain:
            return
        self.count += 1
        if self.count == 1:
            self.first_at = time.monotonic()
        if self.count >= self._wanted:
            self.last_at = time.monotonic()
            # Before the good-bye: else the next one gets this message again, long before its own.
            self.client.manual_ack_set(True)
            self.client.ack(message.mid, message.qos)
            self.client.disconnect()


class OurCounter:
    """Acknowledges EACH at a time, as the worker does a batch."""

    EACH = 500

    def __init__(self, url: str, client_id: str, prefix: str, wanted: int) -> None:
        topics = [(f"{prefix}_{area}/#", 1) for area in range(6)]
        self.count, self.first_at, self.last_at = 0, 0.0, 0.0
        self._wanted, self._is_over = wanted, threading.Event()
        self._held: list[mqtt.Message] = []
        self._client = mqtt.Client(
            url, client_id, on_messages=self._count, topics=lambda: topics, on_connect=self._connected, persistent=True
        )

    def run(self) -> None:
        self._client.start()
        self._is_over.wait()
        self._client.stop()

    def _connected(self) -> None:
        print(READY, flush=True)
        if not self._wanted:
            self._is_over.set()

    def _count(self, messages: Sequence[mqtt.Message]) -> None:
        mine = [each for each in messages if each.payload and not each.retained][: self._wanted - self.count]
        if mine and not self.count:
            self.first_at = time.monotonic()
        self.count += len(mine)
        self._held += mine
        if len(self._held) >= self.EACH or (mine and self.count == self._wanted):
            self._client.ack(self._held)
            self._held.clear()
        if mine and self.count == self._wanted:
            self.last_at = time.monotonic()
            self._is_over.set()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prefix", default="null")
    parser.add_argument("--count", type=int, required=True, help="0: only leave a session, for which the broker keeps")
    parser.add_argument("--ours", action="store_true", help="with our worker's client instead of stock paho")
    told = parser.parse_args()
    kind = OurCounter if told.ours else Counter
    counter = kind(os.environ["MQTT_URL"], f"null-{told.prefix}", told.prefix, told.count)
    cpu = time.process_time()
    counter.run()
    took = {"count": counter.count, "seconds": counter.last_at - counter.first_at, "cpu_s": time.process_time() - cpu}
    json.dump(took, sys.stdout)
    print()


if __name__ == "__main__":
    main()
