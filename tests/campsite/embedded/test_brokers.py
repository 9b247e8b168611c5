"""The embedded brokers do what the worker relies on."""

from threading import Event
from typing import Any
from urllib.parse import urlsplit

import environ
import paho.mqtt.client as mqtt
import psycopg
import pytest

from campsite.embedded.postgres import Postgres
from campsite.embedded.processes import wait_until

pytestmark = pytest.mark.services
PATIENCE_S = 60


def connect(postgres: Postgres) -> "psycopg.Connection[Any]":
    """As Django does it."""
    found = environ.Env.db_url_config(postgres.url)
    return psycopg.connect(
        host=found["HOST"], port=found["PORT"], user=found["USER"], password=found["PASSWORD"], dbname=found["NAME"]
    )


TOPICS = ["zigbee2mqtt/101,2", "a b/æøå/x"]


class Client:
    """A client that collects what it hears."""

    def __init__(self, url: str, name: str, *, clean: bool = True) -> None:
        address = urlsplit(url)
        self.heard: list[tuple[str, bytes, bool]] = []
        self.connected = Event()
        self.paho = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, name, clean_session=clean)
        self.paho.username_pw_set(address.username, address.password)
        self.paho.on_connect = lambda *_: self.connected.set()
        self.paho.on_message = lambda _, __, message: self.heard.append(
            (message.topic, message.payload, message.retain)
        )
        self.paho.connect(address.hostname or "", address.port or 0)
        self.paho.loop_start()
        assert self.connected.wait(PATIENCE_S)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        sent = self.paho.publish(topic, payload, qos=1, retain=retain)
        sent.wait_for_publish(PATIENCE_S)
        assert sent.is_published()

    def close(self) -> None:
        self.paho.disconnect()
        self.paho.loop_stop()


def test_topics_with_spaces_commas_and_nordic_letters_pass_retained_and_live(broker: Any) -> None:
    sender, listener = Client(broker.url, "sender"), Client(broker.url, "listener")
    for topic in TOPICS:
        sender.publish(topic, b"kept", retain=True)
    listener.paho.subscribe("#", qos=1)
    wait_until(lambda: len(listener.heard) == 2, PATIENCE_S, "retained")
    for topic in TOPICS:
        sender.publish(topic, b"live")
    wait_until(lambda: len(listener.heard) == 4, PATIENCE_S, "live")
    assert sorted(listener.heard) == sorted(
        [(topic, b"kept", True) for topic in TOPICS] + [(topic, b"live", False) for topic in TOPICS]
    )
    sender.close()
    listener.close()


def test_a_list_of_many_devices_fits_into_one_message(broker: Any) -> None:
    client = Client(broker.url, "big")
    client.paho.subscribe("big", qos=1)
    client.publish("big", bytes(4_000_000))
    wait_until(lambda: bool(client.heard), PATIENCE_S, "four megabytes")
    assert len(client.heard[0][1]) == 4_000_000
    client.close()


def test_a_session_holds_what_comes_while_its_client_is_away(broker: Any) -> None:
    away = Client(broker.url, "away", clean=False)
    away.paho.subscribe("site/#", qos=1)
    wait_until(lambda: _is_subscribed(away, broker), PATIENCE_S, "subscribing")
    away.close()
    sender = Client(broker.url, "sender")
    for number in range(2000):
        sender.paho.publish("site/x", str(number), qos=1)
    sender.publish("site/x", b"last")
    back = Client(broker.url, "away", clean=False)
    wait_until(lambda: (("site/x", b"last", False)) in back.heard, PATIENCE_S, "what was held")
    assert {payload for _, payload, _ in back.heard} >= {str(number).encode() for number in range(2000)}
    sender.close()
    back.close()


def _is_subscribed(client: Client, broker: Any) -> bool:
    client.publish("site/probe", b"")
    return bool(client.heard)


@pytest.mark.mosquitto
@pytest.mark.parametrize("broker", ["mosquitto"], indirect=True)
def test_mosquitto_keeps_retained_messages_over_a_restart_unless_told_to_forget(broker: Any) -> None:
    _retain(broker, TOPICS[0])
    broker.restart()
    assert _retained(broker) == [TOPICS[0]]
    broker.restart(keep=False)
    _retain(broker, TOPICS[1])
    assert _retained(broker) == [TOPICS[1]]


def _retain(broker: Any, topic: str) -> None:
    client = Client(broker.url, "sender")
    client.publish(topic, b"kept", retain=True)
    client.close()


def _retained(broker: Any) -> list[str]:
    client = Client(broker.url, "listener")
    client.paho.subscribe("#", qos=1)
    wait_until(lambda: bool(client.heard), PATIENCE_S, "retained")
    client.close()
    return [topic for topic, _, _ in client.heard]
