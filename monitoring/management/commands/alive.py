"""`manage.py alive worker [--name east]|qcluster`: whether that process does its work. For containers."""

from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand
from django.db import OperationalError
from django.utils import timezone

from monitoring.checks import ourselves
from monitoring.findings import Finding

CHECKS: dict[str, tuple[Callable[[datetime], Iterator[Finding]], set[str]]] = {
    "worker": (ourselves.worker, {"worker_silent", "shard_silent"}),
    "qcluster": (ourselves.background_jobs, {"jobs_wait"}),
}
"""Only what a new start of it may cure: a worker whose broker is away lives."""


class Command(BaseCommand):
    help = "Tells whether the MQTT worker or the background jobs do their work. Exit code: 0 they do, 1 not."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("process", choices=CHECKS)
        parser.add_argument("--name", help="Of a worker with --areas: only what is said of this one")

    def handle(self, *args: Any, **options: Any) -> None:
        check, wrong = CHECKS[options["process"]]
        name = options["name"]
        try:
            found = [each.code for each in check(timezone.now()) if not name or each.about in ("", name)]
        except OperationalError:
            found = sorted(wrong)[-1:]  # nobody can see it
        self.stdout.write(found[0] if found else "ok")
        if wrong.intersection(found):
            raise SystemExit(1)
