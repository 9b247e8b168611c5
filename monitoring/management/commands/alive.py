"""`manage.py alive worker|qcluster`: whether that process does its work. For healthchecks of containers."""

from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand
from django.db import OperationalError
from django.utils import timezone

from monitoring.checks import ourselves
from monitoring.findings import Finding

CHECKS: dict[str, tuple[Callable[[datetime], Iterator[Finding]], str]] = {
    "worker": (ourselves.worker, "worker_silent"),
    "qcluster": (ourselves.background_jobs, "jobs_wait"),
}
"""Only what a new start of it may cure: a worker whose broker is away lives."""


class Command(BaseCommand):
    help = "Tells whether the MQTT worker or the background jobs do their work. Exit code: 0 they do, 1 not."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("process", choices=CHECKS)

    def handle(self, *args: Any, **options: Any) -> None:
        check, code = CHECKS[options["process"]]
        try:
            found = [finding.code for finding in check(timezone.now())]
        except OperationalError:
            found = [code]  # nobody can see it
        self.stdout.write(found[0] if found else "ok")
        if code in found:
            raise SystemExit(1)
