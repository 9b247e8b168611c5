"""When a device counts as away. Z2M's lib/extension/availability.ts for devices on mains.

A device that was silent for the timeout is pinged, one at a time per instance; it is away when the pings fail.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from math import inf

from meters.simulation.network import Device, Network

RETRY_PAUSE_S = 3.0
QUEUE_PAUSE_S = 2.0
READ_AFTER_S = 2.0
ANSWER_S = 0.08
FAIL_S = 8.0
PING_OPTIONS = {
    "timeout": 10000,
    "disableResponse": False,
    "disableRecovery": True,
    "disableDefaultResponse": True,
    "direction": 0,
    "reservedBits": 0,
    "writeUndiv": False,
    "sendPolicy": "immediate",
}


class Availability:
    """`read_state` is called with a device whose state Z2M wants to read after it came back."""

    def __init__(self, network: Network, read_state: Callable[[Device], None]) -> None:
        self.network = network
        self.read_state = read_state
        self._forget_all()

    def _forget_all(self) -> None:
        self._queue: list[Device] = []
        self._pinging = False
        self._backoff: dict[str, float] = {}
        self._paused: set[str] = set()
        self._to_read: set[str] = set()
        self._deadline: dict[str, float] = {}
        self._wake_at: dict[str, float] = {}

    # --- from outside ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Forget the last run and watch every device; those that are silent already are pinged at once."""
        self._forget_all()
        for device in self.network.joined():
            self._reset_timer(device)
            if not self.is_available(device):
                self._enqueue(device)

    def heard(self, device: Device) -> None:
        self._backoff.pop(device.ieee, None)
        self._paused.discard(device.ieee)
        self._forget_ping(device)
        self._reset_timer(device)
        self.publish(device)

    def forget(self, device: Device) -> None:
        """The device left or was removed: nobody says that it is offline."""
        self._deadline.pop(device.ieee, None)
        self._forget_ping(device)

    def announced(self, device: Device) -> None:
        """Read its state soon, once however often it says so meanwhile."""
        if device.ieee not in self._to_read:
            self._to_read.add(device.ieee)
            self.network.later(READ_AFTER_S, lambda: self._read(device))

    def _read(self, device: Device) -> None:
        self._to_read.discard(device.ieee)
        self.read_state(device)

    def is_available(self, device: Device) -> bool:
        return self.network.now - device.last_seen < self._timeout_s

    def publish(self, device: Device, *, force: bool = False) -> None:
        """Publish it where it changed, or in any case."""
        available = self.is_available(device)
        if available == device.available and not force:
            return
        if available and device.available is False:
            self.announced(device)
        device.available = available
        state = json.dumps({"state": "online" if available else "offline"}, separators=(",", ":"))
        self.network.publish(f"{device.name}/availability", state, qos=1, retain=True)

    # --- timers ---------------------------------------------------------------------------------------

    @property
    def _timeout_s(self) -> float:
        return self.network.configuration.timeout_min * 60

    def _reset_timer(self, device: Device) -> None:
        """One pending wake-up per device; a deadline that moved is found when it comes."""
        if device.ieee in self._paused:
            self._deadline.pop(device.ieee, None)
            return
        jitter = self.network.random.random() * self.network.configuration.max_jitter_ms / 1000
        wait = (self._timeout_s + 1 + jitter) * self._backoff.get(device.ieee, 1.0)
        self._deadline[device.ieee] = self.network.now + wait
        self._watch(device)

    def _watch(self, device: Device) -> None:
        deadline = self._deadline[device.ieee]
        if deadline < self._wake_at.get(device.ieee, inf):
            self._wake_at[device.ieee] = deadline
            self.network.later(deadline - self.network.now, lambda: self._wake(device, deadline))

    def _wake(self, device: Device, wake_at: float) -> None:
        if self._wake_at.get(device.ieee) != wake_at:
            return  # an earlier wake-up took its place
        del self._wake_at[device.ieee]
        deadline = self._deadline.get(device.ieee)
        if deadline is None:
            return
        if deadline <= self.network.now:
            self._enqueue(device)
        else:
            self._watch(device)

    # --- pings ----------------------------------------------------------------------------------------

    def _enqueue(self, device: Device) -> None:
        if device not in self._queue:
            self._queue.append(device)
        self._ping_next()

    def _forget_ping(self, device: Device) -> None:
        self._queue = [queued for queued in self._queue if queued is not device]

    def _ping_next(self) -> None:
        if self._queue and not self._pinging:
            self._pinging = True
            device = self._queue[0]
            attempts = 2 if device.available or self.is_available(device) else 1
            self._attempt(device, 1, attempts)

    def _attempt(self, device: Device, attempt: int, attempts: int) -> None:
        if device.answers:
            self.network.later(ANSWER_S, lambda: self._answered(device))
        else:
            self.network.later(FAIL_S, lambda: self._failed(device, attempt, attempts))

    def _answered(self, device: Device) -> None:
        self.network.heard(device)
        if device.spec.kind == "repeater":
            self.network.publish_state(device, {"linkquality": device.linkquality})
        elif self.network.configuration.last_seen != "disable":
            self.network.publish_state(device, {})
        self._finish(device)

    def _failed(self, device: Device, attempt: int, attempts: int) -> None:
        options = PING_OPTIONS | {"disableRecovery": attempts == 1 or attempt != 2}
        command = f'ZCL command {device.ieee}/1 genBasic.read(["zclVersion"], {_compact(options)})'
        error = f"{command} failed (Delivery failed for '{device.network_address}'.)"
        self.network.log("warning", f"Failed to ping '{device.name}' (attempt {attempt}/{attempts}, {error})")
        if attempt < attempts:
            self.network.later(RETRY_PAUSE_S, lambda: self._attempt(device, attempt + 1, attempts))
            return
        self._back_off(device, was_online=attempts == 2)
        self.publish(device)
        self._reset_timer(device)
        self._finish(device)

    def _back_off(self, device: Device, *, was_online: bool) -> None:
        backoff = self._backoff.get(device.ieee, 1.0)
        limit = self.network.configuration.pause_on_backoff_gt
        if 0 < limit <= backoff:
            self._paused.add(device.ieee)
        else:
            self._backoff[device.ieee] = backoff * (1.5 if was_online else 2)

    def _finish(self, device: Device) -> None:
        self._forget_ping(device)
        self.network.later(QUEUE_PAUSE_S, self._resume)

    def _resume(self) -> None:
        self._pinging = False
        self._ping_next()


def _compact(options: Mapping[str, object]) -> str:
    return json.dumps(options, separators=(",", ":"))
