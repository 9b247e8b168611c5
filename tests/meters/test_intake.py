"""What waits between the broker and the tables."""

import socket
import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from meters import intake, mqtt
from meters.intake import Intake
from tests.meters.harness import Listener, until

LARGE = bytes(5_000_000)


def large() -> mqtt.Message:
    return mqtt.Message("zigbee2mqtt/101,2", LARGE, 0, False, datetime.now(UTC), 1, 0)


@pytest.mark.django_db
def test_large_messages_wait_with_the_broker_instead_of_filling_the_memory(settings: Any) -> None:
    settings.MQTT_URL = "mqtt://127.0.0.1:1"  # nobody connects
    made = Intake()
    fits = intake.MOST_BYTES // len(LARGE) + 1
    for _ in range(fits):
        made._receive([large()])
    with pytest.raises(mqtt.NotConnected):  # the network thread would send it only when it has room again
        made.publish("zigbee2mqtt/101,2/set", "{}")
    network = threading.Thread(target=made._receive, args=[[large()]])
    network.start()
    network.join(0.2)
    assert network.is_alive()
    assert made.queued == fits
    made._store(made._next_batch())
    network.join(10)
    assert made.queued == 1


@pytest.mark.parametrize("broker", ["iotcore"], indirect=True)
def test_who_leaves_lets_go_of_the_broker_and_of_what_waits_at_once(broker: Any, settings: Any) -> None:
    settings.MQTT_URL = broker.url
    made, other = Intake(), Intake()
    made._client.start()
    until(lambda: made.connected_at, "the connection")
    made._receive([large()])
    made.leave()
    assert (made.queued, made._inbox.is_full, made._client.is_alive) == (0, False, False)
    other._client.start()
    until(lambda: other.connected_at, "the connection of the one that takes over")
    other._client.stop()


@pytest.mark.parametrize("broker", ["iotcore"], indirect=True)
def test_at_each_connection_each_zigbee2mqtt_is_asked_whether_it_lives(broker: Any, settings: Any) -> None:
    """What the broker retains proves nothing: without its answer an area of silent meters would be unknown."""
    settings.MQTT_URL = broker.url
    made, ear = Intake(), Listener(broker.url, "+/bridge/request/health_check")
    north, south = "zigbee2mqtt/bridge/request/health_check", "zigbee2mqtt_area2/bridge/request/health_check"
    made.look_again(["zigbee2mqtt"])
    try:
        made._client.start()
        until(lambda: [topic for topic, _ in ear.heard] == [north], "the first connection's question")
        made.look_again(["zigbee2mqtt", "zigbee2mqtt_area2"])
        until(lambda: [topic for topic, _ in ear.heard] == [north, south], "the new area's alone")
        made._client._paho.socket().shutdown(socket.SHUT_RDWR)
        until(lambda: [topic for topic, _ in ear.heard[2:]] == [north, south], "the next connection's")
    finally:
        made._client.stop()
        ear.stop()
