"""`manage.py mqtt_worker [--areas north,south [--name east]]`: takes in what the meters say, until SIGTERM."""

from __future__ import annotations

import signal
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from meters.shards import Shard, UnknownArea
from meters.worker import Worker


class Command(BaseCommand):
    help = "Store what the meters report over MQTT and tell the live boards. One is at work, others stand by."
    requires_system_checks: list[str] = []  # of pages and forms, which cost a third of its start; `check` does them

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--areas", help="Take these areas alone, by their short names: north,south")
        parser.add_argument("--name", default="", help="What this worker is called, at the broker too; else its areas")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            worker = Worker(_shard(options["areas"], options["name"]))
        except ValueError as error:
            raise CommandError(str(error)) from None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: worker.stop())
        try:
            sys.exit(worker.run())
        except UnknownArea as error:
            raise CommandError(str(error)) from None


def _shard(areas: str | None, name: str) -> Shard:
    """Raises ValueError. That no areas are named is not the same as that none are meant."""
    if areas is None:
        if name:
            raise ValueError("--name is for a worker with --areas")
        return Shard()
    slugs = [slug.strip() for slug in areas.split(",") if slug.strip()]
    if not slugs:
        raise ValueError("--areas names no area")
    return Shard(slugs, name)
