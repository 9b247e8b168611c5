"""The simulation over a real broker: connections, commands, faults, the end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from meters import mqtt
from meters.simulation import site
from meters.simulation.runner import Runner

PATIENCE_S = 20.0
BASE = "zigbee2mqtt_area2"


class Listener:
    """Hears everything; `wait` returns the first message from now on that fits."""

    def __init__(self, url: str) -> None:
        self.messages: SimpleQueue[mqtt.Message] = SimpleQueue()
        connected = Event()
        self.client = mqtt.Client(
            url,
            "listener",
            on_messages=mqtt.one_by_one(self.messages.put),
            topics=lambda: [("#", 0)],
            on_connect=connected.set,
        )
        self.client.start()
        assert connected.wait(PATIENCE_S)

    def wait(self, fits: Callable[[mqtt.Message], bool]) -> mqtt.Message:
        end = time.monotonic() + PATIENCE_S
        while True:  # the simulation talks without end: what does not come must not be waited for as long
            message = self.messages.get(timeout=max(0.0, end - time.monotonic()))
            if fits(message):
                return message

    def wait_for(self, topic: str, payload: str | None = None) -> Any:
        """The content of the next message on this topic, or of the next one with exactly this payload."""
        found = self.wait(lambda message: message.topic == topic and payload in (None, message.payload.decode()))
        return json.loads(found.payload)


@pytest.fixture
def listener(broker: Any) -> Iterator[Listener]:
    listener = Listener(broker.url)
    yield listener
    listener.client.stop()


@pytest.fixture
def simulation(broker: Any, listener: Listener, tmp_path: Path) -> Iterator[Runner]:
    areas = [area for area in site.plan(30) if area.slug in ("omraade-2", "3p")]
    running = Runner(areas, broker.url, speed=20, state_file=tmp_path / "simulation.json")
    thread = Thread(target=running.run)
    thread.start()
    yield running
    running.stop()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_it_starts_obeys_and_says_goodbye(simulation: Runner, listener: Listener) -> None:
    listener.wait_for(f"{BASE}/bridge/state", '{"state":"online"}')
    devices = listener.wait_for(f"{BASE}/bridge/devices")
    name = devices[1]["friendly_name"]
    listener.wait_for(f"{BASE}/{name}/availability", '{"state":"online"}')

    listener.client.publish(f"{BASE}/{name}/set", '{"state":"OFF"}')
    listener.wait(lambda m: m.topic == f"{BASE}/{name}" and b'"state":"OFF"' in m.payload)

    simulation.stop()
    gone: set[str] = set()
    while len(gone) < 2:
        gone.add(listener.wait(lambda m: "bridge" in m.topic and m.payload == b'{"state":"offline"}').topic)
    assert gone == {f"{BASE}/bridge/state", "zigbee2mqtt_3p/bridge/state"}


def test_a_bridge_dies_and_comes_back_on_command(simulation: Runner, listener: Listener) -> None:
    listener.wait_for(f"{BASE}/bridge/extensions")

    listener.client.publish(f"sim/{BASE}/adapter", '{"cmd":"kill"}')
    ends = {f"{BASE}/bridge/state": {"state": "offline"}, f"sim/{BASE}/reply": {"id": "adapter", "ok": True}}
    while ends:  # the will and the answer come on two connections: the broker may pass on either first
        found = listener.wait(lambda m: m.topic in ends)
        assert json.loads(found.payload) == ends.pop(found.topic)

    listener.client.publish(f"sim/{BASE}/adapter", '{"cmd":"start"}')
    listener.wait_for(f"{BASE}/bridge/state", '{"state":"online"}')
    assert len(listener.wait_for(f"{BASE}/bridge/devices")) > 2


def test_a_wrong_fault_is_answered_with_an_error(simulation: Runner, listener: Listener) -> None:
    listener.wait_for(f"{BASE}/bridge/extensions")

    for text in ("no json", "[1]", '{"cmd":"explode"}', '{"cmd":"load","watts":"much"}'):
        listener.client.publish(f"sim/{BASE}/0", text)
        assert "error" in listener.wait_for(f"sim/{BASE}/reply")


def test_a_retained_command_is_ignored(broker: Any, listener: Listener, tmp_path: Path) -> None:
    area = next(area for area in site.plan(30) if area.base_topic == BASE)
    name = area.devices[0].name
    listener.client.publish(f"{BASE}/{name}/set", '{"state":"TOGGLE"}', qos=1, retain=True)
    listener.wait(lambda m: m.topic.endswith("/set"))
    running = Runner([area], broker.url, speed=1, state_file=tmp_path / "simulation.json")
    before = running.instances[BASE].network.devices[area.devices[0].ieee_address].meter.relay
    thread = Thread(target=running.run)
    thread.start()

    listener.wait_for(f"{BASE}/bridge/extensions")
    listener.client.publish(f"{BASE}/bridge/request/health_check", '{"transaction":"t"}')
    listener.wait_for(f"{BASE}/bridge/response/health_check")

    running.stop()
    thread.join(PATIENCE_S)
    assert running.instances[BASE].network.devices[area.devices[0].ieee_address].meter.relay == before


def test_a_fault_is_caused_from_the_command_line(
    simulation: Runner, listener: Listener, broker: Any, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.MQTT_URL = broker.url
    listener.wait_for(f"{BASE}/bridge/extensions")

    call_command("simulate_fault", BASE, "0", "load", "watts=800")
    assert json.loads(capsys.readouterr().out)["devices"][0]["watts"] in (0, 800)

    with pytest.raises(CommandError, match="unknown cmd explode"):
        call_command("simulate_fault", BASE, "0", "explode")


def test_the_command_refuses_what_it_cannot_simulate(settings: Any) -> None:
    settings.MQTT_URL = ""
    with pytest.raises(CommandError, match="MQTT_URL is not set"):
        call_command("simulate")
    settings.MQTT_URL = "mqtt://127.0.0.1:1"
    with pytest.raises(CommandError, match="There is no area nowhere"):
        call_command("simulate", areas="nowhere")
    with pytest.raises(CommandError, match="--speed must be more than 0"):
        call_command("simulate", speed=0.0)
