"""Tries whether a backup can be brought back: `manage.py restore_drill [--from TARGET]`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.translation import gettext

from monitoring.backup import BackupError, drill, words
from monitoring.backup.progress import Bar
from monitoring.models import Origin, RestoreDrill


class Command(BaseCommand):
    help = (
        "Brings the newest backup of a target back into a scratch database, compares it with its manifest, and drops "
        "it again. Exit code: 0 it can be brought back, 1 it cannot."
    )
    requires_system_checks: list[str] = []

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
        report = done.report
        for name, kind, _bytes, found in report.get("parts", []):
            self.stdout.write(f"  {words.part(kind, name)}: {found}")
        for name, kind, why in report.get("missing", []):
            told = {"part": words.part(kind, name), "why": why}
            self.stdout.write(gettext("  %(part)s is not in it: %(why)s") % told)
        if forward := len(report.get("forward", [])):
            self.stdout.write(gettext("  Migrations that brought it forward to this software: %s") % forward)
        for line in words.ledger_lines(report.get("ledger", {})):
            self.stdout.write(line)
        about = {"moment": _local(done), "target": done.target}
        if done.status == RestoreDrill.Status.FAILED:
            text = gettext("The backup of %(moment)s on %(target)s is not proven:") % about
            raise CommandError(f"{text}\n{done.error}")
        text = gettext(
            "The backup of %(moment)s on %(target)s can be brought back: rows %(rows)s, tables %(tables)s, the "
            "ledger to the watt-hour."
        )
        figures = {"rows": words.figure(report["rows"]), "tables": report["tables"]}
        self.stdout.write(text % (about | figures))


def _local(done: RestoreDrill) -> str:
    """By the campsite's clock, as --at takes it."""
    if done.backup_at is None:
        return "?"
    return f"{timezone.localtime(done.backup_at, timezone.get_default_timezone()):%Y-%m-%d %H:%M}"
