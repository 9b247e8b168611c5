"""The road to the broker, against a broker that behaves badly."""

import contextlib
import queue
import random
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from meters import mqtt, packets
from tests.meters.harness import until
from tests.meters.test_packets import packed

BURST = 400
CONNECTIONS = 80
PATIENCE_S = 60.0
CONNACK = b"\x20\x02\x00\x00"
PINGREQ, PINGRESP = b"\xc0\x00", b"\xd0\x00"


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


class ScriptedBroker:
    """Accepts, sends its lines: one a connection, all but the last of which it then ends. Notes what it is sent."""

    def __init__(self, *lines: bytes, context: ssl.SSLContext | None = None) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.heard: list[bytearray] = []
        self._lines, self._context = list(lines), context
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                plain, _ = self._server.accept()
                connection = self._context.wrap_socket(plain, server_side=True) if self._context else plain
                connection.recv(1000)
                self.heard.append(bytearray())
                line = self._lines.pop(0)
                for at in range(0, len(line), 9_001):
                    connection.sendall((b"" if at else CONNACK) + line[at : at + 9_001])
                while not self._lines and (told := connection.recv(1000)):
                    self.heard[-1] += told
                connection.close()


@pytest.fixture
def broker() -> Iterator[RudeBroker]:
    made = RudeBroker()
    yield made
    made.close()


def test_acknowledging_while_the_connection_breaks_never_stands_still(broker: RudeBroker) -> None:
    inbox: queue.Queue[mqtt.Message] = queue.Queue()
    client = mqtt.Client(broker.url, "x", on_messages=mqtt.one_by_one(inbox.put), persistent=True)
    client._paho.reconnect_delay_set(0, 0)
    acknowledged = threading.Event()

    def acknowledge() -> None:
        while not acknowledged.is_set():
            with contextlib.suppress(queue.Empty):
                client.ack([inbox.get(timeout=0.1)])

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
    client = mqtt.Client(broker.url, "x", on_messages=mqtt.one_by_one(inbox.put), persistent=True)
    client._paho.reconnect_delay_set(0, 0)
    client.start()
    first = inbox.get(timeout=PATIENCE_S)
    end = time.monotonic() + PATIENCE_S
    while inbox.get(timeout=PATIENCE_S).generation == first.generation:
        assert time.monotonic() < end
    assert client.ack([first]) == 0
    client.stop()


@pytest.fixture
def scripted() -> Iterator[Callable[..., ScriptedBroker]]:
    made: list[ScriptedBroker] = []

    def make(*lines: bytes, context: ssl.SSLContext | None = None) -> ScriptedBroker:
        made.append(ScriptedBroker(*lines, context=context))
        return made[-1]

    yield make
    for each in made:
        each.close()


@contextlib.contextmanager
def connected(url: str) -> Iterator[tuple[mqtt.Client, queue.Queue[mqtt.Message]]]:
    inbox: queue.Queue[mqtt.Message] = queue.Queue()
    client = mqtt.Client(url, "x", on_messages=mqtt.one_by_one(inbox.put), persistent=True)
    client._paho.reconnect_delay_set(0, 0)
    client.start()
    try:
        yield client, inbox
    finally:
        client.stop()


def test_of_a_batch_that_two_connections_brought_only_the_present_one_s_is_acknowledged(
    scripted: Callable[..., ScriptedBroker],
) -> None:
    """The broker lost its session: number 7 is another message now."""
    old, new = (
        packed(b"t", b"old", packet_id=7) + packed(b"t", b"old", packet_id=8),
        packed(b"t", b"new", packet_id=9),
    )
    broker = scripted(old, new + packed(b"t", b"at QoS 0", qos=0))
    with connected(f"mqtt://127.0.0.1:{broker.port}") as (client, inbox):
        batch = [inbox.get(timeout=PATIENCE_S) for _ in range(4)]
        assert client.ack(batch) == 1
        until(lambda: broker.heard[1], "the acknowledgement")
        assert broker.heard == [b"", packets.acknowledge([9])]
        assert client.ack(batch[:2]) == 0
    until(lambda: broker.heard[1].endswith(b"\xe0\x00"), "the good-bye")
    assert broker.heard[1] == packets.acknowledge([9]) + b"\xe0\x00"


def test_what_is_no_mqtt_ends_the_connection_and_the_next_one_begins_anew(
    scripted: Callable[..., ScriptedBroker],
) -> None:
    half = packed(b"t", b"x" * 300)[:200]
    broker = scripted(b"\x32\xff\xff\xff\xff\x01", half, packed(b"t", b"whole"))
    with connected(f"mqtt://127.0.0.1:{broker.port}") as (_, inbox):
        assert inbox.get(timeout=PATIENCE_S).payload == b"whole"
    assert len(broker.heard) == 3


