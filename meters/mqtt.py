"""The road to the broker. The only module that imports paho: bytes and topics in and out, no meaning.

What it promises: it reconnects for ever with growing gaps; a message with QoS 1 is acknowledged only when asked to, and
only over the connection that brought it (a broker that lost its session gives old packet ids to new messages); nothing
is kept for later sending.
"""

from __future__ import annotations

import logging
import secrets
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.exception import MalformedPacket
from paho.mqtt.reasoncodes import ReasonCode

from meters import packets

logger = logging.getLogger(__name__)

KEEPALIVE_S = 30
LONGEST_GAP_S = 5
"""A broker that lost its memory keeps nothing for us until we are there: Zigbee2MQTT is back within a second or two."""
CONNECT_TIMEOUT_S = 5.0
READ_BYTES = 64 * 1024
ROUND_TRIP_TOPIC = "campsite/round-trip"
"""One topic for all, each with a word of its own: some brokers keep something of every topic there ever was."""
ABOUT_ITSELF = ("version", "load/publish/dropped/5min")
"""What a round trip reads below `$SYS/broker/`, where the broker tells it. Mosquitto tells only what changed within the
last minute: what is absent has not."""
SYS = "$SYS/broker/"


class NotConnected(Exception):
    """There is no connection to the broker; nothing was sent, and nothing will be."""


