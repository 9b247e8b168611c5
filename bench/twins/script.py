"""What goes wrong, where and when: made from a seed alone, before anything runs. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

CALM_S = 180
"""At the end nothing happens any more: all that was waited for must have come by then."""
SETTLED_S = 100
"""A device whose fault is over is left alone for so long."""
OUTAGE_S = (25, 70)
PRESSED_MEANWHILE = 5
"""Of an area whose Zigbee2MQTT is dead."""
ROUNDABOUT_S = (60, 300)
ON_THE_ROAD_S = (15, 60)
FAULTS = {
    "press": 5,
    "offline": 4,
    "rename": 3,
    "move": 3,
    "leave": 2,
    "deaf": 2,
    "stuck": 2,
    "refuse": 2,
    "set_back": 2,
    "power_cut": 2,
    "hidden_press": 1,
}
"""With their shares. `power_cut`: off the air, off, and announced when it is back; `hidden_press`: pressed while it is
off the air, and Zigbee2MQTT may not even notice that it was."""
SITE = [("radio_lost", 0.2), ("killed", 0.35), ("broker_restarted", 0.5), ("radio_lost", 0.62), ("killed", 0.75)]
"""With the part of the time after which they happen."""
WANTS_A_MINUTE = 0.06
FAULTS_A_MINUTE = 0.075
"""Of each device."""
NAMES = ("{n},{k}", "Plads {n}", "ø/{n},{k}", "{n}.{k} æ å")


@dataclass(frozen=True, order=True)
class Step:
    """`at_s`: of the run. `area`: a number; `device`: its number, None where the step is the area's or the site's.

    `told`: the new name; the part of its counter to which a device is set back.
    """

    at_s: float
    verb: str
    area: int
    device: int | None = None
    on: bool = False
    told: Any = None


class Script:
    """Steps for all areas. A device has one fault at a time; where it is at home is kept track of."""

    def __init__(self, areas: int, devices: int, minutes: float, seed: int) -> None:
        self.dice = random.Random(seed)
        self.areas, self.minutes, self.end_s = areas, minutes, minutes * 60 - CALM_S
        self.homes = [number // devices for number in range(areas * devices)]
        self._free_at = [0.0] * len(self.homes)
        self._names = 100
        steps = [*self._site(), *self._wants()]
        for minute in range(int(self.end_s // 60)):
            for area in range(areas):
                for _ in range(self._times(devices * FAULTS_A_MINUTE)):
                    steps += self._fault(60 * minute + self.dice.uniform(0, 60), area)
        self.steps = sorted(steps)

    def _times(self, expected: float) -> int:
        return int(expected) + (self.dice.random() < expected % 1)

    def _site(self) -> Iterator[Step]:
        for number, (verb, part) in enumerate(SITE):
            at_s, area = part * self.end_s, (number + 1) % self.areas
            yield Step(at_s, verb, area)
            if verb != "broker_restarted":
                for device in self.dice.sample(
                    [d for d, home in enumerate(self.homes) if home == area], PRESSED_MEANWHILE
                ):
                    yield Step(at_s + 10, "press", area, device, on=self.dice.random() < 0.5)
                yield Step(at_s + self.dice.uniform(*OUTAGE_S), "started", area)

    def _wants(self) -> Iterator[Step]:
        for minute in range(int(self.end_s // 60)):
            for _ in range(self._times(len(self.homes) * WANTS_A_MINUTE)):
                device = self.dice.randrange(len(self.homes))
                at_s = 60 * minute + self.dice.uniform(0, 60)
                yield Step(at_s, "want", self.homes[device], device, on=self.dice.random() < 0.5)

    def _fault(self, at_s: float, area: int) -> Iterator[Step]:
        free = [d for d, home in enumerate(self.homes) if home == area and self._free_at[d] <= at_s]
        if not free:
            return
        device, verb = self.dice.choice(free), self.dice.choices(list(FAULTS), list(FAULTS.values()))[0]
        took_s = self.dice.uniform(*(ON_THE_ROAD_S if verb in ("move", "leave") else ROUNDABOUT_S))
        if verb in ("press", "rename", "set_back"):
            took_s = 0.0
        back_s = min(at_s + took_s, self.end_s)
        self._free_at[device] = back_s + SETTLED_S
        yield from self._steps(verb, at_s, back_s, area, device)

    def _steps(self, verb: str, at_s: float, back_s: float, area: int, device: int) -> Iterator[Step]:
        on = self.dice.random() < 0.5
        match verb:
            case "press":
                yield Step(at_s, "press", area, device, on)
            case "rename":
                yield Step(at_s, "rename", area, device, told=self._name())
            case "set_back":
                yield Step(at_s, "set_back", area, device, told=self.dice.uniform(0.3, 0.8))
            case "offline" | "deaf" | "stuck" | "refuse":
                yield Step(at_s, verb, area, device)
                yield Step(at_s + 5, "want", area, device, on)
                yield Step(back_s, "ok", area, device)
            case "power_cut" | "hidden_press":
                yield Step(at_s, "offline", area, device)
                yield Step(at_s + 1, "press", area, device, on and verb == "hidden_press")
                yield Step(back_s, "ok", area, device)
                if verb == "power_cut":
                    yield Step(back_s + 1, "announce", area, device)
            case "leave":
                yield Step(at_s, "leave", area, device)
                yield Step(back_s, "join", area, device)
            case "move":
                to = self.dice.choice([other for other in range(self.areas) if other != area])
                yield Step(at_s, self.dice.choice(["leave", "vanish"]), area, device)
                yield Step(back_s, "join", to, device)
                self.homes[device] = to

    def _name(self) -> str:
        self._names += 1
        return self.dice.choice(NAMES).format(n=self._names, k=self.dice.randint(1, 3))
