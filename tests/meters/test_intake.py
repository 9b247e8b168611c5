"""What waits between the broker and the tables."""

import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from meters import intake, mqtt
from meters.intake import Intake

LARGE = bytes(5_000_000)


def large() -> mqtt.Message:
    return mqtt.Message("zigbee2mqtt/101,2", LARGE, 0, False, datetime.now(UTC), 1, 0)


@pytest.mark.django_db
def test_large_messages_wait_with_the_broker_instead_of_filling_the_memory(settings: Any) -> None:
    settings.MQTT_URL = "mqtt://127.0.0.1:1"  # nobody connects
    made = Intake()
    fits = intake.MOST_BYTES // len(LARGE) + 1
    for _ in range(fits):
        made._receive(large())
    with pytest.raises(mqtt.NotConnected):  # the network thread would send it only when it has room again
        made.publish("zigbee2mqtt/101,2/set", "{}")
    network = threading.Thread(target=made._receive, args=[large()])
    network.start()
    network.join(0.2)
    assert network.is_alive()
    assert made.queued == fits
    made._store(made._next_batch())
    network.join(10)
    assert made.queued == 1
