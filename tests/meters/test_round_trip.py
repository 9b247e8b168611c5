"""A message goes to the broker and comes back, over a connection of its own."""

import threading

import pytest

from meters import mqtt


def test_a_message_comes_back_within_a_moment(broker) -> None:
    trip = mqtt.round_trip(broker.url, 10)
    assert 0 < trip.seconds < 2


@pytest.mark.mosquitto
@pytest.mark.parametrize("broker", ["mosquitto"], indirect=True)
def test_mosquitto_tells_its_version_with_it(broker) -> None:
    assert "mosquitto" in mqtt.round_trip(broker.url, 10).broker["version"]


def test_several_travellers_do_not_disturb_each_other(broker) -> None:
    arrived: list[float] = []
    threads = [threading.Thread(target=lambda: arrived.append(mqtt.round_trip(broker.url, 10).seconds)) for _ in "1234"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(arrived) == 4


def test_what_refuses_the_connection_is_away() -> None:
    with pytest.raises(mqtt.NoRoundTrip) as failure:
        mqtt.round_trip("mqtt://127.0.0.1:1", 1)
    assert failure.value.how == "away"


def test_what_is_no_address_of_a_broker_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(ValueError, match="mqtt://user:password@host:1883"):
        mqtt.round_trip("http://127.0.0.1", 1)