class Message(NamedTuple):
    """One message as it came. `generation` names the connection that brought it; `packet_id` is 0 at QoS 0."""

    topic: str
    payload: bytes
    qos: int
    retained: bool
    received_at: datetime
    generation: int
    packet_id: int


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker shall publish, retained, when this connection is lost."""

    topic: str
    payload: bytes


class _Reader(paho.Client):
    """paho's client, but that it reads all that lies ready on the socket at once, and cuts messages out of it itself.

    paho reads a packet with four calls of the system and hands it through six functions: a message and its
    acknowledgement took 28 µs of CPU, here 3. All that is no message goes to paho, as it would have read it.
    """

    def __init__(self, on_publish_packets: Callable[[Iterable[packets.Packet]], None], **options: Any) -> None:
        """`on_publish_packets` is told of the messages that were read at once, in their order."""
        super().__init__(**options)
        self._received = bytearray()
        self._on_publish_packets = on_publish_packets

    def reconnect(self) -> MQTTErrorCode:
        self._received = bytearray()  # the beginning of a packet whose end went with the connection is worth nothing
        return super().reconnect()

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        try:
            received = self._sock_recv(READ_BYTES)
        except BlockingIOError:
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        except OSError:
            received = b""
        if not received:
            return self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_CONN_LOST)
        self._received += received
        rc = self._take_packets()
        with self._msgtime_mutex:  # afterwards: who waited for room meanwhile has missed nothing
            self._last_bytes_received = time.monotonic()
        return self._loop_rc_handle(rc) if rc else rc

    def _take_packets(self) -> MQTTErrorCode:
        sock = self._sock
        try:
            for are_messages, some in groupby(packets.cut(self._received), packets.is_publish):
                if are_messages:
                    self._on_publish_packets(some)
                    continue
                for first, body in some:
                    self._in_packet |= {"command": first, "packet": body, "remaining_length": len(body)}
                    rc = self._packet_handle()
                    if rc or self._sock is not sock:  # it is over: what followed was for nobody
                        return rc
        except (packets.Malformed, MalformedPacket) as error:
            logger.warning("The MQTT broker sent what is no MQTT: %s", error)
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        except OSError:  # told to speak an older protocol, paho connects anew right here: nobody was there
            return MQTTErrorCode.MQTT_ERR_CONN_LOST
        return MQTTErrorCode.MQTT_ERR_SUCCESS


class Client:
    """One connection to the broker, kept up by a thread of its own.

    `on_messages` is told, in that thread, of those that came at once, and may block: the broker then waits. `topics` is
    asked at every connection, since a broker may have lost the subscriptions.
    """

    def __init__(
        self,
        url: str,
        client_id: str,
        *,
        on_messages: Callable[[Sequence[Message]], object],
        topics: Callable[[], Sequence[tuple[str, int]]] = tuple,
        on_connect: Callable[[], None] = lambda: None,
        persistent: bool = False,
        will: Will | None = None,
    ) -> None:
        self._parts = _split(url)
        self._port = _port(self._parts)
        self._deliver = on_messages
        self._topics = topics
        self._on_connected = on_connect
        self._lock = threading.RLock()  # an acknowledgement and the end of a connection exclude each other
        self._generation = 0
        self._connected_at: datetime | None = None
        self._paho = self._client(client_id, persistent, will)
        self._thread = threading.Thread(target=self._run, name=f"mqtt-{client_id}", daemon=True)
        # Lets only this thread write to the socket. Else paho writes in whichever thread acknowledges, and when that
        # fails, calls us back there: two threads then wait for each other's locks (tests/meters/test_mqtt.py).
        self._paho._thread = self._thread
        self._paho.loop(0.0)  # not connected: only makes the sockets that wake the thread; loop_forever makes none

    def _client(self, client_id: str, persistent: bool, will: Will | None) -> paho.Client:
        reader = partial(_Reader, self._on_publish_packets)
        client = _speaker(self._parts, client_id, reader, persistent=persistent, manual_ack=True)
        client.max_inflight_messages_set(0)
        client.reconnect_delay_set(1, LONGEST_GAP_S)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_pre_connect = self._forget_connection
        client.on_subscribe = self._on_subscribe
        if will:
            client.will_set(will.topic, will.payload, qos=1, retain=True)
        return client

    # --- life ------------------------------------------------------------------------------------

    def start(self) -> None:
        self._paho.connect_async(self._parts.hostname or "", self._port, KEEPALIVE_S)
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Say good-bye to the broker and end the thread; a persistent session stays with the broker."""
        self._paho.disconnect()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    @property
    def is_alive(self) -> bool:
        """Whether the network thread runs. Once it has ended, only a new Client helps."""
        return self._thread.is_alive()

    @property
    def address(self) -> str:
        """Host and port, without credentials."""
        return f"{self._parts.hostname}:{self._port}"

    @property
    def connected_at(self) -> datetime | None:
        """Since when the present connection stands; None while there is none."""
        return self._connected_at

    @property
    def generation(self) -> int:
        """The number of the present connection, 0 before the first."""
        return self._generation

    # --- messages --------------------------------------------------------------------------------

    def publish(self, topic: str, payload: bytes | str, *, qos: int = 0, retain: bool = False) -> None:
        """Send now or raise NotConnected."""
        with self._lock:
            if self._connected_at is None:
                raise NotConnected
            sent = self._paho.publish(topic, payload, qos, retain)
        if sent.rc != paho.MQTT_ERR_SUCCESS:
            raise NotConnected

    def subscribe(self, topics: Sequence[tuple[str, int]]) -> None:
        """Subscribe to (topic filter, QoS) pairs; at the next connection `topics` is asked again."""
        if topics and self._connected_at is not None:
            self._paho.subscribe(list(topics))

    def unsubscribe(self, filters: Sequence[str]) -> None:
        """A persistent session would be sent these for ever."""
        if filters and self._connected_at is not None:
            self._paho.unsubscribe(list(filters))

    def ack(self, messages: Iterable[Message]) -> int:
        """Acknowledge QoS 1 messages once committed; returns how many. The others' connection is gone: they come again.

        In one piece: a call of paho's for each would wake the network thread each time.
        """
        with self._lock:
            if self._connected_at is None:
                return 0
            ids = [each.packet_id for each in messages if each.qos and each.generation == self._generation]
            if ids:
                self._paho._packet_queue(packets.PUBACK, packets.acknowledge(ids), 0, 1)
            return len(ids)

    # --- paho's callbacks, all in the network thread ---------------------------------------------

    def _run(self) -> None:
        try:
            self._paho.loop_forever(retry_first_connection=True)
        except Exception:
            logger.exception("The MQTT network loop ended")

    def _on_connect(self, _c: object, _u: object, _flags: object, reason: ReasonCode, _p: object) -> None:
        if reason.is_failure:
            logger.warning("The MQTT broker at %s refused us: %s", self.address, reason)
            return
        with self._lock:
            self._generation += 1
            self._connected_at = datetime.now(UTC)
        logger.info("Connected to the MQTT broker at %s", self.address)
        if topics := list(self._topics()):
            self._paho.subscribe(topics)
        self._on_connected()

    def _on_disconnect(self, _c: object, _u: object, _flags: object, reason: ReasonCode, _p: object) -> None:
        self._forget_connection()
        if reason.is_failure:
            logger.warning("Lost the MQTT broker at %s: %s", self.address, reason)

    def _forget_connection(self, *_: object) -> None:
        with self._lock:
            self._connected_at = None

    def _on_subscribe(self, _c: object, _u: object, _mid: int, reasons: list[ReasonCode], _p: object) -> None:
        if any(reason.is_failure for reason in reasons):
            logger.error("The MQTT broker refused a subscription: %s", reasons)

    def _on_publish_packets(self, some: Iterable[packets.Packet]) -> None:
        generation, messages = self._generation, []
        try:
            for first, body in some:
                topic, payload, qos, retained, packet_id = packets.publish(first, body)
                name = topic.decode("utf-8", "backslashreplace")
                # Each its own time: where a Zigbee2MQTT tells none, it is when this was measured.
                messages.append(Message(name, payload, qos, retained, datetime.now(UTC), generation, packet_id))
        finally:  # what comes after may be no MQTT
            self._deliver(messages)


