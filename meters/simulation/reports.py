"""What devices send by themselves: measurements each minute, the counter each hour or 2.57 kWh, the relay."""

from __future__ import annotations

from typing import Any

from meters.simulation import bridge, definitions
from meters.simulation.meter import ELECTRICAL, PHASES, PROPERTIES
from meters.simulation.network import Device, Network

INTERVAL_S = 60.0
FIRST_COUNTER_WITHIN_S = 120.0
"""After a start each counter is reported this soon, so that a try-out shows energy; a real one may take an hour."""
MEASURED_AFTER_S = 1.5
RELAY_MOVES_AFTER_S = 0.06
INTERVIEW_S = 1.0


class Reports:
    """The devices' side of one instance. `speed` shortens the intervals; power and energy keep real time."""

    def __init__(self, network: Network, speed: float = 1.0) -> None:
        self.network = network
        self.speed = speed
        self._next_counter: dict[str, float] = {}

    # --- by themselves --------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin polling, spread evenly over the interval."""
        meters = [device for device in self.network.joined() if device.is_meter]
        for place, device in enumerate(meters):
            self._next_counter[device.ieee] = self.network.now + FIRST_COUNTER_WITHIN_S * self.network.random.random()
            self.follow(device, (place + self.network.random.random()) / len(meters))

    def follow(self, device: Device, share: float = 0.0) -> None:
        """Poll this device until it goes, for the first time after this share of an interval."""
        self.network.later(share * INTERVAL_S / self.speed, lambda: self._tick(device))

    def _tick(self, device: Device) -> None:
        if self.network.devices.get(device.ieee) is not device:
            return
        if device.joined and device.meter.mode != "offline":
            self._tell(device)
        self.network.later(INTERVAL_S / self.speed, lambda: self._tick(device))

    def _tell(self, device: Device) -> None:
        self.measurements(device)
        meter = device.meter
        meter.count(self.network.now)
        moved_kwh = abs(meter.counter_kwh - meter.reported_kwh)
        hour_is_over = self.network.now >= self._next_counter.get(device.ieee, 0.0)
        if hour_is_over or moved_kwh >= meter.energy_step_kwh / self.speed:
            self.counter(device)

    # --- one report -----------------------------------------------------------------------------------

    def measurements(self, device: Device) -> None:
        """Voltage, current and power: in one frame where they are polled, else one each in any order."""
        if device.meter.phases:
            self._frames(device, [device.meter.phase(phase, self.network.now) for phase in PHASES])
            return
        names = list(ELECTRICAL)
        if self.network.configuration.bundled:
            self.attributes(device, names)
            return
        self.network.random.shuffle(names)
        self._frames(device, [self._values(device, [name]) for name in names])

    def counter(self, device: Device) -> None:
        """The energy, and with it the relay, as these devices do about once an hour."""
        meter = device.meter
        interval = meter.energy_interval_s * self.network.random.uniform(0.95, 1.05)
        self._next_counter[device.ieee] = self.network.now + interval / self.speed
        meter.count(self.network.now)
        meter.reported_kwh = meter.counter_kwh
        self._frames(device, [self._values(device, ["currentSummDelivered"]), self._values(device, ["onOff"])])

    def attributes(self, device: Device, names: list[str]) -> None:
        """These Zigbee attributes in one frame."""
        self._frames(device, [self._values(device, names)])

    def nothing(self, device: Device) -> None:
        """A frame without values, such as an acknowledgement: the cache is published with a new last_seen."""
        self.network.heard(device)
        if self.network.configuration.last_seen != "disable":
            self.network.publish_state(device, {})

    def _values(self, device: Device, names: list[str]) -> dict[str, Any]:
        return {PROPERTIES[name]: device.meter.read(name, self.network.now) for name in names}

    def _frames(self, device: Device, frames: list[dict[str, Any]]) -> None:
        for frame in frames:
            self.network.heard(device)
            self.network.publish_state(device, frame)

    # --- the relay ------------------------------------------------------------------------------------

    def obey(self, device: Device, relay: bool) -> None:
        """The device was told to switch: it does in a moment, if nothing is wrong with it."""
        if device.meter.mode in ("ok", "weld"):
            self.network.later(RELAY_MOVES_AFTER_S, lambda: self.move(device, relay))

    def move(self, device: Device, relay: bool) -> None:
        """The relay moves, by command, by hand or by a trip; reported unless the radio is gone."""
        moved = device.meter.switch(relay, self.network.now)
        if device.meter.mode == "offline" or not device.joined:
            return
        self.attributes(device, ["onOff"])
        if moved:
            self.network.later(MEASURED_AFTER_S, lambda: self._measured(device))

    def _measured(self, device: Device) -> None:
        if device.meter.mode == "offline" or not device.joined:
            return
        if device.meter.phases:
            self.measurements(device)
        else:
            self._frames(device, [self._values(device, [name]) for name in ("rmsCurrent", "activePower")])

    # --- joining and leaving ----------------------------------------------------------------------------

    def announce(self, device: Device) -> None:
        """The device got power: Z2M reads its state two seconds later."""
        self._appeared(device)
        bridge.publish_devices(self.network)
        bridge.publish_event(self.network, "device_announce", device)

    def _appeared(self, device: Device) -> None:
        """Heard without a frame: the cache with a new last_seen, and no linkquality where none is known yet."""
        self.network.heard(device, has_signal=False)
        if self.network.configuration.last_seen != "disable":
            self.network.publish_state(device, {})

    def leave(self, device: Device) -> None:
        """The device leaves the network; its availability stays as it was."""
        device.joined = False
        device.leave_count += 1
        self.network.log("warning", f"Device '{device.name}' left the network")
        bridge.publish_groups(self.network)
        bridge.publish_devices(self.network)
        bridge.publish_definitions(self.network)
        bridge.publish_event(self.network, "device_leave", device)

    def join(self, device: Device) -> None:
        """A new or a known device joins: joined, interview, configure, as far as they show."""
        device.joined = device.interviewing = True
        self.network.devices[device.ieee] = device
        self._appeared(device)
        bridge.publish_devices(self.network)
        self.network.log("info", f"Device '{device.name}' joined")
        bridge.publish_devices(self.network)
        bridge.publish_event(self.network, "device_joined", device)
        self.network.log("info", f"Starting interview of '{device.name}'")
        bridge.publish_event(self.network, "device_interview", device, status="started")
        self.network.later(INTERVIEW_S, lambda: self._joined(device))

    def _joined(self, device: Device) -> None:
        self.nothing(device)
        device.interviewing = False
        self.network.log("info", f"Successfully interviewed '{device.name}', device has successfully been paired")
        bridge.publish_devices(self.network)
        self.interviewed(device)
        for _ in range(4):
            self.nothing(device)
        bridge.publish_devices(self.network)
        bridge.publish_info(self.network)
        bridge.publish_definitions(self.network)

    def interviewed(self, device: Device) -> None:
        definition = definitions.of(device.spec.kind)
        bridge.publish_event(
            self.network,
            "device_interview",
            device,
            status="successful",
            supported=True,
            definition=definition,
        )

    def expect_counter(self, device: Device) -> None:
        """Reporting of the counter was configured anew."""
        due = self.network.now + device.meter.energy_interval_s / self.speed
        self._next_counter[device.ieee] = min(due, self._next_counter.get(device.ieee, due))
