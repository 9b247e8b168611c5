"""Runs the simulated campsite on the broker of MQTT_URL until it is stopped.

Meters, names and counters are remembered in .run/simulation.json; delete it to begin anew.
"""

import signal
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from meters.simulation import runner, site


class Command(BaseCommand):
    help = "Simulate the campsite's Zigbee2MQTT instances and meters over MQTT. Needs no database."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--meters", type=int, default=site.METERS, help="about how many meters in all")
        parser.add_argument("--speed", type=float, default=1.0, help="reports come so many times as often")
        parser.add_argument("--areas", default="", help="only these, by slug or base topic, with commas between")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.MQTT_URL:
            raise CommandError("MQTT_URL is not set; it names the broker, such as mqtt://127.0.0.1:1883.")
        if options["speed"] <= 0:
            raise CommandError("--speed must be more than 0.")
        areas = _chosen(site.plan(options["meters"]), options["areas"])
        simulation = runner.Runner(
            areas,
            settings.MQTT_URL,
            speed=options["speed"],
            state_file=settings.BASE_DIR / ".run" / "simulation.json",
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: simulation.stop())
        self.stdout.write(f"Simulating {sum(len(area.devices) for area in areas)} devices in {len(areas)} areas.")
        simulation.run()


def _chosen(areas: list[site.SimulatedArea], wanted: str) -> list[site.SimulatedArea]:
    names = {name.strip() for name in wanted.split(",") if name.strip()}
    unknown = names - {area.slug for area in areas} - {area.base_topic for area in areas}
    if unknown:
        known = ", ".join(area.slug for area in areas)
        raise CommandError(f"There is no area {', '.join(sorted(unknown))}; there are: {known}.")
    return [area for area in areas if not names or {area.slug, area.base_topic} & names]
