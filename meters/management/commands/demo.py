"""`manage.py demo`: log-ins, areas and pitches of the simulated campsite, for a try-out. Repeatable."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand
from django.utils import timezone

from meters import installations, notify
from meters.models import Area, Installation, Meter, Pitch
from meters.simulation.site import METERS, SimulatedArea, plan

ADMIN = "admin"
LONGEST_WAIT_S = 120.0


class Command(BaseCommand):
    help = (
        "Make the log-in, areas and pitches of a simulated campsite; with --install hang its meters on their pitches."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--meters", type=int, default=METERS, help="how many meters the simulation has; 0: only the log-in"
        )
        parser.add_argument("--password-file", type=Path, help="where the password of the log-in 'admin' stands")
        parser.add_argument(
            "--install", action="store_true", help="wait for the meters and install them by their names"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        areas = plan(options["meters"]) if options["meters"] else []
        if options["install"]:
            self.stdout.write(f"{install(sum(_meters(area) for area in areas))} meters installed")
            return
        if options["password_file"]:
            make_login(options["password_file"].read_text().strip())
        for area in areas:
            make_area(area)
        notify.touch()


def make_login(password: str) -> None:
    """The superuser `admin`; an existing one keeps its settings and gets this password."""
    user, _ = User.objects.get_or_create(username=ADMIN, defaults={"is_staff": True, "is_superuser": True})
    user.set_password(password)
    user.save(update_fields=["password"])


def make_area(planned: SimulatedArea) -> None:
    Area.objects.get_or_create(
        base_topic=planned.base_topic,
        defaults={
            "slug": planned.slug,
            "name": planned.name,
            "expected_channel": planned.channel,
            "wifi_channels": [1, 6, 11],  # as most access points are set: the channel plan has something to weigh
            "in_service": planned.in_service,
        },
    )
    numbers = {device.pitch_number: device.pitch_kind for device in planned.devices if device.pitch_number}
    Pitch.objects.bulk_create(
        [Pitch(number=number, kind=kind) for number, kind in numbers.items()], ignore_conflicts=True
    )


def install(expected: int) -> int:
    """Wait until the worker has learnt of the meters, then install those that hang nowhere by their names."""
    end = time.monotonic() + LONGEST_WAIT_S
    while Meter.objects.count() < expected and time.monotonic() < end:
        time.sleep(0.5)
    free = Meter.objects.select_related("device").exclude(
        installations__in=Installation.objects.filter(period__upper_inf=True)
    )
    now = timezone.now()
    meters = list(free)
    for meter_id, pitch in installations.suggestions(meters).items():
        installations.install(next(m for m in meters if m.pk == meter_id), pitch, now, None)
    return len(meters)


def _meters(area: SimulatedArea) -> int:
    return sum(device.kind != "repeater" for device in area.devices)
