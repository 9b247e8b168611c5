"""One simulated Zigbee2MQTT: messages in, publications out. No broker, no thread, no wall clock."""

from __future__ import annotations

from functools import partial

from meters.simulation import bridge
from meters.simulation import configuration as configurations
from meters.simulation.agenda import Agenda
from meters.simulation.availability import Availability
from meters.simulation.commands import Commands
from meters.simulation.configuration import Configuration
from meters.simulation.network import Network, Publication
from meters.simulation.reports import Reports
from meters.simulation.requests import Requests
from meters.simulation.site import SimulatedArea

AVAILABILITY_GAP_S = 0.045
RESTART_TAKES_S = 1.5
REQUEST = "bridge/request/"


class Instance:
    """Its life: `start`, `receive` what others publish, `stop`; whoever turns the agenda calls `take`."""

    def __init__(
        self,
        area: SimulatedArea,
        agenda: Agenda,
        *,
        configuration: Configuration | None = None,
        speed: float = 1.0,
    ) -> None:
        self.area = area
        self.agenda = agenda
        self.network = Network(area, configuration or configurations.of(area.base_topic), agenda)
        self.reports = Reports(self.network, speed)
        self.commands = Commands(self.network, self.reports)
        self.availability = Availability(self.network, self.commands.read_state)
        self.network.on_heard = self.availability.heard
        self.requests = Requests(self.network, self.reports, self.availability, self._restart)

    @property
    def base_topic(self) -> str:
        return self.network.base

    def take(self) -> list[Publication]:
        """What was published since the last call, in order."""
        taken, self.network.outbox = self.network.outbox, []
        return taken

    def receive(self, topic: str, payload: str) -> None:
        """A message that somebody else published below the base topic, not retained."""
        if not self.network.running:
            return
        self.network.received += 1
        below = topic.removeprefix(f"{self.base_topic}/")
        if below.startswith(REQUEST):
            self.requests.answer(below.removeprefix(REQUEST), payload)
        else:
            self.commands.receive(below, payload)

    # --- life -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """The start of the process, in Z2M's order: bridge, availability one by one, cached states, then life."""
        network = self.network
        network.forget_run()
        network.running = True
        bridge.publish_state(network, "online")
        network.publish("bridge/converters", "[]", retain=True)
        bridge.publish_info(network)
        bridge.publish_devices(network)
        bridge.publish_groups(network)
        bridge.publish_definitions(network)
        network.later(AVAILABILITY_GAP_S * len(network.joined()), self._started)
        for place, device in enumerate(network.joined()):
            network.later(AVAILABILITY_GAP_S * place, partial(self.availability.publish, device, force=True))

    def _started(self) -> None:
        network = self.network
        network.publish("bridge/extensions", "[]", retain=True)
        for device in network.joined():
            if device.cached:
                network.publish_state(device, {})
        network.log("info", "Zigbee2MQTT started!")
        self.availability.start()
        self.reports.start()
        self.network.later(self._health_interval_s, self._health)

    def stop(self) -> None:
        """A graceful end: `offline`, retained at QoS 0."""
        if self.network.running:
            bridge.publish_state(self.network, "offline", qos=0)
            self.network.running = False

    def kill(self) -> None:
        """The end by SIGKILL: nothing is said but what the broker says as the will."""
        if self.network.running:
            bridge.publish_state(self.network, "offline", qos=1)
            self.network.running = False

    def lose_adapter(self) -> None:
        self.network.log("error", "Adapter disconnected, stopping")
        self.stop()

    def reconnected(self) -> None:
        """The broker came back: Z2M repeats bridge/state and nothing else."""
        bridge.publish_state(self.network, "online")

    def _restart(self) -> None:
        self.network.log("info", "Stopping Zigbee2MQTT (restart=true, code=0, signal=undefined)")
        self.stop()
        self.agenda.after(RESTART_TAKES_S, self.start)

    def _health(self) -> None:
        bridge.publish_health(self.network)
        self.network.later(self._health_interval_s, self._health)

    @property
    def _health_interval_s(self) -> float:
        return self.network.configuration.health_interval_min * 60
