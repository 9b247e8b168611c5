"""Brings in Sirvoy's export: `manage.py sirvoy_import bookings.csv --exported 2026-07-31T14:00 [--apply]`."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from bookings import csv_import
from bookings.csv_import import Plan, What
from meters import clock


class Command(BaseCommand):
    help = "Shows what Sirvoy's export of bookings would change; with --apply it is brought in."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--exported", required=True, help="when it was exported, by the campsite's clock")
        parser.add_argument("--apply", action="store_true", help="bring it in; without it nothing is changed")

    def handle(self, *args: Any, **options: Any) -> None:
        exported_at, now = _moment(options["exported"]), timezone.now()
        try:
            export = csv_import.read(options["file"].read_bytes(), settings.SIRVOY_CSV_HEADERS)
            if options["apply"]:
                plan = csv_import.apply(export, exported_at, None, now)
            else:
                plan = csv_import.compare(export, exported_at, now)
        except (csv_import.NotAnExport, OSError) as error:
            raise CommandError(str(error)) from error
        self._show(plan)
        if not options["apply"]:
            self.stdout.write("Nothing was changed: that needs --apply.")

    def _show(self, plan: Plan) -> None:
        for entry in plan.of(What.NEW, What.CHANGED, What.HELD, What.OLDER):
            self.stdout.write(f"{entry.sirvoy_id} (line {entry.lines[0]}): {entry.what} {entry.reason}".rstrip())
            if entry.what is What.NEW:
                continue
            for change in entry.changes:
                self.stdout.write(f"    {change.field}: {change.before!r} -> {change.after!r}")
        for row in plan.bad:
            self.stdout.write(f"line {row.line}: {row.reason}")
        if plan.ignored:
            self.stdout.write(f"columns that are not read: {', '.join(plan.ignored)}")
        self.stdout.write(", ".join(f"{len(plan.of(what))} {what}" for what in What) + f", {len(plan.bad)} unreadable")
        if plan.failed:
            self.stdout.write(f"{len(plan.failed)} failed: see the events in the admin")


def _moment(text: str) -> datetime:
    if told := clock.typed(text):
        return told
    raise CommandError("--exported must be like 2026-07-31T14:00")
