"""The road to the broker, against a broker that behaves badly."""

import contextlib
import queue
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from meters import mqtt

BURST = 400
CONNECTIONS = 80
PATIENCE_S = 60.0


class RudeBroker:
    """Accepts, sends a burst of QoS 1 messages with ever the same packet ids, and resets the connection."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"mqtt://127.0.0.1:{self._server.getsockname()[1]}"
        self.connections = 0
        self.enough = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _serve(self) -> None:
        rng = random.Random(7)
        messages = b"".join(b"\x32\x06\x00\x01t" + struct.pack(">H", i) + b"x" for i in range(1, BURST))
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                self.connections += 1
                if self.connections >= CONNECTIONS:
                    self.enough.set()
                with contextlib.suppress(OSError):
                    connection.recv(1000)
                    connection.sendall(b"\x20\x02\x00\x00" + messages)
                    connection.settimeout(rng.random() * 0.01)
                    with contextlib.suppress(TimeoutError):
                        while connection.recv(65536):
                            pass
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    connection.close()


@pytest.fixture
def broker() -> Iterator[RudeBroker]:
    made = RudeBroker()
    yield made
    made.close()


def test_acknowledging_while_the_connection_breaks_never_stands_still(broker: RudeBroker) -> None:
    inbox: queue.Queue[mqtt.Message] = queue.Queue()
    client = mqtt.Client(broker.url, "x", on_message=inbox.put, persistent=True)
    client._paho.reconnect_delay_set(0, 0)
    acknowledged = threading.Event()

    def acknowledge() -> None:
        while not acknowledged.is_set():
            with contextlib.suppress(queue.Empty):
                client.ack(inbox.get(timeout=0.1))

    storing = threading.Thread(target=acknowledge, daemon=True)
    storing.start()
    client.start()
    assert broker.enough.wait(PATIENCE_S), f"stands still after {broker.connections} connections"
    acknowledged.set()
    storing.join(PATIENCE_S)
    assert not storing.is_alive()
    client.stop()


def test_what_an_older_connection_brought_is_not_acknowledged(broker: RudeBroker) -> None:
    inbox: queue.Queue[mqtt.Message] = queue.Queue()
    client = mqtt.Client(broker.url, "x", on_message=inbox.put, persistent=True)
    client._paho.reconnect_delay_set(0, 0)
    client.start()
    first = inbox.get(timeout=PATIENCE_S)
    end = time.monotonic() + PATIENCE_S
    while inbox.get(timeout=PATIENCE_S).generation == first.generation:
        assert time.monotonic() < end
    assert not client.ack(first)
    client.stop()


def test_without_a_connection_nothing_is_sent_or_kept() -> None:
    client = mqtt.Client("mqtt://127.0.0.1:1", "x", on_message=lambda message: None)
    with pytest.raises(mqtt.NotConnected):
        client.publish("a", "b")


@pytest.mark.parametrize("url", ["", "http://x", "mqtt://"])
def test_a_bad_address_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(ValueError, match="mqtt://user:password@host"):
        mqtt.Client(url, "x", on_message=lambda message: None)


@pytest.mark.parametrize(
    ("url", "told"),
    [("mqtt://broker", "broker:1883"), ("mqtts://broker", "broker:8883"), ("mqtts://a:b@broker:99", "broker:99")],
)
def test_the_address_that_is_told_is_the_one_it_connects_to_without_credentials(url: str, told: str) -> None:
    assert mqtt.Client(url, "c", on_message=lambda message: None).address == told
