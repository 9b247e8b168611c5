"""Tries whether a backup can be brought back: `manage.py restore_drill [--from TARGET]`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from monitoring.backup import BackupError, drill
from monitoring.backup.progress import Bar
from monitoring.models import Origin, RestoreDrill


class Command(BaseCommand):
    help = (
        "Brings the newest backup of a target back into a scratch database, compares it with its manifest, and drops "
        "it again. Exit code: 0 it can be brought back, 1 it cannot."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--from", dest="target", default="", help="of this target; else of the one that was not tried for longest"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        bar = Bar(sys.stderr)
        try:
            done = drill.run(Origin.COMMAND, name=options["target"], progress=bar)
        except BackupError as error:
            raise CommandError(str(error)) from error
        finally:
            bar.end()
        self._tell(done)

    def _tell(self, done: RestoreDrill) -> None:
        made_at = f" of {done.backup_at:%Y-%m-%d %H:%M} UTC" if done.backup_at else ""
        report = done.report
        for name, kind, _bytes, found in report.get("parts", []):
            self.stdout.write(f"  {kind} {name}: {found}")
        for name, kind, why in report.get("missing", []):
            self.stdout.write(f"  {kind} {name} is not in it: {why}")
        if report.get("forward"):
            self.stdout.write(f"  it was brought forward by {len(report['forward'])} migrations")
        for name, (told, found) in report.get("ledger", {}).items():
            self.stdout.write(f"  ledger, {name}: {found}" + ("" if told == found else f", but {told} in the manifest"))
        if done.status == RestoreDrill.Status.FAILED:
            raise CommandError(f"The backup{made_at} on {done.target} is not proven:\n{done.error}")
        rows = f"{report['rows']} rows in {report['tables']} tables, the ledger to the watt-hour"
        self.stdout.write(f"The backup{made_at} on {done.target} can be brought back: {rows}.")
