"""What the script says, done to the site."""

from __future__ import annotations

import heapq
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import count

from bench.twins.product import Refused
from bench.twins.radios import Radio, Silent
from bench.twins.script import Step
from bench.twins.site import Site
from bench.twins.truth import Device

POSTPONED_S = 5.0
BROKER_BACK_S = 60.0
PRESS_S = 60.0
"""A relay that somebody moved while a command was under way may make that fail."""


class Acts:
    """Does each step when its time has come."""

    def __init__(self, site: Site, steps: Iterable[Step], began: float, say: Callable[[str], None]) -> None:
        self._done: Counter[str] = Counter()
        self._site, self._say, self._number = site, say, count()
        self._later = [(began + step.at_s, next(self._number), step) for step in steps]
        heapq.heapify(self._later)
        self._quiet_until = 0.0  # the broker has just come back

    def tick(self) -> None:
        """What is due: radios that have come up, and steps; one that cannot be done yet is postponed."""
        for radio in self._site.radios:
            if radio.up_at is None and radio.has_come_up():
                self._recover(radio)
                self._say(f"{radio.base} is up")
        now = time.time()
        while self._later and self._later[0][0] <= now and now >= self._quiet_until:
            _, _, step = heapq.heappop(self._later)
            try:
                is_done = self._do(step)
            except Silent:
                is_done = False
            if is_done:
                self._done[step.verb] += 1
                if step.device is None:
                    self._say(f"{step.verb}: {self._site.radios[step.area].base}")
            else:
                heapq.heappush(self._later, (now + POSTPONED_S, next(self._number), step))

    def take_done(self) -> Counter[str]:
        """How often each verb was done since the last call."""
        done, self._done = self._done, Counter()
        return done

    # --- steps

    def _do(self, step: Step) -> bool:
        """False where it has to wait."""
        if step.device is None:
            return bool(getattr(self, f"_{step.verb}")(self._site.radios[step.area]))
        device = self._site.devices[step.device]
        if step.verb == "want":
            return self._want(device, step.on)
        if step.verb == "join":
            return self._join(device, self._site.radios[step.area])
        if device.home is None:
            return False
        radio = next(radio for radio in self._site.radios if radio.base == device.home)
        if radio.up_at is None:
            return step.verb == "press" and self._press_unheard(device, radio, step.on)
        match step.verb:
            case "ok" | "offline" | "deaf" | "stuck" | "refuse":
                self._set_mode(device, radio, step.verb)
            case "press":
                radio.tell(device.ieee, cmd="press", on=step.on)
                self._note_press(device)
            case "announce":
                radio.tell(device.ieee, cmd="announce")
            case "rename":
                radio.request("device/rename", **{"from": device.ieee, "to": step.told})
            case "set_back":
                self._set_back(device, radio, step.told)
            case "leave" | "vanish":
                self._leave(device, radio, is_told=step.verb == "leave")
        return True

    def _want(self, device: Device, on: bool) -> bool:
        with suppress(Refused):  # it has left
            self._site.product.want(device.ieee, on)
        return True

    def _set_mode(self, device: Device, radio: Radio, mode: str) -> None:
        radio.tell(device.ieee, cmd=mode)
        now = time.time()
        if "offline" in (mode, device.mode):
            device.since = now
        if mode == "ok":
            device.get_well(now)
        else:
            device.fall_ill(now)
        device.mode = mode

    def _press_unheard(self, device: Device, radio: Radio, on: bool) -> bool:
        """Its Zigbee2MQTT is dead: False where how it was is not known."""
        if device.ieee not in radio.plugs:
            return False
        radio.plugs[device.ieee].on = on
        self._note_press(device)
        return True

    def _note_press(self, device: Device) -> None:
        device.pressed_at, device.is_unheard = time.time(), device.mode == "offline"
        device.ailments.insert(0, (device.pressed_at - PRESS_S, device.pressed_at + PRESS_S))

    def _set_back(self, device: Device, radio: Radio, part: float) -> None:
        radio.tell(device.ieee, cmd="report", cluster="seMetering", attrs=["currentSummDelivered"])
        plug = radio.look([device.ieee])[device.ieee]
        raw = round(plug.raw * part)
        radio.tell(device.ieee, cmd="energy", raw=raw)
        self._site.used[device.ieee].set_back(plug, raw)

    def _leave(self, device: Device, radio: Radio, is_told: bool) -> None:
        device.plug = radio.look([device.ieee])[device.ieee]
        if is_told:
            radio.tell(device.ieee, cmd="leave")
        else:
            radio.tell(device.ieee, cmd="offline")
            radio.ghosts.add(device.ieee)
        device.home, device.has_left, device.since = None, is_told, time.time()
        device.fall_ill(device.since)

    def _join(self, device: Device, radio: Radio) -> bool:
        """With its counter and its relay as they were."""
        if radio.up_at is None or device.home is not None or device.plug is None:
            return False
        radio.tell(device.ieee, cmd="energy", raw=device.plug.raw)
        radio.tell(device.ieee, cmd="press", on=device.plug.on)
        radio.tell(device.ieee, cmd="ok")
        radio.tell(device.ieee, cmd="join")
        radio.ghosts.discard(device.ieee)
        device.home, device.has_left, device.since = radio.base, False, time.time()
        device.get_well(device.since)
        return True

    # --- what befalls an area or the site

    def _killed(self, radio: Radio) -> bool:
        self._save(radio)
        radio.kill()
        return self._fall(radio)

    def _radio_lost(self, radio: Radio) -> bool:
        self._save(radio)
        radio.tell("adapter", cmd="disconnect")
        return self._fall(radio)

    def _save(self, radio: Radio) -> None:
        radio.plugs = radio.look(device.ieee for device in self._site.at(radio))

    def _fall(self, radio: Radio) -> bool:
        radio.up_at, radio.down_at = None, time.time()
        for device in self._site.at(radio):
            device.fall_ill(radio.down_at)
        return True

    def _started(self, radio: Radio) -> bool:
        if radio.is_alive:
            return False
        radio.give_back()
        radio.start()
        return True

    def _recover(self, radio: Radio) -> None:
        """A radio that starts knows no faults: they go on."""
        for device in self._site.at(radio):
            if device.mode != "ok":
                with suppress(Silent):
                    radio.tell(device.ieee, cmd=device.mode)
        radio.up_at = time.time()
        for device in self._site.at(radio):
            device.get_well(radio.up_at)

    def _broker_restarted(self, _radio: Radio) -> bool:
        now = time.time()
        self._site.broker.restart()
        for device in self._site.devices:
            device.ailments.insert(0, (now, time.time() + BROKER_BACK_S))
        self._quiet_until = time.time() + BROKER_BACK_S / 2
        return True