def one_by_one(take: Callable[[Message], object]) -> Callable[[Sequence[Message]], None]:
    """`on_messages` for who wants each message for itself."""

    def take_all(messages: Sequence[Message]) -> None:
        for message in messages:
            take(message)

    return take_all


# --- sessions at the broker ------------------------------------------------------------------------------------------


def keep_session(url: str, client_id: str, topics: Sequence[tuple[str, int]], timeout_s: float = 5.0) -> bool:
    """Make the broker keep from now on what these filters ask for, until this client comes for it. Whether it does."""
    return _visit(url, _speaker(_split(url), client_id, persistent=True, manual_ack=True), topics, timeout_s)


def end_session(url: str, client_id: str, timeout_s: float = 5.0) -> bool:
    """Make the broker forget this client and what it keeps for it. Whether it does."""
    return _visit(url, _speaker(_split(url), client_id), (), timeout_s)


def _visit(url: str, client: paho.Client, topics: Sequence[tuple[str, int]], timeout_s: float) -> bool:
    """Connect, subscribe, leave; in the caller's thread. What is handed out meanwhile is not acknowledged."""
    parts, told, end = _split(url), [], time.monotonic() + timeout_s
    client.connect_timeout = timeout_s

    def arrived(_c: object, _u: object, _flags: object, reason: ReasonCode, _p: object) -> None:
        if topics and not reason.is_failure:
            client.subscribe(list(topics))
        else:
            told.append(not reason.is_failure)

    def subscribed(_c: object, _u: object, _mid: int, reasons: list[ReasonCode], _p: object) -> None:
        told.append(not any(reason.is_failure for reason in reasons))

    client.on_connect, client.on_subscribe = arrived, subscribed
    try:
        client.connect(parts.hostname or "", _port(parts), KEEPALIVE_S)
        while not told and time.monotonic() < end and client.loop(0.1) == paho.MQTT_ERR_SUCCESS:
            pass
        client.disconnect()
        client.loop(0.0)
    except OSError:
        return False
    return told == [True]


# --- a round trip ----------------------------------------------------------------------------------------------------


class NoRoundTrip(Exception):
    """What was published did not come back. `how`: away (no connection), refused (by the broker), or lost."""

    def __init__(self, how: str, detail: str = "") -> None:
        super().__init__(how, detail)
        self.how, self.detail = how, detail


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """How long a message took to the broker and back, at QoS 1; what the broker tells of itself, by ABOUT_ITSELF."""

    seconds: float
    broker: Mapping[str, str]


def round_trip(url: str, timeout_s: float) -> RoundTrip:
    """Publish a message and receive it, over a connection of its own that ends with it. Raises NoRoundTrip."""
    trip = _Trip(_split(url), timeout_s)
    try:
        trip.travel()
    except (OSError, ValueError) as error:
        raise NoRoundTrip("away", type(error).__name__) from error
    finally:
        trip.end()
    if trip.seconds is None:
        raise NoRoundTrip("refused", trip.refusal) if trip.refusal else NoRoundTrip("lost")
    return RoundTrip(trip.seconds, trip.broker)


