"""A subscriber that only counts: what broker and client can do at most. `python -m bench.null --prefix null --count N`.

paho as the worker uses it: MQTT 3.1.1, QoS 1, a persistent session, acknowledged by paho itself. Prints how many came,
and the seconds from the first to the last.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

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
            self.client.disconnect()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prefix", default="null")
    parser.add_argument("--count", type=int, required=True, help="0: only leave a session, for which the broker keeps")
    told = parser.parse_args()
    counter = Counter(os.environ["MQTT_URL"], f"null-{told.prefix}", told.prefix, told.count)
    cpu = time.process_time()
    counter.client.loop_forever()
    took = {"count": counter.count, "seconds": counter.last_at - counter.first_at, "cpu_s": time.process_time() - cpu}
    json.dump(took, sys.stdout)
    print()


if __name__ == "__main__":
    main()