def test_what_comes_at_once_with_what_is_no_mqtt_is_heard(scripted: Callable[..., ScriptedBroker]) -> None:
    broker = scripted(packed(b"t", b"good") + b"\x34\x06\x00\x01tno", packed(b"t", b"after"))  # QoS 2: not asked for
    with connected(f"mqtt://127.0.0.1:{broker.port}") as (_, inbox):
        assert [inbox.get(timeout=PATIENCE_S).payload for _ in range(2)] == [b"good", b"after"]


def test_what_comes_at_once_has_each_its_own_time(scripted: Callable[..., ScriptedBroker]) -> None:
    """Of a Zigbee2MQTT that tells no times, two reports of one moment would be one reading."""
    broker = scripted(b"".join(packed(b"t", b"x", packet_id=number) for number in range(1, 101)))
    with connected(f"mqtt://127.0.0.1:{broker.port}") as (_, inbox):
        times = [inbox.get(timeout=PATIENCE_S).received_at for _ in range(100)]
    assert times == sorted(set(times))


def test_who_waited_for_room_longer_than_the_keepalive_keeps_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer to a ping lies unread meanwhile: that is no silence of the broker's."""
    monkeypatch.setattr(mqtt, "KEEPALIVE_S", 1)
    server, begun = socket.create_server(("127.0.0.1", 0)), threading.Event()
    inbox: queue.Queue[mqtt.Message] = queue.Queue()

    def serve() -> None:
        connection, _ = server.accept()
        connection.recv(1000)
        connection.sendall(CONNACK)
        while connection.recv(1000) != PINGREQ:
            pass
        connection.sendall(packed(b"t", b"first"))
        begun.wait(PATIENCE_S)  # so that the answer is not read with the message
        connection.sendall(PINGRESP + packed(b"t", b"second", packet_id=8))
        with contextlib.suppress(OSError):
            while connection.recv(1000):
                pass

    def receive(message: mqtt.Message) -> None:
        inbox.put(message)
        if message.payload == b"first":
            begun.set()
            time.sleep(1.2 * mqtt.KEEPALIVE_S)  # there is no room

    threading.Thread(target=serve, daemon=True).start()
    url = f"mqtt://127.0.0.1:{server.getsockname()[1]}"
    client = mqtt.Client(url, "x", on_messages=mqtt.one_by_one(receive), persistent=True)
    client.start()
    try:
        told = [inbox.get(timeout=PATIENCE_S / 4) for _ in range(2)]
        assert [(each.payload, each.generation) for each in told] == [(b"first", 1), (b"second", 1)]
    finally:
        client.stop()
        server.close()


def test_a_large_retained_message_and_many_small_ones_come_over_tls(
    scripted: Callable[..., ScriptedBroker], tmp_path: Path
) -> None:
    if not shutil.which("openssl"):
        pytest.skip("openssl makes the certificate: apt-get install openssl")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    words += ["-subj", "/CN=test", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    subprocess.run([*words, "-out", certificate, "-keyout", key], check=True, capture_output=True, timeout=30)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    large = packed(b"a/bridge/devices", bytes(3_000_000), retained=True)
    broker = scripted(large + b"".join(packed(b"t", b"x" * i, packet_id=i) for i in range(1, 999)), context=context)
    with connected(f"mqtts://localhost:{broker.port}?ca={certificate}") as (client, inbox):
        first, *rest = [inbox.get(timeout=PATIENCE_S) for _ in range(999)]
        assert (first.topic, len(first.payload), first.retained) == ("a/bridge/devices", 3_000_000, True)
        assert [len(each.payload) for each in rest] == list(range(1, 999))
        assert client.ack(rest) == 998
        until(lambda: len(broker.heard[0]) == 4 * 998, "the acknowledgements")
        assert broker.heard[0] == packets.acknowledge(range(1, 999))


def test_without_a_connection_nothing_is_sent_or_kept() -> None:
    client = mqtt.Client("mqtt://127.0.0.1:1", "x", on_messages=lambda messages: None)
    with pytest.raises(mqtt.NotConnected):
        client.publish("a", "b")


@pytest.mark.parametrize("url", ["", "http://x", "mqtt://"])
def test_a_bad_address_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(ValueError, match="mqtt://user:password@host"):
        mqtt.Client(url, "x", on_messages=lambda messages: None)


@pytest.mark.parametrize(
    ("url", "told"),
    [("mqtt://broker", "broker:1883"), ("mqtts://broker", "broker:8883"), ("mqtts://a:b@broker:99", "broker:99")],
)
def test_the_address_that_is_told_is_the_one_it_connects_to_without_credentials(url: str, told: str) -> None:
    assert mqtt.Client(url, "c", on_messages=lambda messages: None).address == told
