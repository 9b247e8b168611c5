"""The MQTT shell around the simulated instances: connections, one scheduler loop, a clean end."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event

from meters import mqtt
from meters.simulation import faults, memory
from meters.simulation.agenda import Agenda
from meters.simulation.instance import Instance
from meters.simulation.network import Publication
from meters.simulation.site import SimulatedArea

logger = logging.getLogger(__name__)

LONGEST_WAIT_S = 1.0
ASLEEP_S = 30.0
SAVE_INTERVAL_S = 10.0
CONTROL = ""
WILL = b'{"state":"offline"}'


@dataclass(frozen=True, slots=True)
class Connected:
    """A broker took the connection of this instance, or of the road for faults."""

    base_topic: str


class Runner:
    """Everything happens in the thread that calls `run`; MQTT's threads only put into the queue."""

    def __init__(self, areas: Sequence[SimulatedArea], url: str, *, speed: float, state_file: Path) -> None:
        self.url = url
        self.state_file = state_file
        self.agenda = Agenda(time.time())
        self.instances = {area.base_topic: Instance(area, self.agenda, speed=speed) for area in areas}
        memory.load(state_file, self.instances.values())
        self._inbox: SimpleQueue[mqtt.Message | Connected] = SimpleQueue()
        self._clients: dict[str, mqtt.Client] = {}
        self._begun: set[str] = set()
        self._started: set[str] = set()
        self._stop = Event()
        self._control = mqtt.Client(
            url,
            "simulation-control",
            on_messages=mqtt.one_by_one(self._inbox.put),
            topics=lambda: [("sim/+/+", 0)],
            on_connect=lambda: self._inbox.put(Connected(CONTROL)),
        )

    def stop(self) -> None:
        """End soon; may be called by a signal handler."""
        self._stop.set()

    def run(self) -> None:
        self._control.start()
        self.agenda.after(SAVE_INTERVAL_S, self._save)
        while not self._stop.is_set():
            self._step()
        self._end()

    # --- the loop ---------------------------------------------------------------------------------------

    def _step(self) -> None:
        """Wait for a message or the next due act, then do all that is due."""
        due = self.agenda.next_due
        wait = LONGEST_WAIT_S if due is None else min(LONGEST_WAIT_S, max(0.0, due - time.time()))
        try:
            event: mqtt.Message | Connected | None = self._inbox.get(timeout=wait)
        except Empty:
            event = None
        now = time.time()
        if now - self.agenda.now > ASLEEP_S:
            self.agenda.shift(now - self.agenda.now)
        self.agenda.run_until(now)
        if event is not None:
            self._handle(event)
        self._publish()

    def _handle(self, event: mqtt.Message | Connected) -> None:
        if event == Connected(CONTROL):
            self._begin()
        elif isinstance(event, Connected):
            self._connected(self.instances[event.base_topic])
        elif event.topic.startswith("sim/"):
            self._controlled(event)
        else:
            owner = event.topic.split("/", 1)[0]
            self.instances[owner].receive(event.topic, event.payload.decode("utf-8", "replace"))

    def _begin(self) -> None:
        """The instances come after the road for faults: who hears one of them may order trouble."""
        for base_topic in self.instances:
            if base_topic not in self._begun:
                self._begun.add(base_topic)
                self._connect(base_topic)

    def _connected(self, instance: Instance) -> None:
        if instance.network.running:
            instance.reconnected()
        elif instance.base_topic not in self._started:
            self._started.add(instance.base_topic)
            instance.start()

    def _controlled(self, message: mqtt.Message) -> None:
        _, base_topic, target = message.topic.split("/", 2)
        instance = self.instances.get(base_topic)
        if instance is None or target == "reply":
            return
        try:
            asked = json.loads(message.payload)
            is_start = target == "adapter" and asked.get("cmd") == "start"
            found = {"ok": True} if is_start else faults.control(instance, target, asked)
        except (ValueError, TypeError, KeyError, AttributeError, faults.UnknownFault) as error:
            asked, found = {}, {"error": str(error)}
        self._publish()
        if target == "adapter":
            self._follow_life(instance, str(asked.get("cmd")))
        self._send(self._control, Publication(f"sim/{base_topic}/reply", json.dumps({"id": target} | found)))

    def _follow_life(self, instance: Instance, command: str) -> None:
        """A stopped process has no connection; a started one makes a new one."""
        if command in ("kill", "disconnect", "stop"):
            self._disconnect(instance.base_topic)
        elif command == "start" and not instance.network.running:
            self._started.discard(instance.base_topic)
            self._connect(instance.base_topic)

    def _save(self) -> None:
        memory.save(self.state_file, self.instances.values())
        self.agenda.after(SAVE_INTERVAL_S, self._save)

    # --- MQTT -------------------------------------------------------------------------------------------

    def _connect(self, base_topic: str) -> None:
        if base_topic in self._clients:
            return
        client = mqtt.Client(
            self.url,
            f"simulation-{base_topic}",
            on_messages=mqtt.one_by_one(partial(self._received, base_topic)),
            topics=lambda: [(f"{base_topic}/#", 0)],
            on_connect=lambda: self._inbox.put(Connected(base_topic)),
            will=mqtt.Will(f"{base_topic}/bridge/state", WILL),
        )
        self._clients[base_topic] = client
        client.start()

    def _disconnect(self, base_topic: str) -> None:
        client = self._clients.pop(base_topic, None)
        if client is not None:
            client.stop()

    def _received(self, base_topic: str, message: mqtt.Message) -> None:
        """In MQTT's thread. Its own publications and retained commands are not for it."""
        below = message.topic[len(base_topic) + 1 :]
        wanted = below.startswith("bridge/request/") or "/set" in below or "/get" in below
        if wanted and not message.retained:
            self._inbox.put(message)

    def _publish(self) -> None:
        for base_topic, instance in self.instances.items():
            client = self._clients.get(base_topic)
            for publication in instance.take():
                if client is not None:
                    self._send(client, publication)

    def _send(self, client: mqtt.Client, publication: Publication) -> None:
        try:
            client.publish(publication.topic, publication.payload, qos=publication.qos, retain=publication.retain)
        except mqtt.NotConnected:
            logger.debug("Not connected: %s is lost, as with Zigbee2MQTT", publication.topic)

    def _end(self) -> None:
        """Every instance says good-bye as Z2M does when it is stopped."""
        for instance in self.instances.values():
            instance.stop()
        self._publish()
        memory.save(self.state_file, self.instances.values())
        for base_topic in list(self._clients):
            self._disconnect(base_topic)
        self._control.stop()
