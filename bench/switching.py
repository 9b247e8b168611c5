"""How fast and how evenly switching goes: `python -m bench.switching [--clicks 100]`.

Real services of its own, durable. What was sent and when is told by a subscriber in a process of its own, whose clock
is the same. Each figure stands beside a baseline of the same run, since machines differ.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.run import Run, alone
from bench.subscriber import Subscriber
from bench.table import Figure
from tests.meters.harness import ObeyingFleet, Sent, until

AREAS, METERS = 6, 50
READINGS_PER_S = 400
PER_S = 4
TOLERANCE_S = 0.03
"""The subscriber hears a command some milliseconds late, and not always as many: five that it heard within a second
less this time were sent too fast."""


# --- the site --------------------------------------------------------------------------------------------------------


def fleets(url: str) -> list[ObeyingFleet]:
    """Six areas of 50 meters, all online and on."""
    from meters import notify, online
    from meters.models import Area, Device

    made = []
    for number in range(AREAS):
        base = f"z2m_{number}"
        Area.objects.create(name=base, slug=base, base_topic=base, commands_per_s=PER_S)
        made.append(ObeyingFleet(url, base, METERS))
    notify.touch()
    for fleet in made:
        fleet.appear()
    until(lambda: Device.objects.exclude(area=None).count() == AREAS * METERS, "the inventories")
    for fleet in made:
        fleet.hear()

    def are_online() -> bool:
        from django.utils import timezone

        return sum(status.is_online for status in online.statuses(timezone.now()).values()) == AREAS * METERS

    until(are_online, "all to be online")
    return made


# --- a click ---------------------------------------------------------------------------------------------------------


def clicks(listener: Subscriber, fleets: Sequence[ObeyingFleet], how_many: int) -> list[float]:
    """Milliseconds from the commit of each click to its command at the subscriber; each meter once, areas in turn."""
    from meters import commands
    from meters.models import Meter

    took = []
    for number in range(how_many):
        fleet, index = fleets[number % AREAS], number // AREAS % METERS
        meter = Meter.objects.select_related("device").get(device__ieee_address=fleet.ieee(index))
        on = not fleet.relay[index]
        mark = listener.mark()
        commands.want(meter, "staff", on, "bench")
        committed = time.time()
        until(lambda mark=mark, fleet=fleet: listener.switched(fleet.base, mark), "the command")  # type: ignore[misc]
        took.append(1000 * (listener.switched(fleet.base, mark)[0].at - committed))
        until(lambda fleet=fleet, index=index, on=on: fleet.relay[index] is on, "the meter")  # type: ignore[misc]
        time.sleep(0.1)
    return took


def settle() -> None:
    """Wait until nothing is under way, and no load is asked for."""
    from django.utils import timezone

    from meters.models import Command

    until(lambda: not Command.objects.filter(finished_at=None).exists(), "all to be done", 120)
    loads = Command.objects.filter(status="confirmed", state=False, load="", finished_at__gt=timezone.now())
    until(lambda: not loads.exists(), "the loads", 60)


# --- 300 meters ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bulk:
    """Seconds until the last command was heard, and what was wrong with them."""

    took_s: float
    least_s: float
    lost: int
    doubled: int
    too_fast: int
    confirmed: int
    confirmed_s: float


def bulk(listener: Subscriber, state: bool) -> Bulk:
    """Switch all 300 with one order."""
    from meters import commands, online
    from meters.models import Command

    mark = listener.mark()
    meters = list(online.meters())
    order = commands.order(meters, state, "bench")
    committed = time.time()
    mine = Command.objects.filter(order=order)
    until(lambda: not mine.filter(finished_at=None).exists(), "all to be done", 300)
    confirmed_s = time.time() - committed
    heard = {number: listener.switched(f"z2m_{number}", mark) for number in range(AREAS)}
    every = [sent for area in heard.values() for sent in area]
    times = Counter(sent.device for sent in every)
    return Bulk(
        took_s=max(sent.at for sent in every) - committed,
        least_s=(METERS - 1) / PER_S,
        lost=len(meters) - len(times),
        doubled=sum(count - 1 for count in times.values()),
        too_fast=sum(over_pace(area) for area in heard.values()),
        confirmed=mine.filter(status="confirmed").count(),
        confirmed_s=confirmed_s,
    )


def over_pace(sent: Sequence[Sent]) -> int:
    """How many of an area's commands were one too many of their second."""
    at = [each.at for each in sent]
    return sum(later - earlier < 1 - TOLERANCE_S for earlier, later in zip(at, at[PER_S:], strict=False))


# --- the table -------------------------------------------------------------------------------------------------------


def p99(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[98]


def figures(idle: Sequence[float], loaded: Sequence[float], bulks: Mapping[str, Bulk]) -> list[Figure]:
    name, reference, median = (
        f"a click at {READINGS_PER_S} readings a second: commit → command",
        "an idle worker",
        statistics.median,
    )
    found = [
        Figure(f"{name}, p50", median(loaded), "ms", reference, median(idle)),
        Figure("… p99", p99(loaded), "ms", reference, p99(idle), "≤ 100"),
        Figure("… worst", max(loaded), "ms", reference, max(idle)),
    ]
    for word, each in bulks.items():
        faults = each.lost + each.doubled + each.too_fast + AREAS * METERS - each.confirmed
        told = f"{each.lost} lost, {each.doubled} doubled, {each.too_fast} too fast, {each.confirmed} confirmed"
        what = f"{AREAS * METERS} meters switched {word}"
        found.append(Figure(f"{what}: to the last command", each.took_s, "s", "the pace", each.least_s, "≤ 1.15×"))
        found.append(Figure(f"{what}: faults", faults, "", goal="= 0", note=told))
    return found


def measure(run: Run, how_many: int = 150, *, only_clicks: bool = False) -> list[Figure]:
    with run.product() as product:
        product.worker()
        listener, sources = Subscriber(product.broker.url), fleets(product.broker.url)
        try:
            idle = clicks(listener, sources, how_many)
            settle()
            for fleet in sources:
                fleet.run(READINGS_PER_S // AREAS)
            loaded = clicks(listener, sources, how_many)
            for fleet in sources:
                fleet.rest()
            settle()
            bulks = {} if only_clicks else {word: bulk(listener, word == "on") for word in ("off", "on")}
        finally:
            for fleet in sources:
                fleet.stop()
            listener.stop()
    return figures(idle, loaded, bulks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clicks", type=int, default=150)
    parser.add_argument("--only-clicks", action="store_true", help="leave the 300 meters out")
    words = parser.parse_args()
    alone(lambda run: measure(run, words.clicks, only_clicks=words.only_clicks))


if __name__ == "__main__":
    main()