class _Trip:
    """One message on its way, then what the broker tells of itself; all in the caller's thread."""

    def __init__(self, parts: SplitResult, timeout_s: float) -> None:
        self.seconds: float | None = None
        self.broker: dict[str, str] = {}
        self.refusal = ""
        self._is_done = False
        self._word = secrets.token_hex(8).encode()
        self._parts, self._timeout_s = parts, timeout_s
        self._sent_at = 0.0
        self._client = _speaker(parts, f"campsite-check-{self._word.decode()}")
        self._client.connect_timeout = timeout_s
        self._client.on_connect, self._client.on_subscribe = self._on_connect, self._on_subscribe
        self._client.on_message = self._on_message

    def travel(self) -> None:
        end = time.monotonic() + self._timeout_s
        keepalive_s = max(1, round(self._timeout_s))  # also how long paho waits for TLS
        self._client.connect(self._parts.hostname or "", _port(self._parts), keepalive_s)
        while not self._is_done and not self.refusal and (left_s := end - time.monotonic()) > 0:
            if self._client.loop(left_s) == paho.MQTT_ERR_SUCCESS:
                continue
            if self.seconds is None and not self.refusal:
                raise ConnectionResetError
            return  # rumqttd ends the connection of who asks for $SYS

    def end(self) -> None:
        self._client.disconnect()
        self._client.loop(0.0)

    def _on_connect(self, _c: object, _u: object, _flags: object, reason: ReasonCode, _p: object) -> None:
        if reason.is_failure:
            self.refusal = str(reason)
        else:
            self._client.subscribe(ROUND_TRIP_TOPIC, 1)

    def _on_subscribe(self, _c: object, _u: object, _mid: int, reasons: list[ReasonCode], _p: object) -> None:
        if self.seconds is None and reasons[0].is_failure:
            self.refusal = str(reasons[0])
            return
        self._sent_at = time.monotonic()
        self._client.publish(ROUND_TRIP_TOPIC, self._word, qos=1)

    def _on_message(self, _c: object, _u: object, message: paho.MQTTMessage) -> None:
        """The word comes back; the second time it has what is retained before it."""
        if message.topic.startswith(SYS):
            self.broker[message.topic.removeprefix(SYS)] = message.payload.decode("utf-8", "replace")[:100]
        elif message.payload == self._word and self.seconds is None:
            self.seconds = time.monotonic() - self._sent_at
            self._client.subscribe([(f"{SYS}{about}", 0) for about in ABOUT_ITSELF])
        elif message.payload == self._word:
            self._is_done = True


# --- what both need --------------------------------------------------------------------------------------------------


def _split(url: str) -> SplitResult:
    parts = urlsplit(url)
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
        raise ValueError("MQTT_URL must look like mqtt://user:password@host:1883 (or mqtts://…?ca=/file).")
    return parts


def _port(parts: SplitResult) -> int:
    return parts.port or (8883 if parts.scheme == "mqtts" else 1883)


def _authority(parts: SplitResult) -> str | None:
    """The file of the authority that must have signed the broker's certificate; None: any that this machine trusts."""
    return parse_qs(parts.query).get("ca", [None])[0]


def _speaker(
    parts: SplitResult,
    client_id: str,
    kind: Callable[..., paho.Client] = paho.Client,
    *,
    persistent: bool = False,
    manual_ack: bool = False,
) -> paho.Client:
    """A client of paho's that is not yet connected."""
    client = kind(
        callback_api_version=CallbackAPIVersion.VERSION2,
        client_id=client_id,
        clean_session=not persistent,
        protocol=paho.MQTTv311,  # costs a third less CPU in paho than MQTT 5
        manual_ack=manual_ack,
    )
    client.connect_timeout = CONNECT_TIMEOUT_S
    if parts.username:
        client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
    if parts.scheme == "mqtts":
        client.tls_set_context(ssl.create_default_context(cafile=_authority(parts)))
    return client
